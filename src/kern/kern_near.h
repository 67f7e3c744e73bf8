/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mean of the values nearest to a median: of one element, which kern_scalar.c is in a loop, and
 * of vectors in the types of the compilers, whose operators are the IEEE operations one by one. An
 * ISA file includes this with the width of its registers in OF_NEAR_BYTES. Private to this folder.
 *
 * The values nearest to anything stand side by side in ascending order. So the distance of the
 * farthest one that is kept, the reach, is the least, over all such windows, of the larger distance
 * of their two ends; a second order, by distance, is not needed.
 */
#ifndef OF_KERN_KERN_NEAR_H
#define OF_KERN_KERN_NEAR_H

#include "base/attr.h"
#include "kern/kern.h"

#include <math.h>
#include <string.h>

static inline float near_elem(const struct of_kern_near *near, size_t at)
{
    const float low = near->sorted[(near->count - 1) / 2][at];
    const float high = near->sorted[near->count / 2][at];
    /* The sum of a value with itself may be past the range. */
    const float median = near->count % 2 == 1 ? low : 0.5F * (low + high);
    float reach = INFINITY;
    float sum = 0.0F;
    uint32_t room = near->kept; /* for values just within reach */

    for (uint32_t first = 0; first + near->kept <= near->count; first++) {
        const float to_low = fabsf(near->sorted[first][at] - median);
        const float to_high = fabsf(near->sorted[first + near->kept - 1][at] - median);
        const float farther = to_low > to_high ? to_low : to_high;

        reach = farther < reach ? farther : reach;
    }
    for (uint32_t t = 0; t < near->count; t++) {
        room -= fabsf(near->d[t][at] - median) < reach ? 1 : 0;
    }
    for (uint32_t t = 0; t < near->count; t++) {
        const float distance = fabsf(near->d[t][at] - median);

        if (distance < reach) {
            sum = sum + near->d[t][at];
        } else if (distance == reach && room > 0) {
            sum = sum + near->d[t][at];
            room--;
        }
    }
    return sum / (float)near->kept;
}

#ifdef OF_NEAR_BYTES

enum { NEAR_WIDTH = OF_NEAR_BYTES / 4 };

typedef float near_vec __attribute__((vector_size(OF_NEAR_BYTES)));
typedef int32_t near_ints __attribute__((vector_size(OF_NEAR_BYTES)));

static OF_ALWAYS_INLINE near_vec near_load(const float *from)
{
    near_vec vec;

    memcpy(&vec, from, sizeof(vec));
    return vec;
}

static OF_ALWAYS_INLINE near_vec near_choose(near_ints mask, near_vec yes, near_vec no)
{
    return (near_vec)(((near_ints)yes & mask) | ((near_ints)no & ~mask));
}

static OF_ALWAYS_INLINE near_vec near_distance(const float *from, near_vec median)
{
    const near_ints no_sign = (near_ints){0} + INT32_MAX;

    return (near_vec)((near_ints)(near_load(from) - median) & no_sign);
}

/* As near_elem. What is not taken adds +0, which changes no sum that began with +0. */
static OF_ALWAYS_INLINE near_vec near_step(const struct of_kern_near *near, size_t at)
{
    const near_vec zero = {0.0F};
    const near_vec low = near_load(near->sorted[(near->count - 1) / 2] + at);
    const near_vec high = near_load(near->sorted[near->count / 2] + at);
    const near_vec median = near->count % 2 == 1 ? low : 0.5F * (low + high);
    near_vec reach = zero + INFINITY;
    near_vec sum = zero;
    near_ints room = (near_ints){0} + (int32_t)near->kept;

    for (uint32_t first = 0; first + near->kept <= near->count; first++) {
        const near_vec to_low = near_distance(near->sorted[first] + at, median);
        const near_vec to_high = near_distance(near->sorted[first + near->kept - 1] + at, median);
        const near_vec farther = near_choose(to_low > to_high, to_low, to_high);

        reach = near_choose(farther < reach, farther, reach);
    }
    for (uint32_t t = 0; t < near->count; t++) {
        room += near_distance(near->d[t] + at, median) < reach; /* less one for each */
    }
    for (uint32_t t = 0; t < near->count; t++) {
        const near_vec distance = near_distance(near->d[t] + at, median);
        const near_ints fits = (distance == reach) & (room > 0);

        room += fits;
        sum = sum + near_choose((distance < reach) | fits, near_load(near->d[t] + at), zero);
    }
    return sum / (zero + (float)near->kept);
}

static void average_near(float *v, const struct of_kern_near *near, size_t count)
{
    size_t at = 0;

    for (; count - at >= NEAR_WIDTH; at += NEAR_WIDTH) {
        const near_vec mean = near_step(near, at);

        memcpy(v + at, &mean, sizeof(mean));
    }
    for (; at < count; at++) {
        v[at] = near_elem(near, at);
    }
}

#endif
#endif
