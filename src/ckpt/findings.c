/* SPDX-License-Identifier: Apache-2.0 */
/* Collects problems so that all of them are seen at once. */
#include "ckpt/findings.h"

#include "base/limits.h"
#include "base/str.h"

#include <inttypes.h>

void of_findings_add(struct of_findings *findings, const onefold_error *err)
{
    findings->count++;
    if (findings->count == 1) {
        findings->first = *err;
        return;
    }
    if (findings->count == 2) {
        of_report_err(findings->report, findings->file, &findings->first);
    }
    if (findings->count <= OF_FINDINGS_SHOWN_MAX) {
        of_report_err(findings->report, findings->file, err);
    }
}

onefold_status of_findings_end(struct of_findings *findings, onefold_error *err)
{
    if (findings->count == 0) {
        return ONEFOLD_OK;
    }
    if (findings->count == 1) {
        *err = findings->first;
        return of_err_prefix(err, "%s", of_str_escape(of_str_from(findings->file)).text);
    }
    return of_err_set(err, findings->first.id, "%s: %" PRIu64 " problems%s",
                      of_str_escape(of_str_from(findings->file)).text, findings->count,
                      findings->count > OF_FINDINGS_SHOWN_MAX ? ", the first 20 listed above"
                                                              : ", listed above");
}
