/* SPDX-License-Identifier: Apache-2.0 */
/* Trees of recipes: places, quoting, aliases and merge keys, limits, refusals. */
#include "fmt/yaml.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct parsed {
    struct of_arena arena;
    struct of_report report;
    struct of_mark mark; /* of the last finding */
    char message[512];
    struct of_yaml_node *root;
    onefold_error err;
    onefold_status status;
};

static void take(void *context, const onefold_notice *notice)
{
    struct parsed *parsed = context;

    parsed->mark = (struct of_mark){notice->line, notice->column};
    (void)snprintf(parsed->message, sizeof(parsed->message), "%s", notice->message);
    assert_string_equal(notice->file, "r.yml");
}

static void parse(struct parsed *parsed, struct of_str text)
{
    memset(parsed, 0, sizeof(*parsed));
    parsed->report.fn = take;
    parsed->report.context = parsed;
    of_arena_init(&parsed->arena, 0);
    parsed->status =
        of_yaml_parse(text, "r.yml", &parsed->arena, &parsed->report, &parsed->root, &parsed->err);
}

static void finish(struct parsed *parsed)
{
    of_arena_finish(&parsed->arena);
}

/* The value of a key, which must be there once. */
static const struct of_yaml_node *get(const struct of_yaml_node *node, const char *key)
{
    const struct of_yaml_node *found = NULL;

    assert_int_equal(node->kind, OF_YAML_MAPPING);
    for (uint32_t i = 0; i < node->count; i++) {
        if (of_str_is(node->keys[i]->text, key)) {
            assert_null(found);
            found = node->values[i];
        }
    }
    assert_non_null(found);
    return found;
}

static void expect_scalar(const struct of_yaml_node *node, const char *text, uint32_t line,
                          uint32_t column)
{
    assert_int_equal(node->kind, OF_YAML_SCALAR);
    assert_true(of_str_is(node->text, text));
    assert_int_equal(node->mark.line, line);
    assert_int_equal(node->mark.column, column);
}

static void test_tree(void **state)
{
    struct parsed parsed;
    const struct of_yaml_node *models;

    (void)state;
    parse(&parsed, OF_STR("# comment\nmerge_method: linear\nmodels:\n  - model: a\n    w: [0.5, "
                          "'1']\r\n  - {model: \"b\"}\n"));
    assert_int_equal(parsed.status, ONEFOLD_OK);
    assert_int_equal(parsed.root->count, 2);
    expect_scalar(get(parsed.root, "merge_method"), "linear", 2, 15);
    models = get(parsed.root, "models");
    assert_int_equal(models->kind, OF_YAML_LIST);
    assert_int_equal(models->count, 2);
    expect_scalar(get(models->values[0], "model"), "a", 4, 12);
    assert_false(get(models->values[0], "model")->quoted);
    assert_int_equal(get(models->values[0], "w")->count, 2);
    assert_true(get(models->values[0], "w")->values[1]->quoted);
    expect_scalar(get(models->values[1], "model"), "b", 6, 13);
    assert_true(get(models->values[1], "model")->quoted);
    finish(&parsed);
}

static void test_null(void **state)
{
    struct parsed parsed;

    (void)state;
    assert_true(of_yaml_is_null(NULL));
    parse(&parsed, OF_STR("{a: , b: ~, c: null, d: 'null', e: \"\", f: NULL, g: nULL, h: []}"));
    assert_int_equal(parsed.status, ONEFOLD_OK);
    assert_true(of_yaml_is_null(get(parsed.root, "a")));
    assert_true(of_yaml_is_null(get(parsed.root, "b")));
    assert_true(of_yaml_is_null(get(parsed.root, "c")));
    assert_false(of_yaml_is_null(get(parsed.root, "d")));
    assert_false(of_yaml_is_null(get(parsed.root, "e")));
    assert_true(of_yaml_is_null(get(parsed.root, "f")));
    assert_false(of_yaml_is_null(get(parsed.root, "g")));
    assert_false(of_yaml_is_null(get(parsed.root, "h")));
    finish(&parsed);
}

static void test_empty_documents(void **state)
{
    static const char *const rows[] = {"", "# only a comment\n", "\xef\xbb\xbf", "\n\n"};

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(rows); i++) {
        struct parsed parsed;

        parse(&parsed, of_str_from(rows[i]));
        assert_int_equal(parsed.status, ONEFOLD_OK);
        assert_null(parsed.root);
        finish(&parsed);
    }
}

static void test_aliases(void **state)
{
    struct parsed parsed;
    const struct of_yaml_node *a;
    const struct of_yaml_node *b;

    (void)state;
    parse(&parsed, OF_STR("a: &x {w: [1, 2], e: {}}\nb: *x\nc: &x 7\nd: *x\n"));
    assert_int_equal(parsed.status, ONEFOLD_OK);
    a = get(parsed.root, "a");
    b = get(parsed.root, "b");
    assert_ptr_not_equal(a, b);
    assert_int_equal(get(b, "w")->count, 2);
    expect_scalar(get(b, "w")->values[1], "2", 1, 15);
    assert_int_equal(get(b, "e")->count, 0);
    expect_scalar(get(parsed.root, "d"), "7", 3, 4); /* where the anchor stands */
    finish(&parsed);
}

static void test_merge_keys(void **state)
{
    struct parsed parsed;
    const struct of_yaml_node *c;

    (void)state;
    parse(&parsed, OF_STR("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\n"
                          "c: {w: 3, <<: [*a, *b], x: 3}\nd: {<<: *a}\ne: {'<<': 5}\n"));
    assert_int_equal(parsed.status, ONEFOLD_OK);
    c = get(parsed.root, "c");
    assert_int_equal(c->count, 4);
    assert_true(of_str_is(get(c, "w")->text, "3"));
    assert_true(of_str_is(get(c, "x")->text, "3"));
    assert_true(of_str_is(get(c, "y")->text, "1"));
    assert_true(of_str_is(get(c, "z")->text, "2"));
    assert_int_equal(get(parsed.root, "d")->count, 2);
    assert_true(of_str_is(get(get(parsed.root, "e"), "<<")->text, "5"));
    finish(&parsed);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text;
        const char *id;
        uint32_t line;
        uint32_t column;
    } rows[] = {
        {"a: 1\nb: 2\na: 3\n", "recipe-duplicate", 3, 1},
        {"x: {a: 1, \"\\x61\": 2}\n", "recipe-duplicate", 1, 11},
        {"a: {<<: {b: 1}, <<: {c: 1}}\n", "recipe-duplicate", 1, 17},
        {"a: *b\n", "recipe-alias", 1, 4},
        {"a: &x [1, *x]\n", "recipe-alias", 1, 11},
        {"a: &x {b: &y {c: *x}}\n", "recipe-alias", 1, 18},
        {"a: !!python/object:os.system x\n", "recipe-tag", 1, 4},
        {"a: !mine x\n", "recipe-tag", 1, 4},
        {"a: !!binary aGk=\n", "recipe-tag", 1, 4},
        {"a: !!set {x}\n", "recipe-tag", 1, 4},
        {"a: !u!x 1\n", "recipe-tag", 1, 4},
        {"? [a]\n: 1\n", "recipe-syntax", 1, 3},
        {"a:\n\tb: 1\n", "recipe-syntax", 2, 1},
        {"a: [1\n", "recipe-syntax", 2, 1},
        {"a: {<<: 1}\n", "recipe-syntax", 1, 5},
        {"a: {<<: [1]}\n", "recipe-syntax", 1, 5},
        {"a: 1\n---\nb: 2\n", "recipe-document", 2, 1},
        {"a: 1\nb: \x01\n", "recipe-encoding", 2, 4},
        {"a: 1\nb: \xff\n", "recipe-encoding", 2, 4},
        {"a: \xc2\x80\n", "recipe-encoding", 1, 4},
        {"a: \"\\0\"\n", "recipe-encoding", 1, 4},
    };

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(rows); i++) {
        struct parsed parsed;

        parse(&parsed, of_str_from(rows[i].text));
        if (parsed.status != ONEFOLD_E_RECIPE || strcmp(parsed.err.id, rows[i].id) != 0 ||
            parsed.mark.line != rows[i].line || parsed.mark.column != rows[i].column) {
            fail_msg("%s: expected %s at %u:%u, got %s at %u:%u (%s)", rows[i].text, rows[i].id,
                     rows[i].line, rows[i].column,
                     parsed.status == ONEFOLD_OK ? "ok" : parsed.err.id, parsed.mark.line,
                     parsed.mark.column, parsed.message);
        }
        assert_int_equal(parsed.report.error_count, 1);
        assert_null(parsed.root);
        finish(&parsed);
    }
}

static void test_utf16_and_nul(void **state)
{
    struct parsed parsed;

    (void)state;
    parse(&parsed, OF_STR("\xff\xfe"
                          "a\0:\0 \0"));
    assert_string_equal(parsed.err.id, "recipe-encoding");
    finish(&parsed);
    parse(&parsed, OF_STR("a: 1\0"));
    assert_string_equal(parsed.err.id, "recipe-encoding");
    finish(&parsed);
}

static void test_core_tags(void **state)
{
    struct parsed parsed;

    (void)state;
    parse(&parsed, OF_STR("a: !!str null\nb: !!float 0.5\nc: !!map {d: !!seq [1]}\n"));
    assert_int_equal(parsed.status, ONEFOLD_OK);
    assert_false(of_yaml_is_null(get(parsed.root, "a")));
    finish(&parsed);
}

static void nested(struct of_text *text, uint32_t depth)
{
    text->length = 0;
    for (uint32_t i = 0; i < depth; i++) {
        of_text_add_char(text, '[');
    }
    for (uint32_t i = 0; i < depth; i++) {
        of_text_add_char(text, ']');
    }
}

static void test_depth(void **state)
{
    struct of_text text = {0};
    struct parsed parsed;

    (void)state;
    nested(&text, OF_RECIPE_DEPTH_MAX);
    parse(&parsed, (struct of_str){text.data, text.length});
    assert_int_equal(parsed.status, ONEFOLD_OK);
    finish(&parsed);
    nested(&text, OF_RECIPE_DEPTH_MAX + 1);
    parse(&parsed, (struct of_str){text.data, text.length});
    assert_string_equal(parsed.err.id, "recipe-limit");
    finish(&parsed);
    of_text_finish(&text);
}

/* An alias brings its own levels with it. */
static void test_depth_of_aliases(void **state)
{
    struct of_text text = {0};
    struct parsed parsed;

    (void)state;
    for (uint32_t outer = 15; outer <= 16; outer++) {
        text.length = 0;
        of_text_add(&text, OF_STR("a: &x "));
        for (uint32_t i = 0; i < 16; i++) {
            of_text_add_char(&text, '[');
        }
        of_text_add_char(&text, '1');
        for (uint32_t i = 0; i < 16; i++) {
            of_text_add_char(&text, ']');
        }
        of_text_add(&text, OF_STR("\nb: "));
        for (uint32_t i = 0; i < outer; i++) {
            of_text_add_char(&text, '[');
        }
        of_text_add(&text, OF_STR("*x"));
        for (uint32_t i = 0; i < outer; i++) {
            of_text_add_char(&text, ']');
        }
        parse(&parsed, (struct of_str){text.data, text.length});
        /* One level is the mapping around all of it. */
        assert_int_equal(parsed.status,
                         1 + outer + 16 <= OF_RECIPE_DEPTH_MAX ? ONEFOLD_OK : ONEFOLD_E_RECIPE);
        finish(&parsed);
    }
    of_text_finish(&text);
}

static void test_node_limit(void **state)
{
    struct of_text text = {0};
    struct parsed parsed;

    (void)state;
    for (uint32_t over = 0; over <= 1; over++) {
        text.length = 0;
        of_text_add_char(&text, '[');
        for (uint32_t i = 0; i < OF_RECIPE_NODES_MAX - 1 + over; i++) {
            of_text_add(&text, OF_STR("1,"));
        }
        of_text_add_char(&text, ']');
        parse(&parsed, (struct of_str){text.data, text.length});
        assert_int_equal(parsed.status, over == 0 ? ONEFOLD_OK : ONEFOLD_E_RECIPE);
        finish(&parsed);
    }
    of_text_finish(&text);
}

static void test_size_limit(void **state)
{
    struct of_text text = {0};
    struct parsed parsed;

    (void)state;
    of_text_add(&text, OF_STR("#"));
    while (text.length < OF_RECIPE_BYTES_MAX) {
        of_text_add_char(&text, 'x');
    }
    parse(&parsed, (struct of_str){text.data, text.length});
    assert_int_equal(parsed.status, ONEFOLD_OK);
    finish(&parsed);
    of_text_add_char(&text, 'x');
    parse(&parsed, (struct of_str){text.data, text.length});
    assert_string_equal(parsed.err.id, "recipe-limit");
    finish(&parsed);
    of_text_finish(&text);
}

/* Names in findings are escaped. */
static void test_duplicate_message(void **state)
{
    struct parsed parsed;

    (void)state;
    parse(&parsed, OF_STR("\"a\\e[0m\": 1\n\"a\\e[0m\": 2\n"));
    assert_string_equal(parsed.err.id, "recipe-duplicate");
    assert_string_equal(parsed.message, "key \"a\\x1b[0m\" stands twice, first in line 1 column 1");
    finish(&parsed);
}

static void test_each_allocation_fails(void **state)
{
    struct parsed parsed;

    (void)state;
    for (uint64_t nth = 1;; nth++) {
        of_mem_fail_at(nth, false);
        parse(&parsed, OF_STR("a: &x {b: 1, c: [1,2,3,4,5,6,7,8,9,10]}\nd: {<<: *x, b: 2}\n"));
        of_mem_fail_at(0, false);
        finish(&parsed);
        if (parsed.status == ONEFOLD_OK) {
            break;
        }
        assert_int_equal(parsed.status, ONEFOLD_E_MEMORY);
        assert_true(nth < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_empty_documents),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_merge_keys),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_utf16_and_nul),
        cmocka_unit_test(test_core_tags),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_depth_of_aliases),
        cmocka_unit_test(test_node_limit),
        cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_duplicate_message),
        cmocka_unit_test(test_each_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
