/* SPDX-License-Identifier: Apache-2.0 */
/* Checked and plain arithmetic on sizes. Numbers from a file go through the checked half. */
#ifndef OF_BASE_NUM_H
#define OF_BASE_NUM_H

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

/* True when the result fits; *ret_sum is untouched otherwise. */
OF_NODISCARD static inline bool of_num_add(uint64_t a, uint64_t b, uint64_t *ret_sum)
{
    uint64_t sum;

    if (__builtin_add_overflow(a, b, &sum)) {
        return false;
    }
    *ret_sum = sum;
    return true;
}

/* True when the result fits; *ret_product is untouched otherwise. */
OF_NODISCARD static inline bool of_num_mul(uint64_t a, uint64_t b, uint64_t *ret_product)
{
    uint64_t product;

    if (__builtin_mul_overflow(a, b, &product)) {
        return false;
    }
    *ret_product = product;
    return true;
}

/* `align` is a power of two. The caller knows that the result fits. */
static inline uint64_t of_num_align_down(uint64_t value, uint64_t align)
{
    return value & ~(align - 1);
}

static inline uint64_t of_num_align_up(uint64_t value, uint64_t align)
{
    return (value + (align - 1)) & ~(align - 1);
}

static inline uint64_t of_num_div_ceil(uint64_t value, uint64_t by)
{
    return value / by + (value % by != 0);
}

static inline uint64_t of_num_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t of_num_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
