/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The survey: one pass over the inputs that gathers statistics of the task vectors (plan.h, struct
 * of_survey_shape) and writes nothing. A merge by a Gram rule runs it before the blend; compare
 * runs it alone. Same slots, reads and workers as a merge; visits retire in plan order, where
 * partial sums of the grains are added.
 */
#ifndef OF_RUN_SURVEY_H
#define OF_RUN_SURVEY_H

#include "base/attr.h"
#include "base/err.h"
#include "plan/plan.h"
#include "run/run.h"

#include <stdint.h>

/* Statistics of one whole step, in plan order; called by the control thread, must not allocate. */
typedef void of_survey_step_fn(void *context, uint32_t step, const double *sums,
                               const uint64_t *counts);

struct of_survey_options {
    of_survey_step_fn *step;
    void *context;
    const struct of_run_options *run; /* report, progress, cancel, cpu_cap, backend; no output */
};

/* Runs only the survey of a plan that has one. */
OF_NODISCARD onefold_status of_survey_run(const struct of_plan *plan,
                                          const struct of_survey_options *options,
                                          struct of_run_stats *ret_stats, onefold_error *err);

#endif
