/* SPDX-License-Identifier: Apache-2.0 */
/* divide, scale, finish_delta and count_nonfinite, in doubles as check_fold.c does it. A quotient
 * of two f32 cannot lie so near a midpoint that rounding it to 53 bits first would matter. */
#include "check.h"

#include "exact.h"

#include <math.h>
#include <string.h>

enum finish_kind { FINISH_DIVIDE, FINISH_SCALE, FINISH_DELTA, FINISH_COUNT };

static const char *const finish_names[FINISH_COUNT] = {"divide", "scale", "finish_delta"};

struct finish {
    enum finish_kind kind;
    float *acc;
    const float *base;
    float factor;
    size_t count;
};

static void call(const struct of_kern *kern, const struct finish *finish)
{
    switch (finish->kind) {
    case FINISH_DIVIDE:
        kern->divide(finish->acc, finish->factor, finish->count);
        break;
    case FINISH_SCALE:
        kern->scale(finish->acc, finish->factor, finish->count);
        break;
    case FINISH_DELTA:
    case FINISH_COUNT:
        kern->finish_delta(finish->acc, finish->base, finish->factor, finish->count);
        break;
    }
}

static float expected(const struct finish *finish, size_t index)
{
    double acc = (double)finish->acc[index];
    double factor = (double)finish->factor;

    switch (finish->kind) {
    case FINISH_DIVIDE:
        return exact_to_f32(acc / factor);
    case FINISH_SCALE:
        return exact_to_f32(factor * acc);
    case FINISH_DELTA:
    case FINISH_COUNT:
        break;
    }
    return exact_to_f32((double)finish->base[index] + (double)exact_to_f32(factor * acc));
}

static void against_exact(struct check *check, enum finish_kind kind)
{
    enum { COUNT = 1000 };

    for (size_t round = 0; round < 20; round++) {
        struct finish finish = {.kind = kind,
                                .acc = check->values[0],
                                .base = check->values[1],
                                .factor = check_weight(&check->prng),
                                .count = COUNT};

        check_values(&check->prng, check->values[0], COUNT);
        check_values(&check->prng, check->values[1], COUNT);
        for (size_t i = 0; i < COUNT; i++) {
            check->values[2][i] = expected(&finish, i);
        }
        call(check->kern, &finish);
        for (size_t i = 0; i < COUNT; i++) {
            if (!check_same_value(check->values[0][i], check->values[2][i])) {
                check_fail(check, "%s: element %zu is %a, not %a", finish_names[kind], i,
                           (double)check->values[0][i], (double)check->values[2][i]);
            }
        }
    }
}

static void one_case(struct check *check, size_t length, size_t place, void *context)
{
    const enum finish_kind *kind = context;
    size_t even = place == CHECK_AT_END ? place : (place * 4) & 60;
    size_t bytes = length * sizeof(float);
    float *acc = (float *)(void *)check_put(&check->area[0], bytes, even);
    float *base = (float *)(void *)check_put(&check->area[1], bytes, even);
    struct finish finish = {.kind = *kind,
                            .acc = check->values[0],
                            .base = base,
                            .factor = check_weight(&check->prng),
                            .count = length};

    check_values(&check->prng, acc, length);
    check_values(&check->prng, base, length);
    if (length > 0) {
        memcpy(check->values[0], acc, bytes);
    }
    call(check->law, &finish);
    finish.acc = acc;
    check_doing(finish_names[*kind], length, place);
    call(check->kern, &finish);
    if (!check_same(acc, check->values[0], length)) {
        check_fail(check, "%s: %zu elements, placement %zu: differs from scalar",
                   finish_names[*kind], length, place);
    }
    if (!check_around(&check->area[0], acc, bytes)) {
        check_fail(check, "%s: %zu elements, placement %zu: wrote outside", finish_names[*kind],
                   length, place);
    }
}

void check_finish(struct check *check)
{
    for (int i = 0; i < FINISH_COUNT; i++) {
        enum finish_kind kind = (enum finish_kind)i;

        against_exact(check, kind);
        check_each(check, one_case, &kind);
    }
}

static void count_case(struct check *check, size_t length, size_t place, void *context)
{
    size_t even = place == CHECK_AT_END ? place : (place * 4) & 60;
    float *x = (float *)(void *)check_put(&check->area[0], length * sizeof(float), even);
    uint64_t expected_nan = 0;
    uint64_t expected_inf = 0;
    uint64_t nan = 77; /* the call sets both, whatever was there */
    uint64_t inf = 77;

    (void)context;
    check_values(&check->prng, x, length);
    for (size_t i = 0; i < length; i++) {
        expected_nan += isnan(x[i]) ? 1 : 0;
        expected_inf += isinf(x[i]) ? 1 : 0;
    }
    check_doing("count_nonfinite", length, place);
    check->kern->count_nonfinite(x, length, &nan, &inf);
    if (nan != expected_nan || inf != expected_inf) {
        check_fail(check, "count_nonfinite: %zu elements, placement %zu: %llu and %llu", length,
                   place, (unsigned long long)nan, (unsigned long long)inf);
    }
}

void check_nonfinite(struct check *check)
{
    check_each(check, count_case, NULL);
}
