/* SPDX-License-Identifier: Apache-2.0 */
#include "method/method.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void expect(const struct of_param *param, double value, const char *part)
{
    onefold_error err = {0};
    const onefold_status status = of_param_check(param, value, &err);

    if (part == NULL) {
        assert_int_equal(status, ONEFOLD_OK);
        return;
    }
    assert_int_equal(status, ONEFOLD_E_RECIPE);
    assert_string_equal(err.id, "recipe-range");
    assert_non_null(strstr(err.message, param->name));
    assert_non_null(strstr(err.message, part));
}

static void test_real(void **state)
{
    const struct of_param any = {.name = "weight",
                                 .kind = OF_PARAM_REAL,
                                 .min = -OF_PARAM_UNBOUNDED,
                                 .max = OF_PARAM_UNBOUNDED};
    const struct of_param low = {
        .name = "rho", .kind = OF_PARAM_REAL, .min = 0.0, .max = OF_PARAM_UNBOUNDED};
    const struct of_param high = {
        .name = "top", .kind = OF_PARAM_REAL, .min = -OF_PARAM_UNBOUNDED, .max = 1.0};
    const struct of_param open = {.name = "radius",
                                  .kind = OF_PARAM_REAL,
                                  .min = 0.0,
                                  .min_excluded = true,
                                  .max = OF_PARAM_UNBOUNDED};
    const struct of_param both = {.name = "density", .kind = OF_PARAM_REAL, .min = 0.0, .max = 1.0};

    (void)state;
    expect(&any, -3.5, NULL);
    expect(&any, 3.4e38, NULL);
    expect(&any, 3.5e38, "3.40282e+38");
    expect(&any, -1e300, "3.40282e+38");
    expect(&any, OF_PARAM_UNBOUNDED, "not finite");
    expect(&any, OF_PARAM_NOT_GIVEN, "not finite");
    expect(&low, 0.0, NULL);
    expect(&low, -0.1, "at least 0");
    expect(&open, 1e-30, NULL);
    expect(&open, 0.0, "above 0");
    expect(&open, -1.0, "above 0");
    expect(&high, 1.0, NULL);
    expect(&high, 1.5, "at most 1");
    expect(&both, 1.0, NULL);
    expect(&both, 1.0000001, "from 0 to 1");
    expect(&both, -1.0, "from 0 to 1");
}

static void test_integer_bool_word(void **state)
{
    static const char *const words[] = {"lower", "mid", "upper", NULL};
    const struct of_param whole = {
        .name = "trim", .kind = OF_PARAM_INTEGER, .min = 1.0, .max = 1e6};
    const struct of_param flag = {
        .name = "normalize", .kind = OF_PARAM_BOOL, .min = 0.0, .max = 1.0};
    const struct of_param word = {.name = "mode", .kind = OF_PARAM_WORD, .words = words};

    (void)state;
    expect(&whole, 3.0, NULL);
    expect(&whole, 3.5, "whole number");
    expect(&whole, 0.0, "from 1 to 1e+06");
    expect(&flag, 0.0, NULL);
    expect(&flag, 1.0, NULL);
    expect(&flag, 0.5, "true or false");
    expect(&word, 0.0, NULL);
    expect(&word, 2.0, NULL);
    expect(&word, 3.0, "words");
    expect(&word, -1.0, "words");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real),
        cmocka_unit_test(test_integer_bool_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
