/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of checksum lists as sha256sum and xxhsum write them, and as they should not be. */
#include "fmt/sums_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define HEX8  "0123abcd"
#define HEX16 HEX8 HEX8
#define HEX32 HEX16 HEX16
#define HEX64 HEX32 HEX32

static void expect_line(struct of_str text, enum of_hash_kind kind, const char *name)
{
    struct of_sums_line line;

    assert_int_equal(of_sums_parse(text, &line), OF_SUMS_LINE);
    assert_int_equal(line.kind, kind);
    assert_string_equal(line.name, name);
    for (uint32_t i = 0; i < of_hash_size(kind); i += 4) {
        assert_memory_equal(line.digest + i, "\x01\x23\xab\xcd", 4);
    }
}

static void test_plain(void **state)
{
    (void)state;
    expect_line(OF_STR(HEX8 "  a"), OF_HASH_XXH32, "a");
    expect_line(OF_STR(HEX16 "  a"), OF_HASH_XXH64, "a");
    expect_line(OF_STR(HEX32 "  a b"), OF_HASH_XXH128, "a b");
    expect_line(OF_STR(HEX64 "  a"), OF_HASH_SHA256, "a");
    expect_line(OF_STR(HEX64 " *a"), OF_HASH_SHA256, "a");
    expect_line(OF_STR(HEX64 "   a"), OF_HASH_SHA256, " a");
    expect_line(OF_STR("  " HEX64 "  a"), OF_HASH_SHA256, "a");
    expect_line(OF_STR(HEX64 "  a\r"), OF_HASH_SHA256, "a");
    expect_line(OF_STR("0123ABCD  a"), OF_HASH_XXH32, "a");
    expect_line(OF_STR(HEX8 "  a\\nb"), OF_HASH_XXH32, "a\\nb");
    expect_line(OF_STR("\\" HEX8 "  a\\nb\\\\c\\rd"), OF_HASH_XXH32, "a\nb\\c\rd");
}

static void test_tag(void **state)
{
    (void)state;
    expect_line(OF_STR("XXH32 (a) = " HEX8), OF_HASH_XXH32, "a");
    expect_line(OF_STR("XXH64 (a) = " HEX16), OF_HASH_XXH64, "a");
    expect_line(OF_STR("XXH128 (a) = " HEX32 "\r"), OF_HASH_XXH128, "a");
    expect_line(OF_STR("SHA256 (a b) = c) = " HEX64), OF_HASH_SHA256, "a b) = c");
    expect_line(OF_STR("\\SHA256 (a\\nb) = " HEX64), OF_HASH_SHA256, "a\nb");
}

static void test_blank(void **state)
{
    struct of_sums_line line;

    (void)state;
    assert_int_equal(of_sums_parse(OF_STR(""), &line), OF_SUMS_BLANK);
    assert_int_equal(of_sums_parse(OF_STR("\r"), &line), OF_SUMS_BLANK);
    assert_int_equal(of_sums_parse(OF_STR("# " HEX64 "  a"), &line), OF_SUMS_BLANK);
}

static void test_malformed(void **state)
{
    static const char *const rows[] = {
        "x",
        "   ",
        HEX64,
        HEX64 "  ",
        HEX64 " a",
        HEX64 "\ta",
        HEX8 HEX16 "  a",
        "0123abcg  a",
        "0123abc  a",
        "\\" HEX8 "  a\\x",
        "\\" HEX8 "  a\\",
        "SHA256 (a) = " HEX32,
        "SHA256 (a) = " HEX64 "0",
        "SHA256 () = " HEX64,
        "SHA256 (a)= " HEX64,
        "SHA256(a) = " HEX64,
        "MD5 (a) = " HEX32,
        "XXH3 (a) = " HEX16,
        "XXH3_" HEX16 "  a",
    };
    struct of_sums_line line;

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(rows); i++) {
        if (of_sums_parse(of_str_from(rows[i]), &line) != OF_SUMS_MALFORMED) {
            fail_msg("accepted: %s", rows[i]);
        }
    }
    assert_int_equal(of_sums_parse(OF_STR(HEX8 "  a\0b"), &line), OF_SUMS_MALFORMED);
}

static void test_long_names(void **state)
{
    struct of_sums_line line;
    char text[5000];

    (void)state;
    memset(text, 'n', sizeof(text));
    memcpy(text, HEX8 "  ", 10);
    assert_int_equal(of_sums_parse((struct of_str){text, 10 + 4095}, &line), OF_SUMS_LINE);
    assert_int_equal(strlen(line.name), 4095);
    assert_int_equal(of_sums_parse((struct of_str){text, 10 + 4096}, &line), OF_SUMS_MALFORMED);
}

static void test_emit_round_trip(void **state)
{
    static const char *const names[] = {"model.safetensors", "a b",  "a\nb",
                                        "back\\slash",       "c\rd", ") = x"};
    uint8_t digest[32];

    (void)state;
    for (size_t i = 0; i < sizeof(digest); i++) {
        digest[i] = (uint8_t)(i * 7);
    }
    for (size_t i = 0; i < OF_LENGTH(names); i++) {
        for (int kind = OF_HASH_XXH32; kind <= OF_HASH_SHA256; kind++) {
            for (int tag = 0; tag <= 1; tag++) {
                struct of_text text = {0};
                struct of_sums_line line;

                if (tag != 0) {
                    of_sums_emit_tag(&text, (enum of_hash_kind)kind, digest, of_str_from(names[i]));
                } else {
                    of_sums_emit(&text, digest, of_hash_size((enum of_hash_kind)kind),
                                 of_str_from(names[i]));
                }
                assert_int_equal(text.data[text.length - 1], '\n');
                assert_ptr_equal(strchr(text.data, '\n'), text.data + text.length - 1);
                assert_int_equal(of_sums_parse((struct of_str){text.data, text.length - 1}, &line),
                                 OF_SUMS_LINE);
                assert_int_equal(line.kind, kind);
                assert_string_equal(line.name, names[i]);
                assert_memory_equal(line.digest, digest, of_hash_size((enum of_hash_kind)kind));
                of_text_finish(&text);
            }
        }
    }
}

static void test_emit(void **state)
{
    struct of_text text = {0};

    (void)state;
    of_sums_emit(&text, (const uint8_t *)"\x01\x23\xab\xcd", 4, OF_STR("a"));
    of_sums_emit_tag(&text, OF_HASH_XXH32, (const uint8_t *)"\x01\x23\xab\xcd", OF_STR("a"));
    of_sums_emit(&text, (const uint8_t *)"\x01\x23\xab\xcd", 4, OF_STR("a\nb"));
    assert_string_equal(text.data, "0123abcd  a\nXXH32 (a) = 0123abcd\n\\0123abcd  a\\nb\n");
    of_text_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),      cmocka_unit_test(test_tag),
        cmocka_unit_test(test_blank),      cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_long_names), cmocka_unit_test(test_emit_round_trip),
        cmocka_unit_test(test_emit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
