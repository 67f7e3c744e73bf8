/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The staging folder OUT.onefold-partial: everything is built there, and one rename makes it OUT. A
 * run holds a lock on the file JOURNAL in it; a journal that nobody has locked belongs to a run
 * that was killed, and its folder is emptied and used again. (The journal has only its head so far;
 * the marks that a resumed run needs will follow it.)
 */
#ifndef OF_RUN_STAGE_H
#define OF_RUN_STAGE_H

#include "base/attr.h"
#include "base/err.h"
#include "plan/plan.h"
#include "run/target.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* How long a second run waits for the first. A killed process keeps its lock while a slow write of
 * its ring drains (2.6 s seen). */
#define OF_STAGE_WAIT_NS UINT64_C(10000000000)
#define OF_STAGE_JOURNAL "JOURNAL"

struct of_stage_options {
    uint64_t wait_ns;
    struct of_report *report;
    const volatile sig_atomic_t *cancel; /* may be NULL */
};

struct of_stage {
    const struct of_target *target;
    int folder_fd;
    int journal_fd; /* the lock; -1 = the folder is not ours */
    bool keep;      /* complete, or renamed: finish leaves it alone */
};

/* Makes the folder, or takes over one that a killed run left. Ids: target-busy, target-lock,
 * stage-foreign, cancelled, output-io, target-path. */
OF_NODISCARD onefold_status of_stage_open(struct of_stage *stage, const struct of_target *target,
                                          const struct of_plan *plan,
                                          const struct of_stage_options *options,
                                          onefold_error *err);
/*
 * All files are complete and synced: sync the folder, remove the journal, rename (with `force`
 * exchange), sync the parent, remove what was there before. Sets err->state: the data may be
 * complete although the call failed. Ids: output-sync, commit-rename, target-exists, commit-sync.
 */
OF_NODISCARD onefold_status of_stage_commit(struct of_stage *stage, bool force,
                                            struct of_report *report, onefold_error *err);
/* Closes; removes the folder unless it was committed or must be kept. Returns what is left. */
onefold_state of_stage_finish(struct of_stage *stage);

#endif
