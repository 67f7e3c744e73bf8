/* SPDX-License-Identifier: Apache-2.0 */
#include "toy.h"

static void test_golden(void **state)
{
    const double coefs[] = {0.181746032, 0.0825396825, 0.191269841, 0.544444444};
    const double v[] = {2.33333333,    -1.39920635, -0.140079365,
                        -0.0882936508, 3.56746032,  0.130357143};
    struct toy *toy = toy_make_golden("metagpt", 4);

    (void)state;
    toy_good(toy);
    toy_expect_coefs(toy, coefs);
    toy_expect(toy, v);
    free(toy);
}

static void test_equal_norms_are_the_mean(void **state)
{
    struct toy *toy = toy_make("metagpt", 3, 3);

    (void)state;
    toy_good(toy); /* no task vector at all */
    toy_near(toy->coefs[1], 1.0 / 3.0);
    assert_true(toy_heard(toy, "method-zero"));
    for (uint32_t t = 0; t < 3; t++) {
        toy->tau[t][t] = 4.0F;
    }
    toy_good(toy);
    assert_true(toy->coefs[0] == 1.0 / 3.0 && toy->coefs[2] == 1.0 / 3.0);
    assert_int_equal(of_method_need(toy->method, &toy->given.params), OF_GRAM_NORMS);
    free(toy);
}

static void test_dominant(void **state)
{
    struct toy *toy = toy_make("metagpt", 2, 2);

    (void)state;
    toy->tau[0][0] = 10.0F;
    toy->tau[1][1] = 3.0F;
    toy_good(toy);
    assert_true(toy_heard(toy,
                          "method-dominant: the task vector of input 1 is 3.33 times as long as "
                          "that of input 2"));
    toy->tau[1][1] = 4.0F;
    toy_good(toy);
    assert_false(toy_heard(toy, "method-dominant"));
    free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_equal_norms_are_the_mean),
        cmocka_unit_test(test_dominant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
