/* SPDX-License-Identifier: Apache-2.0 */
#include "params_given.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct of_method *method(void)
{
    return of_method_find("task_arithmetic");
}

static void set(struct given *given, double first, double second)
{
    given_init(given, method(), 2);
    given_row(given, method(), "weight")[0] = first;
    given_row(given, method(), "weight")[1] = second;
}

static void test_weights_are_the_coefficients(void **state)
{
    struct given given;

    (void)state;
    set(&given, 0.3, -1.5);
    assert_int_equal(given_prepare(&given, method()), ONEFOLD_OK);
    assert_true(given.coefs[0] == 0.3 && given.coefs[1] == -1.5);
    /* lambda is the plan's: it stays apart from v. */
    assert_false(given.linear.has_divisor);
    assert_false(given.linear.has_factor);
}

static void test_normalize(void **state)
{
    struct given given;

    (void)state;
    set(&given, 0.1, 0.6);
    *given_global(&given, method(), "normalize") = 1.0;
    assert_int_equal(given_prepare(&given, method()), ONEFOLD_OK);
    assert_true(given.linear.has_divisor);
    assert_true(given.linear.divisor == (double)(0.1F + 0.6F));
    given.present[0] = false;
    assert_int_equal(given_prepare(&given, method()), ONEFOLD_OK);
    assert_true(given.linear.divisor == (double)0.6F);
}

static void test_sum_near_zero_is_not_divided_by(void **state)
{
    struct given given;

    (void)state;
    set(&given, 0.4, -0.4);
    *given_global(&given, method(), "normalize") = 1.0;
    assert_int_equal(given_prepare(&given, method()), ONEFOLD_OK);
    assert_false(given.linear.has_divisor);
    set(&given, 3e38, 3e38);
    *given_global(&given, method(), "normalize") = 1.0;
    assert_int_equal(given_prepare(&given, method()), ONEFOLD_E_RECIPE);
}

static void test_rescale_and_int8_mask_change_nothing(void **state)
{
    struct given given;

    (void)state;
    assert_true(of_method_param(method(), "rescale")->no_effect);
    assert_true(of_method_param(method(), "int8_mask")->no_effect);
    set(&given, 0.5, 0.5);
    *given_global(&given, method(), "rescale") = 1.0;
    *given_global(&given, method(), "int8_mask") = 1.0;
    assert_int_equal(given_prepare(&given, method()), ONEFOLD_OK);
    assert_true(given.coefs[0] == 0.5 && !given.linear.has_divisor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights_are_the_coefficients),
        cmocka_unit_test(test_normalize),
        cmocka_unit_test(test_sum_near_zero_is_not_divided_by),
        cmocka_unit_test(test_rescale_and_int8_mask_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
