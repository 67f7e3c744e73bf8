/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model references. The text form splits at '+' first and each half at '@'; the mapping form takes
 * paths that contain either. Nothing is looked up here.
 */
#include "recipe/parser.h"

#include <string.h>

/* One half of a reference while it is taken apart. */
struct half {
    struct of_str path;
    struct of_str revision; /* length 0 = none */
};

static uint32_t count_of(struct of_str text, char c)
{
    uint32_t count = 0;

    for (size_t i = 0; i < text.length; i++) {
        count += text.data[i] == c ? 1 : 0;
    }
    return count;
}

/* Splits at the first `c`; the second part is empty when there is none. */
static void split(struct of_str text, char c, struct of_str *ret_first, struct of_str *ret_second)
{
    const char *at = text.length == 0 ? NULL : memchr(text.data, c, text.length);

    *ret_first = text;
    *ret_second = (struct of_str){"", 0};
    if (at != NULL) {
        ret_first->length = (size_t)(at - text.data);
        ret_second->data = at + 1;
        ret_second->length = text.length - ret_first->length - 1;
    }
}

static bool check_word(struct of_parser *parser, struct of_mark mark, const char *what,
                       struct of_str text)
{
    if (text.length == 0) {
        of_parser_error(parser, "recipe-path", mark, NULL, "%s is empty", what);
        return false;
    }
    if (of_str_has_control(text)) {
        of_parser_error(parser, "recipe-path", mark, NULL, "%s \"%s\" holds a control character",
                        what, of_str_escape(text).text);
        return false;
    }
    return true;
}

/* PATH[@REVISION] */
static bool read_half(struct of_parser *parser, struct of_mark mark, struct of_str text,
                      struct half *ret_half)
{
    if (count_of(text, '@') > 1) {
        of_parser_error(parser, "recipe-model", mark,
                        "a path with \"@\" in it needs the mapping form: {model: {path: PATH}}",
                        "more than one \"@\" in \"%s\"", of_str_escape(text).text);
        return false;
    }
    split(text, '@', &ret_half->path, &ret_half->revision);
    return check_word(parser, mark, "path", ret_half->path) &&
           (count_of(text, '@') == 0 || check_word(parser, mark, "revision", ret_half->revision));
}

static bool read_path(struct of_parser *parser, const struct of_yaml_node *node, const char *place,
                      struct half *ret_half)
{
    const struct of_yaml_node *fields[OF_KEYS_COUNT_MAX];

    if (node->kind == OF_YAML_SCALAR) {
        return read_half(parser, node->mark, node->text, ret_half);
    }
    if (!of_parser_fields(parser, node, OF_KEYS_PATH, place, fields)) {
        return false;
    }
    if (fields[PATH_PATH] == NULL) {
        of_parser_error(parser, "recipe-missing", node->mark, NULL, "%s has no \"path\"", place);
        return false;
    }
    if (!of_parser_text(parser, fields[PATH_PATH], "path", &ret_half->path) ||
        !check_word(parser, fields[PATH_PATH]->mark, "path", ret_half->path)) {
        return false;
    }
    if (fields[PATH_REVISION] == NULL) {
        return true;
    }
    return of_parser_text(parser, fields[PATH_REVISION], "revision", &ret_half->revision) &&
           check_word(parser, fields[PATH_REVISION]->mark, "revision", ret_half->revision);
}

static bool read_mapping(struct of_parser *parser, const struct of_yaml_node *node,
                         const char *place, struct half *ret_model, struct half *ret_lora)
{
    const struct of_yaml_node *fields[OF_KEYS_COUNT_MAX];
    struct of_str ignored;

    if (!of_parser_fields(parser, node, OF_KEYS_REFERENCE, place, fields)) {
        return false;
    }
    if (fields[REFERENCE_MODEL] == NULL) {
        of_parser_error(parser, "recipe-missing", node->mark, NULL, "%s has no \"model\"", place);
        return false;
    }
    if (fields[REFERENCE_ARCHITECTURE] != NULL &&
        !of_parser_text(parser, fields[REFERENCE_ARCHITECTURE], "name of an architecture",
                        &ignored)) {
        return false;
    }
    return read_path(parser, fields[REFERENCE_MODEL], of_parser_print(parser, "model of %s", place),
                     ret_model) &&
           (fields[REFERENCE_LORA] == NULL ||
            read_path(parser, fields[REFERENCE_LORA], of_parser_print(parser, "lora of %s", place),
                      ret_lora));
}

static bool read_text(struct of_parser *parser, const struct of_yaml_node *node,
                      struct half *ret_model, struct half *ret_lora)
{
    struct of_str model;
    struct of_str lora;

    if (count_of(node->text, '+') > 1) {
        of_parser_error(parser, "recipe-model", node->mark,
                        "a path with \"+\" in it needs the mapping form: {model: {path: PATH}}",
                        "more than one \"+\" in \"%s\"", of_str_escape(node->text).text);
        return false;
    }
    split(node->text, '+', &model, &lora);
    return read_half(parser, node->mark, model, ret_model) &&
           (count_of(node->text, '+') == 0 || read_half(parser, node->mark, lora, ret_lora));
}

/* The one text that stands for a reference in plans and manifests, whichever form it was written
 * in. */
static struct of_str print_reference(struct of_parser *parser, const struct of_model_ref *ref)
{
    const char *parts[] = {ref->path,         ref->revision[0] != '\0' ? "@" : "",
                           ref->revision,     ref->lora_path[0] != '\0' ? "+" : "",
                           ref->lora_path,    ref->lora_revision[0] != '\0' ? "@" : "",
                           ref->lora_revision};
    size_t length = 0;
    char *text;

    for (size_t i = 0; i < OF_LENGTH(parts); i++) {
        length += strlen(parts[i]);
    }
    text = OF_PARSER_NEW(parser, char, length + 1);
    if (text == NULL) {
        return OF_STR("");
    }
    length = 0;
    for (size_t i = 0; i < OF_LENGTH(parts); i++) {
        memcpy(text + length, parts[i], strlen(parts[i]));
        length += strlen(parts[i]);
    }
    return (struct of_str){text, length};
}

bool of_parser_reference(struct of_parser *parser, const struct of_yaml_node *node,
                         const char *place, struct of_model_ref *ret_ref)
{
    struct half model = {{"", 0}, {"", 0}};
    struct half lora = {{"", 0}, {"", 0}};

    if (node->kind == OF_YAML_LIST || of_yaml_is_null(node)) {
        of_parser_error(parser, "recipe-model", node->mark, NULL,
                        "%s: model reference expected, not %s", place,
                        of_parser_describe(parser, node));
        return false;
    }
    if (!(node->kind == OF_YAML_SCALAR ? read_text(parser, node, &model, &lora)
                                       : read_mapping(parser, node, place, &model, &lora))) {
        return false;
    }
    ret_ref->mark = node->mark;
    ret_ref->path = of_parser_copy(parser, model.path);
    ret_ref->revision = of_parser_copy(parser, model.revision);
    ret_ref->lora_path = of_parser_copy(parser, lora.path);
    ret_ref->lora_revision = of_parser_copy(parser, lora.revision);
    ret_ref->text = print_reference(parser, ret_ref);
    return true;
}

bool of_reference_equal(const struct of_model_ref *a, const struct of_model_ref *b)
{
    return strcmp(a->path, b->path) == 0 && strcmp(a->revision, b->revision) == 0 &&
           strcmp(a->lora_path, b->lora_path) == 0 &&
           strcmp(a->lora_revision, b->lora_revision) == 0;
}
