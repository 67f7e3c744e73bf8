/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of small sets of vectors, against numbers that were computed by hand. */
#include "compared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Set A of the golden vectors: four inputs, six elements. */
static const double golden[4][6] = {{1, -2, .5, 0, 3, -.25},
                                    {2, 1, .5, 0, -1, -.5},
                                    {-1, -3, 0, .25, 2, -1},
                                    {4, -1, -.5, -.25, 5, .75}};

static void near(double have, double want)
{
    if (!(fabs(have - want) <= 1e-9 * (1 + fabs(want)))) {
        fail_msg("%.17g, not %.17g", have, want);
    }
}

static void golden_set_has_the_known_numbers(void **state)
{
    static const double gram[4][4] = {{14.3125, -2.625, 11.25, 20.5625},
                                      {-2.625, 6.5, -6.5, 1.375},
                                      {11.25, -6.5, 15.0625, 8.1875},
                                      {20.5625, 1.375, 8.1875, 42.875}};
    static const double norms[] = {3.78318649, 2.54950976, 3.88104367, 6.54790043};
    static const double recall[] = {.759825327510917, -.048076923076923, .464730290456432,
                                    .425655976676385};
    static const double interference[] = {.690024563318778, 8.93810096153846, 5.70001296680498,
                                          1.18490342565598};
    static const uint64_t agreement[] = {1, 1, 4, 0, 0};
    static const uint64_t zeros[] = {1, 1, 1, 0};
    struct compared made;

    (void)state;
    compared_init(&made, 4);
    compared_add(&made, &golden[0][0], 6, 1);
    assert_true(compared_finish(&made, .25, NULL));
    for (uint32_t s = 0; s < 4; s++) {
        assert_true(fabs(made.group.norms[s] - norms[s]) < 1e-8);
        near(made.group.recall[s], recall[s]);
        near(made.group.interference[s], interference[s]);
        assert_int_equal(made.group.zeros[s], zeros[s]);
        assert_true(made.group.cosine[5 * s] == 1.0);
        for (uint32_t t = 0; t < 4; t++) {
            assert_true(made.group.gram[4 * s + t] == gram[s][t]);
        }
    }
    near(made.group.cosine[1], -.27215409889222);
    near(made.group.cosine[14], .322181587064264);
    near(made.group.norm_ratio, 2.5682978499687);
    near(made.group.mean_cosine, .178626524601090);
    near(made.group.diversity, 78.75 / 143.25);
    near(made.group.drift_variance, 10.734375);
    assert_memory_equal(made.group.agreement, agreement, sizeof(agreement));
    near(made.group.agreement_mean, 9.0 / 24);
    near(made.group.agreement_null_mean, .375);
    near(made.group.overlap, .436075036075036);
    near(made.group.tail, 1.87493629975308);
    near(made.group.tail_gaussian, 1.8);
    of_arena_finish(&made.arena);
}

static void steps_are_those_of_the_rules(void **state)
{
    static const double metagpt[] = {.181746032, .0825396825, .191269841, .544444444};
    static const double inverse[] = {.247742778, .367622492, .241496156, .143138574};
    const onefold_compare_step *step;
    struct compared made;

    (void)state;
    compared_init(&made, 4);
    compared_add(&made, &golden[0][0], 6, 1);
    assert_true(compared_finish(&made, .25, NULL));
    near(compared_step(&made, "average")->lambda, .25);
    near(compared_step(&made, "average")->beta, 1);
    near(compared_step(&made, "feddyn")->lambda, .5);
    near(compared_step(&made, "fedexp")->beta, 1.09947643979058);
    near(compared_step(&made, "fedexp")->lambda, 1.09947643979058 / 4);
    assert_true(fabs(compared_step(&made, "model_stock")->beta - .465209715) < 1e-8);
    near(compared_step(&made, "model_stock")->lambda * 4,
         compared_step(&made, "model_stock")->beta);
    for (uint32_t t = 0; t < 4; t++) {
        step = compared_step(&made, "metagpt");
        assert_true(isnan(step->lambda) && fabs(step->lambdas[t] - metagpt[t]) < 1e-8);
        step = compared_step(&made, "inverse_norm");
        assert_true(isnan(step->beta) && fabs(step->lambdas[t] - inverse[t]) < 1e-8);
    }
    of_arena_finish(&made.arena);
}

static void null_shares_are_the_binomial_ones(void **state)
{
    static const double three[] = {0, .75, 0, .25};
    static const double six[] = {.3125, 0, .46875, 0, .1875, 0, .03125};
    static const double expected[] = {.5, .5, .375, .375, .3125, .3125, .2734375};
    double shares[4097];

    (void)state;
    of_compare_null(3, shares);
    for (uint32_t i = 0; i <= 3; i++) {
        near(shares[i], three[i]);
    }
    of_compare_null(6, shares);
    for (uint32_t i = 0; i <= 6; i++) {
        near(shares[i], six[i]);
    }
    for (uint32_t count = 1; count <= 4096; count = count < 16 ? count + 1 : 2 * count) {
        double total = 0;
        double mean = 0;

        of_compare_null(count, shares);
        for (uint32_t i = 0; i <= count; i++) {
            total += shares[i];
            mean += shares[i] * i / count;
        }
        near(total, 1);
        if (count >= 2 && count <= 8) {
            near(mean, expected[count - 2]);
        }
    }
}

static void laws_of_identical_and_orthogonal_models_hold(void **state)
{
    static const double same[3][3] = {{1, 2, -2}, {1, 2, -2}, {1, 2, -2}};
    static const double apart[3][3] = {{2, 0, 0}, {0, 2, 0}, {0, 0, 2}};
    struct compared made;

    (void)state;
    compared_init(&made, 3);
    compared_add(&made, &same[0][0], 3, 1);
    assert_true(compared_finish(&made, 1.0 / 3, NULL));
    near(made.group.diversity, 1.0 / 3);
    near(made.group.drift_variance, 0);
    near(made.group.mean_cosine, 1);
    near(made.group.recall[1], 1);
    near(made.group.interference[1], 0);
    near(made.group.overlap, 1.0 / 3);
    assert_true(isnan(made.group.tail));
    near(compared_step(&made, "fedexp")->beta, 1);
    near(compared_step(&made, "model_stock")->beta, 1);
    of_arena_finish(&made.arena);

    compared_init(&made, 3);
    compared_add(&made, &apart[0][0], 3, 1);
    assert_true(compared_finish(&made, 1.0 / 3, NULL));
    near(made.group.diversity, 1);
    near(made.group.mean_cosine, 0);
    near(made.group.overlap, 1);
    near(made.group.recall[2], 1.0 / 3);
    near(compared_step(&made, "fedexp")->lambda, .5);
    near(compared_step(&made, "model_stock")->beta, 0);
    of_arena_finish(&made.arena);
}

static void ends_have_no_number_where_there_is_none(void **state)
{
    static const double zero[2][2] = {{0, 0}, {3, 4}};
    static const double against[2][2] = {{3, 4}, {-3, -4}};
    static const double alone[2] = {3, 4};
    static const double nothing[2][1] = {{0}, {0}};
    struct compared made;

    (void)state;
    compared_init(&made, 2);
    compared_add(&made, &zero[0][0], 2, 1);
    assert_true(compared_finish(&made, .5, NULL));
    assert_true(isinf(made.group.norm_ratio));
    assert_true(isnan(made.group.cosine[1]) && isnan(made.group.cosine[0]));
    assert_true(isnan(made.group.mean_cosine));
    assert_true(isnan(made.group.recall[0]));
    assert_null(compared_find_step(&made, "inverse_norm"));
    assert_non_null(compared_find_step(&made, "metagpt"));
    near(compared_step(&made, "model_stock")->beta, 0);
    of_arena_finish(&made.arena);

    compared_init(&made, 2);
    compared_add(&made, &against[0][0], 2, 1);
    assert_true(compared_finish(&made, .5, NULL));
    assert_true(isinf(made.group.diversity));
    near(compared_step(&made, "fedexp")->beta, 1);
    near(compared_step(&made, "model_stock")->beta, 0);
    of_arena_finish(&made.arena);

    compared_init(&made, 1);
    compared_add(&made, alone, 2, 1);
    assert_true(compared_finish(&made, 1, NULL));
    assert_true(isnan(made.group.mean_cosine));
    near(made.group.diversity, 1);
    near(made.group.recall[0], 1);
    near(made.group.interference[0], 0);
    assert_null(compared_find_step(&made, "model_stock"));
    of_arena_finish(&made.arena);

    compared_init(&made, 2);
    compared_add(&made, &nothing[0][0], 1, 1);
    assert_true(compared_finish(&made, .5, NULL));
    assert_true(isnan(made.group.norm_ratio) && isnan(made.group.diversity));
    assert_true(isnan(made.group.overlap));
    assert_null(compared_find_step(&made, "metagpt"));
    near(compared_step(&made, "fedexp")->beta, 1);
    of_arena_finish(&made.arena);
}

static void unknown_norms_leave_steps_out(void **state)
{
    static const double vectors[2][2] = {{1, 2}, {3, 4}};
    struct compared made;

    (void)state;
    compared_init(&made, 2);
    compared_add(&made, &vectors[0][0], 2, 1);
    made.sum_values[of_survey_pair(&made.shape, 1, 1)] = (double)NAN;
    made.count_values[of_survey_counts(&made.shape, OF_SURVEY_NAN) + 1] = 7;
    assert_true(compared_finish(&made, .5, NULL));
    assert_int_equal(made.group.nan_count[1], 7);
    assert_true(isnan(made.group.diversity) && isnan(made.group.norm_ratio));
    assert_non_null(compared_find_step(&made, "average"));
    assert_null(compared_find_step(&made, "fedexp"));
    assert_null(compared_find_step(&made, "model_stock"));
    assert_null(compared_find_step(&made, "metagpt"));
    of_arena_finish(&made.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_set_has_the_known_numbers),
        cmocka_unit_test(steps_are_those_of_the_rules),
        cmocka_unit_test(null_shares_are_the_binomial_ones),
        cmocka_unit_test(laws_of_identical_and_orthogonal_models_hold),
        cmocka_unit_test(ends_have_no_number_where_there_is_none),
        cmocka_unit_test(unknown_norms_leave_steps_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
