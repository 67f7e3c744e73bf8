/* SPDX-License-Identifier: Apache-2.0 */
/* The table of element types; everything else about types is derived from it. */
#include "base/dtype.h"

#include "base/check.h"
#include "base/num.h"

#include <string.h>

struct dtype_row {
    const char *name;
    size_t name_length;
    const char *torch_name; /* NULL = torch has none */
    uint32_t bits;
    bool is_numeric;
};

/* A header of a hundred thousand tensors asks for as many names: their lengths are known. */
#define NAMED(name) (name), sizeof(name) - 1

static const struct dtype_row rows[] = {
    [ONEFOLD_DTYPE_BOOL] = {NAMED("BOOL"), "bool", 8, false},
    [ONEFOLD_DTYPE_F4] = {NAMED("F4"), "float4_e2m1fn_x2", 4, false},
    [ONEFOLD_DTYPE_F6_E2M3] = {NAMED("F6_E2M3"), NULL, 6, false},
    [ONEFOLD_DTYPE_F6_E3M2] = {NAMED("F6_E3M2"), NULL, 6, false},
    [ONEFOLD_DTYPE_U8] = {NAMED("U8"), "uint8", 8, false},
    [ONEFOLD_DTYPE_I8] = {NAMED("I8"), "int8", 8, false},
    [ONEFOLD_DTYPE_F8_E5M2] = {NAMED("F8_E5M2"), "float8_e5m2", 8, true},
    [ONEFOLD_DTYPE_F8_E4M3] = {NAMED("F8_E4M3"), "float8_e4m3fn", 8, true},
    [ONEFOLD_DTYPE_F8_E8M0] = {NAMED("F8_E8M0"), "float8_e8m0fnu", 8, false},
    [ONEFOLD_DTYPE_F8_E4M3FNUZ] = {NAMED("F8_E4M3FNUZ"), "float8_e4m3fnuz", 8, false},
    [ONEFOLD_DTYPE_F8_E5M2FNUZ] = {NAMED("F8_E5M2FNUZ"), "float8_e5m2fnuz", 8, false},
    [ONEFOLD_DTYPE_I16] = {NAMED("I16"), "int16", 16, false},
    [ONEFOLD_DTYPE_U16] = {NAMED("U16"), "uint16", 16, false},
    [ONEFOLD_DTYPE_F16] = {NAMED("F16"), "float16", 16, true},
    [ONEFOLD_DTYPE_BF16] = {NAMED("BF16"), "bfloat16", 16, true},
    [ONEFOLD_DTYPE_I32] = {NAMED("I32"), "int32", 32, false},
    [ONEFOLD_DTYPE_U32] = {NAMED("U32"), "uint32", 32, false},
    [ONEFOLD_DTYPE_F32] = {NAMED("F32"), "float32", 32, true},
    [ONEFOLD_DTYPE_C64] = {NAMED("C64"), "complex64", 64, false},
    [ONEFOLD_DTYPE_F64] = {NAMED("F64"), "float64", 64, true},
    [ONEFOLD_DTYPE_I64] = {NAMED("I64"), "int64", 64, false},
    [ONEFOLD_DTYPE_U64] = {NAMED("U64"), "uint64", 64, false},
};
_Static_assert(OF_LENGTH(rows) == ONEFOLD_DTYPE_COUNT, "every type has a row");

static const struct dtype_row *row_of(onefold_dtype dtype)
{
    of_assert((unsigned)dtype < ONEFOLD_DTYPE_COUNT);
    return &rows[dtype];
}

const char *onefold_dtype_name(onefold_dtype dtype)
{
    return (unsigned)dtype < ONEFOLD_DTYPE_COUNT ? rows[dtype].name : "?";
}

uint32_t onefold_dtype_bits(onefold_dtype dtype)
{
    return (unsigned)dtype < ONEFOLD_DTYPE_COUNT ? rows[dtype].bits : 0;
}

int onefold_dtype_is_numeric(onefold_dtype dtype)
{
    return (unsigned)dtype < ONEFOLD_DTYPE_COUNT && rows[dtype].is_numeric ? 1 : 0;
}

bool of_dtype_parse(struct of_str name, onefold_dtype *ret_dtype)
{
    for (unsigned i = 0; i < ONEFOLD_DTYPE_COUNT; i++) {
        if (name.length == rows[i].name_length &&
            memcmp(name.data, rows[i].name, name.length) == 0) {
            *ret_dtype = (onefold_dtype)i;
            return true;
        }
    }
    return false;
}

bool of_dtype_parse_torch(struct of_str name, onefold_dtype *ret_dtype)
{
    static const onefold_dtype allowed[] = {ONEFOLD_DTYPE_BF16, ONEFOLD_DTYPE_F16,
                                            ONEFOLD_DTYPE_F32};

    if (of_str_starts(name, "torch.")) {
        name = (struct of_str){name.data + 6, name.length - 6};
    }
    for (size_t i = 0; i < OF_LENGTH(allowed); i++) {
        if (of_str_is(name, rows[allowed[i]].torch_name)) {
            *ret_dtype = allowed[i];
            return true;
        }
    }
    return false;
}

const char *of_dtype_torch_name(onefold_dtype dtype)
{
    return row_of(dtype)->torch_name;
}

bool of_dtype_bytes(onefold_dtype dtype, uint64_t elem_count, uint64_t *ret_bytes)
{
    uint64_t bits;

    if (!of_num_mul(elem_count, row_of(dtype)->bits, &bits) || bits % 8 != 0) {
        return false;
    }
    *ret_bytes = bits / 8;
    return true;
}

uint32_t of_dtype_size(onefold_dtype dtype)
{
    return row_of(dtype)->bits / 8;
}
