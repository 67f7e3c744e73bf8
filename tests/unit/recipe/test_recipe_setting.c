/* SPDX-License-Identifier: Apache-2.0 */
#include "recipe/setting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct of_value real(double number)
{
    return (struct of_value){.kind = OF_VALUE_REAL, .number = number};
}

static void test_gradient(void **state)
{
    const struct of_value one[] = {real(0.3)};
    const struct of_value three[] = {real(0.0), real(0.5), real(1.0)};
    const struct of_value uneven[] = {real(1.0), real(0.1), real(0.7)};

    (void)state;
    assert_true(of_gradient_at(one, 1, 0.0) == 0.3);
    assert_true(of_gradient_at(one, 1, 1.0) == 0.3);
    assert_true(of_gradient_at(three, 3, 0.0) == 0.0);
    assert_true(of_gradient_at(three, 3, 0.5) == 0.5);
    assert_true(of_gradient_at(three, 3, 1.0) == 1.0);
    assert_true(of_gradient_at(three, 3, 0.25) == 0.25);
    /* s = 1.5, i = 1, j = 2, f = 0.5, in the written order of operations. */
    assert_true(of_gradient_at(uneven, 3, 0.75) == 0.5 * 0.1 + 0.5 * 0.7);
    assert_true(of_gradient_at(uneven, 3, 1.0 / 3.0) ==
                (1.0 - 1.0 / 3.0 * 2.0) * 1.0 + (1.0 / 3.0 * 2.0) * 0.1);
}

static void test_levels_and_filters(void **state)
{
    struct of_value attention = real(0.1);
    struct of_value mlp[] = {real(1.0), real(0.0)};
    struct of_value top = real(0.9);
    struct of_case near_cases[] = {
        {.filter = OF_STR("self_attn"), .values = &attention, .value_count = 1},
        {.filter = OF_STR("mlp"), .values = mlp, .value_count = 2},
    };
    struct of_case top_case = {.values = &top, .value_count = 1};
    struct of_setting near_setting = {.name = "weight", .cases = near_cases, .case_count = 2};
    struct of_setting top_setting = {.name = "weight", .cases = &top_case, .case_count = 1};
    const struct of_settings near = {.settings = &near_setting, .count = 1};
    const struct of_settings empty = {.count = 0};
    const struct of_settings far = {.settings = &top_setting, .count = 1};
    const struct of_settings *const levels[] = {&near, NULL, &empty, &far};
    struct of_value value;

    (void)state;
    assert_true(of_setting_find(levels, 4, "weight", OF_STR("model.layers.0.self_attn.q_proj"), 0.0,
                                &value));
    assert_true(value.number == 0.1);
    assert_true(
        of_setting_find(levels, 4, "weight", OF_STR("model.layers.1.mlp.up"), 0.25, &value));
    assert_true(value.number == 0.75);
    /* No filter of the nearest level matches: the search goes on. */
    assert_true(of_setting_find(levels, 4, "weight", OF_STR("lm_head.weight"), 0.0, &value));
    assert_true(value.number == 0.9);
    /* Filters are substrings and mind the case. */
    assert_true(of_setting_find(levels, 4, "weight", OF_STR("model.MLP.up"), 0.0, &value));
    assert_true(value.number == 0.9);
    assert_false(of_setting_find(levels, 4, "density", OF_STR("lm_head.weight"), 0.0, &value));
    assert_false(of_setting_find(levels, 3, "weight", OF_STR("lm_head.weight"), 0.0, &value));
    assert_ptr_equal(of_setting_get(&far, "weight"), &top_setting);
    assert_null(of_setting_get(&far, "weigh"));
}

static void test_first_case_wins(void **state)
{
    struct of_value first = real(1.0);
    struct of_value second = real(2.0);
    struct of_case cases[] = {
        {.filter = OF_STR("proj"), .values = &first, .value_count = 1},
        {.filter = OF_STR("q_proj"), .values = &second, .value_count = 1},
    };
    struct of_setting setting = {.name = "t", .cases = cases, .case_count = 2};
    const struct of_settings settings = {.settings = &setting, .count = 1};
    const struct of_settings *const levels[] = {&settings};
    struct of_value value;

    (void)state;
    assert_true(of_setting_find(levels, 1, "t", OF_STR("a.q_proj"), 0.0, &value));
    assert_true(value.number == 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_levels_and_filters),
        cmocka_unit_test(test_first_case_wins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
