/* SPDX-License-Identifier: Apache-2.0 */
/* Parses a recipe and keeps its findings, for the tests of this folder. */
#ifndef OF_TESTS_PARSED_H
#define OF_TESTS_PARSED_H

#include "recipe/recipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PARSED_FINDINGS_MAX = 32 };

struct parsed {
    struct of_arena arena;
    struct of_report report;
    struct of_recipe *recipe;
    onefold_status status;
    onefold_error err;
    char findings[PARSED_FINDINGS_MAX][800]; /* "3:5 error recipe-key: message; hint" */
    uint32_t finding_count;
};

static inline void parsed_collect(void *context, const onefold_notice *notice)
{
    struct parsed *parsed = context;

    if (parsed->finding_count < PARSED_FINDINGS_MAX) {
        (void)snprintf(parsed->findings[parsed->finding_count++], sizeof(parsed->findings[0]),
                       "%u:%u %s %s: %s; %s", notice->line, notice->column,
                       notice->level == ONEFOLD_LEVEL_ERROR ? "error" : "warning", notice->id,
                       notice->message, notice->hint == NULL ? "" : notice->hint);
    }
}

static inline void parsed_init(struct parsed *parsed, const char *text)
{
    memset(parsed, 0, sizeof(*parsed));
    of_arena_init(&parsed->arena, 0);
    parsed->report.fn = parsed_collect;
    parsed->report.context = parsed;
    parsed->status = of_recipe_parse(of_str_from(text), "recipe.yml", &parsed->arena,
                                     &parsed->report, &parsed->recipe, &parsed->err);
}

static inline void parsed_finish(struct parsed *parsed)
{
    of_arena_finish(&parsed->arena);
}

/* Parses what must be accepted without a finding. */
static inline void parsed_good(struct parsed *parsed, const char *text)
{
    parsed_init(parsed, text);
    if (parsed->finding_count > 0) {
        print_message("%s\n", parsed->findings[0]);
    }
    assert_int_equal(parsed->status, ONEFOLD_OK);
    assert_int_equal(parsed->finding_count, 0);
}

/* Parses what must be refused; exactly these findings, each a beginning of the line. */
#define assert_refused(text, ...)                                                             \
    do {                                                                                      \
        const char *const wanted_lines[] = {__VA_ARGS__};                                     \
        parsed_refused((text), wanted_lines, sizeof(wanted_lines) / sizeof(wanted_lines[0])); \
    } while (0)

static inline void parsed_refused(const char *text, const char *const *wanted, size_t count)
{
    struct parsed parsed;

    parsed_init(&parsed, text);
    for (size_t i = 0; i < count && i < parsed.finding_count; i++) {
        if (strncmp(parsed.findings[i], wanted[i], strlen(wanted[i])) != 0) {
            print_message("found:  %s\nwanted: %s\n", parsed.findings[i], wanted[i]);
            fail();
        }
    }
    if (parsed.finding_count > count) {
        print_message("also found: %s\n", parsed.findings[count]);
    }
    assert_int_equal(parsed.finding_count, count);
    assert_int_equal(parsed.status, ONEFOLD_E_RECIPE);
    assert_string_equal(parsed.err.id, "recipe");
    assert_null(parsed.recipe);
    parsed_finish(&parsed);
}

#endif
