/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of a run, shared out. Each of its parts holds, in this order, the scratch of its
 * workers, the outputs of its slots, and sets of read areas. A slot has an output of its own; a set
 * it borrows for bytes from the disk and keeps until the last of them are worked off. What the page
 * cache holds needs none.
 *
 * Memory is loaded when it is wanted first, by a thread of its own, piece by piece: tiles go round
 * in what is there while more comes. The pool counts as loaded when the last of all was.
 */
#ifndef OF_RUN_BUFFERS_H
#define OF_RUN_BUFFERS_H

#include "base/err.h"
#include "plan/plan.h"
#include "run/slot.h"
#include "sys/loader.h"
#include "sys/pool.h"

#include <stdbool.h>
#include <stdint.h>

struct of_buffers {
    const struct of_how *how;
    struct of_pool *pool;
    struct of_slot *slots;
    struct of_loader loader;
    bool needs_outs;           /* in this pass; set by the loop */
    uint32_t begun_part_count; /* parts whose scratch and first output are loaded */
    uint64_t free_sets;        /* a bit each */
    uint64_t loaded_sets;      /* a bit each */
    uint32_t loaded_set_count;
    uint64_t lent_count; /* so many times was one lent */
    uint32_t loaded_out_count;
    int32_t coming_set;         /* the loader has it; -1 = none */
    struct of_slot *coming_out; /* the same of a slot's output; NULL = none */
};

/* Bytes of a part of the pool. */
uint64_t of_buffers_part_bytes(const struct of_how *how);
/* Gives the slot its output, whose memory is not there yet. */
void of_buffers_place(const struct of_how *how, const struct of_pool *pool, struct of_slot *slot);
/* Asks for the scratch of the workers and the first output at once. Slots as of_slot_init left
 * them, how->slot_count of them. Finish in any case. */
void of_buffers_init(struct of_buffers *buffers, const struct of_how *how, struct of_pool *pool,
                     struct of_slot *slots);
/* Notes what the loader has done; true when that was something. *err then has its status, id memory
 * when it is not OK. */
bool of_buffers_take(struct of_buffers *buffers, onefold_error *err);
/* Is there the memory for a visit in this slot, but for read areas? */
bool of_buffers_may_feed(const struct of_buffers *buffers, const struct of_slot *slot);
/* Asks for memory that is likely to be wanted, where the loader is free: of one more output, or
 * once as many sets were lent as there are, of one more set. So every run but a short one, or one
 * that reads next to nothing from the disk, has all of its memory soon. */
void of_buffers_want_more(struct of_buffers *buffers);
/* Lends the slot a set of its part of the pool, where it has none and one is free and loaded: then
 * its area_set is not negative. Otherwise asks for the memory of one, where the loader is free. */
void of_buffers_lend(struct of_buffers *buffers, struct of_slot *slot);
void of_buffers_give_back(struct of_buffers *buffers, struct of_slot *slot);
void of_buffers_finish(struct of_buffers *buffers);

#endif
