/* SPDX-License-Identifier: Apache-2.0 */
/* The scalar kernels on numbers worked out by hand, with the rule each one shows. tests/kern goes
 * through all values; here the law can be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kern/kern.h"

#include <math.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

struct pair {
    uint32_t bits; /* f32 */
    uint32_t code;
};

static struct of_kern kern;

static int setup(void **state)
{
    (void)state;
    return of_kern_init(&kern, "scalar") == NULL;
}

static float from_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void assert_packs(onefold_dtype dtype, const struct pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float value = from_bits(pairs[i].bits);
        uint32_t code = 0;
        size_t bad = kern.pack[dtype](&code, &value, 1);
        float back;

        assert_int_equal(code, pairs[i].code);
        kern.unpack[dtype](&back, &code, 1);
        assert_int_equal(bad, isfinite(back) ? 0 : 1);
    }
}

static void test_bf16(void **state)
{
    static const struct pair pairs[] = {
        {0x3f800000, 0x3f80},                       /* 1 */
        {0x3f808000, 0x3f80},                       /* tie, down to even */
        {0x3f818000, 0x3f82},                       /* tie, up to even */
        {0x3f808001, 0x3f81},                       /* just above a tie */
        {0x80000000, 0x8000},                       /* minus zero stays */
        {0x00008000, 0x0000},                       /* subnormal tie to even zero */
        {0x00008001, 0x0001},                       /* smallest subnormal */
        {0x7f7fffff, 0x7f80},                       /* the largest f32 rounds to infinity */
        {0xff800000, 0xff80}, {0x7f800001, 0x7fc0}, /* a signalling NaN becomes the quiet one */
        {0xffffffff, 0x7fc0},                       /* and so does a negative one */
    };

    (void)state;
    assert_packs(ONEFOLD_DTYPE_BF16, pairs, LENGTH(pairs));
}

static void test_f16(void **state)
{
    static const struct pair pairs[] = {
        {0x3f800000, 0x3c00}, {0x477fe000, 0x7bff}, /* 65504, the largest */
        {0x477fefff, 0x7bff},                       /* just below 65520 */
        {0x477ff000, 0x7c00},                       /* 65520: tie with 65536, infinity */
        {0xc77ff000, 0xfc00}, {0x38800000, 0x0400}, /* smallest normal */
        {0x33800000, 0x0001},                       /* 2^-24, smallest subnormal */
        {0x33000000, 0x0000},                       /* 2^-25: tie to zero */
        {0x33000001, 0x0001}, {0x387fe000, 0x0400}, /* tie between subnormal and normal */
        {0x7fa00000, 0x7e00}, {0x7f7fffff, 0x7c00},
    };

    (void)state;
    assert_packs(ONEFOLD_DTYPE_F16, pairs, LENGTH(pairs));
}

static void test_e5m2(void **state)
{
    static const struct pair pairs[] = {
        {0x3f800000, 0x3c}, {0x47600000, 0x7b}, /* 57344, the largest */
        {0x476fffff, 0x7b}, {0x47700000, 0x7c}, /* 61440: tie with 65536, infinity */
        {0x37800000, 0x01},                     /* 2^-16, smallest subnormal */
        {0x37000000, 0x00},                     /* 2^-17: tie to zero */
        {0xff800000, 0xfc}, {0xffc00000, 0x7e},
    };

    (void)state;
    assert_packs(ONEFOLD_DTYPE_F8_E5M2, pairs, LENGTH(pairs));
}

static void test_e4m3(void **state)
{
    static const struct pair pairs[] = {
        {0x3f800000, 0x38}, {0x43e00000, 0x7e}, /* 448, the largest */
        {0x43e80000, 0x7e},                     /* 464: tie with 480, down to even */
        {0x43e80001, 0x7f},                     /* past it: NaN, there is no infinity */
        {0x7f800000, 0x7f}, {0xff800000, 0x7f}, /* one NaN, also for minus infinity */
        {0x3c800000, 0x08},                     /* 2^-6, smallest normal */
        {0x3b000000, 0x01},                     /* 2^-9, smallest subnormal */
        {0x3a800000, 0x00},                     /* 2^-10: tie to zero */
        {0xbf800000, 0xb8},
    };

    (void)state;
    assert_packs(ONEFOLD_DTYPE_F8_E4M3, pairs, LENGTH(pairs));
}

static void test_f64(void **state)
{
    /* 1 + 2^-24 is the tie between 1 and the next f32; one more bit goes up. */
    static const double from[] = {1.0 + 0x1p-24, 1.0 + 0x1p-24 + 0x1p-50, 0x1p-149, 0x1p-150,
                                  1e300};
    static const uint32_t expected[] = {0x3f800000, 0x3f800001, 0x00000001, 0, 0x7f800000};
    float to[LENGTH(from)];
    double back[LENGTH(from)];

    (void)state;
    kern.unpack[ONEFOLD_DTYPE_F64](to, from, LENGTH(from));
    assert_memory_equal(to, expected, sizeof(to));
    assert_int_equal(kern.pack[ONEFOLD_DTYPE_F64](back, to, LENGTH(from)), 1);
    for (size_t i = 0; i < LENGTH(from); i++) {
        assert_true(back[i] == (double)to[i]);
    }
}

/* With a fused multiply-add the product's low bits would survive the cancellation. */
static void test_no_fused_multiply_add(void **state)
{
    const float x = 1.0F + 0x1p-12F;
    float acc = -(1.0F + 0x1p-11F);

    (void)state;
    kern.fold_plain(&acc, &x, x, 1);
    assert_true(acc == 0.0F); /* fused: 2^-24 */
}

static void test_order_of_delta(void **state)
{
    const float x = 1.0F;
    const float base = 0x1p-30F;
    float acc = 0.0F;

    (void)state;
    /* x - base rounds to 1 before the factor; base comes back exactly. */
    kern.fold_delta(&acc, &x, &base, 3.0F, 1);
    assert_true(acc == 3.0F);
    kern.finish_delta(&acc, &base, 0.0F, 1);
    assert_true(acc == base);
}

static void test_difference_is_rounded_once(void **state)
{
    const float base[] = {0x1p-30F, 1.0F};
    const float x[] = {1.0F, 1.0F + 0x1p-7F};
    const uint16_t codes[] = {0x3f80, 0x3f81};
    float d[2];

    (void)state;
    kern.subtract(d, x, base, 2);
    assert_true(d[0] == 1.0F && d[1] == 0x1p-7F);
    d[0] = 7.0F;
    kern.subtract_bf16(d, codes, base, 2);
    assert_true(d[0] == 1.0F && d[1] == 0x1p-7F);
}

/* Only a smaller second value moves: equal ones and NaNs stay where they are. */
static void test_order_of_a_pair(void **state)
{
    float low[] = {2.0F, 1.0F, 0.0F, -0.0F, NAN, 1.0F};
    float high[] = {1.0F, 2.0F, -0.0F, 0.0F, 1.0F, NAN};

    (void)state;
    kern.order_pair(low, high, LENGTH(low));
    assert_true(low[0] == 1.0F && high[0] == 2.0F);
    assert_true(low[1] == 1.0F && high[1] == 2.0F);
    assert_true(!signbit(low[2]) && signbit(high[2]));
    assert_true(signbit(low[3]) && !signbit(high[3]));
    assert_true(isnan(low[4]) && high[4] == 1.0F);
    assert_true(low[5] == 1.0F && isnan(high[5]));
}

static void test_products_go_to_their_lanes(void **state)
{
    double lanes[8] = {100.0};
    float a[11];
    float b[11];

    (void)state;
    for (int i = 0; i < 11; i++) {
        a[i] = (float)i;
        b[i] = 2.0F;
    }
    kern.add_products(lanes, a, b, 11);
    assert_true(lanes[0] == 100.0 + 0.0 + 16.0 && lanes[1] == 2.0 + 18.0);
    assert_true(lanes[2] == 4.0 + 20.0 && lanes[3] == 6.0 && lanes[7] == 14.0);
    /* Far below what f32 holds: the product is made in double. */
    a[0] = 0x1p-149F;
    lanes[0] = 0.0;
    kern.add_products(lanes, a, a, 1);
    assert_true(lanes[0] == 0x1p-298);
}

static void test_subnormals_are_kept(void **state)
{
    float acc = 0x1p-148F;

    (void)state;
    kern.scale(&acc, 0.5F, 1);
    assert_true(acc == 0x1p-149F);
    kern.divide(&acc, 0.5F, 1);
    assert_true(acc == 0x1p-148F);
}

static void test_nothing_for_no_elements(void **state)
{
    uint64_t nan = 9;
    uint64_t inf = 9;

    (void)state;
    kern.count_nonfinite(NULL, 0, &nan, &inf);
    assert_int_equal(nan + inf, 0);
    assert_int_equal(kern.pack[ONEFOLD_DTYPE_BF16](NULL, NULL, 0), 0);
    kern.unpack[ONEFOLD_DTYPE_F32](NULL, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_f16),
        cmocka_unit_test(test_e5m2),
        cmocka_unit_test(test_e4m3),
        cmocka_unit_test(test_f64),
        cmocka_unit_test(test_no_fused_multiply_add),
        cmocka_unit_test(test_order_of_delta),
        cmocka_unit_test(test_difference_is_rounded_once),
        cmocka_unit_test(test_order_of_a_pair),
        cmocka_unit_test(test_products_go_to_their_lanes),
        cmocka_unit_test(test_subnormals_are_kept),
        cmocka_unit_test(test_nothing_for_no_elements),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
