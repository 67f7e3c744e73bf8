/* SPDX-License-Identifier: Apache-2.0 */
/* Worker threads: take an item, process it, hand it back. They block all signals and run with the
 * default floating-point environment, whatever the host program set. */
#ifndef OF_SYS_CREW_H
#define OF_SYS_CREW_H

#include "base/attr.h"
#include "base/err.h"
#include "sys/node.h"
#include "sys/queue.h"

#include <fenv.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* `scratch` is this worker's own memory. */
typedef void of_crew_work_fn(void *context, void *item, void *scratch);
/* Called after each finished item was put on `done`, e.g. to wake the control thread. */
typedef void of_crew_done_fn(void *context);

/* Something that a worker does between two items. */
typedef void of_crew_thread_fn(void *context);
struct of_errand {
    of_crew_thread_fn *fn;
    void *context;
};

/* Workers come in groups; an item is processed by one of the group that it is given to. Where fewer
 * workers than groups could be had, the groups that have some serve the others too. */
struct of_crew_options {
    uint32_t worker_count; /* wanted; at least one is made or init fails */
    uint32_t group_count;  /* worker i is of group i modulo group_count; 0 = 1 */
    uint32_t item_count;   /* items that can be underway at once */
    uint32_t errand_count; /* likewise */
    of_crew_work_fn *work;
    of_crew_done_fn *done;
    void *context;
    uint8_t *scratch; /* of the first group: scratch_bytes for each worker, 64-byte aligned */
    uint64_t scratch_bytes;
    uint64_t group_bytes;         /* from a group's scratch to that of the next */
    const struct of_nodes *nodes; /* group i runs on node i of these; NULL = anywhere */
};

struct of_crew {
    struct of_crew_options options;
    struct of_queue *todo; /* [group] */
    uint32_t todo_count;   /* queues that were made */
    struct of_queue done;
    struct of_queue errands; /* those that a place in `todo` was taken for */
    pthread_t *threads;
    uint32_t thread_count; /* really running */
    uint64_t idle_ns;      /* summed over workers, valid after finish */
    void *members;
    _Atomic uint64_t busy_ns; /* summed over workers: items and errands done so far */
    uint32_t used_count;      /* workers of each group that take items */
    pthread_mutex_t mutex;    /* of that */
    pthread_cond_t used_more;
    bool can_wait; /* the two above are made */
};

OF_NODISCARD onefold_status of_crew_init(struct of_crew *crew,
                                         const struct of_crew_options *options, onefold_error *err);
/* That of worker i, or NULL. */
uint8_t *of_crew_scratch(const struct of_crew_options *options, uint32_t i);
void of_crew_give(struct of_crew *crew, uint32_t group, void *item);
/* Before all items that wait: whichever worker of the group is free next. The errand has to stay;
 * it does not come back. */
void of_crew_send(struct of_crew *crew, uint32_t group, struct of_errand *errand);
/* So many workers of each group take items from now on, one at least; the others end what they
 * have, or the next item where they wait for one already, and then they are idle. At first all do.
 */
void of_crew_use(struct of_crew *crew, uint32_t worker_count);
/* A finished item or NULL; never blocks. */
void *of_crew_take(struct of_crew *crew);
/* Waits for the workers; items still queued are processed first. */
void of_crew_finish(struct of_crew *crew);

/* One thread of ours: blocks all signals, small stack, default floating-point environment. */
struct of_thread {
    pthread_t thread;
    of_crew_thread_fn *fn;
    void *context;
    bool running;
};
OF_NODISCARD onefold_status of_thread_start(struct of_thread *thread, of_crew_thread_fn *fn,
                                            void *context, onefold_error *err);
void of_thread_join(struct of_thread *thread);

/* The default floating-point environment for the caller's own thread, where results come from it:
 * enter saves what the host program set, leave puts it back. */
struct of_float_env {
    fenv_t saved;
};
void of_float_enter(struct of_float_env *env);
void of_float_leave(const struct of_float_env *env);

#endif
