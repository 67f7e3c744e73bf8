/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From text to recipe: the top level, and the checks that need more than one part. What stands
 * below is read in entries.c, parameters.c, reference.c and vocabulary.c; see parser.h.
 */
#include "recipe/recipe.h"

#include "base/dtype.h"
#include "recipe/parser.h"

#include <inttypes.h>

const char *of_recipe_dtype_hint(struct of_str text)
{
    static const struct {
        const char *word;
        const char *hint;
    } rows[] = {
        {"bf16", "did you mean \"bfloat16\"?"},
        {"BF16", "did you mean \"bfloat16\"?"},
        {"fp16", "did you mean \"float16\"?"},
        {"f16", "did you mean \"float16\"?"},
        {"F16", "did you mean \"float16\"?"},
        {"half", "did you mean \"float16\"?"},
        {"fp32", "did you mean \"float32\"?"},
        {"f32", "did you mean \"float32\"?"},
        {"F32", "did you mean \"float32\"?"},
        {"float", "did you mean \"float32\"?"},
        {"bfloat16", "did you mean \"bfloat16\"?"},
        {"float16", "did you mean \"float16\"?"},
        {"float32", "did you mean \"float32\"?"},
        {"int64", "tensors of integers are copied, whatever the type of the result"},
    };
    const char *words[OF_LENGTH(rows)];
    struct of_str word = text;
    const char *near;

    if (of_str_starts(word, "torch.")) {
        word.data += sizeof("torch.") - 1;
        word.length -= sizeof("torch.") - 1;
    }
    for (size_t i = 0; i < OF_LENGTH(rows); i++) {
        if (of_str_is(word, rows[i].word)) {
            return rows[i].hint;
        }
        words[i] = rows[i].word;
    }
    near = of_str_nearest(word, words, OF_LENGTH(words));
    for (size_t i = 0; near != NULL && i < OF_LENGTH(rows); i++) {
        if (near == rows[i].word) {
            return rows[i].hint;
        }
    }
    return NULL;
}

static bool read_dtype(struct of_parser *parser, const struct of_yaml_node *node,
                       onefold_dtype *ret_dtype)
{
    struct of_str text;

    if (node == NULL || !of_parser_text(parser, node, "name of a type", &text)) {
        return false;
    }
    if (!of_dtype_parse_torch(text, ret_dtype)) {
        of_parser_error(parser, "recipe-dtype", node->mark, of_recipe_dtype_hint(text),
                        "\"%s\" is not a type", of_str_escape(text).text);
        return false;
    }
    return true;
}

static void read_scale(struct of_parser *parser, const struct of_yaml_node *node)
{
    struct of_recipe *recipe = parser->recipe;
    double number;

    if (node == NULL) {
        return;
    }
    recipe->scale_mark = node->mark;
    if (node->kind == OF_YAML_SCALAR && of_str_is(node->text, "sum")) {
        recipe->scale = OF_SCALE_SUM;
    } else if (node->kind == OF_YAML_SCALAR && of_str_is(node->text, "mean")) {
        recipe->scale = OF_SCALE_MEAN;
    } else {
        of_parser_error(parser, "recipe-scale", node->mark,
                        node->kind != OF_YAML_SCALAR || of_str_to_double(node->text, &number)
                            ? "the factor \"scale\" of passthrough stands under \"parameters\""
                            : NULL,
                        "sum or mean expected, not %s", of_parser_describe(parser, node));
    }
}

static void read_scope(struct of_parser *parser, const struct of_yaml_node *node)
{
    struct of_wish *scope = &parser->recipe->scope;

    if (node == NULL) {
        return;
    }
    scope->given = true;
    scope->mark = node->mark;
    if (!of_parser_text(parser, node, "row, tensor or model", &scope->text)) {
        return;
    }
    if (!of_str_is(scope->text, "row") && !of_str_is(scope->text, "tensor") &&
        !of_str_is(scope->text, "model")) {
        of_parser_error(parser, "recipe-scope", node->mark, NULL,
                        "row, tensor or model expected, not \"%s\"",
                        of_str_escape(scope->text).text);
    }
}

static void read_seed(struct of_parser *parser, const struct of_yaml_node *node)
{
    struct of_recipe *recipe = parser->recipe;

    if (node == NULL) {
        return;
    }
    recipe->has_seed = node->kind == OF_YAML_SCALAR && of_str_to_u64(node->text, &recipe->seed);
    if (!recipe->has_seed) {
        of_parser_error(parser, "recipe-seed", node->mark, NULL, "integer expected, not %s",
                        of_parser_describe(parser, node));
    }
}

static void read_method(struct of_parser *parser, const struct of_yaml_node *node,
                        struct of_mark top)
{
    struct of_recipe *recipe = parser->recipe;

    if (node == NULL) {
        of_parser_error(parser, "recipe-missing", top, "write \"merge_method: NAME\"",
                        "the recipe has no \"merge_method\"");
        return;
    }
    recipe->method_mark = node->mark;
    (void)of_parser_text(parser, node, "name of a method", &recipe->method);
}

/* Exactly one of the three forms. All that are there are read, so that their errors are seen too.
 */
static void read_form(struct of_parser *parser,
                      const struct of_yaml_node *const fields[OF_KEYS_COUNT_MAX],
                      struct of_mark top)
{
    static const struct {
        uint32_t key;
        enum of_recipe_form form;
    } forms[] = {{TOP_MODELS, OF_RECIPE_MODELS},
                 {TOP_SLICES, OF_RECIPE_SLICES},
                 {TOP_MODULES, OF_RECIPE_MODULES}};
    struct of_recipe *recipe = parser->recipe;
    uint32_t first_key = TOP_COUNT;

    for (size_t i = 0; i < OF_LENGTH(forms); i++) {
        const struct of_yaml_node *node = fields[forms[i].key];

        if (node == NULL) {
            continue;
        }
        if (first_key != TOP_COUNT) {
            of_parser_error(parser, "recipe-form", node->mark, NULL,
                            "\"%s\" and \"%s\" (at %u:%u) exclude each other",
                            of_keys_at(OF_KEYS_TOP, forms[i].key),
                            of_keys_at(OF_KEYS_TOP, first_key), recipe->form_mark.line,
                            recipe->form_mark.column);
            continue;
        }
        first_key = forms[i].key;
        recipe->form = forms[i].form;
        recipe->form_mark = node->mark;
    }
    if (first_key == TOP_COUNT) {
        of_parser_error(parser, "recipe-form", top, "list the inputs under \"models\"",
                        "the recipe names no models");
    }
    if (fields[TOP_MODELS] != NULL) {
        of_parser_inputs(parser, fields[TOP_MODELS], "models", &recipe->inputs,
                         &recipe->input_count);
    }
    if (fields[TOP_SLICES] != NULL) {
        of_parser_slices(parser, fields[TOP_SLICES], "slices", &recipe->slices,
                         &recipe->slice_count);
    }
    if (fields[TOP_MODULES] != NULL) {
        of_parser_modules(parser, fields[TOP_MODULES]);
    }
}

/* Facts describe how an input was trained from the base; the base itself has none. References are
 * compared as they are written here; the plan compares what they lead to. */
static void check_base_facts(struct of_parser *parser, const struct of_recipe_input *inputs,
                             uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct of_fact *facts[] = {&inputs[i].samples, &inputs[i].steps, &inputs[i].lr_sum};
        static const char *const names[] = {"samples", "steps", "lr_sum"};

        if (inputs[i].model.path == NULL ||
            !of_reference_equal(&inputs[i].model, &parser->recipe->base)) {
            continue;
        }
        for (size_t k = 0; k < OF_LENGTH(facts); k++) {
            if (facts[k]->given) {
                of_parser_error(parser, "recipe-fact", facts[k]->mark, "leave it out",
                                "\"%s\" is given for the base model, which was not trained here",
                                names[k]);
            }
        }
    }
}

static void read_top(struct of_parser *parser, const struct of_yaml_node *root)
{
    const struct of_yaml_node *fields[OF_KEYS_COUNT_MAX];
    struct of_recipe *recipe = parser->recipe;

    if (root == NULL || of_yaml_is_null(root)) {
        of_parser_error(parser, "recipe-empty", (struct of_mark){1, 1}, NULL,
                        "there is no recipe in it");
        return;
    }
    if (root->kind != OF_YAML_MAPPING) {
        of_parser_error(parser, "recipe-top", root->mark, NULL, "a mapping expected, not %s",
                        of_parser_describe(parser, root));
        return;
    }
    if (!of_parser_fields(parser, root, OF_KEYS_TOP, "the recipe", fields)) {
        return;
    }
    read_method(parser, fields[TOP_METHOD], root->mark);
    if (fields[TOP_BASE] != NULL) {
        recipe->has_base =
            of_parser_reference(parser, fields[TOP_BASE], "base_model", &recipe->base);
    }
    recipe->has_dtype = read_dtype(parser, fields[TOP_DTYPE], &recipe->dtype);
    recipe->has_out_dtype = read_dtype(parser, fields[TOP_OUT_DTYPE], &recipe->out_dtype);
    read_scale(parser, fields[TOP_SCALE]);
    read_scope(parser, fields[TOP_SCOPE]);
    read_seed(parser, fields[TOP_SEED]);
    of_parser_vocabulary(parser, fields);
    of_parser_parameters(parser, fields[TOP_PARAMETERS], "the recipe", &recipe->parameters);
    read_form(parser, fields, root->mark);
    if (recipe->has_base) {
        check_base_facts(parser, recipe->inputs, recipe->input_count);
        for (uint32_t i = 0; i < recipe->module_count; i++) {
            check_base_facts(parser, recipe->modules[i].inputs, recipe->modules[i].input_count);
        }
    }
}

static onefold_status fail(const char *label, uint64_t error_count, onefold_error *err)
{
    return of_err_set(err, "recipe", "%s: %" PRIu64 " error%s, nothing was written",
                      of_str_escape(of_str_from(label)).text, error_count,
                      error_count == 1 ? "" : "s");
}

onefold_status of_recipe_parse(struct of_str text, const char *label, struct of_arena *arena,
                               struct of_report *report, struct of_recipe **ret_recipe,
                               onefold_error *err)
{
    struct of_parser parser = {.arena = arena};
    const uint64_t errors_before = report->error_count;
    struct of_yaml_node *root = NULL;
    onefold_status status;

    parser.recipe = OF_PARSER_NEW(&parser, struct of_recipe, 1);
    if (parser.recipe == NULL) {
        return of_err_set(err, "memory", "no memory for the recipe");
    }
    parser.recipe->label = of_parser_copy(&parser, of_str_from(label));
    parser.recipe->text = (struct of_str){of_parser_copy(&parser, text), text.length};
    status = of_yaml_parse(text, label, arena, report, &root, err);
    if (status != ONEFOLD_OK) {
        return status == ONEFOLD_E_RECIPE && report->error_count > errors_before
                   ? fail(label, report->error_count - errors_before, err)
                   : status;
    }
    read_top(&parser, root);
    of_parser_deliver(&parser, report, parser.recipe->label);
    if (parser.no_memory) {
        return of_err_set(err, "memory", "no memory for the recipe");
    }
    if (parser.error_count > 0) {
        return fail(label, parser.error_count, err);
    }
    *ret_recipe = parser.recipe;
    return ONEFOLD_OK;
}
