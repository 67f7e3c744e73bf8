/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the inner products of a comparison in a file (fmt/stats_file.h), for merge --stats. The
 * file is written beside its place and takes its name in one step. */
#ifndef OF_API_STATS_SAVE_H
#define OF_API_STATS_SAVE_H

#include "base/attr.h"
#include "base/err.h"
#include "plan/plan.h"

struct of_stats_save {
    const char *path;
    char *partial; /* name it has until it is complete */
    int fd;        /* -1 = none */
};

/* Makes the file beside `path`; `save->fd` is -1. What stands at `path` stays, and must not be one
 * of the inputs. Ids: target-kind, target-is-input, and those of files. */
OF_NODISCARD onefold_status of_stats_save_begin(struct of_stats_save *save,
                                                const struct of_plan *plan, const char *path,
                                                onefold_error *err);
/* Writes and names it. `gram` is the whole T x T matrix, finite. Ids: output-io, output-sync,
 * commit-rename, memory. */
OF_NODISCARD onefold_status of_stats_save_end(struct of_stats_save *save,
                                              const struct of_plan *plan, const double *gram,
                                              onefold_error *err);
/* Removes what is not complete. */
void of_stats_save_finish(struct of_stats_save *save);

#endif
