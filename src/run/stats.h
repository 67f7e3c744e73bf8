/* SPDX-License-Identifier: Apache-2.0 */
/* Progress of a run, and the thread that wakes the control thread now and then: without it a run
 * that waits for a slow disk would neither show progress nor see that it shall stop. */
#ifndef OF_RUN_STATS_H
#define OF_RUN_STATS_H

#include "base/attr.h"
#include "base/err.h"
#include "run/run.h"
#include "sys/clock.h"
#include "sys/crew.h"
#include "sys/io.h"

#include <stdbool.h>
#include <stdint.h>

struct of_ticker {
    struct of_thread thread;
    struct of_io *io;
    struct of_sleeper sleeper;
};

/* Starts the ticker when anybody would notice: progress is wanted, or the run can be cancelled. */
OF_NODISCARD onefold_status of_ticker_start(struct of_ticker *ticker, struct of_io *io, bool wanted,
                                            onefold_error *err);
void of_ticker_stop(struct of_ticker *ticker);

struct of_meter {
    of_progress_fn *fn; /* may be NULL */
    void *context;
    uint64_t total_bytes;
    uint32_t pass; /* from 1 */
    uint32_t pass_count;
    uint64_t start_ns;
    uint64_t shown_ns; /* last call of fn */
    uint64_t moved_ns; /* last completion */
};

/* One pass; whoever has more of them counts `pass` up. */
void of_meter_init(struct of_meter *meter, of_progress_fn *fn, void *context, uint64_t total_bytes);
/* Something completed. */
void of_meter_moved(struct of_meter *meter);
/* True when nothing completed for so long that a file is worth naming. */
bool of_meter_is_stuck(const struct of_meter *meter);
/* Calls fn if it is time, or in any case with `force`. */
void of_meter_show(struct of_meter *meter, uint64_t done_bytes, const char *waiting_for,
                   bool force);

#endif
