/* SPDX-License-Identifier: Apache-2.0 */
/* The three forms: lists of models, output slices with their sources, modules with either. */
#include "recipe/parser.h"

#include "base/limits.h"
#include "base/map.h"

#include <string.h>

/* --- Entries of `models` --- */

static void read_fact(struct of_parser *parser, const struct of_yaml_node *node, const char *key,
                      struct of_fact *ret_fact)
{
    if (node == NULL) {
        return;
    }
    ret_fact->given = true;
    ret_fact->mark = node->mark;
    if (node->kind != OF_YAML_SCALAR) {
        of_parser_error(parser, "recipe-fact", node->mark, "a fact is one plain number",
                        "\"%s\" is %s", key, of_parser_describe(parser, node));
        return;
    }
    if (of_parser_number(parser, node, &ret_fact->value) && !(ret_fact->value > 0.0)) {
        of_parser_error(parser, "recipe-range", node->mark, NULL,
                        "\"%s\" is %s; it must be more than 0", key,
                        of_str_escape(node->text).text);
    }
}

static void read_name(struct of_parser *parser, const struct of_yaml_node *node,
                      struct of_recipe_input *input)
{
    struct of_str text;

    if (node == NULL || !of_parser_text(parser, node, "a name", &text)) {
        return;
    }
    if (text.length == 0 || of_str_has_control(text)) {
        of_parser_error(parser, "recipe-name", node->mark,
                        "a name is not empty and holds no control characters", "bad name \"%s\"",
                        of_str_escape(text).text);
        return;
    }
    input->name = of_parser_copy(parser, text);
}

static void read_input(struct of_parser *parser, const struct of_yaml_node *node, const char *place,
                       struct of_recipe_input *input)
{
    const struct of_yaml_node *fields[OF_KEYS_COUNT_MAX];

    input->mark = node->mark;
    if (node->kind == OF_YAML_SCALAR) {
        of_parser_error(parser, "recipe-kind", node->mark, "write \"- model: PATH\"",
                        "%s: a mapping expected, not %s", place, of_parser_describe(parser, node));
        return;
    }
    if (!of_parser_fields(parser, node, OF_KEYS_INPUT, place, fields)) {
        return;
    }
    if (fields[INPUT_MODEL] == NULL) {
        of_parser_error(parser, "recipe-missing", node->mark, NULL, "%s has no \"model\"", place);
    } else if (!of_parser_reference(parser, fields[INPUT_MODEL], place, &input->model)) {
        input->model.path = NULL;
    }
    read_name(parser, fields[INPUT_NAME], input);
    read_fact(parser, fields[INPUT_SAMPLES], "samples", &input->samples);
    read_fact(parser, fields[INPUT_STEPS], "steps", &input->steps);
    read_fact(parser, fields[INPUT_LR_SUM], "lr_sum", &input->lr_sum);
    of_parser_parameters(parser, fields[INPUT_PARAMETERS], place, &input->parameters);
}

/* Last component of a path; the path itself when there is none worth the name ("." or "/"). */
static struct of_str last_component(const char *path)
{
    struct of_str text = of_str_from(path);
    size_t start;

    while (text.length > 1 && text.data[text.length - 1] == '/') {
        text.length--;
    }
    for (start = text.length; start > 0 && text.data[start - 1] != '/'; start--) {
    }
    text.data += start;
    text.length -= start;
    return text.length == 0 || of_str_is(text, ".") || of_str_is(text, "..") ? of_str_from(path)
                                                                             : text;
}

/* "model", or "model+adapter": many inputs may be adapters of one model. */
static const char *default_name(struct of_parser *parser, const struct of_model_ref *ref)
{
    const struct of_str model = last_component(ref->path);
    const struct of_str lora = last_component(ref->lora_path);
    char *text;

    if (ref->lora_path[0] == '\0') {
        return of_parser_copy(parser, model);
    }
    text = OF_PARSER_NEW(parser, char, model.length + lora.length + 2);
    if (text == NULL) {
        return "";
    }
    memcpy(text, model.data, model.length);
    text[model.length] = '+';
    memcpy(text + model.length + 1, lora.data, lora.length);
    return text;
}

struct name_table {
    struct of_recipe_input *inputs;
    struct of_map map;
    uint32_t *tries; /* by input: how many others have been told apart from its name */
};

static struct of_str name_key(const void *context, uint32_t index)
{
    const struct name_table *table = context;

    return of_str_from(table->inputs[index].name);
}

/* "name", or "name-2", "name-3" ... : the first that is free. Counting on from the holder's last
 * number keeps a list of equal paths from being tried again and again. */
static void make_unique(struct of_parser *parser, struct name_table *table, uint32_t index)
{
    const char *stem = table->inputs[index].name;
    uint32_t holder = of_map_put(&table->map, index);
    const uint32_t first = holder;

    while (holder != OF_MAP_NONE && !parser->no_memory) {
        table->tries[first]++;
        table->inputs[index].name =
            of_parser_print(parser, "%.900s-%u", stem, table->tries[first] + 1);
        holder = of_map_put(&table->map, index);
    }
}

static void name_inputs(struct of_parser *parser, struct of_recipe_input *inputs, uint32_t count)
{
    struct name_table table = {.inputs = inputs};
    uint32_t named_count = 0;

    table.tries = OF_PARSER_NEW(parser, uint32_t, count);
    if (table.tries == NULL || !of_map_init(&table.map, parser->arena, count, name_key, &table)) {
        parser->no_memory = true;
        return;
    }
    /* Names that were written come first: a made one gives way to them. */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t other;

        if (inputs[i].name == NULL) {
            continue;
        }
        named_count++;
        other = of_map_put(&table.map, i);
        if (other != OF_MAP_NONE) {
            of_parser_error(parser, "recipe-name", inputs[i].mark, NULL,
                            "the name \"%s\" is given twice (first in the entry at %u:%u)",
                            of_str_escape(of_str_from(inputs[i].name)).text,
                            inputs[other].mark.line, inputs[other].mark.column);
        }
    }
    for (uint32_t i = 0; named_count < count && i < count; i++) {
        if (inputs[i].name != NULL) {
            continue;
        }
        inputs[i].name = inputs[i].model.path == NULL
                             ? "?" /* only after an error: no recipe is returned */
                             : default_name(parser, &inputs[i].model);
        make_unique(parser, &table, i);
    }
}

void of_parser_inputs(struct of_parser *parser, const struct of_yaml_node *node, const char *place,
                      struct of_recipe_input **ret_inputs, uint32_t *ret_count)
{
    struct of_recipe_input *inputs;

    if (!of_parser_list(parser, node, place)) {
        return;
    }
    if (node->count > OF_INPUTS_MAX) {
        of_parser_error(parser, "recipe-limit", node->mark, NULL, "%s has %u entries, more than %u",
                        place, node->count, OF_INPUTS_MAX);
        return;
    }
    inputs = OF_PARSER_NEW(parser, struct of_recipe_input, node->count);
    if (inputs == NULL) {
        return;
    }
    for (uint32_t i = 0; i < node->count; i++) {
        read_input(parser, node->values[i], of_parser_print(parser, "%s[%u]", place, i),
                   &inputs[i]);
    }
    name_inputs(parser, inputs, node->count);
    *ret_inputs = inputs;
    *ret_count = node->count;
}

/* --- Output slices --- */

static bool read_layer(struct of_parser *parser, const struct of_yaml_node *node,
                       uint32_t *ret_layer)
{
    uint64_t layer;

    if (node->kind == OF_YAML_SCALAR && of_str_to_u64(node->text, &layer) && layer < UINT32_MAX) {
        *ret_layer = (uint32_t)layer;
        return true;
    }
    of_parser_error(parser, "recipe-layers", node->mark, NULL,
                    node->kind == OF_YAML_SCALAR && of_str_starts(node->text, "-")
                        ? "layers count from 0; %s is none"
                        : "integer expected, not %s",
                    of_parser_describe(parser, node));
    return false;
}

/* True when both ends were read. */
static bool read_layer_range(struct of_parser *parser, const struct of_yaml_node *node,
                             struct of_recipe_source *source)
{
    bool good;

    if (node->kind != OF_YAML_LIST) {
        of_parser_error(parser, "recipe-layers", node->mark, NULL,
                        "layer_range: a list of two integers expected, not %s",
                        of_parser_describe(parser, node));
        return false;
    }
    if (node->count != 2) {
        of_parser_error(parser, "recipe-layers", node->mark, NULL,
                        "layer_range has %u numbers; it needs exactly two", node->count);
        return false;
    }
    good = read_layer(parser, node->values[0], &source->layer_start);
    good = read_layer(parser, node->values[1], &source->layer_end) && good;
    if (good && source->layer_start > source->layer_end) {
        of_parser_error(parser, "recipe-layers", node->mark, NULL,
                        "layer_range starts at %u, after its end %u", source->layer_start,
                        source->layer_end);
        return false;
    }
    return good;
}

/* True when the layer range is known. */
static bool read_source(struct of_parser *parser, const struct of_yaml_node *node,
                        const char *place, struct of_recipe_source *source)
{
    const struct of_yaml_node *fields[OF_KEYS_COUNT_MAX];

    source->mark = node->mark;
    if (!of_parser_fields(parser, node, OF_KEYS_SOURCE, place, fields)) {
        return false;
    }
    if (fields[SOURCE_MODEL] == NULL) {
        of_parser_error(parser, "recipe-missing", node->mark, NULL, "%s has no \"model\"", place);
    } else if (!of_parser_reference(parser, fields[SOURCE_MODEL], place, &source->model)) {
        source->model.path = NULL;
    }
    of_parser_parameters(parser, fields[SOURCE_PARAMETERS], place, &source->parameters);
    if (fields[SOURCE_LAYER_RANGE] == NULL) {
        of_parser_error(parser, "recipe-missing", node->mark, NULL, "%s has no \"layer_range\"",
                        place);
        return false;
    }
    return read_layer_range(parser, fields[SOURCE_LAYER_RANGE], source);
}

static void read_sources(struct of_parser *parser, const struct of_yaml_node *node,
                         const char *place, struct of_recipe_slice *slice)
{
    const char *list = of_parser_print(parser, "%s.sources", place);
    const struct of_recipe_source *first = NULL;

    if (!of_parser_list(parser, node, list)) {
        return;
    }
    slice->sources = OF_PARSER_NEW(parser, struct of_recipe_source, node->count);
    if (slice->sources == NULL) {
        return;
    }
    slice->source_count = node->count;
    for (uint32_t i = 0; i < node->count; i++) {
        struct of_recipe_source *source = &slice->sources[i];

        if (!read_source(parser, node->values[i], of_parser_print(parser, "%s[%u]", list, i),
                         source)) {
            continue;
        }
        first = first == NULL ? source : first;
        if (source->layer_end - source->layer_start != first->layer_end - first->layer_start) {
            of_parser_error(parser, "recipe-layers", source->mark,
                            "all sources of a slice cover the same number of layers",
                            "%s[%u] covers %u layers, the first source %u", list, i,
                            source->layer_end - source->layer_start,
                            first->layer_end - first->layer_start);
        }
    }
}

static void read_slice(struct of_parser *parser, const struct of_yaml_node *node, const char *place,
                       struct of_recipe_slice *slice)
{
    const struct of_yaml_node *fields[OF_KEYS_COUNT_MAX];

    slice->mark = node->mark;
    if (!of_parser_fields(parser, node, OF_KEYS_SLICE, place, fields)) {
        return;
    }
    if (fields[SLICE_SOURCES] == NULL) {
        of_parser_error(parser, "recipe-missing", node->mark, NULL, "%s has no \"sources\"", place);
    } else {
        read_sources(parser, fields[SLICE_SOURCES], place, slice);
    }
    if (fields[SLICE_BASE] != NULL) {
        slice->has_base =
            of_parser_reference(parser, fields[SLICE_BASE],
                                of_parser_print(parser, "base_model of %s", place), &slice->base);
    }
    if (fields[SLICE_RESIDUAL_WEIGHT] != NULL) {
        of_parser_warning(parser, "recipe-unused", fields[SLICE_RESIDUAL_WEIGHT]->mark,
                          "\"residual_weight\" of %s has no influence; no program ever read it",
                          place);
    }
    of_parser_parameters(parser, fields[SLICE_PARAMETERS], place, &slice->parameters);
}

void of_parser_slices(struct of_parser *parser, const struct of_yaml_node *node, const char *place,
                      struct of_recipe_slice **ret_slices, uint32_t *ret_count)
{
    struct of_recipe_slice *slices;

    if (!of_parser_list(parser, node, place)) {
        return;
    }
    slices = OF_PARSER_NEW(parser, struct of_recipe_slice, node->count);
    if (slices == NULL) {
        return;
    }
    for (uint32_t i = 0; i < node->count; i++) {
        read_slice(parser, node->values[i], of_parser_print(parser, "%s[%u]", place, i),
                   &slices[i]);
    }
    *ret_slices = slices;
    *ret_count = node->count;
}

/* --- Modules --- */

static void read_module(struct of_parser *parser, const struct of_yaml_node *node,
                        const char *place, struct of_recipe_module *module)
{
    const struct of_yaml_node *fields[OF_KEYS_COUNT_MAX];

    module->mark = node->mark;
    if (!of_parser_fields(parser, node, OF_KEYS_MODULE, place, fields)) {
        return;
    }
    if ((fields[MODULE_MODELS] == NULL) == (fields[MODULE_SLICES] == NULL)) {
        of_parser_error(parser, "recipe-form", node->mark, "write models or slices",
                        "%s has %s \"models\" %s \"slices\"", place,
                        fields[MODULE_MODELS] == NULL ? "neither" : "both",
                        fields[MODULE_MODELS] == NULL ? "nor" : "and");
    }
    if (fields[MODULE_MODELS] != NULL) {
        of_parser_inputs(parser, fields[MODULE_MODELS], of_parser_print(parser, "%s.models", place),
                         &module->inputs, &module->input_count);
    }
    if (fields[MODULE_SLICES] != NULL) {
        of_parser_slices(parser, fields[MODULE_SLICES], of_parser_print(parser, "%s.slices", place),
                         &module->slices, &module->slice_count);
    }
    of_parser_parameters(parser, fields[MODULE_PARAMETERS], place, &module->parameters);
}

void of_parser_modules(struct of_parser *parser, const struct of_yaml_node *node)
{
    struct of_recipe *recipe = parser->recipe;

    if (node->kind != OF_YAML_MAPPING) {
        of_parser_error(parser, "recipe-kind", node->mark,
                        "write \"modules: {NAME: {models: ...}}\"",
                        "modules: a mapping expected, not %s", of_parser_describe(parser, node));
        return;
    }
    if (node->count == 0) {
        of_parser_error(parser, "recipe-missing", node->mark, "name at least one module",
                        "modules is empty");
        return;
    }
    recipe->modules = OF_PARSER_NEW(parser, struct of_recipe_module, node->count);
    for (uint32_t i = 0; recipe->modules != NULL && i < node->count; i++) {
        struct of_recipe_module *module = &recipe->modules[i];
        const struct of_str name = node->keys[i]->text;

        if (name.length == 0 || of_str_has_control(name)) {
            of_parser_error(parser, "recipe-name", node->keys[i]->mark,
                            "a name is not empty and holds no control characters",
                            "bad name of a module: \"%s\"", of_str_escape(name).text);
        }
        module->name = of_parser_copy(parser, name);
        read_module(parser, node->values[i],
                    of_parser_print(parser, "modules.%s", of_str_escape(name).text), module);
        recipe->module_count = i + 1;
    }
}
