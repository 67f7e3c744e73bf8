/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sum_bf16: the scalar row equals unpack, folds, divide, scale or finish_delta, and pack, which are
 * checked against exact arithmetic elsewhere; every other row equals the scalar one.
 */
#include "check.h"

#include <string.h>

enum { INPUTS_MAX = 5, MODE_COUNT = 8 };
/* Bits of a mode. */
enum { WITH_BASE = 1, WITH_DIVISOR = 2, WITH_FACTOR = 4 };

struct sum_case {
    struct of_kern_sum sum;
    const void *x[INPUTS_MAX];
    float coefs[INPUTS_MAX];
};

/* Values as they lie in checkpoints: edge values and ordinary ones, rounded to BF16. */
static void put_codes(struct check *check, void *to, size_t count)
{
    check_values(&check->prng, check->values[3], count);
    (void)check->law->pack[ONEFOLD_DTYPE_BF16](to, check->values[3], count);
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

/* The same by the entries that are not fused. `first` elements are passed over. */
static size_t unfused(struct check *check, const struct of_kern_sum *sum, void *to, size_t first,
                      size_t count)
{
    const struct of_kern *law = check->law;
    float *acc = check->values[0];
    float *x = check->values[1];
    float *base = check->values[2];

    for (size_t i = 0; i < count; i++) {
        acc[i] = sum->start;
    }
    if (sum->base != NULL) {
        law->unpack[ONEFOLD_DTYPE_BF16](base, (const uint8_t *)sum->base + first * 2, count);
    }
    for (uint32_t t = 0; t < sum->input_count; t++) {
        law->unpack[ONEFOLD_DTYPE_BF16](x, (const uint8_t *)sum->x[t] + first * 2, count);
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
    return law->pack[ONEFOLD_DTYPE_BF16](to, acc, count);
}

static void equals_unfused(struct check *check, unsigned mode)
{
    enum { COUNT = 1500, FIRST = 100 };
    static uint16_t codes[INPUTS_MAX + 1][COUNT + FIRST];
    static uint16_t want[COUNT];
    static uint16_t have[COUNT];
    struct sum_case chosen;
    size_t bad_want;
    size_t bad_have;

    choose(check, &chosen, mode, INPUTS_MAX);
    for (uint32_t t = 0; t <= INPUTS_MAX; t++) {
        put_codes(check, codes[t], COUNT + FIRST);
    }
    for (uint32_t t = 0; t < INPUTS_MAX; t++) {
        chosen.x[t] = codes[t];
    }
    chosen.sum.base = (mode & WITH_BASE) != 0 ? codes[INPUTS_MAX] : NULL;
    bad_want = unfused(check, &chosen.sum, want, FIRST, COUNT);
    bad_have = check->kern->sum_bf16(have, &chosen.sum, FIRST, COUNT);
    if (bad_want != bad_have || memcmp(want, have, sizeof(want)) != 0) {
        check_fail(check, "sum_bf16, mode %u: not what the single steps give", mode);
    }
}

static void one_case(struct check *check, size_t length, size_t place, void *context)
{
    const unsigned mode = *(const unsigned *)context;
    const size_t bytes = length * 2;
    struct sum_case chosen;
    uint8_t *to = check_put(&check->area[0], bytes, place);
    uint8_t *base = check_put(&check->area[1], bytes, place);
    uint8_t *x = check_put(&check->area[2], bytes, (place * 7) % CHECK_PLACE_COUNT);
    size_t bad_law;
    size_t bad_kern;

    choose(check, &chosen, mode, (uint32_t)prng_between(&check->prng, 1, 3));
    put_codes(check, base, length);
    put_codes(check, x, length);
    put_codes(check, check->area[3].data, length);
    for (uint32_t t = 0; t < chosen.sum.input_count; t++) {
        chosen.x[t] = t == 1 ? check->area[3].data : x;
    }
    chosen.sum.base = (mode & WITH_BASE) != 0 ? base : NULL;
    bad_law = check->law->sum_bf16(check->codes, &chosen.sum, 0, length);
    check_doing("sum_bf16", length, place);
    bad_kern = check->kern->sum_bf16(to, &chosen.sum, 0, length);
    if (bad_law != bad_kern || (length > 0 && memcmp(to, check->codes, bytes) != 0)) {
        check_fail(check, "sum_bf16, mode %u: %zu elements, placement %zu: differs from scalar",
                   mode, length, place);
    }
    if (!check_around(&check->area[0], to, bytes)) {
        check_fail(check, "sum_bf16: %zu elements, placement %zu: wrote outside", length, place);
    }
}

void check_sum(struct check *check)
{
    for (unsigned mode = 0; mode < MODE_COUNT; mode++) {
        for (int round = 0; round < 10; round++) {
            equals_unfused(check, mode);
        }
        check_each(check, one_case, &mode);
    }
}
