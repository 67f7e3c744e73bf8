/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker side of a visit: unpack, fold, finish, pack, leaf digests, counts of what is not finite. A
 * worker touches only the slot it was handed and reads the plan.
 */
#ifndef OF_RUN_JOB_H
#define OF_RUN_JOB_H

#include "kern/kern.h"
#include "plan/plan.h"
#include "run/slot.h"

/* What all jobs of a run share; constant while it lasts. */
struct of_job_context {
    const struct of_plan *plan;
    const struct of_kern *kern;
    struct of_io *io; /* to wake the control thread */
};

/* One worker's blocks; the plan's scratch_bytes must hold it. */
struct of_job_scratch {
    float acc[OF_BLOCK_ELEMS];
    float base[OF_BLOCK_ELEMS];
    float x[OF_BLOCK_ELEMS];
};

/* Works off the slot's round. Shaped as an of_crew_work_fn. */
void of_job_work(void *context, void *item, void *scratch);
/* A worked-off slot is on its way back: wakes the control thread. Shaped as an of_crew_done_fn. */
void of_job_done(void *context);

#endif
