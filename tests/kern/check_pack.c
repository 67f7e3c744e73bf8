/* SPDX-License-Identifier: Apache-2.0 */
/* pack: every number, tie and neighbour of a tie of the narrow types against the definition; rows
 * against the scalar one, also in place. */
#include "check.h"

#include "exact.h"

#include <math.h>
#include <string.h>

struct packed {
    onefold_dtype dtype;
    const char *name;
    uint32_t size;
};

static const struct packed all_types[] = {
    {ONEFOLD_DTYPE_F64, "F64", 8},         {ONEFOLD_DTYPE_F32, "F32", 4},
    {ONEFOLD_DTYPE_F16, "F16", 2},         {ONEFOLD_DTYPE_BF16, "BF16", 2},
    {ONEFOLD_DTYPE_F8_E5M2, "F8_E5M2", 1}, {ONEFOLD_DTYPE_F8_E4M3, "F8_E4M3", 1},
};

/* Packs `count` of values[0] and compares codes and count with the definition. */
static void against_exact(struct check *check, const struct exact_type *type, size_t count)
{
    size_t expected_bad = 0;
    size_t bad = check->kern->pack[type->dtype](check->codes, check->values[0], count);

    for (size_t i = 0; i < count; i++) {
        uint32_t expected = exact_encode(type, (double)check->values[0][i]);
        uint32_t code = 0;

        memcpy(&code, check->codes + i * type->size, type->size);
        expected_bad += isfinite(exact_decode(type, expected)) ? 0 : 1;
        if (code != expected) {
            check_fail(check, "pack %s: %a is %x, not %x", type->name, (double)check->values[0][i],
                       code, expected);
        }
    }
    if (bad != expected_bad) {
        check_fail(check, "pack %s: counted %zu not finite, not %zu", type->name, bad,
                   expected_bad);
    }
}

/* Each finite number, the midpoint to the next, and the f32 on both sides of that midpoint. */
static void every_tie(struct check *check, const struct exact_type *type)
{
    enum { PIECE = 512, PER_CODE = 8 };
    float *to = check->values[0];
    size_t filled = 0;

    for (uint32_t magnitude = 0; magnitude < type->top; magnitude++) {
        uint32_t number = check_bits((float)exact_decode(type, magnitude));
        uint32_t tie = check_bits((float)exact_midpoint(type, magnitude));
        const uint32_t bits[PER_CODE / 2] = {number, tie - 1, tie, tie + 1};

        for (size_t i = 0; i < PER_CODE / 2; i++) {
            to[filled++] = check_float(bits[i]);
            to[filled++] = check_float(bits[i] | UINT32_C(1) << 31);
        }
        if (filled == (size_t)PIECE * PER_CODE || magnitude + 1 == type->top) {
            against_exact(check, type, filled);
            filled = 0;
        }
    }
}

static void exact_narrow(struct check *check, const struct exact_type *type)
{
    every_tie(check, type);
    for (size_t round = 0; round < 50; round++) {
        check_values(&check->prng, check->values[0], 1000);
        against_exact(check, type, 1000);
    }
}

static void exact_wide(struct check *check)
{
    const float *from = check->values[0];
    uint32_t codes32[1000];
    uint64_t codes64[1000];
    size_t expected_bad = 0;

    check_values(&check->prng, check->values[0], 1000);
    if (check->kern->pack[ONEFOLD_DTYPE_F32](codes32, from, 1000) !=
        check->kern->pack[ONEFOLD_DTYPE_F64](codes64, from, 1000)) {
        check_fail(check, "pack F32 and F64 count differently");
    }
    for (size_t i = 0; i < 1000; i++) {
        double wide = (double)from[i];
        uint64_t expected64 = UINT64_C(0x7ff8000000000000);
        uint32_t expected32 = 0x7fc00000;

        if (!isnan(from[i])) {
            memcpy(&expected64, &wide, sizeof(expected64));
            expected32 = check_bits(from[i]);
        }
        expected_bad += isfinite(from[i]) ? 0 : 1;
        if (codes32[i] != expected32 || codes64[i] != expected64) {
            check_fail(check, "pack F32 or F64: %a", wide);
        }
    }
    if (check->kern->pack[ONEFOLD_DTYPE_F32](codes32, from, 1000) != expected_bad) {
        check_fail(check, "pack F32 counts wrongly");
    }
}

static void one_case(struct check *check, size_t length, size_t place, void *context)
{
    const struct packed *type = context;
    size_t from_place = place == CHECK_AT_END ? place : (place * 20) & 60;
    float *from = (float *)(void *)check_put(&check->area[0], length * sizeof(float), from_place);
    uint8_t *to = check_put(&check->area[1], length * type->size, place);
    size_t bad;
    size_t expected_bad;

    check_values(&check->prng, from, length);
    expected_bad = check->law->pack[type->dtype](check->codes, from, length);
    check_doing(type->name, length, place);
    bad = check->kern->pack[type->dtype](to, from, length);
    if (bad != expected_bad || memcmp(to, check->codes, length * type->size) != 0) {
        check_fail(check, "pack %s: %zu elements, placement %zu: differs from scalar", type->name,
                   length, place);
    }
    if (!check_around(&check->area[1], to, length * type->size)) {
        check_fail(check, "pack %s: %zu elements, placement %zu: wrote outside", type->name, length,
                   place);
    }
}

/* The result over its own input, and somewhat before it. */
static void in_place(struct check *check, size_t length, size_t place, void *context)
{
    const struct packed *type = context;
    size_t before = place == CHECK_AT_END ? 0 : place;
    uint8_t *area = check_put(&check->area[2], length * sizeof(float) + 64, CHECK_AT_END);
    float *from = (float *)(void *)(area + 64);
    uint8_t *to = area + 64 - before;

    check_values(&check->prng, from, length);
    (void)check->law->pack[type->dtype](check->codes, from, length);
    check_doing(type->name, length, place);
    (void)check->kern->pack[type->dtype](to, from, length);
    if (memcmp(to, check->codes, length * type->size) != 0) {
        check_fail(check, "pack %s: %zu elements, %zu bytes before its input: wrong", type->name,
                   length, before);
    }
}

void check_pack(struct check *check)
{
    for (int dtype = 0; dtype < ONEFOLD_DTYPE_COUNT; dtype++) {
        if ((check->kern->pack[dtype] != NULL) != (check->kern->unpack[dtype] != NULL)) {
            check_fail(check, "pack: entry of dtype %d", dtype);
        }
    }
    for (size_t i = 0; i < exact_type_count(); i++) {
        exact_narrow(check, exact_type_at(i));
    }
    exact_wide(check);
    for (size_t i = 0; i < sizeof(all_types) / sizeof(all_types[0]); i++) {
        struct packed type = all_types[i];

        check_each(check, one_case, &type);
        if (type.size <= sizeof(float)) {
            check_each(check, in_place, &type);
        }
    }
}
