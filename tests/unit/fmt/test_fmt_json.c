/* SPDX-License-Identifier: Apache-2.0 */
/* Strictness, walking, bounded nesting, typed values. */
#include "fmt/json.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct visits {
    struct of_text text; /* "key=value@offset;" of each member */
    uint64_t count;
    uint64_t released;
    uint64_t fail_at; /* visit that fails, from 1; 0 = none */
};

static onefold_status visit(void *context, const struct of_json_member *member, onefold_error *err)
{
    struct visits *visits = context;

    visits->count++;
    if (visits->count == visits->fail_at) {
        return of_err_set(err, "st-hole", "stop");
    }
    if (visits->text.length < 1000) {
        of_text_add(&visits->text, member->key);
        of_text_add_char(&visits->text, '=');
        of_text_add(&visits->text, member->text);
        of_text_print(&visits->text, "@%llu,%llu;", (unsigned long long)member->key_offset,
                      (unsigned long long)member->value_offset);
    }
    return ONEFOLD_OK;
}

static void release(void *context, uint64_t upto_offset)
{
    struct visits *visits = context;

    assert_true(upto_offset > visits->released);
    visits->released = upto_offset;
}

static struct of_json_walk walk_of(struct visits *visits)
{
    return (struct of_json_walk){.id_syntax = "st-json",
                                 .id_top = "st-top",
                                 .id_depth = "st-depth",
                                 .id_nul = "st-name-nul",
                                 .member = visit,
                                 .release = release,
                                 .context = visits};
}

static void expect_walk(struct of_str document, bool is_array, const char *expected)
{
    struct visits visits = {0};
    struct of_json_walk walk = walk_of(&visits);
    onefold_error err;

    if (is_array) {
        assert_int_equal(of_json_walk_array(document, &walk, &err), ONEFOLD_OK);
    } else {
        assert_int_equal(of_json_walk(document, &walk, &err), ONEFOLD_OK);
    }
    of_text_add_char(&visits.text, '.');
    assert_string_equal(visits.text.data, expected);
    of_text_finish(&visits.text);
}

static void expect_refusal(struct of_str document, const char *id, uint64_t offset)
{
    struct visits visits = {0};
    struct of_json_walk walk = walk_of(&visits);
    onefold_error err;

    assert_int_equal(of_json_walk(document, &walk, &err), ONEFOLD_E_FORMAT);
    assert_string_equal(err.id, id);
    if (offset != UINT64_MAX) {
        assert_int_equal(err.offset, offset);
    }
    of_text_finish(&visits.text);
}

static void test_walk(void **state)
{
    (void)state;
    expect_walk(OF_STR("{}"), false, ".");
    expect_walk(OF_STR(" \n{ } \t\r\n"), false, ".");
    expect_walk(OF_STR("{\"a\":1,\"b\" : [ 2,{\"}\":\"]\"} ] }"), false,
                "a=1@1,5;b=[ 2,{\"}\":\"]\"} ]@7,13;.");
    expect_walk(OF_STR("{\"\\u0041\\n\":\"x\\\"y\"}"), false, "A\n=\"x\\\"y\"@1,12;.");
    expect_walk(OF_STR("{\"a\":1,\"a\":2}"), false, "a=1@1,5;a=2@7,11;.");
    expect_walk(OF_STR("[]"), true, ".");
    expect_walk(OF_STR("[1, \"b\" ,[]]"), true, "=1@1,1;=\"b\"@4,4;=[]@9,9;.");
}

static void test_walk_refuses(void **state)
{
    (void)state;
    expect_refusal(OF_STR(""), "st-json", 0);
    expect_refusal(OF_STR("   "), "st-json", 3);
    expect_refusal(OF_STR("[]"), "st-top", 0);
    expect_refusal(OF_STR("null"), "st-top", 0);
    expect_refusal(OF_STR(" \"x\""), "st-top", 1);
    expect_refusal(OF_STR("-1.5"), "st-top", 0);
    expect_refusal(OF_STR("nul"), "st-json", 0);
    expect_refusal(OF_STR("this is text"), "st-json", 0);
    expect_refusal(OF_STR("\xef\xbb\xbf{}"), "st-json", 0);
    expect_refusal(OF_STR("{} {}"), "st-json", 3);
    expect_refusal(OF_STR("{}\0"), "st-json", 2);
    expect_refusal(OF_STR("{\"a\":1,}"), "st-json", 7);
    expect_refusal(OF_STR("{,\"a\":1}"), "st-json", 1);
    expect_refusal(OF_STR("{\"a\":1 \"b\":2}"), "st-json", 7);
    expect_refusal(OF_STR("{\"a\"1}"), "st-json", 4);
    expect_refusal(OF_STR("{\"a\":}"), "st-json", 5);
    expect_refusal(OF_STR("{\"a\":1"), "st-json", 6);
    expect_refusal(OF_STR("{\"a\":\"x"), "st-json", 7);
    expect_refusal(OF_STR("{\"a\":[1"), "st-json", 7);
    expect_refusal(OF_STR("{\"a\":\"x\\"), "st-json", UINT64_MAX);
    expect_refusal(OF_STR("{'a':1}"), "st-json", 1);
    expect_refusal(OF_STR("{/* */\"a\":1}"), "st-json", 1);
    expect_refusal(OF_STR("{\"a\nb\":1}"), "st-json", 3);
    expect_refusal(OF_STR("{\"a\":\"\n\"}"), "st-json", 6);
    expect_refusal(OF_STR("{\"\xc0\xaf\":1}"), "st-json", 1);
    expect_refusal(OF_STR("{\"\\ud800\":1}"), "st-json", 1);
    expect_refusal(OF_STR("{\"a\\u0000\":1}"), "st-name-nul", 1);
}

/* Knows the value "[7]" and no other. */
static size_t take_seven(void *context, struct of_str rest)
{
    (void)context;
    return of_str_starts(rest, "[7]") ? 3 : 0;
}

static onefold_status visit_taken(void *context, const struct of_json_member *member,
                                  onefold_error *err)
{
    OF_TRY(visit(context, member, err));
    assert_int_equal(member->taken, of_str_is(member->text, "[7]"));
    assert_int_equal(member->kind, OF_JSON_ARRAY);
    return ONEFOLD_OK;
}

/* A walk whose visitor knows some values goes like one that scans them all. */
static void test_take(void **state)
{
    static const char *const documents[] = {"{\"a\":[7],\"b\":[8],\"c\" : [7] }",
                                            "{\"a\":[7]]}",
                                            "{\"a\":[7]7}",
                                            "{\"a\":[7]",
                                            "{\"a\":[7",
                                            "{\"a\":[77]}",
                                            "{\"a\":[7],}",
                                            "{\"\":[7],\"\\u0061\":[7],\"\xc3\xbc\":[7]}",
                                            "{\"a\\u0000\":[7]}"};

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(documents); i++) {
        struct visits scanned = {0};
        struct visits taken = {0};
        struct of_json_walk walk = walk_of(&scanned);
        onefold_error wanted;
        onefold_error found;
        onefold_status status;

        of_err_clear(&wanted);
        of_err_clear(&found);
        status = of_json_walk(of_str_from(documents[i]), &walk, &wanted);
        walk.take = take_seven;
        walk.member = visit_taken;
        walk.context = &taken;
        assert_int_equal(of_json_walk(of_str_from(documents[i]), &walk, &found), status);
        assert_string_equal(found.message, wanted.message);
        assert_int_equal(found.offset, wanted.offset);
        assert_int_equal(taken.count, scanned.count);
        of_text_add_char(&scanned.text, '.');
        of_text_add_char(&taken.text, '.');
        assert_string_equal(taken.text.data, scanned.text.data);
        of_text_finish(&scanned.text);
        of_text_finish(&taken.text);
    }
}

static void test_base_offset(void **state)
{
    struct visits visits = {.fail_at = 2};
    struct of_json_walk walk = walk_of(&visits);
    onefold_error err;

    (void)state;
    walk.base_offset = 100;
    assert_int_equal(of_json_walk(OF_STR("{\"a\":1,\"b\":2}"), &walk, &err), ONEFOLD_E_FORMAT);
    assert_string_equal(err.id, "st-hole");
    assert_int_equal(err.offset, 111);
    assert_string_equal(visits.text.data, "a=1@101,105;");
    of_text_finish(&visits.text);
    visits = (struct visits){0};
    assert_int_equal(of_json_walk(OF_STR("{\"a\":1;"), &walk, &err), ONEFOLD_E_FORMAT);
    of_text_finish(&visits.text);
}

static void nested(struct of_text *text, uint32_t depth)
{
    of_text_add(text, OF_STR("{\"a\":"));
    for (uint32_t i = 1; i < depth; i++) {
        of_text_add_char(text, '[');
    }
    for (uint32_t i = 1; i < depth; i++) {
        of_text_add_char(text, ']');
    }
    of_text_add_char(text, '}');
}

static void test_depth(void **state)
{
    struct of_text text = {0};
    struct visits visits = {0};
    struct of_json_walk walk = walk_of(&visits);
    onefold_error err;

    (void)state;
    nested(&text, OF_JSON_DEPTH_MAX);
    assert_int_equal(of_json_walk((struct of_str){text.data, text.length}, &walk, &err),
                     ONEFOLD_OK);
    assert_int_equal(of_json_check((struct of_str){text.data, text.length}, "st-json", &err),
                     ONEFOLD_OK);
    of_text_finish(&text);
    nested(&text, OF_JSON_DEPTH_MAX + 1);
    expect_refusal((struct of_str){text.data, text.length}, "st-depth", UINT64_MAX);
    assert_int_equal(of_json_check((struct of_str){text.data, text.length}, "st-json", &err),
                     ONEFOLD_E_FORMAT);
    of_text_finish(&text);
    for (int i = 0; i < 200000; i++) {
        of_text_add(&text, OF_STR("{\"a\":"));
    }
    expect_refusal((struct of_str){text.data, text.length}, "st-depth", UINT64_MAX);
    of_text_finish(&text);
    of_text_finish(&visits.text);
}

static void test_member_limit(void **state)
{
    struct visits visits = {0};
    struct of_json_walk walk = walk_of(&visits);
    onefold_error err;

    (void)state;
    walk.member_bytes_max = 7;
    assert_int_equal(of_json_walk(OF_STR("{\"a\":123}"), &walk, &err), ONEFOLD_OK);
    assert_int_equal(of_json_walk(OF_STR("{\"a\":1234}"), &walk, &err), ONEFOLD_E_FORMAT);
    of_text_finish(&visits.text);
}

/* A document of several MiB is released while it is walked. */
static void test_release(void **state)
{
    struct of_text text = {0};
    struct visits visits = {0};
    struct of_json_walk walk = walk_of(&visits);
    onefold_error err;

    (void)state;
    of_text_add_char(&text, '{');
    while (text.length < 4 * OF_MIB) {
        of_text_add(&text, OF_STR("\"0123456789abcdef\":\"0123456789abcdef\","));
    }
    of_text_add(&text, OF_STR("\"z\":0}"));
    assert_int_equal(of_json_walk((struct of_str){text.data, text.length}, &walk, &err),
                     ONEFOLD_OK);
    assert_true(visits.count > 100000);
    assert_true(visits.released > 3 * OF_MIB && visits.released < text.length);
    of_text_finish(&text);
    of_text_finish(&visits.text);
}

static void expect_decoded(struct of_str text, const char *expected, size_t length)
{
    struct of_text scratch = {0};
    struct of_str got = {0};
    onefold_error err;

    assert_int_equal(of_json_decode_string(text, "st-json", &scratch, &got, &err), ONEFOLD_OK);
    assert_int_equal(got.length, length);
    assert_memory_equal(got.data, expected, length);
    of_text_finish(&scratch);
}

static void test_decode_string(void **state)
{
    static const char *const wrong[] = {"\"\\x\"",
                                        "\"\\u12\"",
                                        "\"\\ud800\"",
                                        "\"\\udc00x\"",
                                        "\"\\u0000\"",
                                        "\"\x80\"",
                                        "x",
                                        "\"",
                                        "1",
                                        "\"\\\"",
                                        ""};
    struct of_text scratch = {0};
    struct of_str got = {0};
    onefold_error err;

    (void)state;
    expect_decoded(OF_STR("\"\""), "", 0);
    expect_decoded(OF_STR("\"plain\""), "plain", 5);
    expect_decoded(OF_STR("\"a\\/b\""), "a/b", 3);
    expect_decoded(OF_STR("\"\\ud83d\\ude00\""), "\xf0\x9f\x98\x80", 4);
    for (size_t i = 0; i < OF_LENGTH(wrong); i++) {
        assert_int_equal(
            of_json_decode_string(of_str_from(wrong[i]), "st-json", &scratch, &got, &err),
            ONEFOLD_E_FORMAT);
        assert_string_equal(err.id, "st-json");
    }
    of_text_finish(&scratch);
}

static void test_decode_u63(void **state)
{
    static const char *const not_json[] = {"+1", "01", "1.", ".5", "0x1", "1e", "NaN", "--1", "-"};
    static const char *const not_whole[] = {
        "-1", "2.0", "4e0", "9223372036854775808", "1e30", "true", "null", "\"1\"", "[]", "-0.0"};
    uint64_t value = 77;
    onefold_error err;

    (void)state;
    assert_int_equal(of_json_decode_u63(OF_STR("-0"), "st-json", "st-number", &value, &err),
                     ONEFOLD_OK);
    assert_int_equal(value, 0);
    assert_int_equal(
        of_json_decode_u63(OF_STR("9223372036854775807"), "st-json", "st-number", &value, &err),
        ONEFOLD_OK);
    assert_true(value == INT64_MAX);
    for (size_t i = 0; i < OF_LENGTH(not_json); i++) {
        assert_int_equal(
            of_json_decode_u63(of_str_from(not_json[i]), "st-json", "st-number", &value, &err),
            ONEFOLD_E_FORMAT);
        assert_string_equal(err.id, "st-json");
    }
    for (size_t i = 0; i < OF_LENGTH(not_whole); i++) {
        assert_int_equal(
            of_json_decode_u63(of_str_from(not_whole[i]), "st-json", "st-number", &value, &err),
            ONEFOLD_E_FORMAT);
        assert_string_equal(err.id, "st-number");
    }
    assert_true(value == INT64_MAX);
}

static void test_parse(void **state)
{
    struct of_json *root = NULL;
    const struct of_json *list;
    struct of_str text = {0};
    int64_t integer = 0;
    double number = 0.0;
    bool truth = false;
    onefold_error err;

    (void)state;
    assert_int_equal(of_json_parse(OF_STR("{\"z\":\"x\\u00e4\",\"l\":[1,2.5,true,null],\"a\":{}}"),
                                   "index-json", &root, &err),
                     ONEFOLD_OK);
    assert_int_equal(of_json_kind(root), OF_JSON_OBJECT);
    assert_int_equal(of_json_size(root), 3);
    assert_true(of_json_string(of_json_get(root, "z"), &text));
    assert_true(of_str_is(text, "x\xc3\xa4"));
    list = of_json_get(root, "l");
    assert_int_equal(of_json_kind(list), OF_JSON_ARRAY);
    assert_int_equal(of_json_size(list), 4);
    assert_true(of_json_integer(of_json_at(list, 0), &integer) && integer == 1);
    assert_true(of_json_number(of_json_at(list, 0), &number) && number == 1.0);
    assert_false(of_json_integer(of_json_at(list, 1), &integer));
    assert_true(of_json_number(of_json_at(list, 1), &number) && number == 2.5);
    assert_int_equal(of_json_kind(of_json_at(list, 1)), OF_JSON_REAL);
    assert_true(of_json_bool(of_json_at(list, 2), &truth) && truth);
    assert_int_equal(of_json_kind(of_json_at(list, 3)), OF_JSON_NULL);
    assert_null(of_json_at(list, 4));
    assert_null(of_json_get(root, "absent"));
    assert_null(of_json_get(list, "absent"));
    assert_ptr_equal(of_json_member_at(root, 2, &text), of_json_get(root, "a"));
    assert_true(of_str_is(text, "a"));
    assert_null(of_json_member_at(root, 3, &text));
    of_json_free(root);
}

static void test_check_is_strict(void **state)
{
    static const char *const wrong[] = {"",
                                        "{\"a\":1,\"a\":1}",
                                        "{\"a\":1,\"\\u0061\":1}",
                                        "[1,]",
                                        "{\"a\":9223372036854775808}",
                                        "[1e999]",
                                        "[\"\\u0000\"]",
                                        "[NaN]",
                                        "1 2",
                                        "[1] x",
                                        "[\"\xff\"]",
                                        "{'a':1}",
                                        "// x\n1",
                                        "[01]",
                                        "{\"b\":{\"a\":1,\"a\":2}}"};
    onefold_error err;

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(wrong); i++) {
        assert_int_equal(of_json_check(of_str_from(wrong[i]), "index-json", &err),
                         ONEFOLD_E_FORMAT);
        assert_string_equal(err.id, "index-json");
        assert_true(err.message[0] != '\0');
    }
    assert_int_equal(of_json_check(OF_STR(" [1, -0, {\"a\": \"\\u001b\"}]\n"), "index-json", &err),
                     ONEFOLD_OK);
}

static void test_is_number(void **state)
{
    static const char *const right[] = {"0", "-0", "10", "1.5", "-1.5e+3", "1E9", "1e-9", "1e30"};
    static const char *const wrong[] = {"", "-", "01", "1.", ".1", "1e", "1e+", "+1", "1x", "0x1"};

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(right); i++) {
        assert_true(of_json_is_number(of_str_from(right[i])));
    }
    for (size_t i = 0; i < OF_LENGTH(wrong); i++) {
        assert_false(of_json_is_number(of_str_from(wrong[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_walk_refuses),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_base_offset),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_member_limit),
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_decode_string),
        cmocka_unit_test(test_decode_u63),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_check_is_strict),
        cmocka_unit_test(test_is_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
