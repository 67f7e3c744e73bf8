/* SPDX-License-Identifier: Apache-2.0 */
/* What is said, and what is not, about small sets of vectors. */
#include "compared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { MANY = 600 };

/* Which of all ids are said about `count` inputs of `elem_count` elements, each many times over. */
static void check(const double *vectors, uint32_t count, uint64_t elem_count, const double *steps,
                  const char *const *want)
{
    struct compared made;
    uint64_t wanted = 0;

    compared_init(&made, count);
    compared_add(&made, vectors, elem_count, MANY);
    assert_true(compared_finish(&made, 1.0 / count, steps));
    for (; want[wanted] != NULL; wanted++) {
        if (!compared_says(&made, want[wanted])) {
            fail_msg("%s is not said", want[wanted]);
        }
    }
    for (uint64_t i = 0; i < made.result.finding_count; i++) {
        const onefold_compare_finding *finding = &made.result.findings[i];
        bool known = false;

        for (uint64_t k = 0; k < wanted; k++) {
            known = known || strcmp(finding->id, want[k]) == 0;
        }
        if (!known) {
            fail_msg("%s is said: %s", finding->id, finding->text);
        }
        assert_true(strlen(finding->text) > 20);
    }
    of_arena_finish(&made.arena);
}

#define CHECK(vectors, steps, ...)                                  \
    check(&(vectors)[0][0], sizeof(vectors) / sizeof((vectors)[0]), \
          sizeof((vectors)[0]) / sizeof((vectors)[0][0]), steps,    \
          (const char *[]){__VA_ARGS__, NULL})

static void copies_and_bases_are_told_apart(void **state)
{
    static const double same[3][4] = {{1, 2, -1, 3}, {1, 2, -1, 3}, {3, -1, 2, 1}};
    static const double none[3][4] = {{0, 0, 0, 0}, {1, -2, 1, 3}, {3, 1, -2, 1}};
    static const double alike[3][4] = {{1, 2, -1, 3}, {1, 2, -1, 3.1}, {3, -1, 2, 1}};
    static const double shared[3][4] = {{9, 9, 9, 10}, {9, 10, 9, 9}, {10, 9, 9, 9}};

    (void)state;
    CHECK(same, NULL, "compare-duplicate", "compare-agreement");
    CHECK(none, NULL, "compare-equal-base");
    CHECK(alike, NULL, "compare-alike", "compare-agreement");
    CHECK(shared, NULL, "compare-base", "compare-agreement");
}

static void unequal_lengths_are_named(void **state)
{
    static const double dominated[3][4] = {{1, 1, -1, 1}, {4, -4, 4, 4}, {1, 1, 1, -1}};
    static const double outlier[3][4] = {{1, 1, -1, 1}, {20, -20, 20, 20}, {1, 1, 1, -1}};

    (void)state;
    CHECK(dominated, NULL, "compare-norm-ratio", "compare-orthogonal", "compare-chance");
    CHECK(outlier, NULL, "compare-norm-ratio", "compare-norm-outlier", "compare-orthogonal",
          "compare-chance");
}

static void steps_are_looked_at_where_they_are_known(void **state)
{
    static const double vectors[2][4] = {{1, 1, -1, 1}, {1, -1, 1, 1}};
    static const double unequal[] = {100, 2000};
    static const double equal[] = {100, 103};

    (void)state;
    CHECK(vectors, NULL, "compare-chance");
    CHECK(vectors, equal, "compare-chance");
    CHECK(vectors, unequal, "compare-chance", "compare-steps");
}

static void directions_are_judged_with_care(void **state)
{
    static const double apart[3][6] = {
        {1, 1, 1, -1, 1, 1}, {1, -1, 1, -1, -1, -1}, {1, 1, -1, -1, 1, -1}};
    static const double orthogonal[3][4] = {{1, 1, 1, 1}, {1, -1, 1, -1}, {1, 1, -1, -1}};
    static const double against[3][4] = {{1, 1, 1, 1}, {-1, -1, 1, -1}, {-1, 1, -1, -1}};

    (void)state;
    CHECK(apart, NULL, "compare-agreement");
    CHECK(orthogonal, NULL, "compare-orthogonal", "compare-chance");
    CHECK(against, NULL, "compare-unlike");
}

static void heavy_tails_need_four_inputs(void **state)
{
    static const double tails[6][6] = {{9, .1, -.1, .1, .1, .1},   {.1, 9, .1, -.1, -.1, .1},
                                       {.1, -.1, 9, .1, .1, -.1},  {-.1, .1, -.1, 9, .1, .1},
                                       {-.1, -.1, .1, -.1, 9, .1}, {.1, .1, .1, .1, -.1, 9}};

    (void)state;
    CHECK(tails, NULL, "compare-tails", "compare-orthogonal", "compare-agreement");
}

static void zeros_are_named(void **state)
{
    static const double zeros[2][4] = {{1, 0, 0, 1}, {1, -1, 1, 1}};

    (void)state;
    CHECK(zeros, NULL, "compare-zeros", "compare-agreement");
}

static void what_is_not_finite_is_named(void **state)
{
    static const double vectors[2][2] = {{1, 2}, {3, -4}};
    struct compared made;

    (void)state;
    compared_init(&made, 2);
    compared_add(&made, &vectors[0][0], 2, MANY);
    made.count_values[of_survey_counts(&made.shape, OF_SURVEY_INF) + 2] = 3;
    assert_true(compared_finish(&made, .5, NULL));
    assert_true(compared_says(&made, "compare-nonfinite"));
    assert_non_null(strstr(made.result.findings[0].text, "base (0 NaN, 3 infinite)"));
    assert_int_equal(made.result.findings[0].level, ONEFOLD_LEVEL_WARNING);
    assert_true(of_compare_words(NULL, true, &made.arena, &made.result));
    assert_true(compared_says(&made, "compare-coarse"));
    of_arena_finish(&made.arena);
}

/* Names are cut off after three, and a thousand copies make one line. */
static void many_findings_are_one_line(void **state)
{
    static double vectors[16][4];
    struct compared made;

    (void)state;
    for (uint32_t t = 0; t < 16; t++) {
        vectors[t][0] = 1;
        vectors[t][1] = -2;
        vectors[t][2] = t % 2;
    }
    compared_init(&made, 16);
    compared_add(&made, &vectors[0][0], 4, 1);
    assert_true(compared_finish(&made, 1, NULL));
    assert_true(compared_says(&made, "compare-duplicate"));
    for (uint64_t i = 0; i < made.result.finding_count; i++) {
        if (strcmp(made.result.findings[i].id, "compare-duplicate") == 0) {
            assert_non_null(strstr(made.result.findings[i].text, " and 53 more: "));
        }
    }
    of_arena_finish(&made.arena);
}

/* A handful of elements has no distribution. */
static void few_elements_say_nothing_about_shares(void **state)
{
    static const double vectors[4][4] = {
        {1, 1, 1, -1}, {1, 1, -1, 1}, {1, -1, 1, 1}, {-1, 1, 1, 1}};
    struct compared made;

    (void)state;
    compared_init(&made, 4);
    compared_add(&made, &vectors[0][0], 4, 1);
    assert_true(compared_finish(&made, 1, NULL));
    assert_false(compared_says(&made, "compare-agreement"));
    assert_false(compared_says(&made, "compare-tails"));
    of_arena_finish(&made.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_and_bases_are_told_apart),
        cmocka_unit_test(unequal_lengths_are_named),
        cmocka_unit_test(steps_are_looked_at_where_they_are_known),
        cmocka_unit_test(directions_are_judged_with_care),
        cmocka_unit_test(heavy_tails_need_four_inputs),
        cmocka_unit_test(zeros_are_named),
        cmocka_unit_test(what_is_not_finite_is_named),
        cmocka_unit_test(many_findings_are_one_line),
        cmocka_unit_test(few_elements_say_nothing_about_shares),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
