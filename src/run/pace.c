/* SPDX-License-Identifier: Apache-2.0 */
/* The pace of reads. */
#include "run/pace.h"

#include "base/limits.h"
#include "base/num.h"

/* More than is underway, or fed, in the way before; of what comes then less is timed in a smaller
 * merge, as long as it is not too short to tell anything. */
#define SETTLE_BYTES    (96 * OF_MIB)
#define TIMED_BYTES_MAX (128 * OF_MIB)
#define TIMED_BYTES_MIN (64 * OF_MIB)
enum { TIMED_OF_MERGE = 64 };

static void begin_trial(struct of_pace *pace)
{
    const uint64_t share = pace->plan->read_bytes / TIMED_OF_MERGE;

    of_trial_init(&pace->trial, SETTLE_BYTES,
                  of_num_min(of_num_max(share, TIMED_BYTES_MIN), TIMED_BYTES_MAX));
}

void of_pace_init(struct of_pace *pace, const struct of_plan *plan, enum of_split split)
{
    *pace = (struct of_pace){.plan = plan, .split = split};
    begin_trial(pace);
}

void of_pace_begin(struct of_pace *pace)
{
    pace->noted_ns = 0;
}

void of_pace_note(struct of_pace *pace, uint64_t read_bytes, uint64_t cache_bytes, bool has_buffers,
                  uint64_t now_ns)
{
    const uint64_t read = read_bytes - pace->read_bytes;
    const uint64_t cached = cache_bytes - pace->cache_bytes;

    if (read + cached == 0) {
        return;
    }
    pace->from_cache = cached > 0;
    if (pace->from_cache) {
        begin_trial(pace);
    } else if (pace->noted_ns != 0 && has_buffers) {
        of_trial_note(&pace->trial, read, now_ns - pace->noted_ns);
    }
    pace->read_bytes = read_bytes;
    pace->cache_bytes = cache_bytes;
    pace->noted_ns = now_ns;
}

/* Parts are tried first: less memory has to be loaded before they all have some. */
static bool splits(const struct of_pace *pace)
{
    if (pace->split != OF_SPLIT_FOUND_OUT) {
        return pace->split != OF_SPLIT_NEVER;
    }
    return !pace->from_cache && of_trial_way(&pace->trial) == 0;
}

uint32_t of_pace_parts(struct of_pace *pace)
{
    const struct of_how *how = &pace->plan->how;
    const uint64_t tile_bytes = how->area_count * how->area_bytes + how->base_area_bytes;

    if (pace->split == OF_SPLIT_MIXED) {
        return (uint32_t)(pace->asked_count++ % 4 + 1);
    }
    if (!splits(pace)) {
        return 1;
    }
    return of_plan_part_count(tile_bytes);
}

void of_pace_fed(struct of_pace *pace, const struct of_visit *visit, bool ends_tile)
{
    pace->tile_count += ends_tile;
    pace->split_count += ends_tile && visit->is_part;
}

/* Half as many were best with parts, of four inputs and of nine. */
uint64_t of_pace_flight_bytes(const struct of_pace *pace)
{
    const uint64_t flight_bytes = pace->plan->how.flight_bytes;

    return splits(pace) ? flight_bytes / 2 : flight_bytes;
}
