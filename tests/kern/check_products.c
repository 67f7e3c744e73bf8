/* SPDX-License-Identifier: Apache-2.0 */
/*
 * add_products: the lanes element by element in double, in the order of the law. Integers that fit
 * are summed exactly, so that an order that differs only by luck of rounding would show elsewhere
 * and a lost or doubled element shows here. add_gram: what add_products gives for every pair.
 */
#include "check.h"

#include "base/attr.h"

#include <math.h>
#include <string.h>

enum { LANES = 8 };

static bool same_lanes(const double *a, const double *b)
{
    for (size_t k = 0; k < LANES; k++) {
        if (memcmp(&a[k], &b[k], sizeof(a[k])) != 0 && !(isnan(a[k]) && isnan(b[k]))) {
            return false;
        }
    }
    return true;
}

static void exact_integers(struct check *check)
{
    enum { COUNT = 4099 };
    double lanes[LANES] = {0};
    int64_t expected[LANES] = {0};

    for (size_t i = 0; i < COUNT; i++) {
        check->values[0][i] = (float)(int64_t)(prng_below(&check->prng, 20001)) - 10000.0F;
        check->values[1][i] = (float)(int64_t)(prng_below(&check->prng, 20001)) - 10000.0F;
        expected[i % LANES] += (int64_t)check->values[0][i] * (int64_t)check->values[1][i];
    }
    /* In pieces of whole eights, as a grain is. */
    check->kern->add_products(lanes, check->values[0], check->values[1], 256);
    check->kern->add_products(lanes, check->values[0] + 256, check->values[1] + 256, COUNT - 256);
    for (size_t k = 0; k < LANES; k++) {
        if (lanes[k] != (double)expected[k]) {
            check_fail(check, "add_products: lane %zu is %a, not %a", k, lanes[k],
                       (double)expected[k]);
        }
    }
}

/* A product in double, and one addition, element after element. */
static void by_element(struct check *check)
{
    enum { COUNT = 997 };
    double lanes[LANES];
    double expected[LANES];

    for (size_t round = 0; round < 20; round++) {
        for (size_t k = 0; k < LANES; k++) {
            lanes[k] = prng_bell(&check->prng);
            expected[k] = lanes[k];
        }
        check_values(&check->prng, check->values[0], COUNT);
        check_values(&check->prng, check->values[1], COUNT);
        for (size_t i = 0; i < COUNT; i++) {
            volatile double product = (double)check->values[0][i] * (double)check->values[1][i];

            expected[i % LANES] = expected[i % LANES] + product;
        }
        check->kern->add_products(lanes, check->values[0], check->values[1], COUNT);
        if (!same_lanes(lanes, expected)) {
            check_fail(check, "add_products: lanes differ from single additions");
        }
    }
}

static void one_case(struct check *check, size_t length, size_t place, void *context)
{
    const size_t even = place == CHECK_AT_END ? place : (place * 4) & 60;
    const size_t bytes = length * sizeof(float);
    double *lanes = (double *)(void *)check_put(&check->area[0], LANES * sizeof(double),
                                                place == CHECK_AT_END ? place : (place * 8) & 56);
    float *a = (float *)(void *)check_put(&check->area[1], bytes, even);
    float *b = (float *)(void *)check_put(&check->area[2], bytes, even);
    double expected[LANES];

    (void)context;
    check_values(&check->prng, a, length);
    check_values(&check->prng, b, length);
    for (size_t k = 0; k < LANES; k++) {
        lanes[k] = prng_bell(&check->prng);
    }
    memcpy(expected, lanes, sizeof(expected));
    check->law->add_products(expected, a, b, length);
    check_doing("add_products", length, place);
    check->kern->add_products(lanes, a, b, length);
    if (!same_lanes(lanes, expected)) {
        check_fail(check, "add_products: %zu elements, placement %zu: differs from scalar", length,
                   place);
    }
    if (!check_around(&check->area[0], lanes, sizeof(expected))) {
        check_fail(check, "add_products: %zu elements, placement %zu: wrote outside", length,
                   place);
    }
}

/* All pairs of so many vectors, some of which are the same memory. */
enum { VECTORS_MAX = 11, PAIRS_MAX = VECTORS_MAX * (VECTORS_MAX + 1) / 2 };

static void one_gram(struct check *check, size_t length, size_t place, void *context)
{
    const uint32_t vector_count = *(const uint32_t *)context;
    const size_t even = place == CHECK_AT_END ? place : (place * 4) & 60;
    const size_t pairs = (size_t)vector_count * (vector_count + 1) / 2;
    const float *d[VECTORS_MAX];
    double(*lanes)[LANES] = (double(*)[LANES])(void *)check_put(
        &check->area[0], pairs * sizeof(*lanes), place == CHECK_AT_END ? place : (place * 8) & 56);
    double expected[PAIRS_MAX][LANES];
    size_t pair = 0;

    for (uint32_t t = 0; t < vector_count; t++) {
        float *own =
            t < 3 ? (float *)(void *)check_put(&check->area[1 + t], length * sizeof(float), even)
                  : check->values[t % OF_LENGTH(check->values)];

        check_values(&check->prng, own, length);
        d[t] = own;
    }
    for (size_t i = 0; i < pairs * LANES; i++) {
        lanes[i / LANES][i % LANES] = prng_bell(&check->prng);
    }
    memcpy(expected, lanes, pairs * sizeof(*lanes));
    for (uint32_t s = 0; s < vector_count; s++) {
        for (uint32_t t = s; t < vector_count; t++) {
            check->law->add_products(expected[pair++], d[s], d[t], length);
        }
    }
    check_doing("add_gram", length, place);
    check->kern->add_gram(lanes, d, vector_count, length);
    for (size_t i = 0; i < pairs; i++) {
        if (!same_lanes(lanes[i], expected[i])) {
            check_fail(check, "add_gram: pair %zu of %u vectors, %zu elements, placement %zu", i,
                       vector_count, length, place);
        }
    }
    if (!check_around(&check->area[0], lanes, pairs * sizeof(*lanes))) {
        check_fail(check, "add_gram: %u vectors, %zu elements, placement %zu: wrote outside",
                   vector_count, length, place);
    }
}

void check_products(struct check *check)
{
    /* Tiles of three and of four, whole and with every remainder. */
    static const uint32_t vector_counts[] = {1, 2, 3, 4, 5, 7, VECTORS_MAX};

    for (size_t i = 0; i < OF_LENGTH(vector_counts); i++) {
        uint32_t vector_count = vector_counts[i];

        check_each(check, one_gram, &vector_count);
    }
    exact_integers(check);
    by_element(check);
    check_each(check, one_case, NULL);
}
