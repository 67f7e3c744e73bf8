/* SPDX-License-Identifier: Apache-2.0 */
/*
 * add_stats: the scalar row equals the formulas of kern.h, written here once more, element after
 * element; every other row equals the scalar one.
 */
#include "check.h"

#include "base/attr.h"

#include <math.h>
#include <string.h>

enum { LANES = 8, INPUTS_MAX = 20 };

struct result {
    double overlap[LANES];
    double tail[LANES];
    uint64_t zeros[INPUTS_MAX];
    uint64_t agreement[INPUTS_MAX + 1];
    uint64_t in_overlap;
    uint64_t in_tail;
};

/* Where a row writes: two lanes and two lists between patterns. */
static void call(struct check *check, const struct of_kern *kern, const float *const *d,
                 uint32_t input_count, size_t count, size_t place, struct result *result)
{
    const size_t at = place == CHECK_AT_END ? place : (place * 8) & 56;
    const size_t lane_bytes = 2 * sizeof(result->overlap);
    const size_t count_bytes = (2 * (size_t)input_count + 1) * sizeof(uint64_t);
    double *lanes = (double *)(void *)check_put(&check->area[2], lane_bytes, at);
    uint64_t *counts = (uint64_t *)(void *)check_put(&check->area[3], count_bytes, at);
    struct of_kern_stats stats = {.overlap = lanes,
                                  .tail = lanes + LANES,
                                  .zeros = counts,
                                  .agreement = counts + input_count,
                                  .in_overlap = result->in_overlap,
                                  .in_tail = result->in_tail};

    memcpy(stats.overlap, result->overlap, sizeof(result->overlap));
    memcpy(stats.tail, result->tail, sizeof(result->tail));
    memcpy(stats.zeros, result->zeros, input_count * sizeof(uint64_t));
    memcpy(stats.agreement, result->agreement, (input_count + 1) * sizeof(uint64_t));
    kern->add_stats(&stats, d, input_count, count);
    if (!check_around(&check->area[2], lanes, lane_bytes) ||
        !check_around(&check->area[3], counts, count_bytes)) {
        check_fail(check, "add_stats: %u inputs, %zu elements: wrote outside", input_count, count);
    }
    memcpy(result->overlap, stats.overlap, sizeof(result->overlap));
    memcpy(result->tail, stats.tail, sizeof(result->tail));
    memcpy(result->zeros, stats.zeros, input_count * sizeof(uint64_t));
    memcpy(result->agreement, stats.agreement, (input_count + 1) * sizeof(uint64_t));
    result->in_overlap = stats.in_overlap;
    result->in_tail = stats.in_tail;
}

/* One element by the formulas. */
static void by_formula(const float *const *d, uint32_t input_count, size_t i, struct result *result)
{
    double magnitude = 0.0;
    double largest = 0.0;
    double mean = 0.0;
    double square = 0.0;
    double fourth = 0.0;
    int sign = 0;

    for (uint32_t t = 0; t < input_count; t++) {
        const double value = (double)d[t][i];

        magnitude += fabs(value);
        largest = fabs(value) > largest ? fabs(value) : largest;
        mean += value;
        sign += value > 0.0 ? 1 : value < 0.0 ? -1 : 0;
        result->zeros[t] += value == 0.0;
    }
    mean /= (double)input_count;
    for (uint32_t t = 0; t < input_count; t++) {
        const double residual = (double)d[t][i] - mean;

        square += residual * residual;
        fourth += residual * residual * (residual * residual);
    }
    result->agreement[sign < 0 ? -sign : sign]++;
    if (magnitude > 0.0) {
        result->overlap[i % LANES] += largest / magnitude;
        result->in_overlap++;
    }
    if (square > 0.0) {
        result->tail[i % LANES] += (double)input_count * fourth / (square * square);
        result->in_tail++;
    }
}

/* Finite ones, many of them zeros or the same in all inputs. */
static void put_values(struct check *check, float *to, size_t count)
{
    check_values(&check->prng, to, count);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(to[i]) || prng_below(&check->prng, 8) == 0) {
            to[i] = i % 3 == 0 ? -0.0F : 0.0F;
        } else if (i % 16 == 5) {
            to[i] = 0.25F;
        }
    }
}

/* The tail is a quotient of numbers that may both overflow or vanish: 0 / 0 is NaN everywhere. */
static bool same(const struct result *a, const struct result *b)
{
    for (size_t k = 0; k < LANES; k++) {
        if ((memcmp(&a->overlap[k], &b->overlap[k], sizeof(double)) != 0 &&
             !(isnan(a->overlap[k]) && isnan(b->overlap[k]))) ||
            (memcmp(&a->tail[k], &b->tail[k], sizeof(double)) != 0 &&
             !(isnan(a->tail[k]) && isnan(b->tail[k])))) {
            return false;
        }
    }
    return memcmp(a->zeros, b->zeros, sizeof(a->zeros)) == 0 &&
           memcmp(a->agreement, b->agreement, sizeof(a->agreement)) == 0 &&
           a->in_overlap == b->in_overlap && a->in_tail == b->in_tail;
}

static void one_case(struct check *check, size_t length, size_t place, void *context)
{
    const uint32_t input_count = *(const uint32_t *)context;
    const size_t even = place == CHECK_AT_END ? place : (place * 4) & 60;
    const float *d[INPUTS_MAX];
    struct result start = {.in_overlap = 3, .in_tail = 4};
    struct result formula;
    struct result kern;

    for (uint32_t t = 0; t < input_count; t++) {
        float *own = t < 2
                         ? (float *)(void *)check_put(&check->area[t], length * sizeof(float), even)
                         : check->values[t % OF_LENGTH(check->values)];

        put_values(check, own, length);
        d[t] = own;
    }
    for (size_t k = 0; k < LANES; k++) {
        start.overlap[k] = prng_unit(&check->prng);
        start.tail[k] = prng_unit(&check->prng);
    }
    formula = start;
    kern = start;
    for (size_t i = 0; i < length; i++) {
        by_formula(d, input_count, i, &formula);
    }
    check_doing("add_stats", length, place);
    call(check, check->kern, d, input_count, length, place, &kern);
    if (!same(&kern, &formula)) {
        check_fail(check, "add_stats: %u inputs, %zu elements, placement %zu: other numbers",
                   input_count, length, place);
    }
}

void check_stats(struct check *check)
{
    static const uint32_t input_counts[] = {1, 2, 3, 8, 16, INPUTS_MAX};

    for (size_t i = 0; i < OF_LENGTH(input_counts); i++) {
        uint32_t input_count = input_counts[i];

        check_each(check, one_case, &input_count);
    }
}
