/* SPDX-License-Identifier: Apache-2.0 */
/* The pace of reads. */
#include "run/pace.h"

#include "base/limits.h"

/* After a change the disk took up to 128 MiB to get faster or slower; as much again is timed. */
#define STAGE_BYTES (256 * OF_MIB)

void of_pace_init(struct of_pace *pace, const struct of_how *how, enum of_halves halves)
{
    *pace = (struct of_pace){.how = how, .halves = halves};
    of_trial_init(&pace->trial, STAGE_BYTES);
}

void of_pace_begin(struct of_pace *pace)
{
    pace->noted_ns = 0;
}

static bool is_short(const struct of_pace *pace)
{
    return pace->halves == OF_HALVES_FOUND_OUT ? of_trial_way(&pace->trial) == 1
                                               : pace->halves != OF_HALVES_NEVER;
}

void of_pace_note(struct of_pace *pace, uint64_t read_bytes, uint64_t cache_bytes, uint64_t now_ns)
{
    const uint64_t read = read_bytes - pace->read_bytes;
    const uint64_t cached = cache_bytes - pace->cache_bytes;

    if (read + cached == 0) {
        return;
    }
    if (cached > 0) {
        of_trial_init(&pace->trial, STAGE_BYTES);
    } else if (pace->noted_ns != 0) {
        of_trial_note(&pace->trial, read, now_ns - pace->noted_ns);
    }
    pace->read_bytes = read_bytes;
    pace->cache_bytes = cache_bytes;
    pace->noted_ns = now_ns;
}

bool of_pace_halves(struct of_pace *pace)
{
    return pace->halves == OF_HALVES_MIXED ? pace->asked_count++ % 5 < 2 : is_short(pace);
}

void of_pace_fed(struct of_pace *pace, const struct of_visit *visit)
{
    pace->tile_count += visit->part != OF_VISIT_SECOND_HALF;
    pace->halved_count += visit->part == OF_VISIT_FIRST_HALF;
}

/* Two thirds of the bytes were best with halves, for four inputs and for nine. */
uint64_t of_pace_flight_bytes(const struct of_pace *pace)
{
    return is_short(pace) ? pace->how->flight_bytes / 3 * 2 : pace->how->flight_bytes;
}
