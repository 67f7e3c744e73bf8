/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers for tests: the same everywhere for one seed. */
#ifndef OF_TESTS_PRNG_H
#define OF_TESTS_PRNG_H

#include <stdint.h>

struct prng {
    uint64_t state;
};

/* The seed of this run: the environment variable ONEFOLD_SEED, else `standard`. Prints it as a TAP
 * comment, so that a failing run can be repeated. */
uint64_t prng_seed(uint64_t standard);

struct prng prng_make(uint64_t seed);
uint64_t prng_next(struct prng *prng);
/* 0 <= result < bound; bound > 0. */
uint64_t prng_below(struct prng *prng, uint64_t bound);
/* first <= result <= last. */
uint64_t prng_between(struct prng *prng, uint64_t first, uint64_t last);
/* 0 <= result < 1. */
double prng_unit(struct prng *prng);
/* Bell-shaped with mean 0 and deviation 1: a sum of twelve uniform numbers, so |result| <= 6. */
double prng_bell(struct prng *prng);
void prng_fill(struct prng *prng, void *to, uint64_t length);

#endif
