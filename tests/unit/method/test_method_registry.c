/* SPDX-License-Identifier: Apache-2.0 */
#include "method/method.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_find(void **state)
{
    (void)state;
    assert_true(of_method_count() >= 18);
    assert_non_null(of_method_find("fednova"));
    for (uint64_t i = 0; i < of_method_count(); i++) {
        assert_ptr_equal(of_method_find(of_method_at(i)->name), of_method_at(i));
    }
    assert_null(of_method_at(of_method_count()));
    assert_null(of_method_find("Linear"));
    assert_null(of_method_find(""));
    assert_null(of_method_find("ties"));
}

static void test_descriptors_are_complete(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < of_method_count(); i++) {
        const struct of_method *method = of_method_at(i);

        assert_non_null(method->summary);
        assert_non_null(method->reference);
        assert_non_null(method->prepare);
        assert_int_equal(method->blend != NULL, method->class == OF_CLASS_ELEMENT);
        assert_int_equal(method->solve != NULL, method->gram != OF_GRAM_NONE);
        assert_true(method->class != OF_CLASS_GRAM || method->gram != OF_GRAM_NONE);
        assert_true(method->need == NULL || method->solve != NULL);
        assert_true(method->extra == NULL ||
                    (method->class == OF_CLASS_GRAM && method->gram == OF_GRAM_FULL));
        assert_true(method->input_count_min >= 1);
        assert_true(method->input_count_min <= method->input_count_max);
        assert_true(method->frame == OF_FRAME_PLAIN || method->base == OF_BASE_REQUIRED);
        assert_true(!method->takes_lambda || method->scale != OF_SCALE_OF_OWN);
        for (uint32_t p = 0; p < method->param_count; p++) {
            const struct of_param *param = &method->params[p];

            assert_non_null(param->help);
            assert_true(param->min <= param->max);
            assert_true(param->kind != OF_PARAM_WORD || param->words != NULL);
            assert_true(!param->is_whole || !param->per_input);
            assert_true(isnan(param->standard) || !param->required);
            assert_true(!param->is_fact || param->per_input);
            assert_true(isnan(param->standard) ||
                        (param->standard >= param->min && param->standard <= param->max));
            assert_ptr_equal(of_method_param(method, param->name), param);
            /* The plan sets these for every method that takes them. */
            assert_string_not_equal(param->name, "lambda");
            assert_string_not_equal(param->name, "beta");
        }
        assert_null(of_method_param(method, "weigth"));
    }
}

static void test_later_names_are_other_names(void **state)
{
    bool has_ties = false;
    uint64_t count = 0;

    (void)state;
    for (; of_method_later_at(count) != NULL; count++) {
        assert_null(of_method_find(of_method_later_at(count)));
        has_ties = has_ties || strcmp(of_method_later_at(count), "ties") == 0;
        for (uint64_t i = 0; i < count; i++) {
            assert_string_not_equal(of_method_later_at(i), of_method_later_at(count));
        }
    }
    assert_true(has_ties);
    assert_true(count >= 28);
    assert_null(of_method_later_at(UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_descriptors_are_complete),
        cmocka_unit_test(test_later_names_are_other_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
