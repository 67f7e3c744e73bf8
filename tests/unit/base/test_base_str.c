/* SPDX-License-Identifier: Apache-2.0 */
/* Slices, escaping, nearest words, numbers, growing text. */
#include "base/str.h"

#include "base/mem.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_compare(void **state)
{
    struct of_str empty = {NULL, 0};

    (void)state;
    assert_true(of_str_equal(OF_STR("ab"), of_str_from("ab")));
    assert_true(of_str_equal(empty, OF_STR("")));
    assert_false(of_str_equal(OF_STR("ab"), OF_STR("abc")));
    assert_true(of_str_compare(OF_STR("ab"), OF_STR("abc")) < 0);
    assert_true(of_str_compare(OF_STR("b"), OF_STR("abc")) > 0);
    assert_true(of_str_compare(OF_STR("\xff"), OF_STR("a")) > 0);
    assert_int_equal(of_str_compare(empty, OF_STR("")), 0);
    assert_true(of_str_starts(OF_STR("abc"), "ab") && !of_str_starts(OF_STR("a"), "ab"));
    assert_true(of_str_ends(OF_STR("abc"), "bc") && !of_str_ends(OF_STR("c"), "bc"));
    assert_true(of_str_starts(empty, "") && of_str_ends(empty, ""));
    assert_true(of_str_contains(OF_STR("abcd"), OF_STR("bc")));
    assert_true(of_str_contains(empty, empty));
    assert_false(of_str_contains(empty, OF_STR("a")));
    assert_false(of_str_contains(OF_STR("abc"), OF_STR("abcd")));
}

static void expect_escaped(struct of_str text, const char *expected)
{
    assert_string_equal(of_str_escape(text).text, expected);
}

static void test_escape(void **state)
{
    (void)state;
    expect_escaped(OF_STR("model.layers.0"), "model.layers.0");
    expect_escaped(OF_STR("a\\b"), "a\\x5cb");
    expect_escaped(OF_STR("\x1b[31m\n\x7f"), "\\x1b[31m\\x0a\\x7f");
    expect_escaped(OF_STR("a\0b"), "a\\x00b");
    expect_escaped(OF_STR("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
    expect_escaped(OF_STR("\xc3"), "\\xc3");
    expect_escaped(OF_STR("\xc0\xaf"), "\\xc0\\xaf");
    expect_escaped(OF_STR("\xed\xa0\x80"), "\\xed\\xa0\\x80");
    expect_escaped(OF_STR("a\xe2\x80\xae"
                          "b"),
                   "a\\u{202e}b");
    expect_escaped(OF_STR("\xc2\x85"), "\\u{85}");
    expect_escaped(OF_STR(""), "");
}

static void test_skip_plain(void **state)
{
    char text[28];

    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        const bool is_plain = c >= ' ' && c <= '~' && c != '"' && c != '\\';

        for (size_t at = 0; at < sizeof(text); at++) {
            const struct of_str whole = {text, sizeof(text)};

            memset(text, "a~ !"[c % 4], sizeof(text));
            text[at] = (char)c;
            for (size_t start = 0; start <= at; start++) {
                assert_int_equal(of_str_skip_plain(whole, start), is_plain ? sizeof(text) : at);
            }
            /* The first of two counts, whatever stands behind it. */
            if (at + 1 < sizeof(text)) {
                text[at + 1] = '\xff';
                assert_int_equal(of_str_skip_plain(whole, 0), is_plain ? at + 1 : at);
            }
        }
    }
    assert_int_equal(of_str_skip_plain(OF_STR(""), 0), 0);
}

static void test_escape_is_cut(void **state)
{
    char text[1000];
    struct of_shown shown;

    (void)state;
    memset(text, 'x', sizeof(text));
    shown = of_str_escape((struct of_str){text, OF_TEXT_SHOWN_MAX});
    assert_int_equal(strlen(shown.text), OF_TEXT_SHOWN_MAX);
    shown = of_str_escape((struct of_str){text, OF_TEXT_SHOWN_MAX + 1});
    assert_int_equal(strlen(shown.text), OF_TEXT_SHOWN_MAX + 3);
    assert_string_equal(shown.text + OF_TEXT_SHOWN_MAX, "...");
    for (size_t first = 1; first < 12; first++) {
        memset(text, 0x01, sizeof(text));
        memset(text, 'x', first);
        shown = of_str_escape((struct of_str){text, sizeof(text)});
        assert_true(strlen(shown.text) <= OF_TEXT_SHOWN_MAX + 3);
        assert_true(of_str_ends(of_str_from(shown.text), "\\x01..."));
    }
}

static void test_utf8(void **state)
{
    uint32_t code = 0;

    (void)state;
    assert_true(of_str_is_utf8(OF_STR("")));
    assert_true(of_str_is_utf8(OF_STR("a\xc2\x80\xe0\xa0\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
    assert_false(of_str_is_utf8(OF_STR("\x80")));
    assert_false(of_str_is_utf8(OF_STR("\xc1\xbf")));
    assert_false(of_str_is_utf8(OF_STR("\xe0\x9f\xbf")));
    assert_false(of_str_is_utf8(OF_STR("\xf0\x8f\xbf\xbf")));
    assert_false(of_str_is_utf8(OF_STR("\xed\xbf\xbf")));
    assert_false(of_str_is_utf8(OF_STR("\xf4\x90\x80\x80")));
    assert_false(of_str_is_utf8(OF_STR("\xf5\x80\x80\x80")));
    assert_false(of_str_is_utf8(OF_STR("\xe2\x82")));
    assert_false(of_str_is_utf8(OF_STR("\xe2\x28\xa1")));
    assert_int_equal(of_str_decode(OF_STR("\xf0\x9f\x98\x80x"), &code), 4);
    assert_int_equal(code, 0x1f600);
}

static void test_control(void **state)
{
    static const char *const with[] = {"\x01",         "a\x1f",        "\x7f",
                                       "\xc2\x80",     "\xc2\x9f",     "\xe2\x80\xaa",
                                       "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x81\xa9"};
    static const char *const without[] = {
        "", " ", "~", "\xc2\xa0", "\xe2\x80\xaf", "\xe2\x81\xa5", "\xe2\x80\xa9"};

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(with); i++) {
        assert_true(of_str_has_control(of_str_from(with[i])));
    }
    for (size_t i = 0; i < OF_LENGTH(without); i++) {
        assert_false(of_str_has_control(of_str_from(without[i])));
    }
    assert_true(of_str_has_control(OF_STR("\0")));
}

static void test_nearest(void **state)
{
    static const char *const words[] = {"weight", "density", NULL, "lambda", "normalize"};
    static const char *const close[] = {"ab", "ba", "abc"};

    (void)state;
    assert_string_equal(of_str_nearest(OF_STR("wieght"), words, 5), "weight");
    assert_string_equal(of_str_nearest(OF_STR("Weight"), words, 5), "weight");
    assert_string_equal(of_str_nearest(OF_STR("lamda"), words, 5), "lambda");
    assert_string_equal(of_str_nearest(OF_STR("normalise"), words, 5), "normalize");
    assert_null(of_str_nearest(OF_STR("scale"), words, 5));
    assert_null(of_str_nearest(OF_STR(""), words, 5));
    assert_null(of_str_nearest(OF_STR("x"), words, 0));
    assert_string_equal(of_str_nearest(OF_STR("ba"), close, 3), "ba");
    assert_null(of_str_nearest(OF_STR("wiehgtx"), words, 1));
}

static void test_nearest_of_long_words(void **state)
{
    static const char *const words[] = {"weight"};
    char text[3000];

    (void)state;
    memset(text, 'w', sizeof(text));
    assert_null(of_str_nearest((struct of_str){text, sizeof(text)}, words, 1));
    assert_null(of_str_nearest((struct of_str){text, 64}, words, 1));
}

static void expect_number(const char *text, double expected)
{
    double value = 77.0;

    assert_true(of_str_to_double(of_str_from(text), &value));
    assert_memory_equal(&value, &expected, sizeof(value));
}

static void test_to_double(void **state)
{
    static const char *const wrong[] = {"",     "-",      "+",     ".",   "e5",    "1e",   "1e+",
                                        "0x10", "1_000",  "1,5",   "nan", ".nan",  "inf",  "-.inf",
                                        "1 ",   " 1",     "1e999", "--1", "1.2.3", "1:30", "1e5.",
                                        "0o17", "1.5e3x", "true",  "1f0", "+-1.0"};
    double value = 77.0;

    (void)state;
    expect_number("0.4", 0.4);
    expect_number("-3", -3.0);
    expect_number("+1e-4", 1e-4);
    expect_number(".5", 0.5);
    expect_number("5.", 5.0);
    expect_number("1E+3", 1000.0);
    expect_number("-0", -0.0);
    expect_number("9007199254740993", 9007199254740992.0);
    expect_number("1e-999", 0.0);
    for (size_t i = 0; i < OF_LENGTH(wrong); i++) {
        assert_false(of_str_to_double(of_str_from(wrong[i]), &value));
    }
    assert_false(of_str_to_double(OF_STR("1\0002"), &value));
    assert_true(value == 77.0);
}

static void test_to_u64(void **state)
{
    uint64_t value = 77;

    (void)state;
    assert_true(of_str_to_u64(OF_STR("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    assert_true(of_str_to_u64(OF_STR("007"), &value));
    assert_int_equal(value, 7);
    assert_false(of_str_to_u64(OF_STR("18446744073709551616"), &value));
    assert_false(of_str_to_u64(OF_STR("99999999999999999999"), &value));
    assert_false(of_str_to_u64(OF_STR("-1"), &value));
    assert_false(of_str_to_u64(OF_STR("+1"), &value));
    assert_false(of_str_to_u64(OF_STR(""), &value));
    assert_false(of_str_to_u64(OF_STR("1 "), &value));
    assert_int_equal(value, 7);
}

static void expect_text(double value, const char *expected)
{
    struct of_text text = {0};

    of_text_add_double(&text, value);
    assert_string_equal(text.data, expected);
    of_text_finish(&text);
}

static void test_add_shorter(void **state)
{
    struct of_text text = {0};

    (void)state;
    of_text_add_float(&text, 0.4f);
    of_text_add_char(&text, ' ');
    of_text_add_float(&text, 16777216.0f);
    of_text_add_char(&text, ' ');
    of_text_add_rounded(&text, 3 * 0.4);
    of_text_add_char(&text, ' ');
    of_text_add_rounded(&text, 1.0 / 3.0);
    assert_string_equal(text.data, "0.4 16777216 1.2 0.333333333333");
    of_text_finish(&text);
}

static void test_add_double(void **state)
{
    static const double values[] = {0.1,    1.0 / 3.0, 1e-300,        DBL_MAX, DBL_MIN,
                                    5e-324, 1e15 + 2,  123456.789e-7, -2.5e9,  1e22};

    (void)state;
    expect_text(0.4, "0.4");
    expect_text(1e-05, "1e-05");
    expect_text(-3.0, "-3");
    expect_text(0.0, "0");
    expect_text(-0.0, "-0");
    expect_text(120000.0, "120000");
    expect_text(0.30000000000000004, "0.30000000000000004");
    for (size_t i = 0; i < OF_LENGTH(values); i++) {
        struct of_text text = {0};

        of_text_add_double(&text, values[i]);
        assert_true(strtod(text.data, NULL) == values[i]);
        of_text_finish(&text);
    }
}

/* The fewest digits, found the long way: one more at a time. */
static void expect_fewest(double value, int precision_max, bool as_float)
{
    struct of_text text = {0};
    char expected[64];
    int precision = 0;
    double back;

    do {
        precision++;
        (void)snprintf(expected, sizeof(expected), "%.*g", precision, value);
        back = strtod(expected, NULL);
    } while (precision < precision_max &&
             !(as_float ? (float)back == (float)value : back == value));
    if (fabs(value) < 1e15 && value == trunc(value)) {
        (void)snprintf(expected, sizeof(expected), "%.0f", value);
    }
    if (as_float) {
        of_text_add_float(&text, (float)value);
    } else if (precision_max == 12) {
        of_text_add_rounded(&text, value);
    } else {
        of_text_add_double(&text, value);
    }
    assert_string_equal(text.data, expected);
    of_text_finish(&text);
}

/* Bit patterns of all kinds, the tiny ones too, and numbers of few digits. */
static void test_fewest_digits(void **state)
{
    uint64_t bits = 1;

    (void)state;
    for (uint32_t i = 0; i < 20000; i++) {
        const int few = (int)(i % 300);
        double wide;
        float narrow;

        bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        if (i % 4 == 0) {
            wide = (double)few / (1 + (double)(bits >> 56));
        } else {
            /* Every eighth has an exponent of zero. */
            const uint64_t pattern = i % 8 == 1 ? bits & ~(UINT64_C(0x7ff) << 52) : bits;

            memcpy(&wide, &pattern, sizeof(wide));
        }
        narrow = (float)wide;
        if (isfinite(wide)) {
            expect_fewest(wide, 17, false);
            expect_fewest(wide, 12, false);
        }
        if (isfinite(narrow)) {
            expect_fewest((double)narrow, 9, true);
        }
    }
    expect_fewest((double)FLT_MIN / 4, 9, true);
    expect_fewest(DBL_MIN, 17, false);
    expect_fewest(DBL_MAX, 17, false);
}

/* The digits of the number before are taken for the same number only. */
static void test_repeated_numbers(void **state)
{
    static const double values[] = {0.0, -0.0, -0.0, 0.0, 0.4, 0.4, -0.4, 1e300 * 1e300, 0.4};
    struct of_text text = {0};

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(values); i++) {
        of_text_add_double(&text, values[i]);
        of_text_add_char(&text, ' ');
    }
    assert_string_equal(text.data, "0 -0 -0 0 0.4 0.4 -0.4 inf 0.4 ");
    text.length = 0;
    of_text_add_float(&text, 0.1f);
    of_text_add_char(&text, ' ');
    of_text_add_double(&text, (double)0.1f);
    of_text_add_char(&text, ' ');
    of_text_add_rounded(&text, (double)0.1f);
    of_text_add_char(&text, ' ');
    of_text_add_float(&text, 0.1f);
    assert_string_equal(text.data, "0.1 0.10000000149011612 0.10000000149 0.1");
    of_text_finish(&text);
}

/* A host program may have chosen a locale with a decimal comma. */
static void test_numbers_in_another_locale(void **state)
{
    static const char *const locales[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "pl_PL.UTF-8"};
    bool found = false;

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(locales) && !found; i++) {
        found = setlocale(LC_ALL, locales[i]) != NULL;
    }
    if (!found) {
        print_message("# no locale with a decimal comma is installed here\n");
        return;
    }
    expect_number("0.5", 0.5);
    expect_text(0.5, "0.5");
    assert_true(strtod("0,5", NULL) == 0.5); /* and the locale is as it was */
    assert_non_null(setlocale(LC_ALL, "C"));
}

static void test_text(void **state)
{
    struct of_text text = {0};

    (void)state;
    of_text_add(&text, OF_STR(""));
    assert_string_equal(text.data, "");
    for (int i = 0; i < 1000; i++) {
        of_text_print(&text, "%d,", i % 10);
        of_text_add_char(&text, ';');
    }
    assert_false(text.failed);
    assert_int_equal(text.length, 3000);
    assert_memory_equal(text.data, "0,;1,;2,;", 9);
    assert_int_equal(text.data[3000], '\0');
    of_text_finish(&text);
    assert_null(text.data);
}

static void test_add_u64(void **state)
{
    static const uint64_t values[] = {0, 9, 10, 12345678901234567, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(values); i++) {
        struct of_text text = {0};
        uint64_t back = 1;

        of_text_add_u64(&text, values[i]);
        assert_true(of_str_to_u64((struct of_str){text.data, text.length}, &back));
        assert_int_equal(back, values[i]);
        assert_true(text.length == 1 || text.data[0] != '0');
        of_text_finish(&text);
    }
}

/* Every count of digits, at both of its ends. */
static void test_digits(void **state)
{
    uint64_t power = 1;

    (void)state;
    for (int digits = 1; digits <= 20; digits++) {
        for (uint64_t value = power - 1; value <= power + 1; value++) {
            struct of_text text = {0};
            char wanted[32];

            (void)snprintf(wanted, sizeof(wanted), "x%llu", (unsigned long long)value);
            of_text_add_char(&text, 'x');
            of_text_add_u64(&text, value);
            assert_string_equal(text.data, wanted);
            assert_int_equal(text.length, strlen(wanted));
            of_text_finish(&text);
        }
        power *= 10; /* the last one overflows and is not looked at */
    }
}

static void test_pen(void **state)
{
    struct of_text text = {0};
    struct of_pen pen;

    (void)state;
    of_text_add(&text, OF_STR("["));
    for (int i = 0; i < 1000; i++) {
        assert_true(of_pen_begin(&pen, &text, 1 + OF_PEN_U64_BYTES + 1));
        of_pen_add(&pen, OF_STR("a"));
        of_pen_add_u64(&pen, i % 2 == 0 ? UINT64_MAX : 7);
        of_pen_add(&pen, OF_STR(";"));
        of_pen_end(&pen);
        assert_int_equal(text.data[text.length], '\0');
    }
    assert_int_equal(text.length, 1 + 500 * (22 + 3));
    assert_memory_equal(text.data, "[a18446744073709551615;a7;a1844", 31);
    of_mem_fail_at(1, false);
    assert_false(of_pen_begin(&pen, &text, 1 << 20));
    of_mem_fail_at(0, false);
    assert_true(text.failed);
    assert_false(of_pen_begin(&pen, &text, 1));
    of_text_finish(&text);
}

static void test_text_without_memory(void **state)
{
    struct of_text text = {0};

    (void)state;
    of_text_add(&text, OF_STR("abc"));
    of_mem_fail_at(1, false);
    for (int i = 0; i < 100; i++) {
        of_text_add(&text, OF_STR("0123456789"));
    }
    of_mem_fail_at(0, false);
    assert_true(text.failed);
    of_text_print(&text, "%d", 1);
    of_text_add_double(&text, 0.5);
    assert_int_equal(text.data[text.length], '\0');
    assert_true(text.length < 200);
    of_text_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_skip_plain),
        cmocka_unit_test(test_escape_is_cut),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_control),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_nearest_of_long_words),
        cmocka_unit_test(test_to_double),
        cmocka_unit_test(test_to_u64),
        cmocka_unit_test(test_add_double),
        cmocka_unit_test(test_fewest_digits),
        cmocka_unit_test(test_add_shorter),
        cmocka_unit_test(test_repeated_numbers),
        cmocka_unit_test(test_numbers_in_another_locale),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_add_u64),
        cmocka_unit_test(test_digits),
        cmocka_unit_test(test_pen),
        cmocka_unit_test(test_text_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
