/* SPDX-License-Identifier: Apache-2.0 */
#include "toy.h"

enum { LOWER, MID, UPPER };

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a;
    const float y = *(const float *)b;

    return x < y ? -1 : x > y ? 1 : 0;
}

static void expect_golden(uint32_t count, double mode, const float *v)
{
    struct toy *toy = toy_make_golden("median", count);

    toy_set(toy, "mode", mode);
    toy_good(toy);
    for (size_t i = 0; i < 6; i++) {
        assert_true(toy->v[i] == v[i]);
    }
    assert_int_equal(toy_heard(toy, "method-bias"), count % 2 == 0 && mode != MID);
    free(toy);
}

static void test_golden(void **state)
{
    const float lower[] = {1.0F, -2.0F, 0.0F, 0.0F, 2.0F, -0.5F};
    const float mid[] = {1.5F, -1.5F, 0.25F, 0.0F, 2.5F, -0.375F};
    const float upper[] = {2.0F, -1.0F, 0.5F, 0.0F, 3.0F, -0.25F};
    const float five[] = {1.0F, -2.0F, 0.25F, 0.0F, 2.5F, -0.5F};

    (void)state;
    expect_golden(4, LOWER, lower);
    expect_golden(4, MID, mid);
    expect_golden(4, UPPER, upper);
    expect_golden(5, LOWER, five);
    expect_golden(5, MID, five);
    expect_golden(5, UPPER, five);
}

static void check(uint32_t count, struct prng *prng)
{
    const uint32_t high = count / 2;
    const uint32_t low = (count - 1) / 2;

    for (int mode = LOWER; mode <= UPPER; mode++) {
        struct toy *toy = toy_make("median", count, TOY_LENGTH_MAX);

        toy_fill(toy, prng);
        toy_set(toy, "mode", mode);
        toy_good(toy);
        for (size_t i = 0; i < toy->length; i++) {
            float z[TOY_INPUTS_MAX];

            for (uint32_t t = 0; t < count; t++) {
                z[t] = toy->tau[t][i];
            }
            qsort(z, count, sizeof(z[0]), compare);
            assert_true(toy->v[i] == (mode == LOWER   ? z[low]
                                      : mode == UPPER ? z[high]
                                                      : 0.5F * (z[low] + z[high])));
        }
        free(toy);
    }
}

static void test_naive(void **state)
{
    const uint32_t large[] = {31, 32, 64, 100, 255, 256};
    struct prng prng = prng_make(prng_seed(3));

    (void)state;
    for (uint32_t count = 1; count <= 20; count++) {
        check(count, &prng);
    }
    for (size_t i = 0; i < OF_LENGTH(large); i++) {
        check(large[i], &prng);
    }
}

static void test_symmetries(void **state)
{
    struct prng prng = prng_make(prng_seed(4));
    struct toy *a = toy_make("median", 6, TOY_LENGTH_MAX);
    struct toy *b = toy_make("median", 6, TOY_LENGTH_MAX);

    (void)state;
    toy_fill(a, &prng);
    toy_permute(b, a, 5, 2);
    toy_good(a);
    toy_good(b);
    toy_same_v(a, b); /* no order of inputs */
    for (uint32_t t = 0; t < 6; t++) {
        for (size_t i = 0; i < b->length; i++) {
            b->tau[t][i] = -4.0F * a->tau[t][i];
        }
    }
    toy_good(b);
    for (size_t i = 0; i < b->length; i++) {
        assert_true(b->v[i] == -4.0F * a->v[i]);
    }
    /* The lower median of the negative is the negative of the upper one. */
    toy_set(b, "mode", LOWER);
    toy_set(a, "mode", UPPER);
    toy_good(a);
    toy_good(b);
    for (size_t i = 0; i < b->length; i++) {
        assert_true(b->v[i] == -4.0F * a->v[i]);
    }
    free(b);
    free(a);
}

static void test_words(void **state)
{
    struct toy *toy = toy_make_golden("median", 2);

    (void)state;
    toy_set(toy, "mode", LOWER);
    toy_good(toy);
    assert_true(toy_heard(toy, "method-bias: median: with 2 inputs the lower median is biased "
                               "towards negative values, being the smaller of the two"));
    toy_set(toy, "mode", UPPER);
    toy_good(toy);
    assert_true(toy_heard(toy, "positive values, being the larger"));
    assert_int_equal(toy->method->input_count_min, 2);
    assert_int_equal(toy->method->input_count_max, 256);
    free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_naive),
        cmocka_unit_test(test_symmetries),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
