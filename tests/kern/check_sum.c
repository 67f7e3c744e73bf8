/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fused sums: the scalar row equals unpack, folds, divide, scale or finish_delta, and pack,
 * which are checked against exact arithmetic elsewhere; every other row equals the scalar one.
 */
#include "check.h"

#include "base/attr.h"
#include "base/dtype.h"

#include <string.h>

enum { INPUTS_MAX = 5, MODE_COUNT = 8, COUNT = 1500, FIRST = 100 };
/* Bits of a mode. */
enum { WITH_BASE = 1, WITH_DIVISOR = 2, WITH_FACTOR = 4 };

static const onefold_dtype dtypes[] = {ONEFOLD_DTYPE_BF16, ONEFOLD_DTYPE_F16, ONEFOLD_DTYPE_F32};

/* What is tried. */
struct kind {
    onefold_dtype dtype;
    unsigned mode;
};

struct sum_case {
    struct of_kern_sum sum;
    const void *x[INPUTS_MAX];
    float coefs[INPUTS_MAX];
};

/* Values as they lie in checkpoints: edge values and ordinary ones, rounded to the type. */
static void put_codes(struct check *check, onefold_dtype dtype, void *to, size_t count)
{
    check_values(&check->prng, check->values[3], count);
    (void)check->law->pack[dtype](to, check->values[3], count);
}

static void choose(struct check *check, struct sum_case *chosen, unsigned mode,
                   uint32_t input_count)
{
    *chosen = (struct sum_case){0};
    chosen->sum = (struct of_kern_sum){.x = chosen->x,
                                       .coefs = chosen->coefs,
                                       .input_count = input_count,
                                       .start = mode == 0 ? -0.0F : 0.0F,
                                       .has_divisor = (mode & WITH_DIVISOR) != 0,
                                       .divisor = check_weight(&check->prng),
                                       .has_factor = (mode & WITH_FACTOR) != 0,
                                       .factor = check_weight(&check->prng)};
    for (uint32_t t = 0; t < input_count; t++) {
        chosen->coefs[t] = check_weight(&check->prng);
    }
}

/* The same by the entries that are not fused, from element FIRST on. */
static size_t unfused(struct check *check, onefold_dtype dtype, const struct of_kern_sum *sum,
                      void *to, size_t count)
{
    const size_t skipped = FIRST * of_dtype_size(dtype);
    const struct of_kern *law = check->law;
    float *acc = check->values[0];
    float *x = check->values[1];
    float *base = check->values[2];

    for (size_t i = 0; i < count; i++) {
        acc[i] = sum->start;
    }
    if (sum->base != NULL) {
        law->unpack[dtype](base, (const uint8_t *)sum->base + skipped, count);
    }
    for (uint32_t t = 0; t < sum->input_count; t++) {
        law->unpack[dtype](x, (const uint8_t *)sum->x[t] + skipped, count);
        if (sum->base != NULL) {
            law->fold_delta(acc, x, base, sum->coefs[t], count);
        } else {
            law->fold_plain(acc, x, sum->coefs[t], count);
        }
    }
    if (sum->has_divisor) {
        law->divide(acc, sum->divisor, count);
    }
    if (sum->base != NULL) {
        law->finish_delta(acc, base, sum->has_factor ? sum->factor : 1.0F, count);
    } else if (sum->has_factor) {
        law->scale(acc, sum->factor, count);
    }
    return law->pack[dtype](to, acc, count);
}

static void equals_unfused(struct check *check, const struct kind *kind)
{
    static uint32_t codes[INPUTS_MAX + 1][COUNT + FIRST]; /* of the widest type */
    static uint32_t want[COUNT];
    static uint32_t have[COUNT];
    struct sum_case chosen;
    size_t bad_want;
    size_t bad_have;

    choose(check, &chosen, kind->mode, INPUTS_MAX);
    for (uint32_t t = 0; t <= INPUTS_MAX; t++) {
        put_codes(check, kind->dtype, codes[t], COUNT + FIRST);
    }
    for (uint32_t t = 0; t < INPUTS_MAX; t++) {
        chosen.x[t] = codes[t];
    }
    chosen.sum.base = (kind->mode & WITH_BASE) != 0 ? codes[INPUTS_MAX] : NULL;
    bad_want = unfused(check, kind->dtype, &chosen.sum, want, COUNT);
    bad_have = check->kern->sum[kind->dtype](have, &chosen.sum, FIRST, COUNT);
    if (bad_want != bad_have ||
        memcmp(want, have, (size_t)COUNT * of_dtype_size(kind->dtype)) != 0) {
        check_fail(check, "sum of %s, mode %u: not what the single steps give",
                   onefold_dtype_name(kind->dtype), kind->mode);
    }
}

static void one_case(struct check *check, size_t length, size_t place, void *context)
{
    const struct kind *kind = context;
    const char *name = onefold_dtype_name(kind->dtype);
    const size_t bytes = length * of_dtype_size(kind->dtype);
    struct sum_case chosen;
    uint8_t *to = check_put(&check->area[0], bytes, place);
    uint8_t *base = check_put(&check->area[1], bytes, place);
    uint8_t *x = check_put(&check->area[2], bytes, (place * 7) % CHECK_PLACE_COUNT);
    size_t bad_law;
    size_t bad_kern;

    choose(check, &chosen, kind->mode, (uint32_t)prng_between(&check->prng, 1, 3));
    put_codes(check, kind->dtype, base, length);
    put_codes(check, kind->dtype, x, length);
    put_codes(check, kind->dtype, check->area[3].data, length);
    for (uint32_t t = 0; t < chosen.sum.input_count; t++) {
        chosen.x[t] = t == 1 ? check->area[3].data : x;
    }
    chosen.sum.base = (kind->mode & WITH_BASE) != 0 ? base : NULL;
    bad_law = check->law->sum[kind->dtype](check->codes, &chosen.sum, 0, length);
    check_doing(name, length, place);
    bad_kern = check->kern->sum[kind->dtype](to, &chosen.sum, 0, length);
    if (bad_law != bad_kern || (length > 0 && memcmp(to, check->codes, bytes) != 0)) {
        check_fail(check, "sum of %s, mode %u: %zu elements, placement %zu: differs from scalar",
                   name, kind->mode, length, place);
    }
    if (!check_around(&check->area[0], to, bytes)) {
        check_fail(check, "sum of %s: %zu elements, placement %zu: wrote outside", name, length,
                   place);
    }
}

void check_sum(struct check *check)
{
    for (size_t i = 0; i < OF_LENGTH(dtypes) * MODE_COUNT; i++) {
        struct kind kind = {.dtype = dtypes[i / MODE_COUNT], .mode = i % MODE_COUNT};

        for (int round = 0; round < 10; round++) {
            equals_unfused(check, &kind);
        }
        check_each(check, one_case, &kind);
    }
}
