/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much is asked of the disk at a time: tiles as they are planned, or parts of them with fewer
 * bytes underway. What is faster depends on the disk, or on the host behind it, by up to a sixth,
 * in both directions; so it is found out while the inputs are read
 * (docs/decisions/020-parts-of-tiles.md). The output has the same bytes. Control thread.
 */
#ifndef OF_RUN_PACE_H
#define OF_RUN_PACE_H

#include "plan/plan.h"
#include "run/trial.h"

#include <stdbool.h>
#include <stdint.h>

/* Tests say how; a run finds out. */
enum of_split { OF_SPLIT_FOUND_OUT, OF_SPLIT_NEVER, OF_SPLIT_ALWAYS, OF_SPLIT_MIXED };

struct of_pace {
    const struct of_plan *plan;
    enum of_split split;
    struct of_trial trial;
    uint64_t read_bytes; /* noted last */
    uint64_t cache_bytes;
    bool from_cache;      /* of what was noted last: whole tiles, no disk is to be pleased */
    uint64_t noted_ns;    /* 0: nothing in this pass */
    uint64_t asked_count; /* MIXED */
    uint64_t tile_count;  /* fed so far */
    uint64_t split_count; /* of these, in parts */
};

void of_pace_init(struct of_pace *pace, const struct of_plan *plan, enum of_split split);
/* At the start of a pass: the time since the last one counts for nothing. */
void of_pace_begin(struct of_pace *pace);
/* What the run has read from disks and taken from the page cache so far, and whether it has all of
 * its buffers: before that they bound it, and no way shows what it can do. */
void of_pace_note(struct of_pace *pace, uint64_t read_bytes, uint64_t cache_bytes, bool has_buffers,
                  uint64_t now_ns);
/* In how many parts shall the next tile be visited? */
uint32_t of_pace_parts(struct of_pace *pace);
/* A visit was fed, which is the last one of its tile or is not. */
void of_pace_fed(struct of_pace *pace, const struct of_visit *visit, bool ends_tile);
/* Of reads, that may be underway together. */
uint64_t of_pace_flight_bytes(const struct of_pace *pace);

#endif
