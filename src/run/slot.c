/* SPDX-License-Identifier: Apache-2.0 */
/* State and buffers of one visit in flight. */
#include "run/slot.h"

#include "base/check.h"
#include "base/dtype.h"
#include "base/limits.h"
#include "base/num.h"

/* How many of `count` lie in one part of the pool. */
static uint64_t part_share(const struct of_how *how, uint32_t count)
{
    return of_num_div_ceil(count, how->pool_count);
}

static uint64_t set_bytes(const struct of_how *how)
{
    return how->slot_bytes - how->out_area_bytes;
}

static uint64_t out_bytes(const struct of_how *how)
{
    return part_share(how, how->slot_count) * how->out_area_bytes;
}

uint64_t of_slots_part_bytes(const struct of_how *how)
{
    return out_bytes(how) + part_share(how, how->set_count) * set_bytes(how);
}

/* ---- Sets of areas ---- */

_Static_assert(OF_SLOTS_MAX <= 64, "a bit for every set");

void of_area_sets_init(struct of_area_sets *sets, const struct of_how *how, struct of_pool *pool)
{
    *sets = (struct of_area_sets){.how = how, .pool = pool};
    for (uint32_t i = 0; i < how->set_count; i++) {
        sets->free |= UINT64_C(1) << i;
    }
    of_area_sets_go_on(sets);
}

void of_area_sets_go_on(struct of_area_sets *sets)
{
    sets->may_load = true;
    sets->may_load_out = true;
}

static void note_loaded(struct of_area_sets *sets)
{
    const uint64_t all = UINT64_MAX >> (64 - sets->how->set_count);

    if (sets->loaded == all && sets->loaded_out_count == sets->how->slot_count) {
        sets->pool->loaded = true;
    }
}

bool of_slot_may_load_out(const struct of_slot *slot, const struct of_area_sets *sets)
{
    return slot->out_loaded || sets->may_load_out;
}

onefold_status of_slot_load_out(struct of_slot *slot, struct of_area_sets *sets, onefold_error *err)
{
    const uint8_t *part = sets->pool->data + slot->pool * sets->pool->part_bytes;

    if (slot->out_loaded) {
        return ONEFOLD_OK;
    }
    OF_TRY(of_pool_load(sets->pool, slot->pool, (uint64_t)(slot->out_area - part),
                        slot->out_area_bytes, err));
    slot->out_loaded = true;
    sets->may_load_out = false;
    sets->loaded_out_count++;
    note_loaded(sets);
    return ONEFOLD_OK;
}

/* Where set `index` begins in its part of the pool. */
static uint64_t set_offset(const struct of_how *how, uint32_t index)
{
    return out_bytes(how) + index / how->pool_count * set_bytes(how);
}

static void place_areas(struct of_slot *slot, const struct of_area_sets *sets)
{
    const struct of_how *how = sets->how;
    uint8_t *at = sets->pool->data + slot->pool * sets->pool->part_bytes +
                  set_offset(how, (uint32_t)slot->area_set);

    for (uint32_t i = 0; i <= how->area_count; i++) {
        slot->areas[i].buffer = at;
        at += i < how->area_count ? how->area_bytes : how->base_area_bytes;
    }
}

static onefold_status load_set(struct of_area_sets *sets, uint32_t part, uint32_t index,
                               onefold_error *err)
{
    const struct of_how *how = sets->how;

    OF_TRY(of_pool_load(sets->pool, part, set_offset(how, index), set_bytes(how), err));
    sets->loaded |= UINT64_C(1) << index;
    sets->may_load = false;
    note_loaded(sets);
    return ONEFOLD_OK;
}

onefold_status of_slot_borrow(struct of_slot *slot, struct of_area_sets *sets, onefold_error *err)
{
    const struct of_how *how = sets->how;
    uint32_t i = slot->pool;

    while (i < how->set_count && (sets->free >> i & 1) == 0) {
        i += how->pool_count;
    }
    if (slot->area_set >= 0 || i >= how->set_count) {
        return ONEFOLD_OK;
    }
    if ((sets->loaded >> i & 1) == 0) {
        if (!sets->may_load) {
            return ONEFOLD_OK;
        }
        OF_TRY(load_set(sets, slot->pool, i, err));
    }
    sets->free &= ~(UINT64_C(1) << i);
    slot->area_set = (int32_t)i;
    place_areas(slot, sets);
    return ONEFOLD_OK;
}

void of_slot_give_back(struct of_slot *slot, struct of_area_sets *sets)
{
    if (slot->area_set >= 0) {
        sets->free |= UINT64_C(1) << slot->area_set;
        slot->area_set = -1;
    }
}

/* ---- Slots ---- */

static onefold_status make_sums(struct of_slot *slot, const struct of_slot_sizes *sizes,
                                struct of_arena *arena, onefold_error *err)
{
    const struct of_survey_shape *shape = sizes->survey;

    if (shape == NULL) {
        return ONEFOLD_OK;
    }
    slot->sums = OF_ARENA_NEW(arena, double,
                              of_num_max(1, (uint64_t)sizes->leaf_count_max * shape->sum_count));
    slot->survey_counts = OF_ARENA_NEW(
        arena, uint64_t, of_num_max(1, (uint64_t)sizes->step_count_max * shape->count_count));
    if (slot->sums == NULL || slot->survey_counts == NULL) {
        return of_err_set(err, "memory", "no memory for the sums of the run");
    }
    return ONEFOLD_OK;
}

onefold_status of_slot_init(struct of_slot *slot, uint32_t index, const struct of_slot_sizes *sizes,
                            const struct of_pool *pool, struct of_arena *arena, onefold_error *err)
{
    const struct of_how *how = sizes->how;
    const uint32_t part = index % how->pool_count;

    /* Direct I/O needs every area to start on a block. */
    of_assert(how->area_bytes % OF_DIRECT_ALIGN_MAX == 0 &&
              how->base_area_bytes % OF_DIRECT_ALIGN_MAX == 0 &&
              how->out_area_bytes % OF_DIRECT_ALIGN_MAX == 0);
    *slot = (struct of_slot){
        .index = index, .pool = part, .area_count = how->area_count, .area_set = -1};
    slot->areas = OF_ARENA_NEW(arena, struct of_area, (uint64_t)how->area_count + 1);
    slot->leaves = OF_ARENA_NEW(arena, struct of_digest, sizes->leaf_count_max);
    slot->counts = OF_ARENA_NEW(arena, struct of_step_count, sizes->step_count_max);
    if (slot->areas == NULL || slot->leaves == NULL || slot->counts == NULL) {
        return of_err_set(err, "memory", "no memory for the slots of the run");
    }
    OF_TRY(make_sums(slot, sizes, arena, err));
    for (uint32_t i = 0; i <= how->area_count; i++) {
        slot->areas[i].source_entry = -1;
        slot->areas[i].cache_fd = -1;
    }
    slot->out_area =
        pool->data + part * pool->part_bytes + index / how->pool_count * how->out_area_bytes;
    slot->out_area_bytes = how->out_area_bytes;
    return ONEFOLD_OK;
}

static bool is_edge(enum of_slot_state from, enum of_slot_state to)
{
    switch (from) {
    case OF_SLOT_FREE:
        return to == OF_SLOT_READING;
    case OF_SLOT_READING:
        return to == OF_SLOT_READY || to == OF_SLOT_FREE;
    case OF_SLOT_READY:
        return to == OF_SLOT_WORKING;
    case OF_SLOT_WORKING:
        return to == OF_SLOT_READING || to == OF_SLOT_DONE || to == OF_SLOT_FREE;
    case OF_SLOT_DONE:
        return to == OF_SLOT_LEAVING || to == OF_SLOT_FREE;
    case OF_SLOT_LEAVING:
        return to == OF_SLOT_FREE;
    }
    return false;
}

void of_slot_enter(struct of_slot *slot, enum of_slot_state state)
{
    of_assert(is_edge(slot->state, state));
    slot->state = state;
}

/* The plane may lie under the output only if packing never overtakes it: with elements of at most
 * four bytes the output of element i ends at or before the f32 of element i begins to be reread. */
static bool may_overlay(const struct of_plan *plan, const struct of_visit *visit)
{
    for (uint32_t i = 0; i < visit->step_count; i++) {
        const uint32_t step = visit->first_step + i;

        if (plan->steps[step].kind == OF_STEP_COPY ||
            of_dtype_size((onefold_dtype)plan->tensors[step].dtype) > sizeof(float)) {
            return false;
        }
    }
    return true;
}

void of_slot_place(struct of_slot *slot, const struct of_plan *plan, bool needs_plane)
{
    const struct of_visit *visit = &slot->visit;
    const uint64_t lead = visit->out_offset % OF_DIRECT_ALIGN_MAX;
    uint64_t plane_at = OF_DIRECT_ALIGN_MAX;

    /* The output starts at the same place in its memory block as in its block of the file, so that
     * whole blocks can be written directly from here. */
    slot->out = slot->out_area + lead;
    of_assert(lead + visit->out_bytes <= slot->out_area_bytes);
    slot->plane = NULL;
    if (!needs_plane) {
        return;
    }
    if (!may_overlay(plan, visit)) {
        plane_at = of_num_align_up(lead + visit->out_bytes, OF_DIRECT_ALIGN_MAX);
    }
    of_assert(plane_at + visit->elem_count * sizeof(float) <= slot->out_area_bytes);
    slot->plane = (float *)(void *)(slot->out_area + plane_at);
}
