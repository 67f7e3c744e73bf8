/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes of output shards. Control thread. */
#include "run/lane.h"

#include "base/check.h"
#include "base/num.h"
#include "run/sums.h"

/* The first visit from `number` on that the pass makes. */
static uint64_t skip(const struct of_lanes *lanes, uint64_t number)
{
    return lanes->survey ? of_sums_next(lanes->plan, number) : number;
}

/* Where the shard of a visit ends. Visits follow output order, so a search finds it. */
static uint64_t shard_end(const struct of_plan *plan, uint64_t number)
{
    uint64_t low = number;
    uint64_t high = plan->visit_count;
    struct of_visit visit;
    uint32_t shard;

    of_plan_visit(plan, number, &visit);
    shard = visit.out_shard;
    /* low lies in the shard, high behind it. */
    while (high - low > 1) {
        const uint64_t middle = low + (high - low) / 2;

        of_plan_visit(plan, middle, &visit);
        if (visit.out_shard == shard) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high;
}

void of_lanes_begin(struct of_lanes *lanes, const struct of_plan *plan, uint32_t count, bool survey)
{
    of_assert(count >= 1 && count <= OF_HASH_THREADS_MAX && (!survey || count == 1));
    *lanes = (struct of_lanes){.plan = plan, .survey = survey, .count = count};
    lanes->next_visit = skip(lanes, 0);
}

/* Gives the lane another shard if it has come to the end of its own; in a survey, all visits. */
static void refill(struct of_lanes *lanes, struct of_lane *lane, uint64_t limit)
{
    const struct of_plan *plan = lanes->plan;

    if (lane->next_visit < lane->end_visit || lanes->next_visit >= limit) {
        return;
    }
    lane->next_visit = lanes->next_visit;
    lane->end_visit = lanes->survey ? plan->visit_count : shard_end(plan, lane->next_visit);
    lanes->next_visit = lane->end_visit;
}

/* What the lane visits next; then it is at what comes after. Returns whether the tile ends. */
static bool take(const struct of_lanes *lanes, struct of_lane *lane, uint32_t part_count,
                 struct of_visit *ret_visit)
{
    bool ends;

    of_plan_visit(lanes->plan, lane->next_visit, ret_visit);
    ends = of_plan_split(lanes->plan, lane->fed_grains, part_count, ret_visit);
    if (ends) {
        lane->next_visit = skip(lanes, lane->next_visit + 1);
        lane->fed_grains = 0;
    } else {
        lane->fed_grains += ret_visit->grain_count;
    }
    return ends;
}

bool of_lanes_feed(struct of_lanes *lanes, uint64_t limit, uint32_t part_count,
                   struct of_visit *ret_visit, struct of_turn *ret_turn)
{
    struct of_lane *best = NULL;
    bool ends;

    limit = of_num_min(limit, lanes->plan->visit_count);
    for (uint32_t i = 0; i < lanes->count; i++) {
        struct of_lane *lane = &lanes->lanes[i];

        refill(lanes, lane, limit);
        if (lane->next_visit < of_num_min(lane->end_visit, limit) &&
            (best == NULL || lane->busy_count < best->busy_count)) {
            best = lane;
        }
    }
    if (best == NULL) {
        return false;
    }
    ends = take(lanes, best, part_count, ret_visit);
    *ret_turn = (struct of_turn){
        .lane = (uint32_t)(best - lanes->lanes), .number = best->fed_count, .ends_tile = ends};
    best->fed_count++;
    best->busy_count++;
    return true;
}

bool of_lanes_are_dry(const struct of_lanes *lanes, uint64_t limit)
{
    limit = of_num_min(limit, lanes->plan->visit_count);
    for (uint32_t i = 0; i < lanes->count; i++) {
        const struct of_lane *lane = &lanes->lanes[i];

        if (lane->next_visit < of_num_min(lane->end_visit, limit)) {
            return false;
        }
    }
    return lanes->next_visit >= limit;
}

bool of_lanes_is_due(const struct of_lanes *lanes, const struct of_turn *turn)
{
    return lanes->lanes[turn->lane].retired_count == turn->number;
}

void of_lanes_retire(struct of_lanes *lanes, const struct of_turn *turn)
{
    of_assert(of_lanes_is_due(lanes, turn));
    lanes->lanes[turn->lane].retired_count++;
    lanes->lanes[turn->lane].passed_count += turn->ends_tile;
}

void of_lanes_leave(struct of_lanes *lanes, const struct of_turn *turn)
{
    of_assert(lanes->lanes[turn->lane].busy_count > 0);
    lanes->lanes[turn->lane].busy_count--;
}

uint64_t of_lanes_passed_count(const struct of_lanes *lanes)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < lanes->count; i++) {
        count += lanes->lanes[i].passed_count;
    }
    return count;
}
