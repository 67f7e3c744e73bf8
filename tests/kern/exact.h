/* SPDX-License-Identifier: Apache-2.0 */
/* Element types by their definition, in doubles: what the scalar kernels are measured against. */
#ifndef OF_TESTS_EXACT_H
#define OF_TESTS_EXACT_H

#include "onefold/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exact_type {
    onefold_dtype dtype;
    const char *name;
    uint32_t size; /* bytes */
    int mantissa_bits;
    int exponent_bias;
    uint32_t top;      /* first magnitude that is not finite */
    bool has_infinity; /* `top` is infinity; otherwise the only NaN */
    uint32_t nan;      /* what pack writes for every NaN */
};

/* The types of at most 16 bits: F16, BF16, F8_E5M2, F8_E4M3. */
size_t exact_type_count(void);
const struct exact_type *exact_type_at(size_t index);

/* Value of a code; NaN for NaNs. */
double exact_decode(const struct exact_type *type, uint32_t code);
/* The nearest code, ties to the even one; past the range infinity, or NaN where there is none. */
uint32_t exact_encode(const struct exact_type *type, double value);
/* Half way between the magnitude and the next: exact in double. */
double exact_midpoint(const struct exact_type *type, uint32_t magnitude);
/* A double rounded to f32: nearest, ties to even, by scaling to integers. */
float exact_to_f32(double value);

#endif
