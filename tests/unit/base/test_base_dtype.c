/* SPDX-License-Identifier: Apache-2.0 */
/* Names, sizes and kinds of element types. */
#include "base/dtype.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_names_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < ONEFOLD_DTYPE_COUNT; i++) {
        onefold_dtype found = ONEFOLD_DTYPE_COUNT;

        assert_true(of_dtype_parse(of_str_from(onefold_dtype_name((onefold_dtype)i)), &found));
        assert_int_equal(found, i);
    }
}

static void test_names_are_exact(void **state)
{
    static const char *const wrong[] = {"", "f32", "F32 ", " F32", "F3", "F322", "float32", "?"};
    onefold_dtype found = ONEFOLD_DTYPE_U64;

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(wrong); i++) {
        assert_false(of_dtype_parse(of_str_from(wrong[i]), &found));
    }
    assert_int_equal(found, ONEFOLD_DTYPE_U64);
}

static void test_order_of_the_reference_writer(void **state)
{
    (void)state;
    assert_true(ONEFOLD_DTYPE_BOOL == 0);
    assert_string_equal(onefold_dtype_name(ONEFOLD_DTYPE_BOOL), "BOOL");
    assert_string_equal(onefold_dtype_name((onefold_dtype)(ONEFOLD_DTYPE_COUNT - 1)), "U64");
    assert_true(ONEFOLD_DTYPE_F16 < ONEFOLD_DTYPE_BF16);
    assert_true(ONEFOLD_DTYPE_BF16 < ONEFOLD_DTYPE_F32);
}

static void test_bits_and_sizes(void **state)
{
    (void)state;
    assert_int_equal(onefold_dtype_bits(ONEFOLD_DTYPE_F4), 4);
    assert_int_equal(onefold_dtype_bits(ONEFOLD_DTYPE_F6_E3M2), 6);
    assert_int_equal(onefold_dtype_bits(ONEFOLD_DTYPE_BF16), 16);
    assert_int_equal(onefold_dtype_bits(ONEFOLD_DTYPE_C64), 64);
    assert_int_equal(onefold_dtype_bits(ONEFOLD_DTYPE_COUNT), 0);
    assert_int_equal(of_dtype_size(ONEFOLD_DTYPE_F4), 0);
    assert_int_equal(of_dtype_size(ONEFOLD_DTYPE_F8_E4M3), 1);
    assert_int_equal(of_dtype_size(ONEFOLD_DTYPE_F64), 8);
    assert_string_equal(onefold_dtype_name(ONEFOLD_DTYPE_COUNT), "?");
}

static void test_bytes(void **state)
{
    uint64_t bytes = 77;

    (void)state;
    assert_true(of_dtype_bytes(ONEFOLD_DTYPE_F4, 2, &bytes));
    assert_int_equal(bytes, 1);
    assert_true(of_dtype_bytes(ONEFOLD_DTYPE_F6_E2M3, 4, &bytes));
    assert_int_equal(bytes, 3);
    assert_true(of_dtype_bytes(ONEFOLD_DTYPE_F32, 0, &bytes));
    assert_int_equal(bytes, 0);
    bytes = 77;
    assert_false(of_dtype_bytes(ONEFOLD_DTYPE_F4, 3, &bytes));
    assert_false(of_dtype_bytes(ONEFOLD_DTYPE_F6_E2M3, 2, &bytes));
    /* 2^62 elements of 32 bits would wrap to 0 bytes. */
    assert_false(of_dtype_bytes(ONEFOLD_DTYPE_F32, UINT64_C(1) << 62, &bytes));
    assert_int_equal(bytes, 77);
}

static void test_numeric(void **state)
{
    static const onefold_dtype numeric[] = {ONEFOLD_DTYPE_F64,     ONEFOLD_DTYPE_F32,
                                            ONEFOLD_DTYPE_F16,     ONEFOLD_DTYPE_BF16,
                                            ONEFOLD_DTYPE_F8_E4M3, ONEFOLD_DTYPE_F8_E5M2};
    int count = 0;

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(numeric); i++) {
        assert_true(onefold_dtype_is_numeric(numeric[i]));
    }
    for (int i = 0; i < ONEFOLD_DTYPE_COUNT + 3; i++) {
        count += onefold_dtype_is_numeric((onefold_dtype)i);
    }
    assert_int_equal(count, OF_LENGTH(numeric));
}

static void test_torch_names(void **state)
{
    onefold_dtype dtype = ONEFOLD_DTYPE_U64;

    (void)state;
    assert_true(of_dtype_parse_torch(OF_STR("bfloat16"), &dtype));
    assert_int_equal(dtype, ONEFOLD_DTYPE_BF16);
    assert_true(of_dtype_parse_torch(OF_STR("torch.float16"), &dtype));
    assert_int_equal(dtype, ONEFOLD_DTYPE_F16);
    assert_true(of_dtype_parse_torch(OF_STR("torch.float32"), &dtype));
    assert_int_equal(dtype, ONEFOLD_DTYPE_F32);
    assert_false(of_dtype_parse_torch(OF_STR("bf16"), &dtype));
    assert_false(of_dtype_parse_torch(OF_STR("float64"), &dtype));
    assert_false(of_dtype_parse_torch(OF_STR("torch.torch.float32"), &dtype));
    assert_false(of_dtype_parse_torch(OF_STR("Float32"), &dtype));
    assert_string_equal(of_dtype_torch_name(ONEFOLD_DTYPE_F8_E4M3), "float8_e4m3fn");
    assert_null(of_dtype_torch_name(ONEFOLD_DTYPE_F6_E2M3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_round_trip),
        cmocka_unit_test(test_names_are_exact),
        cmocka_unit_test(test_order_of_the_reference_writer),
        cmocka_unit_test(test_bits_and_sizes),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_numeric),
        cmocka_unit_test(test_torch_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
