/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much is asked of the disk at a time: tiles as they are planned, or halves of them with fewer
 * bytes underway. What is faster depends on the disk, or on the host behind it, by up to a sixth,
 * in both directions; so it is found out while the inputs are read
 * (docs/decisions/020-halves-of-tiles.md). The output has the same bytes. Control thread.
 */
#ifndef OF_RUN_PACE_H
#define OF_RUN_PACE_H

#include "plan/plan.h"
#include "run/trial.h"

#include <stdbool.h>
#include <stdint.h>

/* Tests say how; a run finds out. */
enum of_halves { OF_HALVES_FOUND_OUT, OF_HALVES_NEVER, OF_HALVES_ALWAYS, OF_HALVES_MIXED };

struct of_pace {
    const struct of_how *how;
    enum of_halves halves;
    struct of_trial trial;
    uint64_t read_bytes; /* noted last */
    uint64_t cache_bytes;
    uint64_t noted_ns;    /* 0: nothing in this pass */
    uint64_t asked_count; /* MIXED */
    uint64_t tile_count;  /* fed so far */
    uint64_t halved_count;
};

void of_pace_init(struct of_pace *pace, const struct of_how *how, enum of_halves halves);
/* At the start of a pass: the time since the last one counts for nothing. */
void of_pace_begin(struct of_pace *pace);
/* What the run has read from disks and taken from the page cache so far. */
void of_pace_note(struct of_pace *pace, uint64_t read_bytes, uint64_t cache_bytes, uint64_t now_ns);
/* Shall the next tile be visited in halves? */
bool of_pace_halves(struct of_pace *pace);
/* A visit was fed. */
void of_pace_fed(struct of_pace *pace, const struct of_visit *visit);
/* Of reads, that may be underway together. */
uint64_t of_pace_flight_bytes(const struct of_pace *pace);

#endif
