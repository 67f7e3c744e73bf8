/* SPDX-License-Identifier: Apache-2.0 */
#include "recipe/keys.h"
#include "recipe/setting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_every_key_is_found(void **state)
{
    (void)state;
    for (uint32_t level = 0; level < OF_KEYS_LEVEL_COUNT; level++) {
        const uint32_t count = of_keys_count((enum of_keys_level)level);

        assert_true(count > 0 && count <= OF_KEYS_COUNT_MAX);
        for (uint32_t i = 0; i < count; i++) {
            const char *key = of_keys_at((enum of_keys_level)level, i);

            assert_non_null(key);
            assert_int_equal(of_keys_find((enum of_keys_level)level, of_str_from(key)), i);
        }
        assert_null(of_keys_at((enum of_keys_level)level, count));
    }
    assert_int_equal(of_keys_find(OF_KEYS_TOP, OF_STR("Dtype")), UINT32_MAX);
    assert_int_equal(of_keys_find(OF_KEYS_TOP, OF_STR("")), UINT32_MAX);
}

static void test_hints_name_what_is_allowed_at_that_place(void **state)
{
    (void)state;
    assert_string_equal(of_keys_hint(OF_KEYS_TOP, OF_STR("merge-method")),
                        "did you mean \"merge_method\"?");
    assert_string_equal(of_keys_hint(OF_KEYS_INPUT, OF_STR("paramters")),
                        "did you mean \"parameters\"?");
    assert_string_equal(of_keys_hint(OF_KEYS_INPUT, OF_STR("weight")),
                        "it belongs under \"parameters\"");
    assert_string_equal(of_keys_hint(OF_KEYS_INPUT, OF_STR("dtype")),
                        "it belongs at the top of the recipe");
    assert_non_null(strstr(of_keys_hint(OF_KEYS_TOP, OF_STR("experts")), "mergekit-moe"));
    assert_null(of_keys_hint(OF_KEYS_TOP, OF_STR("zzzzzzzzz")));
    /* "sources" is a key, but not of the top level. */
    assert_null(of_keys_hint(OF_KEYS_TOP, OF_STR("sources")));
}

static void test_parameter_hints(void **state)
{
    (void)state;
    assert_string_equal(of_keys_param_hint(OF_STR("weigth")), "did you mean \"weight\"?");
    assert_string_equal(of_keys_param_hint(OF_STR("raduis")), "did you mean \"radius\"?");
    assert_string_equal(of_keys_param_hint(OF_STR("momentun")), "did you mean \"momentum\"?");
    assert_non_null(strstr(of_keys_param_hint(OF_STR("consensus_method")), "no longer"));
    assert_non_null(strstr(of_keys_param_hint(OF_STR("samples")), "beside \"model\""));
    assert_non_null(strstr(of_keys_param_hint(OF_STR("merge_method")), "top"));
    assert_null(of_keys_param_hint(OF_STR("x"))); /* near to every name of one letter */
    assert_null(of_keys_param_hint(OF_STR("temperature")));
}

static void test_known_parameters(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < of_known_param_count(); i++) {
        const struct of_known_param *param = of_known_param_at(i);

        assert_ptr_equal(of_known_param_find(of_str_from(param->name)), param);
    }
    assert_null(of_known_param_at(of_known_param_count()));
    assert_null(of_known_param_find(OF_STR("Weight")));
    assert_int_equal(of_known_param_find(OF_STR("normalize"))->kind, OF_VALUE_BOOL);
    assert_true(of_known_param_find(OF_STR("weight"))->per_input);
    assert_false(of_known_param_find(OF_STR("lambda"))->per_input);
    assert_true(of_known_param_find(OF_STR("momentum"))->per_input);
    assert_true(of_known_param_find(OF_STR("proximal"))->per_input);
    assert_int_equal(of_known_param_find(OF_STR("voters"))->kind, OF_VALUE_WORD);
    assert_int_equal(of_known_param_find(OF_STR("trim"))->kind, OF_VALUE_INTEGER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_is_found),
        cmocka_unit_test(test_hints_name_what_is_allowed_at_that_place),
        cmocka_unit_test(test_parameter_hints),
        cmocka_unit_test(test_known_parameters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
