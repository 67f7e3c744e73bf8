/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fold_*: each f32 operation is done in double and rounded to f32. A product of two f32 is exact in
 * double; a sum rounded first to 53 bits and then to 24 is the sum rounded once, because 53 is at
 * least twice 24 plus 2.
 */
#include "check.h"

#include "exact.h"

#include <string.h>

enum fold_kind { FOLD_PLAIN, FOLD_DELTA, FOLD_PLAIN_BF16, FOLD_DELTA_BF16, FOLD_COUNT };

static const char *const fold_names[FOLD_COUNT] = {"fold_plain", "fold_delta", "fold_plain_bf16",
                                                   "fold_delta_bf16"};

struct fold {
    enum fold_kind kind;
    float *acc;
    const void *x;
    const float *base;
    float coef;
    size_t count;
};

static bool is_bf16(enum fold_kind kind)
{
    return kind == FOLD_PLAIN_BF16 || kind == FOLD_DELTA_BF16;
}

static bool is_delta(enum fold_kind kind)
{
    return kind == FOLD_DELTA || kind == FOLD_DELTA_BF16;
}

static void call(const struct of_kern *kern, const struct fold *fold)
{
    switch (fold->kind) {
    case FOLD_PLAIN:
        kern->fold_plain(fold->acc, fold->x, fold->coef, fold->count);
        break;
    case FOLD_DELTA:
        kern->fold_delta(fold->acc, fold->x, fold->base, fold->coef, fold->count);
        break;
    case FOLD_PLAIN_BF16:
        kern->fold_plain_bf16(fold->acc, fold->x, fold->coef, fold->count);
        break;
    case FOLD_DELTA_BF16:
    case FOLD_COUNT:
        kern->fold_delta_bf16(fold->acc, fold->x, fold->base, fold->coef, fold->count);
        break;
    }
}

static double element(const struct fold *fold, size_t index)
{
    const uint8_t *bytes = fold->x;
    uint16_t code;
    float value;

    if (is_bf16(fold->kind)) {
        memcpy(&code, bytes + index * sizeof(code), sizeof(code));
        return exact_decode(exact_type_at(1), code);
    }
    memcpy(&value, bytes + index * sizeof(value), sizeof(value));
    return (double)value;
}

static float expected(const struct fold *fold, size_t index)
{
    double x = element(fold, index);
    float product;

    if (is_delta(fold->kind)) {
        x = (double)exact_to_f32(x - (double)fold->base[index]);
    }
    product = exact_to_f32((double)fold->coef * x);
    return exact_to_f32((double)fold->acc[index] + (double)product);
}

static void put_x(struct check *check, enum fold_kind kind, void *to, size_t count)
{
    check_values(&check->prng, check->values[3], count);
    if (is_bf16(kind)) {
        (void)check->law->pack[ONEFOLD_DTYPE_BF16](to, check->values[3], count);
    } else if (count > 0) {
        memcpy(to, check->values[3], count * sizeof(float));
    }
}

static void against_exact(struct check *check, enum fold_kind kind)
{
    enum { COUNT = 1000 };

    for (size_t round = 0; round < 20; round++) {
        struct fold fold = {.kind = kind,
                            .acc = check->values[0],
                            .x = check->codes,
                            .base = check->values[1],
                            .coef = check_weight(&check->prng),
                            .count = COUNT};

        check_values(&check->prng, check->values[0], COUNT);
        check_values(&check->prng, check->values[1], COUNT);
        put_x(check, kind, check->codes, COUNT);
        for (size_t i = 0; i < COUNT; i++) {
            check->values[2][i] = expected(&fold, i);
        }
        call(check->kern, &fold);
        for (size_t i = 0; i < COUNT; i++) {
            if (!check_same_value(check->values[0][i], check->values[2][i])) {
                check_fail(check, "%s: element %zu is %a, not %a", fold_names[kind], i,
                           (double)check->values[0][i], (double)check->values[2][i]);
            }
        }
    }
}

static void one_case(struct check *check, size_t length, size_t place, void *context)
{
    const enum fold_kind *kind = context;
    size_t even = place == CHECK_AT_END ? place : (place * 4) & 60;
    size_t bytes = length * sizeof(float);
    float *acc = (float *)(void *)check_put(&check->area[0], bytes, even);
    size_t x_bytes = is_bf16(*kind) ? bytes / 2 : bytes;
    size_t x_place = is_bf16(*kind) ? place : even;
    uint8_t *x = check_put(&check->area[1], x_bytes, x_place);
    float *base = (float *)(void *)check_put(&check->area[2], bytes, even);
    struct fold fold = {.kind = *kind,
                        .acc = check->values[0],
                        .x = x,
                        .base = base,
                        .coef = check_weight(&check->prng),
                        .count = length};

    check_values(&check->prng, acc, length);
    check_values(&check->prng, base, length);
    put_x(check, *kind, x, length);
    if (length > 0) {
        memcpy(check->values[0], acc, bytes);
    }
    call(check->law, &fold);
    fold.acc = acc;
    check_doing(fold_names[*kind], length, place);
    call(check->kern, &fold);
    if (!check_same(acc, check->values[0], length)) {
        check_fail(check, "%s: %zu elements, placement %zu: differs from scalar", fold_names[*kind],
                   length, place);
    }
    if (!check_around(&check->area[0], acc, bytes)) {
        check_fail(check, "%s: %zu elements, placement %zu: wrote outside", fold_names[*kind],
                   length, place);
    }
}

/* The fused forms are unpack, then fold. */
static void fused_equals_unfused(struct check *check)
{
    enum { COUNT = 5000 };
    float coef = check_weight(&check->prng);
    const struct of_kern *kern = check->kern;

    put_x(check, FOLD_PLAIN_BF16, check->codes, COUNT);
    kern->unpack[ONEFOLD_DTYPE_BF16](check->values[3], check->codes, COUNT);
    check_values(&check->prng, check->values[0], COUNT);
    check_values(&check->prng, check->values[2], COUNT);
    memcpy(check->values[1], check->values[0], COUNT * sizeof(float));
    kern->fold_plain_bf16(check->values[0], check->codes, coef, COUNT);
    kern->fold_plain(check->values[1], check->values[3], coef, COUNT);
    if (!check_same(check->values[0], check->values[1], COUNT)) {
        check_fail(check, "fold_plain_bf16 is not unpack, then fold_plain");
    }
    kern->fold_delta_bf16(check->values[0], check->codes, check->values[2], coef, COUNT);
    kern->fold_delta(check->values[1], check->values[3], check->values[2], coef, COUNT);
    if (!check_same(check->values[0], check->values[1], COUNT)) {
        check_fail(check, "fold_delta_bf16 is not unpack, then fold_delta");
    }
}

void check_fold(struct check *check)
{
    for (int i = 0; i < FOLD_COUNT; i++) {
        enum fold_kind kind = (enum fold_kind)i;

        against_exact(check, kind);
        check_each(check, one_case, &kind);
    }
    fused_equals_unfused(check);
}
