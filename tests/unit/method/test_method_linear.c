/* SPDX-License-Identifier: Apache-2.0 */
#include "params_given.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct of_method *method(void)
{
    return of_method_find("linear");
}

static void set(struct given *given, uint32_t count, const double *weights)
{
    given_init(given, method(), count);
    memcpy(given_row(given, method(), "weight"), weights, count * sizeof(weights[0]));
}

static void test_divides_by_the_f32_sum(void **state)
{
    struct given given;

    (void)state;
    set(&given, 3, (const double[]){0.1, 0.2, 0.4});
    assert_int_equal(given_prepare(&given, method()), ONEFOLD_OK);
    assert_true(given.coefs[0] == 0.1 && given.coefs[1] == 0.2 && given.coefs[2] == 0.4);
    assert_true(given.linear.has_divisor);
    /* Not 0.7: that is what the three factors would add up to without rounding. */
    assert_true(given.linear.divisor == (double)(0.1F + 0.2F + 0.4F));
    assert_false(given.linear.has_factor);
}

static void test_normalize_off(void **state)
{
    struct given given;

    (void)state;
    set(&given, 2, (const double[]){1.0, -1.0});
    *given_global(&given, method(), "normalize") = 0.0;
    assert_int_equal(given_prepare(&given, method()), ONEFOLD_OK);
    assert_false(given.linear.has_divisor);
    assert_true(given.coefs[1] == -1.0);
}

static void test_absent_inputs_do_not_count(void **state)
{
    struct given given;

    (void)state;
    set(&given, 3, (const double[]){0.5, 3.0, 0.25});
    given.present[1] = false;
    assert_int_equal(given_prepare(&given, method()), ONEFOLD_OK);
    assert_true(given.coefs[1] == 0.0);
    assert_true(given.linear.divisor == 0.75);
}

static void refuse(const double *weights, uint32_t count)
{
    struct given given;

    set(&given, count, weights);
    assert_int_equal(given_prepare(&given, method()), ONEFOLD_E_RECIPE);
    assert_string_equal(given.err.id, "recipe-zero");
}

static void test_sums_that_cannot_be_divided_by(void **state)
{
    struct given given;

    (void)state;
    refuse((const double[]){-0.4, 0.4}, 2);
    refuse((const double[]){0.0}, 1);
    refuse((const double[]){0.7, 0.1, -0.8}, 3); /* zero in decimal, not in binary */
    refuse((const double[]){3e38, 3e38}, 2);
    set(&given, 2, (const double[]){-0.5, 0.500001});
    assert_int_equal(given_prepare(&given, method()), ONEFOLD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_divides_by_the_f32_sum),
        cmocka_unit_test(test_normalize_off),
        cmocka_unit_test(test_absent_inputs_do_not_count),
        cmocka_unit_test(test_sums_that_cannot_be_divided_by),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
