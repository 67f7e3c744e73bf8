/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding is the textbook formula, encoding a search among all codes: slow, obvious, and nothing
 * like the shifts of the kernels. */
#include "exact.h"

#include <float.h>
#include <math.h>

static const struct exact_type types[] = {
    {ONEFOLD_DTYPE_F16, "F16", 2, 10, 15, 0x7c00, true, 0x7e00},
    {ONEFOLD_DTYPE_BF16, "BF16", 2, 7, 127, 0x7f80, true, 0x7fc0},
    {ONEFOLD_DTYPE_F8_E5M2, "F8_E5M2", 1, 2, 15, 0x7c, true, 0x7e},
    {ONEFOLD_DTYPE_F8_E4M3, "F8_E4M3", 1, 3, 7, 0x7f, false, 0x7f},
};

size_t exact_type_count(void)
{
    return sizeof(types) / sizeof(types[0]);
}

const struct exact_type *exact_type_at(size_t index)
{
    return &types[index];
}

static uint32_t sign_bit(const struct exact_type *type)
{
    return UINT32_C(1) << (type->size * 8 - 1);
}

/* Value of a magnitude as if no code were special: then all codes stand in the order of their
 * values, and the one past the largest finite code is where rounding up would lead. */
static double open_value(const struct exact_type *type, uint32_t magnitude)
{
    int exponent = (int)(magnitude >> type->mantissa_bits);
    uint32_t fraction = magnitude & ((UINT32_C(1) << type->mantissa_bits) - 1);

    if (exponent == 0) {
        return ldexp((double)fraction, 1 - type->exponent_bias - type->mantissa_bits);
    }
    fraction += UINT32_C(1) << type->mantissa_bits;
    return ldexp((double)fraction, exponent - type->exponent_bias - type->mantissa_bits);
}

double exact_decode(const struct exact_type *type, uint32_t code)
{
    uint32_t magnitude = code & (sign_bit(type) - 1);
    double value;

    if (magnitude < type->top) {
        value = open_value(type, magnitude);
    } else {
        value = magnitude == type->top && type->has_infinity ? HUGE_VAL : (double)NAN;
    }
    return (code & sign_bit(type)) != 0 ? -value : value;
}

double exact_midpoint(const struct exact_type *type, uint32_t magnitude)
{
    return (open_value(type, magnitude) + open_value(type, magnitude + 1)) / 2;
}

uint32_t exact_encode(const struct exact_type *type, double value)
{
    double magnitude = fabs(value);
    uint32_t sign = signbit(value) ? sign_bit(type) : 0;
    uint32_t low = 0;
    uint32_t high = type->top;

    if (isnan(value)) {
        return type->nan;
    }
    /* The largest code whose value is not above: low stays at or below it, high above it. */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (open_value(type, middle) <= magnitude) {
            low = middle;
        } else {
            high = middle;
        }
    }
    if (magnitude > exact_midpoint(type, low) ||
        (magnitude == exact_midpoint(type, low) && low % 2 == 1)) {
        low++;
    }
    if (low == type->top && !type->has_infinity) {
        return type->nan;
    }
    return sign | low;
}

float exact_to_f32(double value)
{
    double magnitude = fabs(value);
    int exponent;
    double unit;
    double rounded;

    if (isnan(value) || isinf(value) || value == 0.0) {
        return (float)value; /* nothing to round */
    }
    (void)frexp(magnitude, &exponent);
    if (exponent < FLT_MIN_EXP) {
        exponent = FLT_MIN_EXP; /* subnormal: the unit stays */
    }
    unit = ldexp(1.0, exponent - FLT_MANT_DIG);
    /* Divided by a power of two, exact; rint rounds to the nearest integer, ties to even. */
    rounded = rint(ldexp(magnitude, FLT_MANT_DIG - exponent)) * unit;
    if (rounded > (double)FLT_MAX) {
        rounded = HUGE_VAL;
    }
    return (float)copysign(rounded, value);
}
