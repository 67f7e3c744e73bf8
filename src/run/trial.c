/* SPDX-License-Identifier: Apache-2.0 */
/* Two ways in turn. */
#include "run/trial.h"

#include "base/attr.h"
#include "base/limits.h"
#include "base/num.h"

#include <stdbool.h>

/* One in twelve bytes is read for a trial, of these two thirds at the most in the worse way. */
enum { STRETCHES_BETWEEN = 32 };
/* The second way is taken where it is better by more than one part in so many: what is no better
 * shall not change with the noise. */
enum { CLEARLY_BETTER = 64 };
/* It is given up early where it is worse by more than this part: a disk that was slow for a moment
 * keeps nobody from what is better, but for the time until the next trial. */
enum { CLEARLY_WORSE = 16 };

/* First and last the one, and the other is better where it is better than both: so it is not taken
 * because the disk got faster or slower meanwhile, as many do for seconds. */
static const uint32_t ways[] = {0, 1, 0};

void of_trial_init(struct of_trial *trial, uint64_t settle_bytes, uint64_t timed_bytes)
{
    *trial = (struct of_trial){.settle_bytes = settle_bytes,
                               .timed_bytes = timed_bytes,
                               .ways_ns = {UINT64_MAX, UINT64_MAX}};
}

uint32_t of_trial_way(const struct of_trial *trial)
{
    return trial->stretch < OF_LENGTH(ways) ? ways[trial->stretch] : trial->better_way;
}

/* ns for a MiB: a stretch may be longer than another by what came last. */
static uint64_t mib_ns(uint64_t ns, uint64_t byte_count)
{
    return (uint64_t)((double)ns * OF_MIB / (double)byte_count);
}

static void begin_stretch(struct of_trial *trial, uint32_t stretch)
{
    trial->stretch = stretch;
    trial->bytes = 0;
    trial->counted_bytes = 0;
    trial->ns = 0;
    trial->early_bytes = 0;
    trial->early_ns = 0;
}

static void end_stretch(struct of_trial *trial)
{
    if (trial->stretch < OF_LENGTH(ways)) {
        uint64_t *best_ns = &trial->ways_ns[ways[trial->stretch]];

        *best_ns = of_num_min(*best_ns, mib_ns(trial->ns, trial->counted_bytes));
    }
    begin_stretch(trial, trial->stretch + 1);
    if (trial->stretch == OF_LENGTH(ways)) {
        const uint64_t second_ns = trial->ways_ns[1];

        trial->better_way = second_ns + second_ns / CLEARLY_BETTER < trial->ways_ns[0];
    } else if (trial->stretch == OF_LENGTH(ways) + STRETCHES_BETWEEN) {
        const uint32_t better_way = trial->better_way;

        of_trial_init(trial, trial->settle_bytes, trial->timed_bytes);
        trial->better_way = better_way;
    }
}

/* The second third of what settles tells enough of a way that is much worse. */
static bool is_given_up(struct of_trial *trial, uint64_t byte_count, uint64_t ns)
{
    const uint64_t third = trial->settle_bytes / 3;
    const uint64_t before = trial->bytes - byte_count;
    const uint64_t first_ns = trial->ways_ns[0];

    if (trial->stretch != 1 || before < third || before >= 2 * third) {
        return false;
    }
    trial->early_bytes += byte_count;
    trial->early_ns += ns;
    return trial->bytes >= 2 * third &&
           mib_ns(trial->early_ns, trial->early_bytes) > first_ns + first_ns / CLEARLY_WORSE;
}

void of_trial_note(struct of_trial *trial, uint64_t byte_count, uint64_t ns)
{
    trial->bytes += byte_count;
    if (is_given_up(trial, byte_count, ns)) {
        trial->better_way = 0;
        begin_stretch(trial, OF_LENGTH(ways));
        return;
    }
    if (trial->bytes > trial->settle_bytes) {
        trial->counted_bytes += byte_count;
        trial->ns += ns;
    }
    if (trial->bytes >= trial->settle_bytes + trial->timed_bytes) {
        end_stretch(trial);
    }
}
