/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mapping under `parameters`: names some method knows, and behind each a scalar, a gradient, or
 * conditionals. What a name's values must be comes from its row in keys.c.
 */
#include "recipe/parser.h"

static bool read_value(struct of_parser *parser, const struct of_yaml_node *node,
                       const struct of_known_param *param, struct of_value *ret_value)
{
    bool flag = false;

    ret_value->kind = param->kind;
    ret_value->mark = node->mark;
    ret_value->word = node->kind == OF_YAML_SCALAR ? node->text : (struct of_str){"", 0};
    switch (param->kind) {
    case OF_VALUE_REAL:
        return of_parser_number(parser, node, &ret_value->number);
    case OF_VALUE_INTEGER:
        return of_parser_integer(parser, node, &ret_value->number);
    case OF_VALUE_BOOL:
        if (!of_parser_bool(parser, node, &flag)) {
            return false;
        }
        ret_value->number = flag ? 1.0 : 0.0;
        return true;
    case OF_VALUE_WORD:
        break;
    }
    return of_parser_text(parser, node, "a word", &ret_value->word);
}

/* A scalar, or a gradient: a list of numbers over the layers. */
static bool read_values(struct of_parser *parser, const struct of_yaml_node *node,
                        const struct of_known_param *param, struct of_case *ret_case)
{
    bool good = true;

    if (node->kind != OF_YAML_LIST) {
        ret_case->values = OF_PARSER_NEW(parser, struct of_value, 1);
        ret_case->value_count = 1;
        return ret_case->values != NULL && read_value(parser, node, param, ret_case->values);
    }
    if (node->count == 0) {
        of_parser_error(parser, "recipe-gradient", node->mark, NULL,
                        "the list behind \"%s\" is empty", param->name);
        return false;
    }
    if (param->kind != OF_VALUE_REAL) {
        of_parser_error(parser, "recipe-gradient", node->mark, "write one value",
                        "\"%s\" takes no list: its values cannot be interpolated", param->name);
        return false;
    }
    ret_case->values = OF_PARSER_NEW(parser, struct of_value, node->count);
    ret_case->value_count = node->count;
    for (uint32_t i = 0; ret_case->values != NULL && i < node->count; i++) {
        good = read_value(parser, node->values[i], param, &ret_case->values[i]) && good;
    }
    return good && ret_case->values != NULL;
}

/* {value: ..., filter: ...} */
static bool read_case(struct of_parser *parser, const struct of_yaml_node *node,
                      const struct of_known_param *param, const char *place,
                      struct of_case *ret_case)
{
    const struct of_yaml_node *fields[OF_KEYS_COUNT_MAX];

    ret_case->filter = (struct of_str){"", 0};
    if (!of_parser_fields(parser, node, OF_KEYS_CASE, place, fields)) {
        return false;
    }
    if (fields[CASE_FILTER] != NULL &&
        !of_parser_text(parser, fields[CASE_FILTER], "part of a tensor name", &ret_case->filter)) {
        return false;
    }
    if (of_str_is(ret_case->filter, "*")) {
        ret_case->filter.length = 0;
    }
    if (fields[CASE_VALUE] == NULL) {
        of_parser_error(parser, "recipe-missing", node->mark,
                        "a conditional is {value: ..., filter: ...}", "%s has no \"value\"", place);
        return false;
    }
    return read_values(parser, fields[CASE_VALUE], param, ret_case);
}

static bool read_cases(struct of_parser *parser, const struct of_yaml_node *node,
                       const struct of_known_param *param, const char *place,
                       struct of_setting *ret_setting)
{
    bool good = true;

    ret_setting->case_count = node->count;
    ret_setting->cases = OF_PARSER_NEW(parser, struct of_case, node->count);
    for (uint32_t i = 0; ret_setting->cases != NULL && i < node->count; i++) {
        if (node->values[i]->kind != OF_YAML_MAPPING) {
            of_parser_error(parser, "recipe-setting", node->values[i]->mark, NULL,
                            "the list behind \"%s\" mixes plain values and conditionals",
                            param->name);
            return false;
        }
        good = read_case(parser, node->values[i], param,
                         of_parser_print(parser, "%s of %s, entry %u", param->name, place, i),
                         &ret_setting->cases[i]) &&
               good;
    }
    return good && ret_setting->cases != NULL;
}

static bool is_conditional(const struct of_yaml_node *node)
{
    return node->kind == OF_YAML_MAPPING;
}

/* Whether any entry is a mapping: then all have to be, and the first that is not is reported. */
static bool has_conditional(const struct of_yaml_node *node)
{
    for (uint32_t i = 0; node->kind == OF_YAML_LIST && i < node->count; i++) {
        if (is_conditional(node->values[i])) {
            return true;
        }
    }
    return false;
}

static bool read_setting(struct of_parser *parser, const struct of_yaml_node *node,
                         const struct of_known_param *param, const char *place,
                         struct of_setting *ret_setting)
{
    if (has_conditional(node)) {
        return read_cases(parser, node, param, place, ret_setting);
    }
    ret_setting->case_count = 1;
    ret_setting->cases = OF_PARSER_NEW(parser, struct of_case, 1);
    if (ret_setting->cases == NULL) {
        return false;
    }
    /* mergekit's schema takes a conditional that is not wrapped in a list, and fails later. */
    return is_conditional(node) ? read_case(parser, node, param,
                                            of_parser_print(parser, "%s of %s", param->name, place),
                                            ret_setting->cases)
                                : read_values(parser, node, param, ret_setting->cases);
}

static void check_pairs(struct of_parser *parser, const struct of_settings *settings,
                        const char *place)
{
    const struct of_setting *beta = of_setting_get(settings, "beta");
    const struct of_setting *lambda = of_setting_get(settings, "lambda");

    if (beta != NULL && lambda != NULL) {
        of_parser_error(parser, "recipe-value", beta->mark, "give one of the two",
                        "\"lambda\" and \"beta\" under parameters of %s name the same factor "
                        "twice (\"lambda\" at %u:%u)",
                        place, lambda->mark.line, lambda->mark.column);
    }
}

void of_parser_parameters(struct of_parser *parser, const struct of_yaml_node *node,
                          const char *place, struct of_settings *ret_settings)
{
    if (node == NULL) {
        return;
    }
    ret_settings->mark = node->mark;
    if (node->kind != OF_YAML_MAPPING) {
        of_parser_error(parser, "recipe-kind", node->mark, NULL,
                        "parameters of %s: a mapping expected, not %s", place,
                        of_parser_describe(parser, node));
        return;
    }
    ret_settings->settings = OF_PARSER_NEW(parser, struct of_setting, node->count);
    for (uint32_t i = 0; ret_settings->settings != NULL && i < node->count; i++) {
        const struct of_yaml_node *key = node->keys[i];
        const struct of_known_param *param = of_known_param_find(key->text);
        struct of_setting *setting = &ret_settings->settings[ret_settings->count];

        if (param == NULL) {
            of_parser_error(parser, "recipe-param", key->mark,
                            of_parser_hints(parser) ? of_keys_param_hint(key->text) : NULL,
                            "unknown key \"%s\" under parameters of %s",
                            of_str_escape(key->text).text, place);
            continue;
        }
        setting->name = param->name;
        setting->mark = key->mark;
        if (read_setting(parser, node->values[i], param, place, setting)) {
            ret_settings->count++;
        }
    }
    check_pairs(parser, ret_settings, place);
}
