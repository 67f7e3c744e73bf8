/* SPDX-License-Identifier: Apache-2.0 */
#include "parsed.h"

#define LINEAR "merge_method: linear\n"

static void test_inputs(void **state)
{
    const struct of_recipe_input *input;
    struct parsed parsed;

    (void)state;
    parsed_good(&parsed, "merge_method: fedavg\n"
                         "base_model: base\n"
                         "models:\n"
                         "  - model: ./site-north\n"
                         "    name: north\n"
                         "    samples: 12000\n"
                         "    steps: 1.5e3\n"
                         "    lr_sum: .25\n"
                         "    parameters: {weight: 0.5}\n"
                         "  - model: base+adapters/south/\n");
    assert_int_equal(parsed.recipe->input_count, 2);
    input = &parsed.recipe->inputs[0];
    assert_string_equal(input->model.path, "./site-north");
    assert_string_equal(input->name, "north");
    assert_int_equal(input->mark.line, 4);
    assert_true(input->samples.given && input->samples.value == 12000.0);
    assert_int_equal(input->samples.mark.line, 6);
    assert_true(input->steps.value == 1500.0 && input->lr_sum.value == 0.25);
    assert_true(of_setting_get(&input->parameters, "weight")->cases[0].values[0].number == 0.5);
    input = &parsed.recipe->inputs[1];
    assert_string_equal(input->name, "base+south");
    assert_false(input->samples.given || input->steps.given || input->lr_sum.given);
    assert_int_equal(input->parameters.count, 0);
    parsed_finish(&parsed);
}

static void test_default_names_are_unique(void **state)
{
    static const char *const wanted[] = {"model-3", "model", "model-2", "model-4", ".", "/", "b"};
    struct parsed parsed;

    (void)state;
    parsed_good(&parsed, LINEAR "models:\n"
                                "  - {model: x/model}\n"
                                "  - {model: p, name: model}\n"
                                "  - {model: q, name: model-2}\n"
                                "  - {model: y/model///}\n"
                                "  - {model: .}\n"
                                "  - {model: /}\n"
                                "  - {model: a/b@main}\n");
    for (size_t i = 0; i < OF_LENGTH(wanted); i++) {
        assert_string_equal(parsed.recipe->inputs[i].name, wanted[i]);
    }
    parsed_finish(&parsed);
}

static void test_names_that_collide(void **state)
{
    (void)state;
    assert_refused(LINEAR "models:\n"
                          "  - {model: a, name: n}\n"
                          "  - {model: b, name: n}\n",
                   "4:5 error recipe-name: the name \"n\" is given twice (first in the entry at "
                   "3:5)");
    assert_refused(LINEAR "models: [{model: a, name: \"\"}]\n", "2:27 error recipe-name: bad name");
}

static void test_bad_entries(void **state)
{
    (void)state;
    assert_refused(LINEAR "models: [a]\n",
                   "2:10 error recipe-kind: models[0]: a mapping expected, not \"a\"; write \"- "
                   "model: PATH\"");
    assert_refused(LINEAR "models: [{parameters: {weight: 1}}]\n",
                   "2:10 error recipe-missing: models[0] has no \"model\"");
    assert_refused(LINEAR "models: [{model: a, lora: x}]\n",
                   "2:21 error recipe-key: unknown key \"lora\" in models[0]");
    assert_refused(LINEAR "models: [{model: a, weight: 1}]\n",
                   "2:21 error recipe-key: unknown key \"weight\" in models[0]; it belongs under "
                   "\"parameters\"");
}

static void test_facts(void **state)
{
    (void)state;
    assert_refused(LINEAR "models: [{model: a, samples: 0}]\n",
                   "2:30 error recipe-range: \"samples\" is 0; it must be more than 0");
    assert_refused(LINEAR "models: [{model: a, steps: -5}]\n", "2:28 error recipe-range");
    assert_refused(LINEAR "models: [{model: a, lr_sum: 1e999}]\n", "2:29 error recipe-number");
    assert_refused(LINEAR "models: [{model: a, samples: [1, 2]}]\n",
                   "2:30 error recipe-fact: \"samples\" is a list");
    assert_refused(LINEAR "base_model: a\nmodels: [{model: a, samples: 5}]\n",
                   "3:30 error recipe-fact: \"samples\" is given for the base model");
}

static void test_slices(void **state)
{
    const struct of_recipe_slice *slice;
    struct parsed parsed;

    (void)state;
    parsed_good(&parsed, "merge_method: slerp\n"
                         "slices:\n"
                         "  - sources:\n"
                         "      - model: a\n"
                         "        layer_range: [0, 2]\n"
                         "        parameters: {weight: 1}\n"
                         "      - model: b\n"
                         "        layer_range: [4, 6]\n"
                         "    base_model: b\n"
                         "    parameters: {t: 0.5}\n"
                         "  - sources: [{model: a, layer_range: [32, 32]}]\n");
    assert_int_equal(parsed.recipe->form, OF_RECIPE_SLICES);
    assert_int_equal(parsed.recipe->slice_count, 2);
    slice = &parsed.recipe->slices[0];
    assert_int_equal(slice->source_count, 2);
    assert_int_equal(slice->sources[1].layer_start, 4);
    assert_int_equal(slice->sources[1].layer_end, 6);
    assert_int_equal(slice->sources[0].parameters.count, 1);
    assert_true(slice->has_base);
    assert_string_equal(slice->base.path, "b");
    assert_int_equal(slice->parameters.count, 1);
    assert_int_equal(parsed.recipe->slices[1].sources[0].layer_end, 32);
    parsed_finish(&parsed);
}

static void test_residual_weight_is_a_warning(void **state)
{
    struct parsed parsed;

    (void)state;
    parsed_init(&parsed, LINEAR "slices:\n"
                                "  - sources: [{model: a, layer_range: [0, 1]}]\n"
                                "    residual_weight: 0.5\n");
    assert_int_equal(parsed.status, ONEFOLD_OK);
    assert_int_equal(parsed.report.warning_count, 1);
    assert_non_null(strstr(parsed.findings[0], "4:22 warning recipe-unused"));
    parsed_finish(&parsed);
}

#define SLICE(range) LINEAR "slices: [{sources: [{model: a, layer_range: " range "}]}]\n"

static void test_layer_ranges(void **state)
{
    (void)state;
    assert_refused(SLICE("[0, 1.5]"), "2:49 error recipe-layers: integer expected, not \"1.5\"");
    assert_refused(SLICE("[-1, 1]"), "2:46 error recipe-layers: layers count from 0");
    assert_refused(SLICE("[0, 1, 2]"), "2:45 error recipe-layers: layer_range has 3 numbers; it "
                                       "needs exactly two");
    assert_refused(SLICE("all"), "2:45 error recipe-layers: layer_range: a list of two integers");
    assert_refused(SLICE("[2, 0]"), "2:45 error recipe-layers: layer_range starts at 2, after its "
                                    "end 0");
    assert_refused(SLICE("[0, 4294967295]"), "2:49 error recipe-layers: integer expected");
    assert_refused(LINEAR "slices: [{sources: [{model: a}]}]\n",
                   "2:21 error recipe-missing: slices[0].sources[0] has no \"layer_range\"");
    assert_refused(LINEAR "slices: [{sources: [{model: a, layer_range: [0, 2]}, "
                          "{model: b, layer_range: [0, 3]}]}]\n",
                   "2:54 error recipe-layers: slices[0].sources[1] covers 3 layers, the first "
                   "source 2");
    assert_refused(LINEAR "slices: [{parameters: {weight: 1}}]\n",
                   "2:10 error recipe-missing: slices[0] has no \"sources\"");
}

static void test_modules(void **state)
{
    struct parsed parsed;

    (void)state;
    parsed_good(&parsed, LINEAR "modules:\n"
                                "  text_decoder:\n"
                                "    models: [{model: a}, {model: b}]\n"
                                "    parameters: {weight: 0.5}\n"
                                "  vision_tower:\n"
                                "    slices: [{sources: [{model: a, layer_range: [0, 1]}]}]\n");
    assert_int_equal(parsed.recipe->form, OF_RECIPE_MODULES);
    assert_int_equal(parsed.recipe->module_count, 2);
    assert_string_equal(parsed.recipe->modules[0].name, "text_decoder");
    assert_int_equal(parsed.recipe->modules[0].input_count, 2);
    assert_int_equal(parsed.recipe->modules[0].parameters.count, 1);
    assert_int_equal(parsed.recipe->modules[1].slice_count, 1);
    parsed_finish(&parsed);
    assert_refused(LINEAR "modules: {}\n", "2:10 error recipe-missing: modules is empty");
    assert_refused(LINEAR "modules: {x: {parameters: {weight: 1}}}\n",
                   "2:14 error recipe-form: modules.x has neither \"models\" nor \"slices\"");
    assert_refused(LINEAR "modules: [a]\n", "2:10 error recipe-kind: modules: a mapping expected");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_default_names_are_unique),
        cmocka_unit_test(test_names_that_collide),
        cmocka_unit_test(test_bad_entries),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_residual_weight_is_a_warning),
        cmocka_unit_test(test_layer_ranges),
        cmocka_unit_test(test_modules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
