/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker side of a visit: unpack, fold, finish, pack, leaf digests, counts of what is not finite,
 * and sums of the file where it is the slot's turn. A worker touches only the slot it was handed,
 * with the turn the state of those sums, and reads the plan.
 */
#ifndef OF_RUN_JOB_H
#define OF_RUN_JOB_H

#include "kern/kern.h"
#include "plan/plan.h"
#include "run/slot.h"
#include "sys/window.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct of_hasher;

/* What all jobs of a run share; constant while a pass lasts. */
struct of_job_context {
    const struct of_plan *plan;
    const struct of_kern *kern;
    struct of_io *io;         /* to wake the control thread */
    struct of_hasher *hasher; /* of the output files; NULL: they have no sums */

    /* Changed between passes, when no worker has a slot. */
    bool survey;               /* statistics are gathered, nothing is made */
    const struct of_row *rows; /* the plan's, or with the coefficients that the rule found */
    const bool *selected;      /* [input]: those that the rule goes on with; NULL = all */
};

/* One worker's windows, blocks and what it fetched (run/fetch.h); chunks may follow (run/view.h).
 * The plan's scratch_bytes hold all of it. */
struct of_job_scratch {
    float acc[OF_BLOCK_ELEMS];
    float base[OF_BLOCK_ELEMS];
    float x[OF_BLOCK_ELEMS];
    struct of_panes panes;
    uint64_t pane_bytes;            /* of each area in the slot's round */
    _Alignas(64) uint8_t fetched[]; /* the plan's fetch_bytes */
};

struct of_view;

/* Division, factor and base in the order of the law, then one rounding into the slot's output. */
void of_job_finish_block(const struct of_view *view, uint64_t at, float *acc, size_t count);
/* Works off the slot's round. Shaped as an of_crew_work_fn. */
void of_job_work(void *context, void *item, void *scratch);
/* A worked-off slot is on its way back: wakes the control thread. Shaped as an of_crew_done_fn. */
void of_job_done(void *context);

#endif
