/* SPDX-License-Identifier: Apache-2.0 */
/* What the recipe alone shows: nothing is opened, every finding has its place. No path of these
 * recipes exists. */
#include "planned.h"

/* Exactly these findings of level error; the status is a recipe's. */
#define assert_refused(text, ...)                                 \
    do {                                                          \
        const char *const lines[] = {__VA_ARGS__};                \
        refused((text), lines, sizeof(lines) / sizeof(lines[0])); \
    } while (0)

static void refused(const char *text, const char *const *lines, size_t count)
{
    struct planned planned;
    size_t errors = 0;

    planned_parse(&planned, text);
    planned_build(&planned);
    for (uint32_t i = 0; i < planned.finding_count; i++) {
        if (strstr(planned.findings[i], " error ") == NULL) {
            continue;
        }
        if (errors < count &&
            strncmp(planned.findings[i], lines[errors], strlen(lines[errors])) != 0) {
            fail_msg("found:  %s\nwanted: %s\n", planned.findings[i], lines[errors]);
        }
        errors++;
    }
    assert_int_equal(errors, count);
    assert_int_equal(planned.status, ONEFOLD_E_RECIPE);
    assert_null(planned.plan);
    planned_finish(&planned);
}

static void later_methods_are_refused_by_name(void **state)
{
    (void)state;
    assert_refused("models: [{model: a}]\nmerge_method: ties\n",
                   "2:15 error recipe-unsupported: the method \"ties\" comes with a later version");
    assert_refused("merge_method: task_aritmetic\nmodels: [{model: a}]\n",
                   "1:15 error method-unknown: \"task_aritmetic\" is not a method");
}

static void other_forms_and_keys_are_refused_by_name(void **state)
{
    (void)state;
    assert_refused("merge_method: passthrough\n"
                   "slices:\n- sources: [{model: a, layer_range: [0, 1]}]\n",
                   "3:1 error recipe-unsupported: the form \"slices\"");
    assert_refused("merge_method: linear\nmodels: [{model: a, parameters: {weight: 1}}]\n"
                   "tokenizer_source: union\nchat_template: auto\n",
                   "3:19 error recipe-unsupported: the key \"tokenizer_source\"",
                   "4:16 error recipe-unsupported: the key \"chat_template\"");
    assert_refused("merge_method: linear\n"
                   "models:\n- {model: a+lora, parameters: {weight: 1}}\n",
                   "3:11 error recipe-unsupported: adapters");
    assert_refused("merge_method: linear\nscope: tensor\n"
                   "models: [{model: a, parameters: {weight: 1}}]\n",
                   "2:8 error recipe-scope");
}

static void methods_get_the_inputs_they_need(void **state)
{
    (void)state;
    assert_refused("merge_method: task_arithmetic\nmodels: [{model: a}]\nparameters: {weight: 1}\n",
                   "1:15 error recipe-base");
    assert_refused("merge_method: passthrough\nmodels: [{model: a}, {model: b}]\n",
                   "2:9 error recipe-count: the method \"passthrough\" takes exactly 1 model");
    /* The base alone is no input. */
    assert_refused("merge_method: task_arithmetic\nbase_model: ./a\nmodels: [{model: a/}]\n"
                   "parameters: {weight: 1}\n",
                   "3:9 error recipe-count: the method \"task_arithmetic\" takes at least 1 model");
}

static void parameters_are_there_and_in_range(void **state)
{
    (void)state;
    assert_refused("merge_method: linear\nmodels:\n- model: a\n- model: b\n"
                   "  parameters: {weight: 1}\n- model: c\n",
                   "3:3 error recipe-param: missing parameter \"weight\" for a",
                   "6:3 error recipe-param: missing parameter \"weight\" for c");
    assert_refused("merge_method: linear\nmodels: [{model: a}, {model: b}]\n"
                   "parameters: {weight: 1e300}\n",
                   "3:22 error recipe-range");
    assert_refused("merge_method: linear\nmodels:\n- {model: a, parameters: {weight: 0.5}}\n"
                   "- {model: b, parameters: {weight: -0.5}}\n",
                   "3:1 error recipe-zero");
    assert_refused("merge_method: fedavg\nbase_model: base\nmodels: [{model: a}]\n"
                   "parameters: {density: 0.5}\n",
                   "4:14 error recipe-param: the method \"fedavg\" does not read \"density\"");
}

static void scale_needs_a_factor_to_explain(void **state)
{
    (void)state;
    assert_refused("merge_method: linear\nscale: sum\n"
                   "models: [{model: a, parameters: {weight: 1}}]\n",
                   "2:8 error recipe-scale");
    assert_refused("merge_method: task_arithmetic\nbase_model: base\nscale: mean\n"
                   "models: [{model: a}]\nparameters: {weight: 1, normalize: true}\n",
                   "3:8 error recipe-scale");
}

static void facts_stand_on_all_inputs_or_none(void **state)
{
    (void)state;
    assert_refused("merge_method: fedavg\nbase_model: base\n"
                   "models:\n- {model: a, samples: 3}\n- {model: b}\n",
                   "5:3 error recipe-fact: b: \"samples\" is missing");
    assert_refused("merge_method: fedavg\nbase_model: base\n"
                   "models:\n- {model: a}\n- {model: ./base/, samples: 4}\n",
                   "5:29 error recipe-fact: \"samples\" stands on the base");
}

static void what_has_no_effect_is_a_warning(void **state)
{
    struct planned planned;

    (void)state;
    planned_parse(&planned, "merge_method: task_arithmetic\nbase_model: base\nmodels:\n"
                            "- {model: a, steps: 3, parameters: {lambda: 2}}\n"
                            "parameters: {weight: 1, density: 0.5, int8_mask: true}\n");
    planned_build(&planned);
    assert_int_equal(planned.status, ONEFOLD_E_MISSING);
    assert_true(planned_found(&planned, "warning recipe-unused", "\"density\" is not used"));
    assert_true(planned_found(&planned, "warning recipe-ignored", "4:37"));
    assert_true(planned_found(&planned, "note recipe-unused", "\"steps\" has no influence"));
    assert_false(planned.report.warning_count > 2);
    planned_finish(&planned);
}

static void all_missing_inputs_are_named(void **state)
{
    struct planned planned;

    (void)state;
    planned_parse(&planned, "merge_method: linear\nmodels: [{model: no-a}, {model: no-b}]\n"
                            "parameters: {weight: 1}\n");
    planned_build(&planned);
    assert_int_equal(planned.status, ONEFOLD_E_MISSING);
    assert_int_equal(planned.report.error_count, 2);
    assert_int_equal(strncmp(planned.findings[0], "2:18 error ", 11), 0);
    assert_non_null(strstr(planned.findings[0], "no-a"));
    assert_non_null(strstr(planned.findings[1], "no-b"));
    planned_finish(&planned);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_methods_are_refused_by_name),
        cmocka_unit_test(other_forms_and_keys_are_refused_by_name),
        cmocka_unit_test(methods_get_the_inputs_they_need),
        cmocka_unit_test(parameters_are_there_and_in_range),
        cmocka_unit_test(scale_needs_a_factor_to_explain),
        cmocka_unit_test(facts_stand_on_all_inputs_or_none),
        cmocka_unit_test(what_has_no_effect_is_a_warning),
        cmocka_unit_test(all_missing_inputs_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
