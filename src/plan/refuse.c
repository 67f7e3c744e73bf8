/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the recipe alone shows, before anything is opened: forms, keys and methods that this version
 * does not have, the number of inputs, facts, and parameters that the method does not read.
 */
#include "plan/build.h"

#include "base/limits.h"

#include <stdio.h>
#include <string.h>

static const struct of_mark no_mark = {0, 0};

/* ---- Methods ---- */

enum { NAME_BYTES = 64 };

static bool is_later(const char *name)
{
    const char *known;

    for (uint64_t i = 0; (known = of_method_later_at(i)) != NULL; i++) {
        if (strcmp(known, name) == 0) {
            return true;
        }
    }
    return false;
}

static const char *nearest_method(struct of_str word)
{
    const char *names[256];
    size_t count = 0;
    const char *later;

    for (uint64_t i = 0; i < of_method_count() && count < OF_LENGTH(names); i++) {
        names[count++] = of_method_at(i)->name;
    }
    for (uint64_t i = 0; (later = of_method_later_at(i)) != NULL && count < OF_LENGTH(names); i++) {
        names[count++] = later;
    }
    return of_str_nearest(word, names, count);
}

static void find_method(struct of_build *build)
{
    const struct of_recipe *recipe = build->recipe;
    const char *near;
    char name[NAME_BYTES];
    char hint[NAME_BYTES + 32];

    if (recipe->method.length < sizeof(name)) {
        memcpy(name, recipe->method.data, recipe->method.length);
        name[recipe->method.length] = '\0';
        build->method = of_method_find(name);
        if (build->method != NULL) {
            return;
        }
        if (is_later(name)) {
            of_build_error(build, "recipe-unsupported", recipe->method_mark, NULL,
                           "the method \"%s\" comes with a later version", name);
            return;
        }
    }
    near = nearest_method(recipe->method);
    (void)snprintf(hint, sizeof(hint), "did you mean \"%s\"?", near != NULL ? near : "");
    of_build_error(build, "method-unknown", recipe->method_mark, near != NULL ? hint : NULL,
                   "\"%s\" is not a method", of_str_escape(recipe->method).text);
}

/* ---- Keys without a use yet ---- */

static void refuse_wish(struct of_build *build, const struct of_wish *wish, const char *key)
{
    if (wish->given) {
        of_build_error(
            build, "recipe-unsupported", wish->mark, NULL,
            "the key \"%s\" comes with a later version; without it the donor's files are "
            "copied as they are",
            key);
    }
}

static void refuse_adapter(struct of_build *build, const struct of_model_ref *model)
{
    if (model->lora_path != NULL && model->lora_path[0] != '\0') {
        of_build_error(
            build, "recipe-unsupported", model->mark, "merge the adapter into its base first",
            "adapters (\"%s\") come with a later version", of_str_escape(model->text).text);
    }
}

static void refuse_keys(struct of_build *build)
{
    const struct of_recipe *recipe = build->recipe;

    refuse_wish(build, &recipe->tokenizer, "tokenizer");
    refuse_wish(build, &recipe->tokenizer_source, "tokenizer_source");
    refuse_wish(build, &recipe->chat_template, "chat_template");
    if (recipe->scope.given && build->method != NULL) {
        of_build_error(build, "recipe-scope", recipe->scope.mark, NULL,
                       build->method->solve != NULL
                           ? "the statistics of \"%s\" are those of the whole model; leave the key "
                             "\"scope\" out"
                           : "the method \"%s\" takes no statistics and has no scope",
                       build->method->name);
    }
    for (uint32_t i = 0; i < recipe->input_count; i++) {
        refuse_adapter(build, &recipe->inputs[i].model);
    }
    if (recipe->has_base) {
        refuse_adapter(build, &recipe->base);
    }
    if (recipe->has_seed && build->method != NULL) {
        of_report_note(build->report, "recipe-unused", recipe->label,
                       "seed: the method \"%s\" draws no random numbers", build->method->name);
    }
}

/* What is not finite would spoil every sum and every order that it meets. */
static void refuse_nonfinite(struct of_build *build)
{
    const struct of_method *method = build->method;

    if (build->options->nonfinite == OF_NONFINITE_KEEP &&
        (method->class == OF_CLASS_ELEMENT || method->solve != NULL)) {
        of_build_error(build, "argument", no_mark,
                       "leave --nonfinite out; the first such value is named and ends the run",
                       "--nonfinite keep: the method \"%s\" %s, which NaN and infinities would "
                       "spoil",
                       method->name,
                       method->solve != NULL ? "takes statistics of all values"
                                             : "compares the values of the inputs");
    }
}

/* For a look at the inputs it does not matter what else the recipe asks for. */
static bool refuse_form_of_compare(struct of_build *build)
{
    const struct of_recipe *recipe = build->recipe;

    build->method = &of_compare_method;
    for (uint32_t i = 0; i < recipe->input_count; i++) {
        refuse_adapter(build, &recipe->inputs[i].model);
    }
    if (recipe->has_base) {
        refuse_adapter(build, &recipe->base);
    } else {
        of_build_error(build, "recipe-base", recipe->method_mark, "name the base with base_model",
                       "models are compared by what they changed, so compare needs base_model");
    }
    if (recipe->form != OF_RECIPE_MODELS) {
        of_build_error(build, "recipe-unsupported", recipe->form_mark, NULL,
                       "compare looks at whole models listed under \"models\"");
    }
    return build->error_count == 0;
}

bool of_refuse_form(struct of_build *build)
{
    const struct of_recipe *recipe = build->recipe;

    if (build->options->compare) {
        return refuse_form_of_compare(build);
    }
    find_method(build);
    if (recipe->form != OF_RECIPE_MODELS) {
        of_build_error(build, "recipe-unsupported", recipe->form_mark, NULL,
                       "the form \"%s\" comes with a later version; this one merges whole models "
                       "listed under \"models\"",
                       recipe->form == OF_RECIPE_SLICES ? "slices" : "modules");
    }
    refuse_keys(build);
    if (build->method != NULL && build->method->is_federated && build->options->tensor_union) {
        of_build_error(build, "argument", no_mark, NULL,
                       "--tensor-union: the federated rule \"%s\" does not merge tensors that some "
                       "inputs lack",
                       build->method->name);
    }
    if (build->method != NULL) {
        refuse_nonfinite(build);
    }
    if (build->options->tensor_union && build->options->tensor_intersection) {
        of_build_error(build, "argument", no_mark, NULL,
                       "--tensor-union and --tensor-intersection exclude each other");
    }
    return build->method != NULL && recipe->form == OF_RECIPE_MODELS;
}

/* ---- Numbers of inputs, base ---- */

static void refuse_counts(struct of_build *build)
{
    const struct of_method *method = build->method;
    const struct of_recipe *recipe = build->recipe;

    if (method->base == OF_BASE_REQUIRED && !recipe->has_base) {
        of_build_error(build, "recipe-base", recipe->method_mark, NULL,
                       "the method \"%s\" needs base_model", method->name);
    }
    if (build->input_count < method->input_count_min ||
        build->input_count > method->input_count_max) {
        const bool exact = method->input_count_min == method->input_count_max;
        const bool many = build->input_count > method->input_count_max;
        const uint32_t bound = many ? method->input_count_max : method->input_count_min;

        of_build_error(build, "recipe-count", recipe->form_mark, NULL,
                       "the method \"%s\" takes %s %u model%s besides the base, not %u",
                       method->name,
                       exact  ? "exactly"
                       : many ? "at most"
                              : "at least",
                       bound, bound == 1 ? "" : "s", build->input_count);
    }
}

/* ---- Facts ---- */

struct fact_row {
    const char *name;
    const struct of_fact *(*get)(const struct of_recipe_input *entry);
};

static const struct of_fact *get_samples(const struct of_recipe_input *entry)
{
    return &entry->samples;
}

static const struct of_fact *get_steps(const struct of_recipe_input *entry)
{
    return &entry->steps;
}

static const struct of_fact *get_lr_sum(const struct of_recipe_input *entry)
{
    return &entry->lr_sum;
}

static const struct fact_row fact_rows[] = {
    {"samples", get_samples}, {"steps", get_steps}, {"lr_sum", get_lr_sum}};

static bool is_origin(const struct of_build *build, const struct of_recipe_input *entry)
{
    for (uint32_t i = 0; i < build->input_count; i++) {
        if (build->origins[i].entry == entry) {
            return true;
        }
    }
    return false;
}

static void refuse_base_fact(struct of_build *build, const struct fact_row *row)
{
    for (uint32_t i = 0; i < build->recipe->input_count; i++) {
        const struct of_recipe_input *entry = &build->recipe->inputs[i];
        const struct of_fact *fact = row->get(entry);

        if (fact->given && !is_origin(build, entry)) {
            of_build_error(build, "recipe-fact", fact->mark, NULL,
                           "\"%s\" stands on the base, which has no such fact", row->name);
        }
    }
}

static void refuse_fact(struct of_build *build, const struct fact_row *row)
{
    const struct of_param *param = of_method_param(build->method, row->name);
    uint32_t given_count = 0;

    refuse_base_fact(build, row);
    for (uint32_t i = 0; i < build->input_count; i++) {
        given_count += row->get(build->origins[i].entry)->given ? 1 : 0;
    }
    if (param == NULL || !param->is_fact) {
        if (given_count > 0) {
            of_report_note(build->report, "recipe-unused", build->recipe->label,
                           "\"%s\" has no influence on the method \"%s\"; it is kept in the "
                           "manifest",
                           row->name, build->method->name);
        }
        return;
    }
    for (uint32_t i = 0; i < build->input_count; i++) {
        const struct of_origin *origin = &build->origins[i];

        if (!row->get(origin->entry)->given && (given_count > 0 || param->required)) {
            of_build_error(build, "recipe-fact", origin->entry->mark, NULL,
                           "%s: \"%s\" is missing; if one input has it, every input needs it",
                           of_str_escape(of_str_from(origin->label)).text, row->name);
        }
    }
}

/* ---- Parameters ---- */

static void check_value(struct of_build *build, const struct of_param *param,
                        const struct of_value *value)
{
    onefold_error found;
    double number;

    if (!of_resolve_number(param, value, &number)) {
        of_build_error(build, "recipe-value", value->mark, NULL, "\"%s\" is not a value of \"%s\"",
                       of_str_escape(value->word).text, param->name);
        return;
    }
    of_err_clear(&found);
    if (of_param_check(param, number, &found) != ONEFOLD_OK) {
        of_build_error(build, found.id, value->mark, NULL, "%s", found.message);
    }
}

static void check_values(struct of_build *build, const struct of_param *param,
                         const struct of_setting *setting)
{
    for (uint32_t i = 0; i < setting->case_count; i++) {
        for (uint32_t j = 0; j < setting->cases[i].value_count; j++) {
            check_value(build, param, &setting->cases[i].values[j]);
        }
    }
}

static bool is_factor(const char *name)
{
    return strcmp(name, "lambda") == 0 || strcmp(name, "beta") == 0;
}

static void refuse_unread(struct of_build *build, const struct of_setting *setting)
{
    if (build->method->is_federated) {
        of_build_error(build, "recipe-param", setting->mark, NULL,
                       "the method \"%s\" does not read \"%s\"", build->method->name,
                       setting->name);
        return;
    }
    of_build_warning(build, "recipe-unused", setting->mark, "\"%s\" is not used by \"%s\"",
                     setting->name, build->method->name);
}

static bool is_single(const struct of_setting *setting)
{
    return setting->case_count == 1 && setting->cases[0].value_count == 1 &&
           setting->cases[0].filter.length == 0;
}

/* A factor of the whole rule, or a parameter of the rule itself. */
static void check_setting(struct of_build *build, const struct of_setting *setting, bool on_entry)
{
    static const struct of_param factor = {
        .name = "lambda", .kind = OF_PARAM_REAL, .min = -__builtin_inf(), .max = __builtin_inf()};
    const struct of_param *param = of_method_param(build->method, setting->name);
    const bool is_lambda = is_factor(setting->name);

    if (is_lambda && build->method->takes_lambda) {
        struct of_param named = factor;

        named.name = setting->name;
        check_values(build, &named, setting);
    } else if (is_lambda || param == NULL || param->is_fact) {
        refuse_unread(build, setting);
        return;
    } else {
        check_values(build, param, setting);
    }
    if (!is_lambda && (param->is_whole || build->method->solve != NULL) && !is_single(setting)) {
        of_build_error(build, "recipe-value", setting->mark, "write one value",
                       "\"%s\" of \"%s\" acts on whole models; it takes no list and no filter",
                       setting->name, build->method->name);
    }
    if (on_entry && (is_lambda || !param->per_input)) {
        of_build_warning(build, "recipe-ignored", setting->mark,
                         "\"%s\" is one value for all inputs and has no effect here; it belongs "
                         "under the top level's parameters",
                         setting->name);
    }
}

static void check_level(struct of_build *build, const struct of_settings *level, bool on_entry)
{
    for (uint32_t i = 0; i < level->count; i++) {
        check_setting(build, &level->settings[i], on_entry);
    }
}

static void check_required(struct of_build *build, const struct of_param *param)
{
    const struct of_settings *top = &build->recipe->parameters;

    if (!param->required || param->is_fact || of_setting_get(top, param->name) != NULL) {
        return;
    }
    if (!param->per_input) {
        of_build_error(build, "recipe-param", build->recipe->method_mark, NULL,
                       "missing parameter \"%s\" of \"%s\"; looked under the top level's "
                       "parameters",
                       param->name, build->method->name);
        return;
    }
    for (uint32_t i = 0; i < build->input_count; i++) {
        const struct of_origin *origin = &build->origins[i];

        if (of_setting_get(&origin->entry->parameters, param->name) == NULL) {
            of_build_error(build, "recipe-param", origin->entry->mark, NULL,
                           "missing parameter \"%s\" for %s; looked under its entry and the top "
                           "level's parameters",
                           param->name, of_str_escape(of_str_from(origin->label)).text);
        }
    }
}

/* ---- Factors ---- */

static bool is_normalised(const struct of_build *build)
{
    const struct of_param *param = of_method_param(build->method, "normalize");
    const struct of_settings *levels[] = {&build->recipe->parameters};
    struct of_value value;

    if (param == NULL) {
        return false;
    }
    return of_setting_find(levels, 1, "normalize", OF_STR(""), 0.0, &value)
               ? value.number != 0.0
               : param->standard != 0.0;
}

static void check_scale(struct of_build *build)
{
    const struct of_recipe *recipe = build->recipe;
    const struct of_method *method = build->method;

    if (recipe->scale == OF_SCALE_DEFAULT) {
        return;
    }
    if (!method->takes_lambda || method->scale == OF_SCALE_OF_OWN) {
        of_build_error(build, "recipe-scale", recipe->scale_mark, NULL,
                       "the method \"%s\" has no factor for the key \"scale\" to explain",
                       method->name);
    } else if (method->scale == OF_SCALE_OF_SUM && is_normalised(build)) {
        of_build_error(build, "recipe-scale", recipe->scale_mark, NULL,
                       "with normalize: true the method \"%s\" is a mean; leave the key \"scale\" "
                       "out",
                       method->name);
    }
}

void of_refuse_settings(struct of_build *build)
{
    const struct of_method *method = build->method;

    refuse_counts(build);
    if (build->options->compare) {
        return; /* whatever the recipe's rule would need besides */
    }
    for (size_t i = 0; i < OF_LENGTH(fact_rows); i++) {
        refuse_fact(build, &fact_rows[i]);
    }
    check_level(build, &build->recipe->parameters, false);
    for (uint32_t i = 0; i < build->recipe->input_count; i++) {
        check_level(build, &build->recipe->inputs[i].parameters, true);
    }
    for (uint32_t i = 0; i < method->param_count; i++) {
        check_required(build, &method->params[i]);
    }
    check_scale(build);
}
