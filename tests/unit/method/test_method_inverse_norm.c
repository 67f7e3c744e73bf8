/* SPDX-License-Identifier: Apache-2.0 */
#include "toy.h"

static void test_golden(void **state)
{
    const double coefs[] = {0.247742778, 0.367622492, 0.241496156, 0.143138574};
    struct toy *toy = toy_make_golden("inverse_norm", 4);

    (void)state;
    toy_good(toy);
    toy_expect_coefs(toy, coefs);
    free(toy);
}

/* Whatever the length of an input, it pulls as far as every other. */
static void test_lengths_do_not_matter(void **state)
{
    struct toy *toy = toy_make_golden("inverse_norm", 4);
    struct toy *longer = toy_make_golden("inverse_norm", 4);
    double factor;

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        longer->tau[2][i] *= 64.0F;
    }
    toy_good(toy);
    toy_good(longer);
    factor = (double)longer->v[0] / (double)toy->v[0];
    for (size_t i = 0; i < 6; i++) {
        assert_true(fabs((double)longer->v[i] - factor * (double)toy->v[i]) < 1e-5);
    }
    assert_false(toy_heard(longer, "method-dominant"));
    free(longer);
    free(toy);
}

static void test_zero(void **state)
{
    struct toy *toy = toy_make("inverse_norm", 3, 3);

    (void)state;
    toy_good(toy);
    toy_near(toy->coefs[0], 1.0 / 3.0);
    toy->tau[0][0] = 1.0F;
    toy->tau[2][1] = 1e-20F; /* its square is far below what f32 can hold */
    toy_good(toy);
    assert_true(toy->coefs[1] == 0.0);
    toy_near(toy->coefs[2], 1.0);
    assert_true(toy_heard(toy, "method-zero: input 2"));
    free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_lengths_do_not_matter),
        cmocka_unit_test(test_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
