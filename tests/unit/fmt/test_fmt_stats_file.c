/* SPDX-License-Identifier: Apache-2.0 */
/* Saved statistics: the same bits come back, and nothing but what is written is read. */
#include "fmt/stats_file.h"

#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C64 "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

#define HEAD  "{\"base\":\"" A64 "\",\"gram\":["
#define TAIL1 "],\"inputs\":[\"" B64 "\"],\"stats_version\":1,\"tensors\":\"" C64 "\"}\n"
#define TAIL2 \
    "],\"inputs\":[\"" B64 "\",\"" C64 "\"],\"stats_version\":1,\"tensors\":\"" C64 "\"}\n"

static struct of_stats_file *parse_good(const char *text, struct of_arena *arena)
{
    struct of_stats_file *stats = NULL;
    onefold_error err;

    if (of_stats_parse(of_str_from(text), arena, &stats, &err) != ONEFOLD_OK) {
        fail_msg("%s [%s]", err.message, err.id);
    }
    assert_non_null(stats);
    return stats;
}

static void expect_bad(const char *text, const char *id)
{
    struct of_stats_file *stats = NULL;
    struct of_arena arena;
    onefold_error err;

    of_arena_init(&arena, 0);
    if (of_stats_parse(of_str_from(text), &arena, &stats, &err) == ONEFOLD_OK) {
        fail_msg("accepted: %s", text);
    }
    if (strcmp(err.id, id) != 0) {
        fail_msg("%s: %s, not %s", text, err.id, id);
    }
    assert_null(stats);
    of_arena_finish(&arena);
}

static void what_is_read_is_what_is_written(void **state)
{
    static const char text[] = HEAD "\"0x1.8p+1\",\"-0x1p-3\",\"0x1.0000000000001p+100\"" TAIL2;
    struct of_stats_file *stats;
    struct of_text again = {0};
    struct of_arena arena;

    (void)state;
    of_arena_init(&arena, 0);
    stats = parse_good(text, &arena);
    assert_int_equal(stats->input_count, 2);
    assert_int_equal(stats->base.bytes[31], 0xaa);
    assert_int_equal(stats->inputs[0].bytes[0], 0xbb);
    assert_int_equal(stats->inputs[1].bytes[5], 0xcc);
    assert_int_equal(stats->tensors.bytes[0], 0xcc);
    assert_true(stats->gram[0] == 3.0);
    assert_true(stats->gram[1] == -0.125 && stats->gram[2] == -0.125);
    assert_true(stats->gram[3] == 0x1.0000000000001p+100);
    of_stats_emit(stats, &again);
    assert_string_equal(again.data, text);
    of_text_finish(&again);
    of_arena_finish(&arena);
}

/* Against the C library's own form, which is the same in this locale. */
static void every_number_has_one_form(void **state)
{
    static const double values[] = {0.0,       1.0,
                                    0.1,       3.0e-300,
                                    DBL_MAX,   DBL_MIN,
                                    0x1p-1074, DBL_MIN - 0x1p-1074,
                                    0x1p-1060, 0x1.fffffffffffffp-1022,
                                    123456.75, 0x1.00001p+0};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct of_sha256_digest input = {{1, 2, 3}};
        double gram = values[i];
        struct of_stats_file stats = {.input_count = 1, .inputs = &input, .gram = &gram};
        struct of_text text = {0};
        char wanted[64];
        struct of_arena arena;

        of_arena_init(&arena, 0);
        of_stats_emit(&stats, &text);
        (void)snprintf(wanted, sizeof(wanted), "\"gram\":[\"%a\"]", values[i]);
        if (values[i] >= DBL_MIN || values[i] == 0.0) {
            /* Below that the library shifts the digits in some versions. */
            assert_non_null(strstr(text.data, wanted));
        }
        assert_memory_equal(parse_good(text.data, &arena)->gram, &gram, sizeof(gram));
        of_text_finish(&text);
        of_arena_finish(&arena);
    }
}

static void other_forms_of_a_number_are_refused(void **state)
{
    static const char *const numbers[] = {
        "",           "1",           "0x",       "0x1",       "0x1p",          "0x1p3",
        "0x1p+",      "0x1p+03",     "0x1p-0",   "0x2p+0",    "0x1.p+0",       "0x1.0p+0",
        "0x1.80p+0",  "0X1p+0",      "0x1.Ap+0", "0x1p+1024", "0x1p-1023",     "0x0p+1",
        "0x0.8p+0",   "inf",         "nan",      "0x1p+0 ",   " 0x1p+0",       "+0x1p+0",
        "0x1p+99999", "--0x1p+0",    "0x1,8p+0", "0x1p+1e",   "0x1.8p+0x1p+0", "1.5",
        "-0x1p+0",    "0x0.8p-1021", "0x1p+-1",  "0x1p-+1"};

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char text[600];

        (void)snprintf(text, sizeof(text), HEAD "\"%s\"" TAIL1, numbers[i]);
        expect_bad(text, "stats-number");
    }
    expect_bad(HEAD "\"0x1.00000000000001p+0\"" TAIL1, "stats-number");
}

static void shapes_are_checked(void **state)
{
    (void)state;
    expect_bad("", "stats-json");
    expect_bad("[]", "stats-json");
    expect_bad("{}", "stats-field");
    expect_bad("{\"base\":1}", "stats-field");
    expect_bad("{\"base\":\"zz\"}", "stats-digest");
    expect_bad("{\"base\":\"" A64 "\",\"base\":\"" A64 "\"}", "stats-field");
    expect_bad("{\"other\":1}", "stats-field");
    expect_bad("{\"stats_version\":2}", "stats-version");
    expect_bad("{\"stats_version\":1.5}", "stats-number");
    expect_bad("{\"stats_version\":\"1\"}", "stats-number");
    expect_bad(HEAD "\"0x1p+0\"" TAIL2, "stats-field");
    expect_bad(HEAD TAIL1, "stats-field");
    expect_bad(HEAD "\"0x1p+0\",\"0x1p+0\"" TAIL1, "stats-field");
    expect_bad(HEAD "1" TAIL1, "stats-field");
    expect_bad(HEAD "\"0x1p+0\"" TAIL1 "x", "stats-json");
    expect_bad("{\"base\":\"" A64 "\",\"gram\":{},\"inputs\":[\"" B64
               "\"],\"stats_version\":1,\"tensors\":\"" C64 "\"}",
               "stats-field");
    expect_bad("{\"base\":\"" A64
               "\",\"gram\":[],\"inputs\":[],\"stats_version\":1,\"tensors\":\"" C64 "\"}",
               "stats-field");
    expect_bad("{\"base\":\"" A64
               "\",\"gram\":[],\"inputs\":[7],\"stats_version\":1,\"tensors\":\"" C64 "\"}",
               "stats-field");
}

static void there_is_a_limit_of_inputs(void **state)
{
    enum { MANY = 4097, EACH = 67 };
    char *text = malloc(MANY * EACH + 600);
    size_t at;

    (void)state;
    assert_non_null(text);
    at = (size_t)sprintf(text, "{\"base\":\"" A64 "\",\"gram\":[],\"inputs\":[");
    for (int i = 0; i < MANY; i++) {
        at += (size_t)sprintf(text + at, "%s\"" B64 "\"", i > 0 ? "," : "");
    }
    (void)sprintf(text + at, "],\"stats_version\":1,\"tensors\":\"" C64 "\"}");
    expect_bad(text, "stats-limit");
    free(text);
}

static void memory_has_a_limit(void **state)
{
    struct of_stats_file *stats = NULL;
    struct of_arena arena;
    onefold_error err;

    (void)state;
    of_arena_init(&arena, 64);
    assert_int_equal(of_stats_parse(of_str_from(HEAD "\"0x1p+0\"" TAIL1), &arena, &stats, &err),
                     ONEFOLD_E_MEMORY);
    of_arena_finish(&arena);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_what_is_written),
        cmocka_unit_test(every_number_has_one_form),
        cmocka_unit_test(other_forms_of_a_number_are_refused),
        cmocka_unit_test(shapes_are_checked),
        cmocka_unit_test(there_is_a_limit_of_inputs),
        cmocka_unit_test(memory_has_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
