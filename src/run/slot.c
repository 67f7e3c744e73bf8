/* SPDX-License-Identifier: Apache-2.0 */
/* State and buffers of one visit in flight. */
#include "run/slot.h"

#include "base/check.h"
#include "base/dtype.h"
#include "base/limits.h"
#include "base/num.h"

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
                            struct of_arena *arena, onefold_error *err)
{
    const struct of_how *how = sizes->how;

    *slot = (struct of_slot){.index = index,
                             .pool = index % how->pool_count,
                             .area_count = how->area_count,
                             .area_set = -1};
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
