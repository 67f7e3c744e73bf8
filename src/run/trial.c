/* SPDX-License-Identifier: Apache-2.0 */
/* Two ways in turn. */
#include "run/trial.h"

#include "base/attr.h"
#include "base/limits.h"

/* One in twelve bytes is read for a trial, of these a third or two in the worse way. */
enum { STRETCHES_BETWEEN = 32 };
/* The second way is taken where it is better by more than one part in so many: what is no better
 * shall not change with the noise. */
enum { CLEARLY_BETTER = 64 };

/* First and last the one, so that a disk that gets slower meanwhile favours none. */
static const uint32_t ways[] = {0, 1, 0};

void of_trial_init(struct of_trial *trial, uint64_t settle_bytes, uint64_t timed_bytes)
{
    *trial = (struct of_trial){.settle_bytes = settle_bytes, .timed_bytes = timed_bytes};
}

uint32_t of_trial_way(const struct of_trial *trial)
{
    return trial->stretch < OF_LENGTH(ways) ? ways[trial->stretch] : trial->better_way;
}

static void end_stretch(struct of_trial *trial)
{
    if (trial->stretch < OF_LENGTH(ways)) {
        /* For a MiB: a stretch may be longer than another by what came last. */
        trial->ways_ns[ways[trial->stretch]] +=
            (uint64_t)((double)trial->ns * OF_MIB / (double)trial->counted_bytes);
    }
    trial->bytes = 0;
    trial->counted_bytes = 0;
    trial->ns = 0;
    trial->stretch++;
    if (trial->stretch == OF_LENGTH(ways)) {
        const uint64_t second_ns = 2 * trial->ways_ns[1]; /* for as many stretches as the first */

        trial->better_way = second_ns + second_ns / CLEARLY_BETTER < trial->ways_ns[0];
    } else if (trial->stretch == OF_LENGTH(ways) + STRETCHES_BETWEEN) {
        const uint32_t better_way = trial->better_way;

        of_trial_init(trial, trial->settle_bytes, trial->timed_bytes);
        trial->better_way = better_way;
    }
}

void of_trial_note(struct of_trial *trial, uint64_t byte_count, uint64_t ns)
{
    trial->bytes += byte_count;
    if (trial->bytes > trial->settle_bytes) {
        trial->counted_bytes += byte_count;
        trial->ns += ns;
    }
    if (trial->bytes >= trial->settle_bytes + trial->timed_bytes) {
        end_stretch(trial);
    }
}
