/* SPDX-License-Identifier: Apache-2.0 */
/* Two ways in turn. */
#include "run/trial.h"

#include "base/attr.h"
#include "base/limits.h"

/* Much more than is underway when the way changes. */
#define STAGE_BYTES (128 * OF_MIB)
/* One in nine bytes is read for a trial, half of these in the worse way. */
enum { STAGES_BETWEEN = 32 };

/* First and last the one, so that a disk that gets slower meanwhile favours none. */
static const uint32_t ways[] = {0, 1, 1, 0};

uint32_t of_trial_way(const struct of_trial *trial)
{
    return trial->stage < OF_LENGTH(ways) ? ways[trial->stage] : trial->better_way;
}

void of_trial_note(struct of_trial *trial, uint64_t byte_count, uint64_t ns)
{
    trial->bytes += byte_count;
    trial->ns += ns;
    if (trial->bytes < STAGE_BYTES) {
        return;
    }
    if (trial->stage < OF_LENGTH(ways)) {
        /* For a MiB: a stage may be longer than another by a chunk. */
        trial->ways_ns[ways[trial->stage]] += trial->ns / (trial->bytes / OF_MIB);
    }
    trial->bytes = 0;
    trial->ns = 0;
    trial->stage++;
    if (trial->stage == OF_LENGTH(ways)) {
        trial->better_way = trial->ways_ns[1] < trial->ways_ns[0];
    } else if (trial->stage == OF_LENGTH(ways) + STAGES_BETWEEN) {
        *trial = (struct of_trial){.better_way = trial->better_way};
    }
}
