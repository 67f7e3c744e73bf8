/* SPDX-License-Identifier: Apache-2.0 */
/* How many workers work. */
#include "run/staff.h"

#include "base/limits.h"
#include "base/num.h"

/* Looked at after so many bytes: some batches of what a disk reports together. */
#define WINDOW_BYTES (64 * OF_MIB)

/* One worker fewer, where those that are left would be busy for less than this part of the time;
 * all again where those that work are busy for more than that one. */
static const double enough_busy = 0.7;
static const double too_busy = 0.85;

void of_staff_init(struct of_staff *staff, uint32_t worker_count, uint32_t group_count)
{
    *staff = (struct of_staff){.worker_count = (uint32_t)of_num_div_ceil(worker_count, group_count),
                               .group_count = group_count};
    staff->used_count = staff->worker_count;
}

void of_staff_begin(struct of_staff *staff, const struct of_staff_note *note)
{
    staff->since = *note;
}

uint32_t of_staff_note(struct of_staff *staff, const struct of_staff_note *note)
{
    const struct of_staff_note *since = &staff->since;
    double busy;

    if (note->cache_bytes > since->cache_bytes) { /* no disk is to be pleased */
        staff->used_count = staff->worker_count;
        staff->since = *note;
        return staff->used_count;
    }
    if (note->read_bytes - since->read_bytes < WINDOW_BYTES || note->now_ns <= since->now_ns) {
        return staff->used_count;
    }
    /* In workers of a group. */
    busy = (double)(note->busy_ns - since->busy_ns) / (double)(note->now_ns - since->now_ns) /
           staff->group_count;
    if (busy > too_busy * staff->used_count) {
        staff->used_count = staff->worker_count;
    } else if (staff->used_count > 1 && busy < enough_busy * (staff->used_count - 1)) {
        staff->used_count--;
    }
    staff->since = *note;
    return staff->used_count;
}
