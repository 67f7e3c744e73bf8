/* SPDX-License-Identifier: Apache-2.0 */
#include "parsed.h"

#define WITH(parameters) "merge_method: m\nmodels: [{model: a}]\nparameters: " parameters "\n"

static const struct of_setting *get(const struct parsed *parsed, const char *name)
{
    const struct of_setting *setting = of_setting_get(&parsed->recipe->parameters, name);

    assert_non_null(setting);
    return setting;
}

static double one_number(const char *text)
{
    struct parsed parsed;
    double number;

    parsed_good(&parsed, text);
    assert_int_equal(parsed.recipe->parameters.settings[0].case_count, 1);
    assert_int_equal(parsed.recipe->parameters.settings[0].cases[0].value_count, 1);
    number = parsed.recipe->parameters.settings[0].cases[0].values[0].number;
    parsed_finish(&parsed);
    return number;
}

static void test_numbers(void **state)
{
    (void)state;
    assert_true(one_number(WITH("{weight: 0.3}")) == 0.3);
    assert_true(one_number(WITH("{weight: \"-1e-4\"}")) == -1e-4);
    assert_true(one_number(WITH("{weight: 1e-4}")) == 1e-4);
    assert_true(one_number(WITH("{weight: .5}")) == 0.5);
    assert_true(one_number(WITH("{weight: 5.}")) == 5.0);
    assert_true(one_number(WITH("{weight: +2}")) == 2.0);
    assert_true(one_number(WITH("{trim: 2}")) == 2.0);
}

static void test_numbers_that_are_none(void **state)
{
    static const char *const words[] = {"half", "0x10",  "0o17", "1_000", "1:30",       "\"0,75\"",
                                        "no",   "1e999", ".nan", ".inf",  "-.inf",      ".NaN",
                                        "~",    "\"\"",  "null", "1 2",   "nan",        "infinity",
                                        "true", "1e",    "--1",  ".",     "\"\\u0007\""};
    char text[200];

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(words); i++) {
        (void)snprintf(text, sizeof(text), WITH("{weight: %s}"), words[i]);
        assert_refused(text, "3:22 error recipe-number: number expected, not ");
    }
    assert_refused(WITH("{weight: .inf}"), "3:22 error recipe-number: number expected, not "
                                           "\".inf\"; numbers are finite");
    assert_refused(WITH("{weight: {}}"), "3:22 error recipe-missing: weight of the recipe has no");
    assert_refused(WITH("{trim: 2.5}"), "3:20 error recipe-number: integer expected");
    assert_refused(WITH("{trim: [1, 2]}"), "3:20 error recipe-gradient");
    assert_refused(WITH("{voters: [all]}"), "3:22 error recipe-gradient");
    assert_refused(WITH("{trim: -1}"), "3:20 error recipe-number: integer expected");
}

static void test_booleans(void **state)
{
    static const char *const yes[] = {"true", "True", "YES", "on", "1", "1.0", "\"1\""};
    static const char *const no[] = {"false", "False", "NO", "off", "0", "0.0"};
    char text[200];

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(yes); i++) {
        (void)snprintf(text, sizeof(text), WITH("{normalize: %s}"), yes[i]);
        assert_true(one_number(text) == 1.0);
    }
    for (size_t i = 0; i < OF_LENGTH(no); i++) {
        (void)snprintf(text, sizeof(text), WITH("{normalize: %s}"), no[i]);
        assert_true(one_number(text) == 0.0);
    }
    assert_refused(WITH("{normalize: maybe}"), "3:25 error recipe-value: true or false expected");
    assert_refused(WITH("{normalize: 2}"), "3:25 error recipe-value");
    assert_refused(WITH("{normalize: tRue}"), "3:25 error recipe-value");
    assert_refused(WITH("{normalize: y}"), "3:25 error recipe-value");
    assert_refused(WITH("{normalize: \"true\"}"), "3:25 error recipe-value");
    assert_refused(WITH("{normalize: [true]}"), "3:25 error recipe-gradient");
    assert_refused(WITH("{normalize: ~}"), "3:25 error recipe-value");
}

static void test_gradients(void **state)
{
    struct parsed parsed;
    const struct of_setting *setting;

    (void)state;
    parsed_good(&parsed, WITH("{t: [0, 0.5, \"1\"]}"));
    setting = get(&parsed, "t");
    assert_int_equal(setting->case_count, 1);
    assert_int_equal(setting->cases[0].value_count, 3);
    assert_int_equal(setting->cases[0].filter.length, 0);
    assert_true(setting->cases[0].values[2].number == 1.0);
    assert_int_equal(setting->cases[0].values[2].mark.column, 26);
    parsed_finish(&parsed);
    assert_refused(WITH("{weight: []}"), "3:22 error recipe-gradient: the list behind \"weight\" "
                                         "is empty");
    assert_refused(WITH("{weight: [0.1, high, ~]}"), "3:28 error recipe-number",
                   "3:34 error "
                   "recipe-number");
    assert_refused(WITH("{weight: [[1]]}"), "3:23 error recipe-number: number expected, not a "
                                            "list");
}

static void test_conditionals(void **state)
{
    struct parsed parsed;
    const struct of_setting *setting;

    (void)state;
    parsed_good(&parsed, "merge_method: m\nmodels: [{model: a}]\nparameters:\n"
                         "  t:\n"
                         "    - filter: self_attn\n"
                         "      value: [0, 1]\n"
                         "    - {filter: \"*\", value: 0.25}\n"
                         "    - {filter: ~, value: 0.5}\n"
                         "    - value: 0.75\n"
                         "  normalize: {value: true, filter: mlp}\n");
    setting = get(&parsed, "t");
    assert_int_equal(setting->case_count, 4);
    assert_true(of_str_is(setting->cases[0].filter, "self_attn"));
    assert_int_equal(setting->cases[0].value_count, 2);
    for (uint32_t i = 1; i < 4; i++) {
        assert_int_equal(setting->cases[i].filter.length, 0);
        assert_true(setting->cases[i].values[0].number == 0.25 * i);
    }
    setting = get(&parsed, "normalize");
    assert_int_equal(setting->case_count, 1);
    assert_true(of_str_is(setting->cases[0].filter, "mlp"));
    assert_int_equal(setting->cases[0].values[0].kind, OF_VALUE_BOOL);
    parsed_finish(&parsed);
}

static void test_bad_conditionals(void **state)
{
    (void)state;
    assert_refused(WITH("{t: [{value: 1}, 2]}"), "3:30 error recipe-setting: the list behind "
                                                 "\"t\" mixes");
    assert_refused(WITH("{t: [2, {value: 1}]}"), "3:18 error recipe-setting");
    assert_refused(WITH("{t: [{filter: x}]}"), "3:18 error recipe-missing: t of the recipe, entry "
                                               "0 has no \"value\"");
    assert_refused(WITH("{t: [{value: 1, fliter: x}]}"),
                   "3:29 error recipe-key: unknown key \"fliter\" in t of the recipe, entry 0; did "
                   "you mean \"filter\"?");
    assert_refused(WITH("{t: {value: 1, filter: [x]}}"), "3:36 error recipe-kind: part of a tensor "
                                                         "name expected");
}

static void test_names(void **state)
{
    (void)state;
    assert_refused(WITH("[normalize]"), "3:13 error recipe-kind: parameters of the recipe: a "
                                        "mapping expected, not a list");
    assert_refused(WITH("{consensus_method: x}"), "3:14 error recipe-param: unknown key "
                                                  "\"consensus_method\" under parameters of the "
                                                  "recipe; mergekit no longer reads it");
    assert_refused(WITH("{lambda: 1, beta: 1}"), "3:25 error recipe-value: \"lambda\" and "
                                                 "\"beta\"");
    assert_refused(WITH("{7: 1}"), "3:14 error recipe-param: unknown key \"7\"");
}

static void test_words(void **state)
{
    struct parsed parsed;

    (void)state;
    parsed_good(&parsed, WITH("{mode: lower}"));
    assert_int_equal(get(&parsed, "mode")->cases[0].values[0].kind, OF_VALUE_WORD);
    assert_true(of_str_is(get(&parsed, "mode")->cases[0].values[0].word, "lower"));
    parsed_finish(&parsed);
    assert_refused(WITH("{mode: [lower, upper]}"), "3:20 error recipe-gradient");
    assert_refused(WITH("{mode: ~}"), "3:20 error recipe-kind: a word expected, not null");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),      cmocka_unit_test(test_numbers_that_are_none),
        cmocka_unit_test(test_booleans),     cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_conditionals), cmocka_unit_test(test_bad_conditionals),
        cmocka_unit_test(test_names),        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
