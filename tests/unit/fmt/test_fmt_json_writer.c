/* SPDX-License-Identifier: Apache-2.0 */
/* The ordered writer: separators, indentation, escapes, numbers. */
#include "fmt/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void write_sample(struct of_json_writer *writer)
{
    of_json_begin_object(writer);
    of_json_key(writer, "a");
    of_json_add_u64(writer, UINT64_MAX);
    of_json_key(writer, "b");
    of_json_begin_array(writer);
    of_json_add_double(writer, 0.5);
    of_json_add_bool(writer, true);
    of_json_add_null(writer);
    of_json_begin_object(writer);
    of_json_end_object(writer);
    of_json_begin_array(writer);
    of_json_end_array(writer);
    of_json_end_array(writer);
    of_json_key(writer, "c");
    of_json_add_raw(writer, OF_STR("{\"raw\":1}"));
    of_json_end_object(writer);
}

static void test_compact(void **state)
{
    struct of_json_writer writer = {0};

    (void)state;
    write_sample(&writer);
    assert_string_equal(writer.text.data, "{\"a\":18446744073709551615,\"b\":[0.5,true,null,{},[]],"
                                          "\"c\":{\"raw\":1}}");
    of_text_finish(&writer.text);
}

static void test_indented(void **state)
{
    struct of_json_writer writer = {.indent = 2};

    (void)state;
    write_sample(&writer);
    assert_string_equal(writer.text.data, "{\n"
                                          "  \"a\": 18446744073709551615,\n"
                                          "  \"b\": [\n"
                                          "    0.5,\n"
                                          "    true,\n"
                                          "    null,\n"
                                          "    {},\n"
                                          "    []\n"
                                          "  ],\n"
                                          "  \"c\": {\"raw\":1}\n"
                                          "}");
    of_text_finish(&writer.text);
}

/* A caller may take the text away between any two calls. */
static void test_flushed_after_each_call(void **state)
{
    struct of_json_writer writer = {0};
    char all[64] = "";

    (void)state;
    for (int i = 0; i < 6; i++) {
        switch (i) {
        case 0:
            of_json_begin_array(&writer);
            break;
        case 5:
            of_json_end_array(&writer);
            break;
        default:
            of_json_add_u64(&writer, (uint64_t)i);
            break;
        }
        (void)strcat(all, writer.text.data);
        writer.text.length = 0;
        writer.text.data[0] = '\0';
    }
    assert_string_equal(all, "[1,2,3,4]");
    of_text_finish(&writer.text);
}

static void test_escapes(void **state)
{
    struct of_json_writer writer = {0};

    (void)state;
    of_json_begin_object(&writer);
    of_json_key_str(&writer, OF_STR("k\"\\/\x01"));
    of_json_add_str(&writer, OF_STR("\b\f\n\r\t\x1f\x7f \xc3\xa4\xf0\x9f\x98\x80\0z"));
    of_json_key(&writer, "bad");
    of_json_add_str(&writer, OF_STR("\xff\xc3\xed\xa0\x80x"));
    of_json_end_object(&writer);
    assert_string_equal(
        writer.text.data,
        "{\"k\\\"\\\\/\\u0001\":\"\\b\\f\\n\\r\\t\\u001f\x7f "
        "\xc3\xa4\xf0\x9f\x98\x80\\u0000z\","
        "\"bad\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\"}");
    of_text_finish(&writer.text);
}

static void test_numbers(void **state)
{
    struct of_json_writer writer = {0};

    (void)state;
    of_json_begin_array(&writer);
    of_json_add_double(&writer, 1.0);
    of_json_add_double(&writer, 1e300);
    of_json_add_double(&writer, (double)NAN);
    of_json_add_double(&writer, (double)INFINITY);
    of_json_add_double(&writer, -0.25);
    of_json_end_array(&writer);
    assert_string_equal(writer.text.data, "[1,1e+300,null,null,-0.25]");
    of_text_finish(&writer.text);
}

/* What is written is read again as it was. */
static void test_round_trip(void **state)
{
    struct of_json_writer writer = {0};
    struct of_text scratch = {0};
    struct of_str got = {0};
    char every[256];
    size_t length = 0;
    onefold_error err;

    (void)state;
    for (int c = 1; c < 128; c++) {
        every[length++] = (char)c;
    }
    of_json_add_str(&writer, (struct of_str){every, length});
    assert_int_equal(of_json_decode_string((struct of_str){writer.text.data, writer.text.length},
                                           "index-json", &scratch, &got, &err),
                     ONEFOLD_OK);
    assert_int_equal(got.length, length);
    assert_memory_equal(got.data, every, length);
    of_text_finish(&scratch);
    of_text_finish(&writer.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compact),
        cmocka_unit_test(test_indented),
        cmocka_unit_test(test_flushed_after_each_call),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
