/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that the page cache holds, mapped or copied by the worker. */
#include "run/fetch.h"

#include "base/check.h"
#include "base/dtype.h"
#include "base/limits.h"
#include "base/num.h"
#include "sys/file.h"

/* Kernels go on in steps of so many elements, and so many of the smallest types fill whole bytes.
 */
enum { STEP_ELEMS = 8 };

/* The areas of the round, then the base's. */
static struct of_area *area_at(struct of_slot *slot, uint32_t i)
{
    return i < slot->round_count ? &slot->areas[i] : of_slot_base_area(slot);
}

/* Of each area. */
static uint64_t part_bytes(const struct of_plan *plan, const struct of_slot *slot)
{
    return plan->how.fetch_bytes / (slot->round_count + 1);
}
_Static_assert(OF_FETCH_BYTES_MIN / (OF_INPUTS_MAX + 1) >= STEP_ELEMS * sizeof(double),
               "there is a step for every input");

/* Tensors at places of their own would each take a window. */
static bool is_mappable(const struct of_area *area)
{
    return area->cache_fd >= 0 && area->place_bytes == 0 && area->byte_count >= OF_PANE_BYTES_MIN;
}

void of_fetch_begin(const struct of_plan *plan, struct of_slot *slot,
                    struct of_job_scratch *scratch)
{
    const uint64_t part = part_bytes(plan, slot);
    uint32_t mapped_count = 0;

    for (uint32_t i = 0; i <= slot->round_count; i++) {
        struct of_area *area = area_at(slot, i);

        if (area->cache_fd >= 0) {
            area->data = scratch->fetched + i * part;
            area->data_at = 0;
            area->data_bytes = 0;
        }
        area->in_panes = scratch->panes.map != NULL && is_mappable(area);
        mapped_count += area->in_panes;
    }
    scratch->pane_bytes =
        mapped_count > 0 ? of_panes_length(&scratch->panes, mapped_count) : UINT64_MAX;
}

uint64_t of_fetch_elems(const struct of_view *view)
{
    const uint64_t part = part_bytes(view->job->plan, view->slot);
    uint64_t elems = OF_GRAIN_ELEMS;

    for (uint32_t i = 0; i <= view->slot->round_count; i++) {
        const struct of_area *area = area_at(view->slot, i);
        uint64_t at;
        uint64_t byte_count;

        if (area->cache_fd >= 0 && of_view_find(view, area, &at, &byte_count)) {
            /* 0 bytes: of a type with elements of less than one. */
            elems =
                of_num_min(elems, part / of_num_max(of_dtype_size(of_view_dtype(view, area)), 1));
        }
    }
    return elems >= OF_BLOCK_ELEMS ? of_num_align_down(elems, OF_BLOCK_ELEMS)
                                   : of_num_align_down(elems, STEP_ELEMS);
}

/* Where in the file the area's byte `at` of the view's step lies; *ret_left are those that can be
 * fetched from there on together. */
static uint64_t find_in_file(const struct of_view *view, const struct of_area *area, uint64_t at,
                             uint64_t *ret_left)
{
    struct of_range range;
    uint64_t skip;

    if (area->place_bytes == 0) {
        *ret_left = area->byte_count - at;
        return area->req.offset + at;
    }
    of_plan_step_range(view->job->plan, view->step_index, area->input, &range);
    skip = at - (view->step_index - view->slot->visit.first_step) * area->place_bytes;
    *ret_left = range.byte_count - skip;
    return range.offset + skip;
}

/* False: the slot has an error now. */
static bool copy(const struct of_plan *plan, struct of_slot *slot, const struct of_area *area,
                 uint8_t *to, uint64_t byte_count, uint64_t offset)
{
    struct of_range range;

    if (of_file_read_at(area->cache_fd, to, byte_count, offset, &slot->error) == ONEFOLD_OK) {
        return true;
    }
    of_plan_visit_range(plan, &slot->visit, area->input, &range);
    (void)of_err_prefix(
        &slot->error, "%s",
        of_checkpoint_shard_path(plan->inputs[area->input].checkpoint, range.shard).text);
    return false;
}

/* Pages were lost: whoever reads them is told why. */
static void blame_lost(const struct of_plan *plan, struct of_slot *slot,
                       struct of_job_scratch *scratch)
{
    for (uint32_t i = 0; i <= slot->round_count; i++) {
        const struct of_area *area = area_at(slot, i);

        for (uint64_t at = 0; is_mappable(area) && at < area->byte_count;
             at += plan->how.fetch_bytes) {
            if (!copy(plan, slot, area, scratch->fetched,
                      of_num_min(plan->how.fetch_bytes, area->byte_count - at),
                      area->req.offset + at)) {
                return;
            }
        }
    }
    (void)of_err_set(&slot->error, "input-io", "a page of an input could not be loaded");
}

/* Gives the windows back and looks whether all pages were there. */
static bool clear_panes(const struct of_plan *plan, struct of_slot *slot,
                        struct of_job_scratch *scratch)
{
    if (scratch->panes.map == NULL || of_panes_clear(&scratch->panes)) {
        return true;
    }
    blame_lost(plan, slot, scratch);
    return false;
}

/* Where what the view needs begins in the area; false: nothing, or it is at hand. */
static bool is_missing(const struct of_view *view, const struct of_area *area, uint64_t *ret_at,
                       uint64_t *ret_bytes)
{
    return area->cache_fd >= 0 && of_view_find(view, area, ret_at, ret_bytes) &&
           (*ret_at < area->data_at || *ret_at + *ret_bytes > area->data_at + area->data_bytes);
}

static bool is_pane_missing(const struct of_view *view)
{
    uint64_t at;
    uint64_t byte_count;

    for (uint32_t i = 0; i <= view->slot->round_count; i++) {
        const struct of_area *area = area_at(view->slot, i);

        if (area->in_panes && is_missing(view, area, &at, &byte_count)) {
            return true;
        }
    }
    return false;
}

/* The windows of all areas, from what the view needs on. An area that cannot be mapped is copied.
 */
static bool move_panes(const struct of_view *view)
{
    struct of_job_scratch *scratch = view->scratch;

    if (!clear_panes(view->job->plan, view->slot, scratch)) {
        return false;
    }
    for (uint32_t i = 0; i <= view->slot->round_count; i++) {
        struct of_area *area = area_at(view->slot, i);
        uint64_t at;
        uint64_t byte_count;

        if (!area->in_panes) {
            continue;
        }
        area->data_bytes = 0;
        if (of_view_find(view, area, &at, &byte_count)) {
            const uint64_t length = of_num_min(scratch->pane_bytes, area->byte_count - at);
            const uint8_t *data = NULL;

            /* Where pages are large, what is left of a window may be too short. */
            if (byte_count <= length) {
                data = of_panes_add(&scratch->panes, area->cache_fd, area->req.offset + at, length);
            }
            area->in_panes = data != NULL;
            if (area->in_panes) {
                area->data = data;
                area->data_at = at;
                area->data_bytes = length;
            }
        }
    }
    of_panes_load(&scratch->panes);
    return true;
}

static bool copy_area(const struct of_view *view, struct of_area *area, uint8_t *to)
{
    uint64_t at;
    uint64_t byte_count;
    uint64_t left;
    uint64_t offset;

    if (!is_missing(view, area, &at, &byte_count)) {
        return true;
    }
    offset = find_in_file(view, area, at, &left);
    area->data = to;
    area->data_at = at;
    area->data_bytes = of_num_min(part_bytes(view->job->plan, view->slot), left);
    of_assert(byte_count <= area->data_bytes);
    return copy(view->job->plan, view->slot, area, to, area->data_bytes, offset);
}

bool of_fetch(const struct of_view *view)
{
    struct of_slot *slot = view->slot;
    const uint64_t part = part_bytes(view->job->plan, slot);

    if (is_pane_missing(view) && !move_panes(view)) {
        return false;
    }
    for (uint32_t i = 0; i <= slot->round_count; i++) {
        if (!copy_area(view, area_at(slot, i), view->scratch->fetched + i * part)) {
            return false;
        }
    }
    return true;
}

void of_fetch_end(const struct of_plan *plan, struct of_slot *slot, struct of_job_scratch *scratch)
{
    (void)clear_panes(plan, slot, scratch);
}
