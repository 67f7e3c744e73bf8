/* SPDX-License-Identifier: Apache-2.0 */
/* unpack: every code of the narrow types against its definition; rows against the scalar one. */
#include "check.h"

#include "exact.h"

#include <math.h>
#include <string.h>

struct wide {
    onefold_dtype dtype;
    const char *name;
    uint32_t size;
};

static const struct wide all_types[] = {
    {ONEFOLD_DTYPE_F64, "F64", 8},         {ONEFOLD_DTYPE_F32, "F32", 4},
    {ONEFOLD_DTYPE_F16, "F16", 2},         {ONEFOLD_DTYPE_BF16, "BF16", 2},
    {ONEFOLD_DTYPE_F8_E5M2, "F8_E5M2", 1}, {ONEFOLD_DTYPE_F8_E4M3, "F8_E4M3", 1},
};

/* All codes in their order; 65,536 of them do not fit one call, so pieces of 4,096. */
static void every_code(struct check *check, const struct exact_type *type)
{
    enum { PIECE = 4096 };
    uint32_t code_count = UINT32_C(1) << (type->size * 8);

    for (uint32_t first = 0; first < code_count; first += PIECE) {
        uint32_t count = code_count - first < PIECE ? code_count - first : PIECE;

        for (uint32_t i = 0; i < count; i++) {
            uint32_t code = first + i;

            memcpy(check->codes + (size_t)i * type->size, &code, type->size);
        }
        check->kern->unpack[type->dtype](check->values[0], check->codes, count);
        for (uint32_t i = 0; i < count; i++) {
            float expected = (float)exact_decode(type, first + i);

            if (!check_same_value(check->values[0][i], expected)) {
                check_fail(check, "unpack %s: code %x is %a, not %a", type->name, first + i,
                           (double)check->values[0][i], (double)expected);
            }
        }
    }
}

/* Doubles near f32 numbers and their midpoints, and any bits at all. */
static double wide_value(struct prng *prng)
{
    double value = (double)check_value(prng);
    uint64_t bits;

    if (prng_below(prng, 4) == 0) {
        bits = prng_next(prng);
        memcpy(&value, &bits, sizeof(value));
    } else if (prng_below(prng, 2) == 0) {
        double next = (double)nextafterf((float)value, HUGE_VALF);

        value = isfinite(next) && isfinite(value) ? value / 2 + next / 2 : value;
        if (prng_below(prng, 2) == 0) {
            value = nextafter(value, prng_below(prng, 2) == 0 ? HUGE_VAL : -HUGE_VAL);
        }
    }
    return value;
}

static void put_codes(struct check *check, const struct wide *type, uint8_t *to, size_t count)
{
    if (type->dtype != ONEFOLD_DTYPE_F64) {
        prng_fill(&check->prng, to, (uint64_t)count * type->size);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        double value = wide_value(&check->prng);

        memcpy(to + i * sizeof(value), &value, sizeof(value));
    }
}

static void one_case(struct check *check, size_t length, size_t place, void *context)
{
    const struct wide *type = context;
    size_t to_place = place == CHECK_AT_END ? place : (place * 20) & 60;
    uint8_t *from = check_put(&check->area[0], length * type->size, place);
    float *to = (float *)(void *)check_put(&check->area[1], length * sizeof(float), to_place);

    put_codes(check, type, from, length);
    check->law->unpack[type->dtype](check->values[0], from, length);
    check_doing(type->name, length, place);
    check->kern->unpack[type->dtype](to, from, length);
    if (!check_same(to, check->values[0], length)) {
        check_fail(check, "unpack %s: %zu elements, placement %zu: differs from scalar", type->name,
                   length, place);
    }
    if (!check_around(&check->area[1], to, length * sizeof(float))) {
        check_fail(check, "unpack %s: %zu elements, placement %zu: wrote outside", type->name,
                   length, place);
    }
}

static void exact_f64(struct check *check)
{
    for (size_t round = 0; round < 50; round++) {
        put_codes(check, &all_types[0], check->codes, 1000);
        check->kern->unpack[ONEFOLD_DTYPE_F64](check->values[0], check->codes, 1000);
        for (size_t i = 0; i < 1000; i++) {
            double value;

            memcpy(&value, check->codes + i * sizeof(value), sizeof(value));
            if (!check_same_value(check->values[0][i], exact_to_f32(value))) {
                check_fail(check, "unpack F64: %a is %a, not %a", value,
                           (double)check->values[0][i], (double)exact_to_f32(value));
            }
        }
    }
}

static void exact_f32(struct check *check)
{
    check_values(&check->prng, check->values[1], 1000);
    check->kern->unpack[ONEFOLD_DTYPE_F32](check->values[0], check->values[1], 1000);
    if (memcmp(check->values[0], check->values[1], 1000 * sizeof(float)) != 0) {
        check_fail(check, "unpack F32 is not a copy");
    }
}

static bool is_numeric(onefold_dtype dtype)
{
    for (size_t i = 0; i < sizeof(all_types) / sizeof(all_types[0]); i++) {
        if (all_types[i].dtype == dtype) {
            return true;
        }
    }
    return false;
}

void check_unpack(struct check *check)
{
    for (int dtype = 0; dtype < ONEFOLD_DTYPE_COUNT; dtype++) {
        if (is_numeric((onefold_dtype)dtype) != (check->kern->unpack[dtype] != NULL)) {
            check_fail(check, "unpack: entry of dtype %d", dtype);
        }
    }
    for (size_t i = 0; i < exact_type_count(); i++) {
        every_code(check, exact_type_at(i));
    }
    exact_f64(check);
    exact_f32(check);
    for (size_t i = 0; i < sizeof(all_types) / sizeof(all_types[0]); i++) {
        struct wide type = all_types[i];

        check_each(check, one_case, &type);
    }
}
