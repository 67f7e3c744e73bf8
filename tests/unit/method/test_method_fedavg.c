/* SPDX-License-Identifier: Apache-2.0 */
#include "params_given.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct of_method *method(void)
{
    return of_method_find("fedavg");
}

static void put(struct given *given, const char *name, double first, double second, double third)
{
    double *row = given_row(given, method(), name);

    row[0] = first;
    row[1] = second;
    row[2] = third;
}

static void test_equal_shares_without_facts(void **state)
{
    struct given given;

    (void)state;
    given_init(&given, method(), 3);
    assert_int_equal(given_prepare(&given, method()), ONEFOLD_OK);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(given.coefs[i] == 1.0 / 3.0);
    }
    assert_false(given.linear.has_divisor);
}

static void test_samples_and_weights(void **state)
{
    struct given given;

    (void)state;
    given_init(&given, method(), 3);
    put(&given, "samples", 100.0, 300.0, 600.0);
    assert_int_equal(given_prepare(&given, method()), ONEFOLD_OK);
    assert_true(given.coefs[0] == 0.1 && given.coefs[1] == 0.3 && given.coefs[2] == 0.6);

    given_init(&given, method(), 3);
    put(&given, "weight", 2.0, 0.0, 6.0);
    assert_int_equal(given_prepare(&given, method()), ONEFOLD_OK);
    assert_true(given.coefs[0] == 0.25 && given.coefs[1] == 0.0 && given.coefs[2] == 0.75);
}

static void refuse(struct given *given, const char *id, const char *part)
{
    assert_int_equal(given_prepare(given, method()), ONEFOLD_E_RECIPE);
    assert_string_equal(given->err.id, id);
    assert_non_null(strstr(given->err.message, part));
}

static void test_refusals(void **state)
{
    struct given given;

    (void)state;
    given_init(&given, method(), 3);
    put(&given, "samples", 100.0, OF_PARAM_NOT_GIVEN, 600.0);
    refuse(&given, "recipe-fact", "2 of 3");

    given_init(&given, method(), 3);
    put(&given, "samples", 1.0, 1.0, 1.0);
    put(&given, "weight", 1.0, 1.0, 1.0);
    refuse(&given, "recipe-fact", "both");

    given_init(&given, method(), 3);
    put(&given, "weight", 0.0, 0.0, 0.0);
    refuse(&given, "recipe-zero", "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_shares_without_facts),
        cmocka_unit_test(test_samples_and_weights),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
