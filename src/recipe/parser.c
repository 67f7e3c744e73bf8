/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, findings and plain values of the recipe parser. Used by the other files of this folder.
 */
#include "recipe/parser.h"

#include "base/check.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ids a recipe can meet; there are about twenty. */
enum { KINDS_MAX = 32 };
/* Looking for a near word costs more than everything else; thousands of errors are not typing
 * errors. */
enum { HINTED_ERRORS_MAX = 256 };

void *of_parser_get(struct of_parser *parser, size_t bytes, size_t align)
{
    void *block;

    if (bytes == 0) {
        return NULL;
    }
    block = of_arena_get(parser->arena, bytes, align);
    if (block == NULL) {
        parser->no_memory = true;
    }
    return block;
}

const char *of_parser_copy(struct of_parser *parser, struct of_str text)
{
    const char *copy = of_arena_copy(parser->arena, text.data, text.length);

    if (copy == NULL) {
        parser->no_memory = true;
        return "";
    }
    return copy;
}

static const char *print_list(struct of_parser *parser, const char *format, va_list args)
    OF_PRINTF(2, 0);

static const char *print_list(struct of_parser *parser, const char *format, va_list args)
{
    /* Longer than any message an error value holds; what is cut here would be cut there. */
    char text[1024];
    const int length = vsnprintf(text, sizeof(text), format, args);

    of_assert(length >= 0);
    return of_parser_copy(parser, of_str_from(text));
}

const char *of_parser_print(struct of_parser *parser, const char *format, ...)
{
    const char *text;
    va_list args;

    va_start(args, format);
    text = print_list(parser, format, args);
    va_end(args);
    return text;
}

static void add_finding(struct of_parser *parser, const struct of_parser_finding *finding)
{
    struct of_parser_finding *kept = OF_PARSER_NEW(parser, struct of_parser_finding, 1);

    if (kept == NULL) {
        return;
    }
    *kept = *finding;
    kept->next = parser->findings;
    parser->findings = kept;
    parser->finding_count++;
    parser->error_count += kept->level == ONEFOLD_LEVEL_ERROR ? 1 : 0;
}

void of_parser_error(struct of_parser *parser, const char *id, struct of_mark mark,
                     const char *hint, const char *format, ...)
{
    struct of_parser_finding finding = {
        .level = ONEFOLD_LEVEL_ERROR, .id = id, .mark = mark, .hint = hint};
    va_list args;

    va_start(args, format);
    finding.message = print_list(parser, format, args);
    va_end(args);
    add_finding(parser, &finding);
}

void of_parser_warning(struct of_parser *parser, const char *id, struct of_mark mark,
                       const char *format, ...)
{
    struct of_parser_finding finding = {.level = ONEFOLD_LEVEL_WARNING, .id = id, .mark = mark};
    va_list args;

    va_start(args, format);
    finding.message = print_list(parser, format, args);
    va_end(args);
    add_finding(parser, &finding);
}

bool of_parser_hints(const struct of_parser *parser)
{
    return parser->error_count < HINTED_ERRORS_MAX;
}

static int compare_places(const void *a, const void *b)
{
    const struct of_parser_finding *left = a;
    const struct of_parser_finding *right = b;

    if (left->mark.line != right->mark.line) {
        return left->mark.line < right->mark.line ? -1 : 1;
    }
    if (left->mark.column != right->mark.column) {
        return left->mark.column < right->mark.column ? -1 : 1;
    }
    return strcmp(left->message, right->message);
}

/* How many findings of one kind were met; a file of nothing but unknown keys is not worth 10,000
 * lines. */
struct kind {
    const char *id;
    uint64_t count;
};

static struct kind *find_kind(struct kind *kinds, uint32_t count, const char *id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (kinds[i].id == NULL || strcmp(kinds[i].id, id) == 0) {
            kinds[i].id = id;
            return &kinds[i];
        }
    }
    return &kinds[count - 1]; /* more kinds than rows: the last row counts the rest together */
}

static void deliver_sorted(const struct of_parser_finding *sorted, uint32_t count,
                           struct of_report *report, const char *label)
{
    struct kind kinds[KINDS_MAX] = {{0}};

    for (uint32_t i = 0; i < count; i++) {
        const struct of_parser_finding *finding = &sorted[i];

        if (find_kind(kinds, KINDS_MAX, finding->id)->count++ < OF_FINDINGS_SHOWN_MAX) {
            of_report_at(report, finding->level, finding->id, label, finding->mark, finding->hint,
                         "%s", finding->message);
        }
    }
    for (uint32_t i = 0; i < KINDS_MAX && kinds[i].id != NULL; i++) {
        if (kinds[i].count > OF_FINDINGS_SHOWN_MAX) {
            of_report_note(report, kinds[i].id, label, "and %llu more of this kind",
                           (unsigned long long)(kinds[i].count - OF_FINDINGS_SHOWN_MAX));
        }
    }
}

void of_parser_deliver(struct of_parser *parser, struct of_report *report, const char *label)
{
    struct of_parser_finding *sorted =
        OF_PARSER_NEW(parser, struct of_parser_finding, parser->finding_count);
    const struct of_parser_finding *finding = parser->findings;

    if (sorted == NULL) {
        return;
    }
    for (uint32_t i = 0; i < parser->finding_count; i++, finding = finding->next) {
        sorted[i] = *finding;
    }
    qsort(sorted, parser->finding_count, sizeof(sorted[0]), compare_places);
    deliver_sorted(sorted, parser->finding_count, report, label);
}

const char *of_parser_describe(struct of_parser *parser, const struct of_yaml_node *node)
{
    switch (node->kind) {
    case OF_YAML_LIST:
        return "a list";
    case OF_YAML_MAPPING:
        return "a mapping";
    case OF_YAML_SCALAR:
        break;
    }
    return of_yaml_is_null(node)
               ? "null"
               : of_parser_print(parser, "\"%s\"", of_str_escape(node->text).text);
}

bool of_parser_fields(struct of_parser *parser, const struct of_yaml_node *node,
                      enum of_keys_level level, const char *place,
                      const struct of_yaml_node *ret_fields[OF_KEYS_COUNT_MAX])
{
    for (uint32_t i = 0; i < OF_KEYS_COUNT_MAX; i++) {
        ret_fields[i] = NULL;
    }
    if (node->kind != OF_YAML_MAPPING) {
        of_parser_error(parser, "recipe-kind", node->mark, NULL, "%s: a mapping expected, not %s",
                        place, of_parser_describe(parser, node));
        return false;
    }
    for (uint32_t i = 0; i < node->count; i++) {
        const struct of_yaml_node *key = node->keys[i];
        const uint32_t number = of_keys_find(level, key->text);

        if (number == UINT32_MAX) {
            of_parser_error(parser, "recipe-key", key->mark,
                            of_parser_hints(parser) ? of_keys_hint(level, key->text) : NULL,
                            "unknown key \"%s\" in %s", of_str_escape(key->text).text, place);
        } else if (!of_yaml_is_null(node->values[i])) {
            ret_fields[number] = node->values[i];
        }
    }
    return true;
}

bool of_parser_list(struct of_parser *parser, const struct of_yaml_node *node, const char *place)
{
    if (node->kind != OF_YAML_LIST) {
        of_parser_error(parser, "recipe-kind", node->mark, NULL, "%s: a list expected, not %s",
                        place, of_parser_describe(parser, node));
        return false;
    }
    if (node->count == 0) {
        of_parser_error(parser, "recipe-missing", node->mark, "list at least one entry",
                        "%s is empty", place);
        return false;
    }
    return true;
}

bool of_parser_text(struct of_parser *parser, const struct of_yaml_node *node, const char *what,
                    struct of_str *ret_text)
{
    if (node->kind != OF_YAML_SCALAR || of_yaml_is_null(node)) {
        of_parser_error(parser, "recipe-kind", node->mark, NULL, "%s expected, not %s", what,
                        of_parser_describe(parser, node));
        return false;
    }
    *ret_text = node->text;
    return true;
}

/* The spellings of YAML 1.1. */
static bool is_word_of(struct of_str text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (of_str_is(text, words[i])) {
            return true;
        }
    }
    return false;
}

static bool is_true_word(struct of_str text)
{
    static const char *const words[] = {"true", "True", "TRUE", "yes", "Yes",
                                        "YES",  "on",   "On",   "ON"};

    return is_word_of(text, words, OF_LENGTH(words));
}

static bool is_false_word(struct of_str text)
{
    static const char *const words[] = {"false", "False", "FALSE", "no", "No",
                                        "NO",    "off",   "Off",   "OFF"};

    return is_word_of(text, words, OF_LENGTH(words));
}

/* What is likely meant by a scalar that is no number. */
static const char *number_hint(struct of_str text)
{
    static const char *const endless[] = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",    ".INF",
                                          "-.inf", "-.Inf", "-.INF", "+.inf", "+.Inf",   "+.INF",
                                          "nan",   "NaN",   "inf",   "-inf",  "Infinity"};
    bool has_digit = false;
    bool only_decimal = true;

    if (is_word_of(text, endless, OF_LENGTH(endless))) {
        return "numbers are finite";
    }
    if (is_true_word(text) || is_false_word(text)) {
        return "write 1 or 0 if that is meant";
    }
    for (size_t i = 0; i < text.length; i++) {
        const char c = text.data[i];

        has_digit = has_digit || (c >= '0' && c <= '9');
        only_decimal = only_decimal && c != '\0' && strchr("0123456789+-.eE", c) != NULL;
        if (c == ',' || c == '_' || c == ':') {
            return "write it with digits and a decimal point, without separators";
        }
    }
    return has_digit && only_decimal ? "the number is malformed, or too large" : NULL;
}

bool of_parser_number(struct of_parser *parser, const struct of_yaml_node *node, double *ret_value)
{
    if (node->kind == OF_YAML_SCALAR && !of_yaml_is_null(node) &&
        of_str_to_double(node->text, ret_value)) {
        return true;
    }
    of_parser_error(parser, "recipe-number", node->mark,
                    node->kind == OF_YAML_SCALAR ? number_hint(node->text) : NULL,
                    "number expected, not %s", of_parser_describe(parser, node));
    return false;
}

bool of_parser_bool(struct of_parser *parser, const struct of_yaml_node *node, bool *ret_value)
{
    double number;

    if (node->kind == OF_YAML_SCALAR && !of_yaml_is_null(node)) {
        if (!node->quoted && is_true_word(node->text)) {
            *ret_value = true;
            return true;
        }
        if (!node->quoted && is_false_word(node->text)) {
            *ret_value = false;
            return true;
        }
        if (of_str_to_double(node->text, &number) && (number == 0.0 || number == 1.0)) {
            *ret_value = number != 0.0;
            return true;
        }
    }
    of_parser_error(parser, "recipe-value", node->mark, NULL, "true or false expected, not %s",
                    of_parser_describe(parser, node));
    return false;
}

bool of_parser_integer(struct of_parser *parser, const struct of_yaml_node *node, double *ret_value)
{
    uint64_t number;

    /* Past 2^53 a double would not hold it; no parameter comes near. */
    if (node->kind == OF_YAML_SCALAR && of_str_to_u64(node->text, &number) &&
        number <= (UINT64_C(1) << 53)) {
        *ret_value = (double)number;
        return true;
    }
    of_parser_error(parser, "recipe-number", node->mark, "write plain digits",
                    "integer expected, not %s", of_parser_describe(parser, node));
    return false;
}
