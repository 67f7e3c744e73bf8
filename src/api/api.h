/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floor 5, `api`: the public functions; may include every floor. They check arguments, call down
 * and translate structs. This file: what the files of this floor share.
 */
#ifndef OF_API_API_H
#define OF_API_API_H

#include "base/attr.h"
#include "base/check.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "onefold/merge.h"
#include "plan/plan.h"
#include "run/run.h"

/* Callers may pass NULL for the error; below this floor nobody has to care. Clears it. */
onefold_error *of_api_err(onefold_error *err, onefold_error *dummy);

/* Reserved space must be zero, so that a later version can give it a meaning. */
bool of_api_is_zero(const uint64_t *reserved, uint32_t count);

void of_api_report_init(struct of_report *report, onefold_notice_fn *fn, void *context);

/* Public progress callback and its context, behind the internal one. */
struct of_api_progress {
    onefold_progress_fn *fn;
    void *context;
};
/* `context` is a struct of_api_progress. */
void of_api_progress(void *context, const struct of_progress *progress);

/* Options of a run, translated, with what they point to. Not to be copied. */
struct of_api_run {
    struct of_report report;
    struct of_api_progress progress;
    struct of_run_options options; /* without an output */
};
OF_NODISCARD onefold_status of_api_run_prepare(const onefold_run_options *options,
                                               struct of_api_run *ret_run, onefold_error *err);

/* The plan behind the handle. */
const struct of_plan *of_api_plan(const onefold_plan *plan);

/* ONEFOLD_DIRECT_* to the internal words. Id argument. */
OF_NODISCARD onefold_status of_api_direct(int direct, enum of_direct *ret_direct,
                                          onefold_error *err);

#endif
