/* SPDX-License-Identifier: Apache-2.0 */
#include "toy.h"

static void test_step_is_two_means(void **state)
{
    struct toy *toy = toy_make_golden("feddyn", 4);
    struct toy *mean = toy_make_golden("fedavg", 4);

    (void)state;
    toy_good(toy);
    toy_good(mean);
    toy_same_v(toy, mean);
    assert_true(toy->has_factor && toy->factor == 2.0);
    assert_false(toy->method->takes_lambda);
    assert_true(toy->method->is_federated);
    assert_int_equal(toy->method->scale, OF_SCALE_OF_MEAN);
    free(mean);
    free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_step_is_two_means)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
