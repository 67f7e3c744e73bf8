/* SPDX-License-Identifier: Apache-2.0 */
/* Several problems of one kind of check: one alone is returned as the error, more are reported, the
 * first OF_FINDINGS_SHOWN_MAX of them, and the error counts them. */
#ifndef OF_CKPT_FINDINGS_H
#define OF_CKPT_FINDINGS_H

#include "base/err.h"

struct of_findings {
    struct of_report *report;
    const char *file; /* label of all of them */
    uint64_t count;
    onefold_error first;
};

void of_findings_add(struct of_findings *findings, const onefold_error *err);
/* ONEFOLD_OK when there were none. */
OF_NODISCARD onefold_status of_findings_end(struct of_findings *findings, onefold_error *err);

#endif
