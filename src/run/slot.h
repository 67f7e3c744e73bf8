/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slot: the buffers and the state of one visit in flight. One function changes the state and
 * asserts the allowed edges:
 *
 *   FREE -feed-> READING -last read-> READY -> WORKING -last round-> DONE -write-> LEAVING -> FREE
 *                   ^                             |
 *                   +-------- next round ---------+
 *   any state -- once its requests are back, after an error --> FREE
 *
 * A round is a set of inputs whose bytes are in the slot together. With one round per visit the
 * inputs are gathered; with more, their sum waits in the plane while inputs come and go (fold).
 */
#ifndef OF_RUN_SLOT_H
#define OF_RUN_SLOT_H

#include "base/attr.h"
#include "base/err.h"
#include "plan/plan.h"
#include "run/lane.h"
#include "sys/io.h"

#include <stdbool.h>
#include <stdint.h>

enum of_slot_state {
    OF_SLOT_FREE,
    OF_SLOT_READING,
    OF_SLOT_READY,   /* on the work queue */
    OF_SLOT_WORKING, /* a worker has it; READY and WORKING look alike to the control thread */
    OF_SLOT_DONE,
    OF_SLOT_LEAVING
};

/* Where the bytes of one input lie while a round lasts. */
struct of_area {
    struct of_io_req req;
    uint8_t *buffer;      /* in the pool, while the slot has a set of areas */
    const uint8_t *data;  /* once read: what is wanted, from data_at on; NULL: nothing here */
    uint64_t skip_bytes;  /* widening in front of the wanted bytes */
    uint64_t byte_count;  /* wanted */
    uint64_t place_bytes; /* as of the range (plan.h); 0 = one read */
    uint64_t align;       /* whole blocks of so many bytes are read */
    uint32_t next_step;   /* of the visit's, with places: to be read next */
    uint32_t input;       /* index in plan->inputs */
    int32_t source_entry; /* pinned descriptor, -1 = none */
    int cache_fd;     /* >= 0: the page cache holds the bytes, the worker takes them from there */
    uint64_t data_at; /* first byte at `data`; 0, but where a worker has a part only */
    uint64_t data_bytes; /* worker: how many are there */
    bool in_panes;       /* worker: they are mapped, not copied */
    bool wanted;         /* to be read in this round */
    bool issued;         /* request is with the io layer, or was */
};

/* What a worker counted for one step of the visit. */
struct of_step_count {
    uint64_t nan_in;
    uint64_t inf_in;
    uint64_t nan_out;
    uint64_t inf_out;
    uint64_t overflow_count;
    bool differs;           /* copy: another input has other bytes */
    uint32_t differs_input; /* the first such */
};

struct of_slot {
    /* Set by init. */
    uint32_t index;
    uint32_t pool; /* part of the pool that the buffers lie in: its workers and rings serve it */
    uint32_t area_count;
    struct of_area *areas; /* area_count, then one for the base */
    uint8_t *out_area;
    uint64_t out_area_bytes;
    bool out_loaded;
    struct of_digest *leaves;     /* of the visit's grains */
    struct of_step_count *counts; /* of the visit's steps */
    double *sums;                 /* of a survey: of each grain; NULL without one */
    uint64_t *survey_counts;      /* of a survey: of each step */

    /* Control thread. */
    enum of_slot_state state;
    struct of_visit visit;
    struct of_turn turn;    /* of the visit */
    int32_t area_set;       /* -1 = none */
    uint64_t feed_number;   /* in the order in which slots were given to visits */
    uint32_t next_input;    /* first input that no round has taken yet */
    uint32_t pending_count; /* reads of this round, or writes */
    uint32_t unissued_count;
    struct of_io_req write;
    bool write_pending;    /* the bytes are not in the file yet */
    bool write_unissued;   /* of those: nor underway */
    bool retired;          /* had its turn in the order */
    uint32_t hash_pending; /* hash threads that have the slot */

    /* Control thread before READY, worker while WORKING. */
    uint32_t round_count; /* inputs in this round: areas[0 .. round_count) */
    bool is_first_round;
    bool is_last_round;
    bool is_hashed;      /* the worker that made the output has hashed it, too */
    uint8_t *out;        /* where the output bytes start */
    float *plane;        /* sums between rounds; not used with one round */
    onefold_error error; /* status OK = none */
};

/* What all slots of a run have in common. */
struct of_slot_sizes {
    const struct of_how *how;
    uint32_t leaf_count_max;              /* grains of a visit */
    uint32_t step_count_max;              /* steps of a visit */
    const struct of_survey_shape *survey; /* NULL: none is run */
};

/* Memory from the arena; the slot has no buffers yet. Ids: memory. */
OF_NODISCARD onefold_status of_slot_init(struct of_slot *slot, uint32_t index,
                                         const struct of_slot_sizes *sizes, struct of_arena *arena,
                                         onefold_error *err);

/* The only place where a state changes. */
void of_slot_enter(struct of_slot *slot, enum of_slot_state state);

/* Places output and plane of a visit in the out area; `rounds` > 1 needs the plane. */
void of_slot_place(struct of_slot *slot, const struct of_plan *plan, bool needs_plane);

static inline struct of_area *of_slot_base_area(const struct of_slot *slot)
{
    return &slot->areas[slot->area_count];
}

#endif
