/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limits.h"
#include "parsed.h"

#define TWO_MODELS   \
    "models:\n"      \
    "  - model: a\n" \
    "  - model: b\n"

static void test_everything_at_the_top(void **state)
{
    static const char text[] = "merge_method: fedavg\n"
                               "base_model: base\n" TWO_MODELS "dtype: torch.bfloat16\n"
                               "out_dtype: float32\n"
                               "parameters: {beta: 1.5}\n"
                               "scale: mean\n"
                               "scope: tensor\n"
                               "seed: 18446744073709551615\n";
    struct parsed parsed;

    (void)state;
    parsed_good(&parsed, text);
    assert_true(of_str_is(parsed.recipe->method, "fedavg"));
    assert_int_equal(parsed.recipe->method_mark.line, 1);
    assert_int_equal(parsed.recipe->method_mark.column, 15);
    assert_int_equal(parsed.recipe->form, OF_RECIPE_MODELS);
    assert_int_equal(parsed.recipe->input_count, 2);
    assert_true(parsed.recipe->has_base);
    assert_string_equal(parsed.recipe->base.path, "base");
    assert_true(parsed.recipe->has_dtype && parsed.recipe->dtype == ONEFOLD_DTYPE_BF16);
    assert_true(parsed.recipe->has_out_dtype && parsed.recipe->out_dtype == ONEFOLD_DTYPE_F32);
    assert_int_equal(parsed.recipe->scale, OF_SCALE_MEAN);
    assert_true(parsed.recipe->scope.given && of_str_is(parsed.recipe->scope.text, "tensor"));
    assert_true(parsed.recipe->has_seed && parsed.recipe->seed == UINT64_MAX);
    assert_int_equal(parsed.recipe->parameters.count, 1);
    assert_string_equal(parsed.recipe->label, "recipe.yml");
    assert_true(of_str_is(parsed.recipe->text, text));
    parsed_finish(&parsed);
}

static void test_null_is_absent(void **state)
{
    struct parsed parsed;

    (void)state;
    parsed_good(&parsed, "merge_method: linear\nbase_model: ~\ndtype:\nslices: null\n"
                         "parameters:\nscale: ~\n" TWO_MODELS);
    assert_false(parsed.recipe->has_base);
    assert_false(parsed.recipe->has_dtype);
    assert_int_equal(parsed.recipe->scale, OF_SCALE_DEFAULT);
    assert_int_equal(parsed.recipe->parameters.count, 0);
    parsed_finish(&parsed);
}

static void test_all_errors_in_the_order_of_the_file(void **state)
{
    (void)state;
    assert_refused("merge_method: linear\n"
                   "models:\n"
                   "  - model: a\n"
                   "    parameters:\n"
                   "      weigth: 0.5\n"
                   "  - model: b\n"
                   "    parameters:\n"
                   "      weight: half\n"
                   "Dtype: bfloat16\n"
                   "out_dtype: bf16\n",
                   "5:7 error recipe-param: unknown key \"weigth\" under parameters of models[0]; "
                   "did you mean \"weight\"?",
                   "8:15 error recipe-number: number expected, not \"half\"",
                   "9:1 error recipe-key: unknown key \"Dtype\" in the recipe; did you mean "
                   "\"dtype\"?",
                   "10:12 error recipe-dtype: \"bf16\" is not a type; did you mean \"bfloat16\"?");
}

static void test_totals(void **state)
{
    struct parsed parsed;

    (void)state;
    parsed_init(&parsed, "merge_method: linear\nx: 1\ny: 2\n" TWO_MODELS);
    assert_string_equal(parsed.err.message, "recipe.yml: 2 errors, nothing was written");
    parsed_finish(&parsed);
    parsed_init(&parsed, "models: [{model: a}]\n");
    assert_string_equal(parsed.err.message, "recipe.yml: 1 error, nothing was written");
    parsed_finish(&parsed);
}

static void test_many_errors_of_one_kind(void **state)
{
    char text[4000] = "merge_method: linear\n" TWO_MODELS "dtype: x\n";
    struct parsed parsed;

    (void)state;
    for (int i = 0; i < 30; i++) {
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "k%d: 1\n", i);
    }
    parsed_init(&parsed, text);
    assert_int_equal(parsed.finding_count, 1 + OF_FINDINGS_SHOWN_MAX + 1);
    assert_non_null(strstr(parsed.findings[parsed.finding_count - 1], "and 10 more of this kind"));
    assert_string_equal(parsed.err.message, "recipe.yml: 31 errors, nothing was written");
    parsed_finish(&parsed);
}

static void test_no_recipe(void **state)
{
    (void)state;
    assert_refused("", "1:1 error recipe-empty");
    assert_refused("# only a comment\n", "1:1 error recipe-empty");
    assert_refused("null\n", "1:1 error recipe-empty");
    assert_refused("linear\n", "1:1 error recipe-top: a mapping expected, not \"linear\"");
    assert_refused("- merge_method: linear\n", "1:1 error recipe-top: a mapping expected, not a "
                                               "list");
}

static void test_forms(void **state)
{
    (void)state;
    assert_refused("merge_method: linear\n", "1:1 error recipe-form: the recipe names no models");
    assert_refused(TWO_MODELS, "1:1 error recipe-missing: the recipe has no \"merge_method\"");
    assert_refused("merge_method: linear\nmodels: []\n", "2:9 error recipe-missing: models is "
                                                         "empty");
    assert_refused("merge_method: linear\nmodels: {a: b}\n",
                   "2:9 error recipe-kind: models: a list expected, not a mapping");
    assert_refused("merge_method: linear\n" TWO_MODELS
                   "slices:\n  - sources: [{model: a, layer_range: [0, 1]}]\n",
                   "6:3 error recipe-form: \"slices\" and \"models\" (at 3:3) exclude each other");
}

static void test_words(void **state)
{
    (void)state;
    assert_refused("merge_method: [linear]\n" TWO_MODELS,
                   "1:15 error recipe-kind: name of a method expected, not a list");
    assert_refused("merge_method: linear\nscale: 0.5\n" TWO_MODELS,
                   "2:8 error recipe-scale: sum or mean expected, not \"0.5\"; the factor");
    assert_refused("merge_method: linear\nscope: layer\n" TWO_MODELS,
                   "2:8 error recipe-scope: row, tensor or model expected");
    assert_refused("merge_method: linear\nseed: -1\n" TWO_MODELS, "2:7 error recipe-seed");
    assert_refused("merge_method: linear\nseed: 18446744073709551616\n" TWO_MODELS,
                   "2:7 error recipe-seed");
    assert_refused("merge_method: linear\nseed: 1.0\n" TWO_MODELS, "2:7 error recipe-seed");
    assert_refused("merge_method: linear\ndtype: {}\n" TWO_MODELS,
                   "2:8 error recipe-kind: name of a type expected, not a mapping");
    assert_refused("name: stage\nmerge_method: linear\n" TWO_MODELS,
                   "1:1 error recipe-key: unknown key \"name\" in the recipe; this is one stage");
}

static void test_untrusted_text_is_escaped(void **state)
{
    (void)state;
    assert_refused("merge_method: linear\n\"a\\u202eb\": 1\n" TWO_MODELS,
                   "2:1 error recipe-key: unknown key \"a\\u{202e}b\" in the recipe");
}

static void test_dtype_hints(void **state)
{
    (void)state;
    assert_non_null(strstr(of_recipe_dtype_hint(OF_STR("bf16")), "bfloat16"));
    assert_non_null(strstr(of_recipe_dtype_hint(OF_STR("torch.bf16")), "bfloat16"));
    assert_non_null(strstr(of_recipe_dtype_hint(OF_STR("half")), "\"float16\""));
    assert_non_null(strstr(of_recipe_dtype_hint(OF_STR("float33")), "\"float32\""));
    assert_non_null(strstr(of_recipe_dtype_hint(OF_STR("int64")), "copied"));
    assert_null(of_recipe_dtype_hint(OF_STR("complex128")));
    assert_null(of_recipe_dtype_hint(OF_STR("")));
}

static void test_no_memory(void **state)
{
    static const char text[] =
        "merge_method: linear\nmodels:\n  - {model: a, parameters: {weight: [1, 2]}, name: n}\n"
        "  - {model: b+c}\nx: 1\n";
    bool done = false;

    (void)state;
    /* Every limit from too small for anything to large enough. */
    for (uint64_t limit = 1; !done; limit += 512) {
        struct of_report report = {0};
        struct of_recipe *recipe = NULL;
        struct of_arena arena;
        onefold_error err;
        onefold_status status;

        of_arena_init(&arena, limit);
        status = of_recipe_parse(OF_STR(text), "r", &arena, &report, &recipe, &err);
        assert_true(status == ONEFOLD_E_MEMORY || status == ONEFOLD_E_RECIPE);
        done = status == ONEFOLD_E_RECIPE;
        assert_null(recipe);
        assert_true(limit < UINT64_C(4000000));
        of_arena_finish(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_at_the_top),
        cmocka_unit_test(test_null_is_absent),
        cmocka_unit_test(test_all_errors_in_the_order_of_the_file),
        cmocka_unit_test(test_totals),
        cmocka_unit_test(test_many_errors_of_one_kind),
        cmocka_unit_test(test_no_recipe),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_untrusted_text_is_escaped),
        cmocka_unit_test(test_dtype_hints),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
