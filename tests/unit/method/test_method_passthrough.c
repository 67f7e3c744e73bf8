/* SPDX-License-Identifier: Apache-2.0 */
#include "params_given.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_scale(void **state)
{
    const struct of_method *method = of_method_find("passthrough");
    struct given given;

    (void)state;
    assert_int_equal(method->input_count_max, 1);
    given_init(&given, method, 1);
    assert_int_equal(given_prepare(&given, method), ONEFOLD_OK);
    assert_true(given.coefs[0] == 1.0); /* a copy */
    given_row(&given, method, "scale")[0] = -0.5;
    assert_int_equal(given_prepare(&given, method), ONEFOLD_OK);
    assert_true(given.coefs[0] == -0.5);
    assert_false(given.linear.has_divisor);
    assert_false(given.linear.has_factor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scale)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
