/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics of elements over inputs as vectors of doubles; each ISA file includes this with the
 * width of its registers in OF_STATS_BYTES and two operations that compilers have no operator for:
 * OF_STATS_WIDEN(from), so many floats at any address as doubles, and OF_STATS_MAX(a, b) of numbers
 * that are finite and not -0. What is known of some elements stays in registers while the inputs
 * pass. All else is in the vector types of the compilers, whose operators are the IEEE operations
 * one by one. Private to this folder.
 */
#ifndef OF_KERN_KERN_STATS_H
#define OF_KERN_KERN_STATS_H

#include "base/attr.h"
#include "kern/kern.h"
#include "kern/kern_elem.h"

#include <stdint.h>
#include <string.h>

/* Doubles of a vector, vectors of a row of eight lanes, and elements at a time: two vectors, so
 * that one's additions need not wait for themselves. */
enum {
    STATS_WIDTH = OF_STATS_BYTES / 8,
    STATS_PER_ROW = 8 / STATS_WIDTH,
    STATS_STEP = 2 * STATS_WIDTH,
    STATS_INTS = 2 * STATS_WIDTH
};
/* Elements whose signs are counted together, and inputs up to which that is done bin by bin. */
enum { STATS_STRIP = 64, STATS_FEW = 16 };

typedef double stats_vec __attribute__((vector_size(OF_STATS_BYTES)));
typedef int64_t stats_mask __attribute__((vector_size(OF_STATS_BYTES)));
typedef float stats_floats __attribute__((vector_size(OF_STATS_BYTES)));
typedef int32_t stats_ints __attribute__((vector_size(OF_STATS_BYTES)));

static OF_ALWAYS_INLINE stats_vec stats_choose(stats_mask mask, stats_vec yes, stats_vec no)
{
    return (stats_vec)(((stats_mask)yes & mask) | ((stats_mask)no & ~mask));
}

/* Running sums over all elements of a call. */
struct stats_sums {
    stats_vec overlap[STATS_PER_ROW];
    stats_vec tail[STATS_PER_ROW];
    stats_mask in_overlap; /* less one for each */
    stats_mask in_tail;
};

/* The quotients of one vector of elements. */
static OF_ALWAYS_INLINE void stats_finish(struct stats_sums *sums, size_t row, stats_vec inputs,
                                          stats_vec largest, stats_vec magnitude, stats_vec square,
                                          stats_vec fourth)
{
    const stats_vec zero = {0.0};
    const stats_vec one = zero + 1.0;
    const stats_mask has_overlap = magnitude > zero;
    const stats_mask has_tail = square > zero;
    const stats_vec under = stats_choose(has_tail, square, one);

    sums->overlap[row] += largest / stats_choose(has_overlap, magnitude, one);
    sums->tail[row] += inputs * fourth / (under * under);
    sums->in_overlap += has_overlap;
    sums->in_tail += has_tail;
}

/* Elements [at, at + STATS_STEP). */
static OF_ALWAYS_INLINE void stats_step(struct stats_sums *sums, const float *const *d,
                                        uint32_t input_count, size_t at)
{
    const size_t row = at / STATS_WIDTH % STATS_PER_ROW;
    const size_t next_row = (at / STATS_WIDTH + 1) % STATS_PER_ROW;
    const stats_mask no_sign = (stats_mask){0} + INT64_MAX;
    const stats_vec inputs = (stats_vec){0.0} + (double)input_count;
    stats_vec magnitude[2] = {{0.0}, {0.0}};
    stats_vec largest[2] = {{0.0}, {0.0}};
    stats_vec mean[2] = {{0.0}, {0.0}};
    stats_vec square[2] = {{0.0}, {0.0}};
    stats_vec fourth[2] = {{0.0}, {0.0}};

    for (uint32_t t = 0; t < input_count; t++) {
        for (size_t k = 0; k < 2; k++) {
            const stats_vec value = (stats_vec)OF_STATS_WIDEN(d[t] + at + k * STATS_WIDTH);
            const stats_vec size = (stats_vec)((stats_mask)value & no_sign);

            magnitude[k] += size;
            largest[k] = (stats_vec)OF_STATS_MAX(size, largest[k]);
            mean[k] += value;
        }
    }
    mean[0] /= inputs;
    mean[1] /= inputs;
    for (uint32_t t = 0; t < input_count; t++) {
        for (size_t k = 0; k < 2; k++) {
            const stats_vec value = (stats_vec)OF_STATS_WIDEN(d[t] + at + k * STATS_WIDTH);
            const stats_vec residual = value - mean[k];
            const stats_vec one = residual * residual;

            square[k] += one;
            fourth[k] += one * one;
        }
    }
    stats_finish(sums, row, inputs, largest[0], magnitude[0], square[0], fourth[0]);
    stats_finish(sums, next_row, inputs, largest[1], magnitude[1], square[1], fourth[1]);
}

/* Running counts with few inputs, by lane: less one for each. */
struct stats_signs {
    stats_ints zeros[STATS_FEW];
    stats_ints agreement[STATS_FEW + 1];
};

/* Signs of elements [at, at + STATS_STRIP) of few inputs. */
static OF_ALWAYS_INLINE void stats_signs_few(struct stats_signs *signs, const float *const *d,
                                             uint32_t input_count, size_t at)
{
    const stats_floats zero = {0.0F};
    stats_ints sums[STATS_STRIP / STATS_INTS] = {{0}};

    for (uint32_t t = 0; t < input_count; t++) {
        stats_ints zeros = {0};

        for (size_t k = 0; k < STATS_STRIP / STATS_INTS; k++) {
            stats_floats x;

            memcpy(&x, d[t] + at + k * STATS_INTS, sizeof(x));
            sums[k] += (x < zero) - (x > zero);
            zeros += x == zero;
        }
        signs->zeros[t] += zeros;
    }
    for (uint32_t bin = 0; bin <= input_count; bin++) {
        const stats_ints above = (stats_ints){0} + (int32_t)bin;
        stats_ints found = {0};

        for (size_t k = 0; k < STATS_STRIP / STATS_INTS; k++) {
            found += (sums[k] == above) | (sums[k] == -above);
        }
        signs->agreement[bin] += found;
    }
}

static uint64_t stats_count_ints(stats_ints counts)
{
    int32_t sum = 0;

    for (size_t i = 0; i < STATS_INTS; i++) {
        sum -= counts[i];
    }
    return (uint64_t)sum;
}

static void stats_signs_end(const struct stats_signs *signs, uint32_t input_count,
                            struct of_kern_stats *stats)
{
    for (uint32_t t = 0; t < input_count; t++) {
        stats->zeros[t] += stats_count_ints(signs->zeros[t]);
    }
    for (uint32_t bin = 0; bin <= input_count; bin++) {
        stats->agreement[bin] += stats_count_ints(signs->agreement[bin]);
    }
}

/* The same of many inputs: bins are many, too, and each element goes to its own. */
static void stats_signs_many(struct of_kern_stats *stats, const float *const *d,
                             uint32_t input_count, size_t at)
{
    int32_t sums[STATS_STRIP] = {0};

    for (uint32_t t = 0; t < input_count; t++) {
        const float *x = d[t] + at;
        uint32_t zeros = 0;

        for (size_t i = 0; i < STATS_STRIP; i++) {
            sums[i] += (x[i] > 0.0F ? 1 : 0) - (x[i] < 0.0F ? 1 : 0);
            zeros += x[i] == 0.0F ? 1 : 0;
        }
        stats->zeros[t] += zeros;
    }
    for (size_t i = 0; i < STATS_STRIP; i++) {
        stats->agreement[sums[i] < 0 ? -sums[i] : sums[i]]++;
    }
}

static uint64_t stats_count(stats_mask counts)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < STATS_WIDTH; i++) {
        sum -= (uint64_t)counts[i];
    }
    return sum;
}

static void add_stats(struct of_kern_stats *stats, const float *const *d, uint32_t input_count,
                      size_t count)
{
    struct stats_sums sums = {.in_overlap = {0}, .in_tail = {0}};
    struct stats_signs signs;
    size_t at = 0;

    memset(&signs, 0, sizeof(signs));
    memcpy(sums.overlap, stats->overlap, sizeof(sums.overlap));
    memcpy(sums.tail, stats->tail, sizeof(sums.tail));
    for (; at + STATS_STRIP <= count; at += STATS_STRIP) {
        for (size_t i = 0; i < STATS_STRIP; i += STATS_STEP) {
            stats_step(&sums, d, input_count, at + i);
        }
        if (input_count <= STATS_FEW) {
            stats_signs_few(&signs, d, input_count, at);
        } else {
            stats_signs_many(stats, d, input_count, at);
        }
    }
    if (input_count <= STATS_FEW) {
        stats_signs_end(&signs, input_count, stats);
    }
    memcpy(stats->overlap, sums.overlap, sizeof(sums.overlap));
    memcpy(stats->tail, sums.tail, sizeof(sums.tail));
    stats->in_overlap += stats_count(sums.in_overlap);
    stats->in_tail += stats_count(sums.in_tail);
    for (; at < count; at++) {
        of_elem_stats(stats, d, input_count, at);
    }
}

#endif
