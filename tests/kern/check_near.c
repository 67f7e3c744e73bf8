/* SPDX-License-Identifier: Apache-2.0 */
/*
 * average_near: the scalar row takes the nearest value, then the next, as kern.h says it; every
 * other row equals the scalar one to the bit.
 */
#include "check.h"

#include "base/attr.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Longer rows say no more and take their time to be sorted. */
enum { INPUTS_MAX = 9, LENGTH_MAX = 500 };

struct shape {
    uint32_t count;
    uint32_t kept;
};

struct rows {
    float d[INPUTS_MAX][LENGTH_MAX];
    float sorted[INPUTS_MAX][LENGTH_MAX];
};

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a;
    const float y = *(const float *)b;

    return (x > y) - (x < y);
}

/* Finite ones, many of them alike, so that there are equal distances on both sides. */
static float near_value(struct prng *prng)
{
    const float value = check_value(prng);

    switch (prng_below(prng, 4)) {
    case 0:
        return isfinite(value) ? value : -0.0F;
    case 1:
        return (float)prng_below(prng, 3) - 1.0F;
    default:
        return check_weight(prng);
    }
}

static void put_values(struct check *check, struct rows *rows, uint32_t count, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        float row[INPUTS_MAX];

        for (uint32_t t = 0; t < count; t++) {
            rows->d[t][i] = near_value(&check->prng);
            row[t] = rows->d[t][i];
        }
        qsort(row, count, sizeof(row[0]), compare);
        for (uint32_t t = 0; t < count; t++) {
            rows->sorted[t][i] = row[t];
        }
    }
}

static float by_definition(const struct rows *rows, const struct shape *shape, size_t i)
{
    const float low = rows->sorted[(shape->count - 1) / 2][i];
    const float high = rows->sorted[shape->count / 2][i];
    const float median = shape->count % 2 == 1 ? low : 0.5F * (low + high);
    bool taken[INPUTS_MAX] = {false};
    float sum = 0.0F;

    for (uint32_t k = 0; k < shape->kept; k++) {
        uint32_t best = shape->count;

        for (uint32_t t = 0; t < shape->count; t++) {
            if (!taken[t] && (best == shape->count ||
                              fabsf(rows->d[t][i] - median) < fabsf(rows->d[best][i] - median))) {
                best = t;
            }
        }
        taken[best] = true;
    }
    for (uint32_t t = 0; t < shape->count; t++) {
        sum = taken[t] ? sum + rows->d[t][i] : sum;
    }
    return sum / (float)shape->kept;
}

/* Of the first input, both orders, and the result, no byte outside may be touched. */
static void call(struct check *check, const struct rows *rows, const struct shape *shape,
                 size_t length, size_t place, float *law)
{
    const size_t even = place == CHECK_AT_END ? place : (place * 4) & 60;
    const size_t bytes = length * sizeof(float);
    const float *d[INPUTS_MAX];
    const float *sorted[INPUTS_MAX];
    const struct of_kern_near near = {d, sorted, shape->count, shape->kept};
    float *v = (float *)(void *)check_put(&check->area[0], bytes, even);
    uint8_t *first = check_put(&check->area[1], bytes, even);
    uint8_t *least = check_put(&check->area[2], bytes, even);

    for (uint32_t t = 0; t < shape->count; t++) {
        d[t] = rows->d[t];
        sorted[t] = rows->sorted[t];
    }
    if (length > 0) {
        memcpy(first, d[0], bytes);
        memcpy(least, sorted[0], bytes);
    }
    d[0] = (const float *)(const void *)first;
    sorted[0] = (const float *)(const void *)least;
    check->law->average_near(law, &near, length);
    check_doing("average_near", length, place);
    check->kern->average_near(v, &near, length);
    if (!check_same(v, law, length)) {
        check_fail(check,
                   "average_near: %u of %u, %zu elements, placement %zu: differs from scalar",
                   shape->kept, shape->count, length, place);
    }
    if (!check_around(&check->area[0], v, bytes)) {
        check_fail(check, "average_near: %zu elements, placement %zu: wrote outside", length,
                   place);
    }
}

struct context {
    struct shape shape;
    struct rows *rows;
};

static void one_case(struct check *check, size_t length, size_t place, void *context)
{
    const struct shape *shape = &((const struct context *)context)->shape;
    struct rows *rows = ((const struct context *)context)->rows;
    float *law = check->values[0];

    length = length < LENGTH_MAX ? length : LENGTH_MAX;
    put_values(check, rows, shape->count, length);
    call(check, rows, shape, length, place, law);
    for (size_t i = 0; i < length; i++) {
        const float want = by_definition(rows, shape, i);

        if (!check_same_value(law[i], want)) {
            check_fail(check, "average_near: %u of %u: %a, not %a", shape->kept, shape->count,
                       (double)law[i], (double)want);
        }
    }
}

void check_near(struct check *check)
{
    static const struct shape shapes[] = {{1, 1}, {2, 1}, {6, 4}, {INPUTS_MAX, 5}};
    struct context context = {.rows = malloc(sizeof(struct rows))};

    if (context.rows == NULL) {
        check_fail(check, "average_near: no memory for its rows");
        return;
    }
    for (size_t i = 0; i < OF_LENGTH(shapes); i++) {
        context.shape = shapes[i];
        check_each(check, one_case, &context);
    }
    free(context.rows);
}
