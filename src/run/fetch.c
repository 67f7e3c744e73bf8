/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that the page cache holds, copied by the worker. */
#include "run/fetch.h"

#include "base/check.h"
#include "base/dtype.h"
#include "base/num.h"
#include "sys/file.h"

/* Small tensors are taken many at once, a grain of a large one alone. */
enum { FETCH_BYTES_MIN = 131072 };

static onefold_status copy(struct of_area *area, uint64_t upto, onefold_error *err)
{
    const uint64_t first = area->cache_bytes;
    const uint64_t end = of_num_min(of_num_max(upto, first + FETCH_BYTES_MIN), area->byte_count);

    OF_TRY(of_file_read_at(area->cache_fd, area->buffer + first, end - first,
                           area->req.offset + first, err));
    area->cache_bytes = end;
    return ONEFOLD_OK;
}

static bool fetch_area(const struct of_view *view, struct of_area *area, uint64_t end)
{
    const struct of_plan *plan = view->job->plan;
    struct of_slot *slot = view->slot;
    const uint8_t *data;
    struct of_range range;
    uint64_t upto = 0;

    if (area->cache_fd < 0 || area->cache_bytes == area->byte_count) {
        return true;
    }
    data = of_view_data(view, area);
    if (data == NULL) {
        return true;
    }
    of_assert(of_dtype_bytes(of_view_dtype(view, area), end, &upto));
    upto += (uint64_t)(data - area->buffer);
    of_assert(upto <= area->byte_count);
    if (upto <= area->cache_bytes || copy(area, upto, &slot->error) == ONEFOLD_OK) {
        return true;
    }
    of_plan_visit_range(plan, &slot->visit, area->input, &range);
    (void)of_err_prefix(
        &slot->error, "%s",
        of_checkpoint_shard_path(plan->inputs[area->input].checkpoint, range.shard).text);
    return false;
}

bool of_fetch(const struct of_view *view, uint64_t end)
{
    struct of_slot *slot = view->slot;

    for (uint32_t i = 0; i < slot->round_count; i++) {
        if (!fetch_area(view, &slot->areas[i], end)) {
            return false;
        }
    }
    return fetch_area(view, of_view_base_area(view), end);
}
