/* SPDX-License-Identifier: Apache-2.0 */
/* onefold plan: everything up to the first data byte. */
#include "verbs.h"

onefold_status cmd_plan(const struct opts *opts, struct out *out, onefold_error *err)
{
    struct planning planning;
    onefold_status status = planning_make(opts, out, 0, &planning, err);

    if (status == ONEFOLD_OK) {
        status = planning_print(&planning, opts, out, err);
    }
    planning_finish(&planning);
    return status;
}
