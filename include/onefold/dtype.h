/* SPDX-License-Identifier: Apache-2.0 */
/* Element types of safetensors files. */
#ifndef ONEFOLD_DTYPE_H
#define ONEFOLD_DTYPE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* In the order of the reference writer: it sorts tensors by falling rank in this list. */
typedef enum onefold_dtype {
    ONEFOLD_DTYPE_BOOL = 0,
    ONEFOLD_DTYPE_F4,
    ONEFOLD_DTYPE_F6_E2M3,
    ONEFOLD_DTYPE_F6_E3M2,
    ONEFOLD_DTYPE_U8,
    ONEFOLD_DTYPE_I8,
    ONEFOLD_DTYPE_F8_E5M2,
    ONEFOLD_DTYPE_F8_E4M3,
    ONEFOLD_DTYPE_F8_E8M0,
    ONEFOLD_DTYPE_F8_E4M3FNUZ,
    ONEFOLD_DTYPE_F8_E5M2FNUZ,
    ONEFOLD_DTYPE_I16,
    ONEFOLD_DTYPE_U16,
    ONEFOLD_DTYPE_F16,
    ONEFOLD_DTYPE_BF16,
    ONEFOLD_DTYPE_I32,
    ONEFOLD_DTYPE_U32,
    ONEFOLD_DTYPE_F32,
    ONEFOLD_DTYPE_C64,
    ONEFOLD_DTYPE_F64,
    ONEFOLD_DTYPE_I64,
    ONEFOLD_DTYPE_U64,
    ONEFOLD_DTYPE_COUNT
} onefold_dtype;

/* Name as in a safetensors header, e.g. "BF16". Never NULL. Any thread. */
const char *onefold_dtype_name(onefold_dtype dtype);

/* Bits of one element: 4 to 64. Any thread. */
uint32_t onefold_dtype_bits(onefold_dtype dtype);

/* 1 when the type takes part in arithmetic (F64 F32 F16 BF16 F8_E4M3 F8_E5M2), 0 when tensors of it
 * are only copied. Any thread. */
int onefold_dtype_is_numeric(onefold_dtype dtype);

/* Type by its name in recipes: "bfloat16", "float16", "float32", also with "torch." in front.
 * Returns 1 and fills *ret_dtype, or 0 for any other word. Any thread. */
int onefold_dtype_parse(const char *name, onefold_dtype *ret_dtype);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
