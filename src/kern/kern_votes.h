/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The votes on signs. Plain loops without branches, which compilers turn into vectors of whatever
 * width they may use: each ISA file includes them and so has its own, with the bits of the law.
 * Private to this folder.
 */
#ifndef OF_KERN_KERN_VOTES_H
#define OF_KERN_KERN_VOTES_H

#include "kern/kern.h"

static inline void add_votes(struct of_kern_votes *votes, const float *restrict d, float coef,
                             int32_t share, size_t count)
{
    float *restrict sum = votes->sum;
    int32_t *restrict vote = votes->vote;
    int32_t *restrict voter = votes->voter;

    for (size_t i = 0; i < count; i++) {
        /* Masks of ones and zeros: a branch for each sign would cost ten times as much. */
        const int32_t above = -(int32_t)(d[i] > 0.0F);
        const int32_t below = -(int32_t)(d[i] < 0.0F);

        sum[i] = sum[i] + (coef * d[i]);
        vote[i] += (share & above) - (share & below);
        voter[i] += share & (above | below);
    }
}

/* Nothing branches: a coordinate that counts in full is multiplied by 1, which changes no bit. */
static inline void damp(float *restrict v, const struct of_kern_votes *votes, size_t count)
{
    const float *restrict sum = votes->sum;
    const int32_t *restrict vote = votes->vote;
    const int32_t *restrict voter = votes->voter;
    const int32_t *restrict least = votes->least;

    for (size_t i = 0; i < count; i++) {
        const int32_t size = vote[i] < 0 ? -vote[i] : vote[i];
        const int32_t whole = voter[i] > 0 ? voter[i] : 1; /* no voter, no vote: 0 of 1 */
        /* Ones where it counts in full: 1 of 1, by masks, because compilers make a branch around a
         * division of anything else. */
        const int32_t full = -(int32_t)(size >= least[i]);
        const float weight =
            (float)((size & ~full) | (1 & full)) / (float)((whole & ~full) | (1 & full));

        v[i] = weight * sum[i];
    }
}

#endif
