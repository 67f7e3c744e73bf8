/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys about vocabulary and chat template. This version refuses them when it plans; their spelling
 * is checked all the same, so that a recipe's errors come together and do not change with the
 * version.
 */
#include "recipe/parser.h"

#include <string.h>

/* A literal template shorter than this is a misspelt name (mergekit has the same limit). */
enum { TEMPLATE_BYTES_MIN = 20 };

static const char *const template_names[] = {"auto",   "alpaca", "chatml",
                                             "exaone", "llama3", "mistral"};

static void set_wish(const struct of_yaml_node *node, struct of_wish *ret_wish)
{
    ret_wish->given = true;
    ret_wish->mark = node->mark;
    ret_wish->text = node->kind == OF_YAML_SCALAR ? node->text : (struct of_str){"", 0};
}

static void read_token_source(struct of_parser *parser, const struct of_yaml_node *node,
                              const char *place)
{
    const struct of_yaml_node *fields[OF_KEYS_COUNT_MAX];
    struct of_model_ref ignored_ref;
    struct of_str kind = OF_STR("");

    if (node->kind != OF_YAML_MAPPING) {
        (void)of_parser_reference(parser, node, place, &ignored_ref);
        return;
    }
    if (!of_parser_fields(parser, node, OF_KEYS_TOKEN_SOURCE, place, fields)) {
        return;
    }
    if (fields[TOKEN_SOURCE_KIND] == NULL ||
        !of_parser_text(parser, fields[TOKEN_SOURCE_KIND], "model_token or zero", &kind)) {
        of_parser_error(parser, "recipe-missing", node->mark, NULL, "%s has no \"kind\"", place);
        return;
    }
    if (of_str_is(kind, "zero")) {
        return;
    }
    if (!of_str_is(kind, "model_token")) {
        of_parser_error(parser, "recipe-value", fields[TOKEN_SOURCE_KIND]->mark, NULL,
                        "model_token or zero expected, not \"%s\"", of_str_escape(kind).text);
        return;
    }
    if (fields[TOKEN_SOURCE_MODEL] == NULL) {
        of_parser_error(parser, "recipe-missing", node->mark, NULL, "%s has no \"model\"", place);
    } else {
        (void)of_parser_reference(parser, fields[TOKEN_SOURCE_MODEL], place, &ignored_ref);
    }
    if ((fields[TOKEN_SOURCE_TOKEN] == NULL) == (fields[TOKEN_SOURCE_ID] == NULL)) {
        of_parser_error(parser, "recipe-value", node->mark, NULL,
                        "%s needs exactly one of \"token\" and \"token_id\"", place);
    }
}

static void read_tokens(struct of_parser *parser, const struct of_yaml_node *node)
{
    const struct of_yaml_node *fields[OF_KEYS_COUNT_MAX];
    bool ignored;

    if (node->kind != OF_YAML_MAPPING) {
        of_parser_error(parser, "recipe-kind", node->mark, NULL,
                        "tokens: a mapping expected, not %s", of_parser_describe(parser, node));
        return;
    }
    for (uint32_t i = 0; i < node->count; i++) {
        const char *place =
            of_parser_print(parser, "tokens.%s", of_str_escape(node->keys[i]->text).text);

        if (!of_parser_fields(parser, node->values[i], OF_KEYS_TOKEN, place, fields)) {
            continue;
        }
        if (fields[TOKEN_SOURCE] != NULL) {
            read_token_source(parser, fields[TOKEN_SOURCE],
                              of_parser_print(parser, "source of %s", place));
        }
        if (fields[TOKEN_FORCE] != NULL) {
            (void)of_parser_bool(parser, fields[TOKEN_FORCE], &ignored);
        }
    }
}

static void read_tokenizer(struct of_parser *parser, const struct of_yaml_node *node)
{
    const struct of_yaml_node *fields[OF_KEYS_COUNT_MAX];
    struct of_model_ref ignored_ref;
    double number;

    if (!of_parser_fields(parser, node, OF_KEYS_TOKENIZER, "tokenizer", fields)) {
        return;
    }
    if (fields[TOKENIZER_SOURCE] != NULL) {
        (void)of_parser_reference(parser, fields[TOKENIZER_SOURCE], "source of tokenizer",
                                  &ignored_ref);
    }
    if (fields[TOKENIZER_TOKENS] != NULL) {
        read_tokens(parser, fields[TOKENIZER_TOKENS]);
    }
    if (fields[TOKENIZER_PAD] != NULL &&
        of_parser_integer(parser, fields[TOKENIZER_PAD], &number) && number < 1.0) {
        of_parser_error(parser, "recipe-range", fields[TOKENIZER_PAD]->mark, NULL,
                        "\"pad_to_multiple_of\" must be at least 1");
    }
}

static void read_chat_template(struct of_parser *parser, const struct of_yaml_node *node)
{
    const char *near;
    struct of_str text;

    if (!of_parser_text(parser, node, "name or text of a chat template", &text)) {
        return;
    }
    for (size_t i = 0; i < OF_LENGTH(template_names); i++) {
        if (of_str_is(text, template_names[i])) {
            return;
        }
    }
    if (text.length >= TEMPLATE_BYTES_MIN && memchr(text.data, '{', text.length) != NULL) {
        return;
    }
    near = of_str_nearest(text, template_names, OF_LENGTH(template_names));
    of_parser_error(parser, "recipe-value", node->mark,
                    "write auto, alpaca, chatml, exaone, llama3, mistral, or a Jinja template",
                    "\"%s\" is no chat template%s%s%s", of_str_escape(text).text,
                    near == NULL ? "" : "; did you mean \"", near == NULL ? "" : near,
                    near == NULL ? "" : "\"?");
}

void of_parser_vocabulary(struct of_parser *parser,
                          const struct of_yaml_node *const fields[OF_KEYS_COUNT_MAX])
{
    const struct of_yaml_node *tokenizer = fields[TOP_TOKENIZER];
    const struct of_yaml_node *source = fields[TOP_TOKENIZER_SOURCE];
    const struct of_yaml_node *chat_template = fields[TOP_CHAT_TEMPLATE];
    struct of_model_ref ignored_ref;

    if (tokenizer != NULL) {
        read_tokenizer(parser, tokenizer);
        set_wish(tokenizer, &parser->recipe->tokenizer);
    }
    if (source != NULL) {
        (void)of_parser_reference(parser, source, "tokenizer_source", &ignored_ref);
        set_wish(source, &parser->recipe->tokenizer_source);
    }
    if (tokenizer != NULL && source != NULL) {
        of_parser_error(parser, "recipe-tokenizer", tokenizer->mark, NULL,
                        "\"tokenizer\" and \"tokenizer_source\" (at %u:%u) exclude each other",
                        source->mark.line, source->mark.column);
    }
    if (chat_template != NULL) {
        read_chat_template(parser, chat_template);
        set_wish(chat_template, &parser->recipe->chat_template);
    }
}
