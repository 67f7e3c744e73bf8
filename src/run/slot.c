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
    *sets = (struct of_area_sets){.how = how, .pool = pool, .coming_set = -1};
    for (uint32_t i = 0; i < how->set_count; i++) {
        sets->free |= UINT64_C(1) << i;
    }
    of_loader_start(&sets->loader, pool);
}

void of_area_sets_finish(struct of_area_sets *sets)
{
    of_loader_finish(&sets->loader);
}

static bool loader_is_free(const struct of_area_sets *sets)
{
    return sets->coming_set < 0 && sets->coming_out == NULL;
}

bool of_area_sets_take(struct of_area_sets *sets, onefold_error *err)
{
    if (!of_loader_take(&sets->loader, err)) {
        return false;
    }
    if (err->status == ONEFOLD_OK && sets->coming_out != NULL) {
        sets->coming_out->out_loaded = true;
        sets->loaded_out_count++;
    } else if (err->status == ONEFOLD_OK) {
        sets->loaded |= UINT64_C(1) << sets->coming_set;
        sets->loaded_count++;
    }
    sets->coming_set = -1;
    sets->coming_out = NULL;
    if (sets->loaded_count == sets->how->set_count &&
        sets->loaded_out_count == sets->how->slot_count) {
        sets->pool->loaded = true;
    }
    return true;
}

void of_slot_want_out(struct of_slot *slot, struct of_area_sets *sets)
{
    const uint8_t *part = sets->pool->data + slot->pool * sets->pool->part_bytes;

    if (slot->out_loaded || !loader_is_free(sets)) {
        return;
    }
    sets->coming_out = slot;
    of_loader_ask(&sets->loader, slot->pool, (uint64_t)(slot->out_area - part),
                  slot->out_area_bytes);
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

/* The first of these sets in the slot's part of the pool, or -1. */
static int32_t find_set(const struct of_slot *slot, const struct of_how *how, uint64_t which)
{
    for (uint32_t i = slot->pool; i < how->set_count; i += how->pool_count) {
        if ((which >> i & 1) != 0) {
            return (int32_t)i;
        }
    }
    return -1;
}

/* Outputs first: a tile needs one for longer than its set. Whoever waits for them does not wait for
 * ever: sets that are loaded were all in use at a time, by slots with outputs, and so is the one
 * that wants another. */
static bool may_want_set(const struct of_area_sets *sets)
{
    return loader_is_free(sets) &&
           (!sets->needs_outs || sets->loaded_count < sets->loaded_out_count);
}

void of_slot_borrow(struct of_slot *slot, struct of_area_sets *sets)
{
    int32_t set;

    if (slot->area_set >= 0) {
        return;
    }
    set = find_set(slot, sets->how, sets->free & sets->loaded);
    if (set >= 0) {
        sets->free &= ~(UINT64_C(1) << set);
        slot->area_set = set;
        place_areas(slot, sets);
        return;
    }
    set = find_set(slot, sets->how, sets->free & ~sets->loaded);
    if (set >= 0 && may_want_set(sets)) {
        sets->coming_set = set;
        of_loader_ask(&sets->loader, slot->pool, set_offset(sets->how, (uint32_t)set),
                      set_bytes(sets->how));
    }
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
