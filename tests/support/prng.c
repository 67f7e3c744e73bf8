/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers for tests: splitmix64, which is one line and passes what a test asks of it. */
#include "support/prng.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t prng_seed(uint64_t standard)
{
    const char *text = getenv("ONEFOLD_SEED");
    uint64_t seed = text != NULL && text[0] != '\0' ? strtoull(text, NULL, 0) : standard;

    printf("# ONEFOLD_SEED=%" PRIu64 "\n", seed);
    fflush(stdout);
    return seed;
}

struct prng prng_make(uint64_t seed)
{
    return (struct prng){.state = seed};
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t z = prng->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t prng_below(struct prng *prng, uint64_t bound)
{
    /* The bias is below bound / 2^64: nothing a test could notice. */
    return prng_next(prng) % bound;
}

uint64_t prng_between(struct prng *prng, uint64_t first, uint64_t last)
{
    return first + prng_below(prng, last - first + 1);
}

double prng_unit(struct prng *prng)
{
    return (double)(prng_next(prng) >> 11) * 0x1p-53;
}

double prng_bell(struct prng *prng)
{
    double sum = -6.0;

    for (int i = 0; i < 12; i++) {
        sum += prng_unit(prng);
    }
    return sum;
}

void prng_fill(struct prng *prng, void *to, uint64_t length)
{
    unsigned char *at = to;

    while (length >= 8) {
        uint64_t word = prng_next(prng);

        memcpy(at, &word, 8);
        at += 8;
        length -= 8;
    }
    if (length > 0) {
        uint64_t word = prng_next(prng);

        memcpy(at, &word, length);
    }
}
