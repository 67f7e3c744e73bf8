/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of visits. A plain hash needs the bytes of a file in order, so one output shard keeps
 * one core busy at most; with more than one hash thread as many shards are in the making at the
 * same time, each in its lane. A lane takes a shard, then the next one that no other has taken.
 *
 * A tile may be visited in parts, one right behind the other in its lane.
 *
 * Within a lane visits are fed and retire in plan order, and the visit that is due was fed before
 * all others of its lane: waiting for one's turn cannot deadlock, however few slots there are. With
 * one lane, and in a survey, whose sums must be added in plan order, that is the order of the plan.
 */
#ifndef OF_RUN_LANE_H
#define OF_RUN_LANE_H

#include "base/limits.h"
#include "plan/plan.h"

#include <stdbool.h>
#include <stdint.h>

struct of_lane {
    uint64_t next_visit; /* to be fed; end_visit: the lane has to take another shard */
    uint64_t end_visit;
    uint64_t fed_grains; /* of next_visit: parts of it */
    uint64_t fed_count;
    uint64_t retired_count; /* visits, of which several may be parts of a tile */
    uint64_t passed_count;  /* tiles */
    uint32_t busy_count;    /* of its visits in slots */
};

struct of_lanes {
    const struct of_plan *plan;
    bool survey; /* only visits with something to survey, in one lane */
    uint32_t count;
    uint64_t next_visit; /* the first one of the shards that no lane has taken */
    struct of_lane lanes[OF_HASH_THREADS_MAX];
};

/* Place of a visit in the order. */
struct of_turn {
    uint32_t lane;
    uint64_t number; /* in the lane, from 0 */
    bool ends_tile;  /* no part is to follow */
};

/* At the start of a pass. */
void of_lanes_begin(struct of_lanes *lanes, const struct of_plan *plan, uint32_t count,
                    bool survey);
/* The visit to feed next, among those of tiles below `limit`: of the lane with the fewest visits in
 * slots. From now on tiles are visited in so many parts. Returns false when there is none. */
bool of_lanes_feed(struct of_lanes *lanes, uint64_t limit, uint32_t part_count,
                   struct of_visit *ret_visit, struct of_turn *ret_turn);
/* Is there nothing to feed below `limit`? */
bool of_lanes_are_dry(const struct of_lanes *lanes, uint64_t limit);
bool of_lanes_is_due(const struct of_lanes *lanes, const struct of_turn *turn);
/* The visit that is due has retired. */
void of_lanes_retire(struct of_lanes *lanes, const struct of_turn *turn);
/* Its slot is free again, retired or not. */
void of_lanes_leave(struct of_lanes *lanes, const struct of_turn *turn);
/* Tiles that have retired, in whole. */
uint64_t of_lanes_passed_count(const struct of_lanes *lanes);

#endif
