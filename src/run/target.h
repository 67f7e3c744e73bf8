/* SPDX-License-Identifier: Apache-2.0 */
/* The folder a run is asked to make: its parent, its name, and everything that speaks against it
 * before anything is written. */
#ifndef OF_RUN_TARGET_H
#define OF_RUN_TARGET_H

#include "base/attr.h"
#include "base/err.h"
#include "plan/plan.h"

#include <stdbool.h>
#include <stdint.h>

#define OF_STAGE_SUFFIX ".onefold-partial"

struct of_target {
    const char *path;       /* without slashes at the end */
    const char *name;       /* last component */
    const char *stage_name; /* name + OF_STAGE_SUFFIX, beside it */
    int parent_fd;          /* -1 = not open */
    bool exists;            /* a folder of that name is there */
    struct of_identity identity;
};

/* Takes the path apart and opens the parent. Ids: target-path, output-io (too many open files),
 * memory. */
OF_NODISCARD onefold_status of_target_open(struct of_target *target, const char *path,
                                           struct of_arena *arena, onefold_error *err);
/* Ids: target-exists, target-kind, target-is-input, output-io (too many open files). */
OF_NODISCARD onefold_status of_target_check(const struct of_target *target,
                                            const struct of_plan *plan, bool force,
                                            onefold_error *err);
/* Room for everything the plan writes; says so when the target's pages are memory. Ids:
 * space-before. */
OF_NODISCARD onefold_status of_target_check_space(const struct of_target *target,
                                                  const struct of_plan *plan,
                                                  struct of_report *report, onefold_error *err);
void of_target_finish(struct of_target *target);

#endif
