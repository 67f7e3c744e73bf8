/* SPDX-License-Identifier: Apache-2.0 */
/* The pass for statistics: sums equal the naive ones bit for bit, whatever the memory, the threads
 * and the order of events; what is not finite. */
#include "run/survey.h"

#include "base/limits.h"
#include "base/num.h"
#include "run/view.h"
#include "support/io_fake.h"
#include "support/merging.h"
#include "support/prng.h"
#include "surveyed.h"

/* ---- Surveys ---- */

struct survey {
    struct merging merging;
    struct of_survey_shape shape;
    const struct of_plan *plan;
    struct result result;
    onefold_error error;
    struct of_run_stats stats;
};

static void take_step(void *context, uint32_t step, const double *sums, const uint64_t *counts)
{
    struct survey *survey = context;
    struct result *result = &survey->result;
    const struct of_survey_shape *shape = &survey->shape;
    const struct of_str name = survey->plan->tensors[step].name;

    assert_true(result->step_count < TENSORS && shape->sum_count <= SUMS_MAX);
    memcpy(result->sums[result->step_count], sums, shape->sum_count * sizeof(*sums));
    memcpy(result->counts[result->step_count], counts, shape->count_count * sizeof(*counts));
    (void)snprintf(result->names[result->step_count], sizeof(result->names[0]), "%.*s",
                   (int)name.length, name.data);
    result->step_count++;
}

static void survey_init(struct survey *survey, enum of_gram_need need, bool elementwise)
{
    memset(survey, 0, sizeof(*survey));
    merging_init(&survey->merging, NULL);
    of_survey_shape_make(need, elementwise, INPUTS, &survey->shape);
}

/* A plan of a linear rule, made into one for a survey. */
static onefold_status survey_run(struct survey *survey, const struct world *world)
{
    struct of_survey_options options = {.step = take_step, .context = survey};
    struct of_report report = {0};
    struct of_recipe *recipe = NULL;
    struct of_plan *plan = NULL;
    struct of_arena arena;
    onefold_error *err = &survey->error;
    onefold_status status;

    of_err_clear(err);
    of_arena_init(&arena, 0);
    survey->merging.run_options.report = &report;
    options.run = &survey->merging.run_options;
    assert_int_equal(
        of_recipe_parse(of_str_from(world->recipe), "r", &arena, &report, &recipe, err),
        ONEFOLD_OK);
    assert_int_equal(of_plan_build(recipe, &survey->merging.plan_options, &report, &plan, err),
                     ONEFOLD_OK);
    plan->survey = survey->shape;
    plan->how.scratch_bytes = of_num_align_up(of_chunks_scratch_bytes(plan), OF_DIRECT_ALIGN_MAX);
    survey->plan = plan;
    survey->result.step_count = 0;
    status = of_survey_run(plan, &options, &survey->stats, err);
    of_plan_free(plan);
    of_arena_finish(&arena);
    return status;
}

static void assert_same(const struct result *got, const struct result *expected)
{
    assert_int_equal(got->step_count, expected->step_count);
    for (uint32_t i = 0; i < got->step_count; i++) {
        assert_string_equal(got->names[i], expected->names[i]);
        for (uint32_t k = 0; k < COUNTS_MAX; k++) {
            assert_int_equal(got->counts[i][k], expected->counts[i][k]);
        }
        for (uint32_t k = 0; k < SUMS_MAX; k++) {
            if (memcmp(&got->sums[i][k], &expected->sums[i][k], sizeof(double)) != 0) {
                fail_msg("%s: sum %u is %.17g, expected %.17g", got->names[i], k, got->sums[i][k],
                         expected->sums[i][k]);
            }
        }
    }
}

static void test_sums_are_the_naive_ones(void **state)
{
    struct world *world = *state;
    struct result expected;
    struct survey survey;

    naive(world, &expected);
    survey_init(&survey, OF_GRAM_FULL, true);
    assert_int_equal(survey_run(&survey, world), ONEFOLD_OK);
    assert_same(&survey.result, &expected);
    assert_true(survey.stats.read_bytes > 0);
    assert_int_equal(survey.stats.written_bytes, 0);
    /* Nothing was made anywhere. */
    assert_int_equal(tmpdir_count(world->dir.path), INPUTS + 1);
    /* There are zeros, disagreement and agreement, or the counts would show nothing. */
    assert_true(survey.result.counts[1][0] > 0);
    assert_true(survey.result.counts[0][INPUTS + 1] > 0 && survey.result.counts[0][2 * INPUTS] > 0);
}

static void test_nothing_changes_a_bit(void **state)
{
    struct world *world = *state;
    struct result expected;

    naive(world, &expected);
    for (uint64_t seed = 1; seed <= 25; seed++) {
        struct prng prng = prng_make(seed);
        const struct io_fake_settings settings = {.seed = seed,
                                                  .hold_percent = (uint32_t)prng_below(&prng, 90),
                                                  .short_percent = (uint32_t)prng_below(&prng, 50),
                                                  .retry_percent = (uint32_t)prng_below(&prng, 20)};
        struct survey survey;

        io_fake_set(&settings);
        survey_init(&survey, OF_GRAM_FULL, true);
        survey.merging.plan_options.worker_count = (uint32_t)prng_between(&prng, 1, 4);
        survey.merging.plan_options.tile_grains_max = (uint32_t)prng_between(&prng, 1, 4);
        survey.merging.plan_options.slot_count_max = (uint32_t)prng_between(&prng, 1, 6);
        survey.merging.run_options.backend = &io_fake_backend;
        survey.merging.run_options.cpu_cap = seed % 2 == 0 ? "scalar" : NULL;
        assert_int_equal(survey_run(&survey, world), ONEFOLD_OK);
        assert_same(&survey.result, &expected);
    }
}

/* Norms alone may be read input by input; they are the diagonal of the matrix. */
static void test_norms_in_rounds(void **state)
{
    struct world *world = *state;
    static const uint32_t diagonal[INPUTS] = {0, INPUTS, 2 * INPUTS - 1};
    struct result expected;

    naive(world, &expected);
    for (uint32_t areas = 1; areas <= INPUTS; areas++) {
        struct survey survey;

        survey_init(&survey, OF_GRAM_NORMS, false);
        survey.merging.plan_options.area_count_max = areas;
        survey.merging.plan_options.tile_grains_max = areas;
        assert_int_equal(survey_run(&survey, world), ONEFOLD_OK);
        assert_int_equal(survey.result.step_count, TENSORS - 1);
        for (uint32_t i = 0; i < TENSORS - 1; i++) {
            for (uint32_t t = 0; t < INPUTS; t++) {
                assert_memory_equal(&survey.result.sums[i][t], &expected.sums[i][diagonal[t]],
                                    sizeof(double));
            }
        }
    }
}

/* compare counts what is not finite and leaves the element out of everything else. */
static void test_nonfinite_is_counted(void **state)
{
    struct world *world = *state;
    const uint32_t nan_at = 2 * INPUTS + 3;
    const uint32_t inf_at = nan_at + INPUTS + 1;
    struct result expected;
    struct survey survey;

    put_value(world->inputs[1].text, 70001, NAN);
    put_value(world->inputs[2].text, 70001, INFINITY);
    put_value(world->base.text, 139999, -INFINITY);
    survey_init(&survey, OF_GRAM_FULL, true);
    assert_int_equal(survey_run(&survey, world), ONEFOLD_OK);
    assert_int_equal(survey.result.counts[0][nan_at + 1], 1);
    assert_int_equal(survey.result.counts[0][inf_at + 2], 1);
    assert_int_equal(survey.result.counts[0][inf_at + INPUTS], 1);
    naive(world, &expected);
    for (uint32_t k = 0; k < 2 * INPUTS + 3; k++) {
        uint64_t sum = survey.result.counts[0][k];

        assert_true(sum <= expected.counts[0][k] && sum + 2 >= expected.counts[0][k]);
    }
    assert_int_equal(survey.result.counts[0][2 * INPUTS + 1], 140003 - 2);
    for (uint32_t k = 0; k < SUMS_MAX; k++) {
        assert_true(fabs(survey.result.sums[0][k] - expected.sums[0][k]) <
                    1e-3 * fabs(expected.sums[0][k]) + 100);
    }
}

/* Statistics that decide a merge do not leave anything out. */
static void test_nonfinite_is_refused(void **state)
{
    struct world *world = *state;
    static const enum of_gram_need needs[] = {OF_GRAM_FULL, OF_GRAM_NORMS};

    put_value(world->inputs[1].text, 139990, NAN);
    put_value(world->base.text, 139999, INFINITY);
    for (size_t i = 0; i < 2; i++) {
        struct survey survey;

        survey_init(&survey, needs[i], false);
        assert_int_equal(survey_run(&survey, world), ONEFOLD_E_VALUE);
        assert_string_equal(survey.error.id, "value-input");
        assert_non_null(strstr(survey.error.message, "input-1"));
        assert_non_null(strstr(survey.error.message, "\"a\": element 139990 "));
        assert_null(strstr(survey.error.hint, "nonfinite"));
    }
}

static void test_difference_past_f32(void **state)
{
    struct world *world = *state;
    struct survey survey;

    put_value(world->inputs[2].text, 66000, 3e38F);
    put_value(world->base.text, 66000, -3e38F);
    survey_init(&survey, OF_GRAM_FULL, false);
    assert_int_equal(survey_run(&survey, world), ONEFOLD_E_VALUE);
    assert_string_equal(survey.error.id, "value-narrow");
    assert_non_null(strstr(survey.error.message, "input-2"));
    assert_non_null(strstr(survey.error.message, "element 66000 "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sums_are_the_naive_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_changes_a_bit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_norms_in_rounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nonfinite_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nonfinite_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_difference_past_f32, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("run_survey", tests, NULL, NULL);
}
