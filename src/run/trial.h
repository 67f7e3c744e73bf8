/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of two ways to do the same is faster, found out while it is done. What a disk likes nobody
 * tells: requests of 4 MiB were a twentieth faster than those of 1 MiB on one machine and a sixth
 * slower on another. Both ways are taken in turn for a while, then the better one for longer, and
 * so on, because disks change.
 */
#ifndef OF_RUN_TRIAL_H
#define OF_RUN_TRIAL_H

#include <stdint.h>

struct of_trial {
    /* A stretch: first bytes that do not count, because the other way still has effects; then those
     * that are timed. */
    uint64_t settle_bytes;
    uint64_t timed_bytes;
    uint32_t stretch;    /* of a trial, then of the time after it */
    uint32_t better_way; /* of the last trial */
    uint64_t bytes;      /* in this stretch */
    uint64_t counted_bytes;
    uint64_t ns;          /* for those */
    uint64_t early_bytes; /* of those that do not count, where the second way is looked at early */
    uint64_t early_ns;
    uint64_t ways_ns[2]; /* in this trial, for a MiB of the better stretch */
};

/* A way is tried for so many bytes at a time; much more settle than is underway when it changes.
 * The second way is given up while it settles where it is clearly worse than the first was. */
void of_trial_init(struct of_trial *trial, uint64_t settle_bytes, uint64_t timed_bytes);

/* 0 or 1. */
uint32_t of_trial_way(const struct of_trial *trial);
/* So many bytes came in so much time, in the way that was told. */
void of_trial_note(struct of_trial *trial, uint64_t byte_count, uint64_t ns);

#endif
