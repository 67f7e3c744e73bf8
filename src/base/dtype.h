/* SPDX-License-Identifier: Apache-2.0 */
/* Element types: names as in safetensors and as in recipes and configs (torch). */
#ifndef OF_BASE_DTYPE_H
#define OF_BASE_DTYPE_H

#include "base/attr.h"
#include "base/str.h"
#include "onefold/dtype.h"

#include <stdbool.h>
#include <stdint.h>

/* Exact name of a safetensors header. False when unknown. */
OF_NODISCARD bool of_dtype_parse(struct of_str name, onefold_dtype *ret_dtype);
/* "bfloat16", "float16", "float32", each also with "torch." in front: the types a recipe may ask
 * for. False otherwise. */
OF_NODISCARD bool of_dtype_parse_torch(struct of_str name, onefold_dtype *ret_dtype);
/* "bfloat16", "float8_e4m3fn", ...; NULL when torch has no name for it. */
const char *of_dtype_torch_name(onefold_dtype dtype);
/* Bytes of `elem_count` elements. False when the bits do not fill whole bytes or overflow. */
OF_NODISCARD bool of_dtype_bytes(onefold_dtype dtype, uint64_t elem_count, uint64_t *ret_bytes);
/* Bytes of one element of a numeric type (and of every type of 8 bits or more); 0 below 8 bits. */
uint32_t of_dtype_size(onefold_dtype dtype);

#endif
