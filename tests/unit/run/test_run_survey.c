/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pass for statistics: sums equal the naive ones bit for bit, whatever the memory, the threads
 * and the order of events; what is not finite; and merges whose rule solves or sees elements, with
 * rules of this test's own.
 */
#include "run/survey.h"

#include "base/limits.h"
#include "support/io_fake.h"
#include "support/merging.h"
#include "support/mkckpt.h"
#include "support/oracle.h"
#include "support/prng.h"
#include "support/tmpdir.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { INPUTS = 3, LANES = 8, TENSORS = 6, SUMS_MAX = INPUTS * (INPUTS + 1) / 2 + 2 };
enum { COUNTS_MAX = 4 * INPUTS + 5 };

/* Several grains, one block and a bit, small ones for a bundle, one that is copied. */
static struct mk_tensor tensors[TENSORS] = {
    {.name = "a", .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = {140003}},
    {.name = "b", .dtype = ONEFOLD_DTYPE_BF16, .rank = 2, .shape = {401, 401}},
    {.name = "c", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {4099}},
    {.name = "d", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {1}},
    {.name = "e", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {261}},
    {.name = "f", .dtype = ONEFOLD_DTYPE_I64, .rank = 1, .shape = {40}, .seed = 9},
};

struct world {
    struct tmpdir dir;
    struct tmpdir_name base;
    struct tmpdir_name inputs[INPUTS];
    struct tmpdir_name out;
    struct oracle_model base_model;
    struct oracle_model models[INPUTS];
    char recipe[8 * TMPDIR_PATH_MAX];
};

static void make_model(const char *path, uint64_t seed)
{
    for (size_t i = 0; i < TENSORS; i++) {
        /* The bf16 ones are like the base's in places, so that there are exact zeros. */
        tensors[i].seed = tensors[i].dtype == ONEFOLD_DTYPE_I64 ? 1 : seed * 10 + i;
        tensors[i].width = 0.25;
    }
    mk_folder(path, tensors, TENSORS);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    size_t at;

    assert_non_null(world);
    world->dir = tmpdir_make();
    world->base = tmpdir_join(world->dir.path, "base");
    world->out = tmpdir_join(world->dir.path, "out");
    make_model(world->base.text, 1);
    oracle_read(world->base.text, &world->base_model);
    at = (size_t)snprintf(world->recipe, sizeof(world->recipe),
                          "merge_method: task_arithmetic\nbase_model: %s\nmodels:\n",
                          world->base.text);
    for (uint32_t i = 0; i < INPUTS; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "input-%u", i);
        world->inputs[i] = tmpdir_join(world->dir.path, name);
        make_model(world->inputs[i].text, 2 + i);
        oracle_read(world->inputs[i].text, &world->models[i]);
        at +=
            (size_t)snprintf(world->recipe + at, sizeof(world->recipe) - at,
                             "  - model: %s\n    parameters: {weight: 1}\n", world->inputs[i].text);
    }
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    for (uint32_t i = 0; i < INPUTS; i++) {
        oracle_free(&world->models[i]);
    }
    oracle_free(&world->base_model);
    tmpdir_remove(&world->dir);
    free(world);
    return 0;
}

/* ---- Naive sums ---- */

struct result {
    uint32_t step_count;
    double sums[TENSORS][SUMS_MAX];
    uint64_t counts[TENSORS][COUNTS_MAX];
    char names[TENSORS][8];
};

static float difference(const struct world *world, const char *name, uint32_t input, uint64_t i)
{
    const float x = (float)oracle_get(oracle_find(&world->models[input], name), i);
    const float base = (float)oracle_get(oracle_find(&world->base_model, name), i);

    return x - base;
}

/* One element into lane i mod 8 of every sum. */
static void add_element(const float *d, uint64_t i, double (*lanes)[LANES], uint64_t *counts)
{
    const size_t lane = i % LANES;
    double magnitude = 0.0;
    double largest = 0.0;
    double sum = 0.0;
    double square = 0.0;
    double fourth = 0.0;
    int sign = 0;
    uint32_t at = 0;

    for (uint32_t s = 0; s < INPUTS; s++) {
        for (uint32_t t = s; t < INPUTS; t++) {
            lanes[at++][lane] += (double)d[s] * (double)d[t];
        }
        magnitude += fabs((double)d[s]);
        largest = fmax(largest, fabs((double)d[s]));
        sum += (double)d[s];
        sign += (d[s] > 0) - (d[s] < 0);
        counts[s] += d[s] == 0;
    }
    for (uint32_t s = 0; s < INPUTS; s++) {
        const double r = (double)d[s] - sum / INPUTS;

        square += r * r;
        fourth += r * r * (r * r);
    }
    counts[INPUTS + abs(sign)]++;
    if (magnitude > 0) {
        lanes[at][lane] += largest / magnitude;
        counts[2 * INPUTS + 1]++;
    }
    if (square > 0) {
        lanes[at + 1][lane] += INPUTS * fourth / (square * square);
        counts[2 * INPUTS + 2]++;
    }
}

static void naive_tensor(const struct world *world, const struct oracle_tensor *tensor,
                         double *sums, uint64_t *counts)
{
    for (uint64_t first = 0; first < tensor->elem_count; first += OF_GRAIN_ELEMS) {
        double lanes[SUMS_MAX][LANES] = {{0}};

        for (uint64_t i = first; i < tensor->elem_count && i < first + OF_GRAIN_ELEMS; i++) {
            float d[INPUTS];

            for (uint32_t t = 0; t < INPUTS; t++) {
                d[t] = difference(world, tensor->name, t, i);
            }
            add_element(d, i, lanes, counts);
        }
        for (uint32_t k = 0; k < SUMS_MAX; k++) {
            double grain = 0.0;

            for (uint32_t lane = 0; lane < LANES; lane++) {
                grain += lanes[k][lane];
            }
            sums[k] += grain;
        }
    }
}

static void naive(const struct world *world, struct result *result)
{
    memset(result, 0, sizeof(*result));
    for (size_t i = 0; i < TENSORS - 1; i++) { /* the last is copied */
        const struct oracle_tensor *tensor = oracle_find(&world->base_model, tensors[i].name);

        naive_tensor(world, tensor, result->sums[i], result->counts[i]);
        (void)snprintf(result->names[i], sizeof(result->names[i]), "%s", tensors[i].name);
    }
    result->step_count = TENSORS - 1;
}

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

/* Writes a value into one element of the first tensor of a model. */
static void put_value(const char *folder, uint64_t elem, float value)
{
    struct tmpdir_name file = tmpdir_join(folder, "model.safetensors");
    size_t length;
    char *bytes = tmpdir_read(file.text, &length);
    uint64_t header_bytes;

    memcpy(&header_bytes, bytes, sizeof(header_bytes));
    memcpy(bytes + 8 + header_bytes + elem * sizeof(value), &value, sizeof(value));
    tmpdir_write(file.text, bytes, length);
    free(bytes);
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

/* ---- Merges ---- */

static onefold_status solve_inverse(const struct of_solve *solve, struct of_solution *ret_solution,
                                    onefold_error *err)
{
    (void)err;
    for (uint32_t t = 0; t < solve->gram->count; t++) {
        ret_solution->coefs[t] = 1000.0 / solve->gram->entries[t * solve->gram->count + t];
    }
    ret_solution->has_factor = true;
    ret_solution->factor = 0.5;
    ret_solution->has_radius = true;
    ret_solution->radius = 0.1;
    return ONEFOLD_OK;
}

static onefold_status solve_nothing(const struct of_solve *solve, struct of_solution *ret_solution,
                                    onefold_error *err)
{
    (void)err;
    ret_solution->coefs[0] = solve->gram->entries[0] / 0.0;
    return ONEFOLD_OK;
}

/* Drops the second input. */
static onefold_status solve_drop(const struct of_solve *solve, struct of_solution *ret_solution,
                                 onefold_error *err)
{
    (void)err;
    for (uint32_t t = 0; t < solve->gram->count; t++) {
        ret_solution->coefs[t] = t == 1 ? 0.0 : 1.0;
    }
    return ONEFOLD_OK;
}

static void blend_max(const struct of_block *block)
{
    const size_t length = block->length;

    memcpy(block->v, block->d[0], length * sizeof(float));
    for (uint32_t t = 1; t < block->count; t++) {
        for (size_t i = 0; i < length; i++) {
            block->v[i] = block->d[t][i] > block->v[i] ? block->d[t][i] : block->v[i];
        }
    }
    for (size_t i = 0; i < length; i++) {
        block->v[i] *= (float)block->params->global[0];
    }
}

static const struct of_method inverse = {.name = "test_inverse",
                                         .class = OF_CLASS_GRAM,
                                         .frame = OF_FRAME_DELTA,
                                         .scale = OF_SCALE_OF_SUM,
                                         .gram = OF_GRAM_NORMS,
                                         .solve = solve_inverse};
static const struct of_method hopeless = {.name = "test_hopeless",
                                          .class = OF_CLASS_GRAM,
                                          .frame = OF_FRAME_DELTA,
                                          .gram = OF_GRAM_FULL,
                                          .solve = solve_nothing};
static const struct of_method largest = {.name = "test_largest",
                                         .class = OF_CLASS_ELEMENT,
                                         .frame = OF_FRAME_DELTA,
                                         .scale = OF_SCALE_OF_MEAN,
                                         .gram = OF_GRAM_FULL,
                                         .solve = solve_drop,
                                         .blend = blend_max};

struct merge {
    struct merging merging;
    const struct of_method *method;
    const struct of_stats_file *stats;
    uint32_t passes_seen; /* mask of the numbers that progress named */
};

static void see_pass(void *context, const struct of_progress *progress)
{
    struct merge *merge = context;

    assert_true(progress->pass >= 1 && progress->pass <= progress->pass_count);
    merge->passes_seen |= 1U << progress->pass;
}

static onefold_status merge_run(struct merge *merge, const struct world *world)
{
    static const double global[] = {2.0};
    struct of_run_options *options = &merge->merging.run_options;
    struct of_report report = {0};
    struct of_recipe *recipe = NULL;
    struct of_plan *plan = NULL;
    struct of_arena arena;
    onefold_error *err = &merge->merging.error;
    onefold_status status;

    of_err_clear(err);
    of_arena_init(&arena, 0);
    options->report = &report;
    options->progress = see_pass;
    options->progress_context = merge;
    assert_int_equal(
        of_recipe_parse(of_str_from(world->recipe), "r", &arena, &report, &recipe, err),
        ONEFOLD_OK);
    assert_int_equal(of_plan_build(recipe, &merge->merging.plan_options, &report, &plan, err),
                     ONEFOLD_OK);
    plan->method = merge->method;
    of_survey_shape_make(merge->method->gram, false, INPUTS, &plan->survey);
    plan->stats = merge->stats;
    for (uint32_t i = 0; i < plan->row_count; i++) {
        plan->rows[i].global = merge->method->class == OF_CLASS_ELEMENT ? global : NULL;
        plan->rows[i].lambda = (double)NAN;
    }
    status = of_run(plan, options, &merge->merging.stats, err);
    of_plan_free(plan);
    of_arena_finish(&arena);
    return status;
}

static void merge_init(struct merge *merge, const struct world *world,
                       const struct of_method *method)
{
    memset(merge, 0, sizeof(*merge));
    merging_init(&merge->merging, world->out.text);
    merge->method = method;
}

static void remove_out(const struct world *world)
{
    char command[TMPDIR_PATH_MAX + 16];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", world->out.text);
    assert_int_equal(system(command), 0);
}

static char *read_manifest(const struct world *world)
{
    size_t length;

    return tmpdir_read(tmpdir_join(world->out.text, "onefold.json").text, &length);
}

static void total_of(const struct world *world, double *ret_norms)
{
    static const uint32_t diagonal[INPUTS] = {0, INPUTS, 2 * INPUTS - 1};
    struct result result;

    naive(world, &result);
    for (uint32_t t = 0; t < INPUTS; t++) {
        ret_norms[t] = 0.0;
        for (uint32_t i = 0; i < TENSORS - 1; i++) {
            ret_norms[t] += result.sums[i][diagonal[t]];
        }
    }
}

/* Two passes; the output is what the coefficients say, bit for bit in f32. */
static void test_solved_coefficients_are_used(void **state)
{
    struct world *world = *state;
    struct merge merge;
    struct oracle_model output;
    const struct oracle_tensor *got;
    double norms[INPUTS];
    char expected[128];
    char *manifest;

    total_of(world, norms);
    merge_init(&merge, world, &inverse);
    if (merge_run(&merge, world) != ONEFOLD_OK) {
        fail_msg("%s", merge.merging.error.message);
    }
    assert_true((merge.passes_seen & (1U << 2)) != 0);
    oracle_read(world->out.text, &output);
    got = oracle_find(&output, "a");
    for (uint64_t i = 0; i < got->elem_count; i += 7) {
        float v = 0.0F;
        float value;

        for (uint32_t t = 0; t < INPUTS; t++) {
            v = v + (float)(1000.0 / norms[t]) * difference(world, "a", t, i);
        }
        value = (float)oracle_get(oracle_find(&world->base_model, "a"), i) + 0.5F * v;
        assert_true((float)oracle_get(got, i) == value);
    }
    oracle_free(&output);
    assert_true(merge.merging.stats.has_lambda);
    assert_true(merge.merging.stats.lambda == 0.5 && merge.merging.stats.beta == 0.5 * INPUTS);
    manifest = read_manifest(world);
    assert_non_null(strstr(manifest, "\"beta\":1.5"));
    assert_non_null(strstr(manifest, "\"lambda\":0.5"));
    assert_non_null(strstr(manifest, "\"radius\":0.1}"));
    assert_null(strstr(manifest, "\"selected\""));
    (void)snprintf(expected, sizeof(expected), "\"solution\":{\"coefs\":[%.17g", 1000.0 / norms[0]);
    assert_non_null(strstr(manifest, "\"solution\":{\"coefs\":["));
    assert_true(strtod(strstr(manifest, "\"solution\":{\"coefs\":[") + 21, NULL) ==
                1000.0 / norms[0]);
    assert_true(strtod(strstr(manifest, "\"norms\":[") + 9, NULL) == sqrt(norms[0]));
    free(manifest);
}

/* Saved inner products: one pass, the same bytes. */
static void test_saved_sums_save_a_pass(void **state)
{
    struct world *world = *state;
    double gram[INPUTS * INPUTS] = {0};
    const struct of_stats_file stats = {.input_count = INPUTS, .gram = gram};
    double norms[INPUTS];
    struct of_sha256_digest root;
    uint64_t read_bytes;
    struct merge merge;

    total_of(world, norms);
    for (uint32_t t = 0; t < INPUTS; t++) {
        gram[t * INPUTS + t] = norms[t];
    }
    merge_init(&merge, world, &inverse);
    merge.merging.plan_options.io_name = "threads";
    assert_int_equal(merge_run(&merge, world), ONEFOLD_OK);
    root = merge.merging.stats.signing_root;
    read_bytes = merge.merging.stats.read_bytes;
    remove_out(world);
    merge_init(&merge, world, &inverse);
    merge.merging.plan_options.io_name = "threads";
    merge.stats = &stats;
    assert_int_equal(merge_run(&merge, world), ONEFOLD_OK);
    assert_memory_equal(&root, &merge.merging.stats.signing_root, sizeof(root));
    assert_int_equal(merge.passes_seen & (1U << 2), 0);
    assert_true(read_bytes > merge.merging.stats.read_bytes * 3 / 2);
}

static void test_no_finite_solution(void **state)
{
    struct world *world = *state;
    struct merge merge;

    merge_init(&merge, world, &hopeless);
    assert_int_equal(merge_run(&merge, world), ONEFOLD_E_VALUE);
    assert_string_equal(merge.merging.error.id, "value-solve");
    assert_int_equal(tmpdir_count(world->dir.path), INPUTS + 1);
}

/* An element-wise rule that chooses inputs first sees only those. */
static void test_chosen_inputs_are_blended(void **state)
{
    struct world *world = *state;
    struct oracle_model output;
    struct merge merge;
    char *manifest;

    merge_init(&merge, world, &largest);
    if (merge_run(&merge, world) != ONEFOLD_OK) {
        fail_msg("%s", merge.merging.error.message);
    }
    oracle_read(world->out.text, &output);
    for (size_t k = 0; k < TENSORS - 1; k++) {
        const struct oracle_tensor *got = oracle_find(&output, tensors[k].name);

        for (uint64_t i = 0; i < got->elem_count; i++) {
            const float base =
                (float)oracle_get(oracle_find(&world->base_model, tensors[k].name), i);
            const float d = fmaxf(difference(world, tensors[k].name, 0, i),
                                  difference(world, tensors[k].name, 2, i));
            uint8_t wanted[4];

            oracle_encode(got->dtype, (double)(base + 1.0F * (2.0F * d)), wanted);
            if (oracle_get(got, i) != oracle_decode(got->dtype, wanted)) {
                fail_msg("%s[%llu]: %g", got->name, (unsigned long long)i, oracle_get(got, i));
            }
        }
    }
    oracle_free(&output);
    manifest = read_manifest(world);
    assert_non_null(strstr(manifest, "\"selected\":[\"input-0\",\"input-2\"]"));
    free(manifest);
}

/* An order statistic would hide it. */
static void test_element_rules_see_nan(void **state)
{
    struct world *world = *state;
    struct of_method alone = largest;
    struct merge merge;

    alone.gram = OF_GRAM_NONE;
    alone.solve = NULL;
    put_value(world->inputs[1].text, 4097, NAN);
    put_value(world->inputs[0].text, 4098, NAN);
    merge_init(&merge, world, &alone);
    assert_int_equal(merge_run(&merge, world), ONEFOLD_E_VALUE);
    assert_string_equal(merge.merging.error.id, "value-input");
    assert_non_null(strstr(merge.merging.error.message, "input-1"));
    assert_non_null(strstr(merge.merging.error.message, "element 4097 "));
    assert_int_equal(tmpdir_count(world->dir.path), INPUTS + 1);
}

static volatile sig_atomic_t cancel_flag;

static void raise_flag(void *context, uint64_t attempt)
{
    if (attempt == *(const uint64_t *)context) {
        cancel_flag = SIGINT;
    }
}

/* In the first pass or the second: nothing is left. */
static void test_stops_in_both_passes(void **state)
{
    struct world *world = *state;

    for (uint64_t at = 1; at < 60; at += 3) {
        struct io_fake_settings settings = {.seed = at, .hold_percent = 40};
        struct merge merge;
        onefold_status status;

        cancel_flag = 0;
        io_fake_set(&settings);
        io_fake_hook(raise_flag, &at);
        merge_init(&merge, world, &inverse);
        merge.merging.plan_options.tile_grains_max = 1;
        merge.merging.run_options.backend = &io_fake_backend;
        merge.merging.run_options.cancel = &cancel_flag;
        status = merge_run(&merge, world);
        if (cancel_flag != 0) {
            assert_int_equal(status, ONEFOLD_E_CANCELLED);
            assert_int_equal(tmpdir_count(world->dir.path), INPUTS + 1);
        } else {
            assert_int_equal(status, ONEFOLD_OK);
            remove_out(world);
        }
    }
}

static void test_failures_in_both_passes(void **state)
{
    struct world *world = *state;
    uint64_t total = 1;

    for (uint64_t at = 1; at <= total; at += 1 + at / 12) {
        struct io_fake_settings settings = {
            .seed = at, .hold_percent = 30, .fail_errno = EIO, .fail_ever_after = true};
        struct merge merge;

        settings.fail_at = at;
        io_fake_set(&settings);
        merge_init(&merge, world, &largest);
        merge.merging.plan_options.tile_grains_max = 1;
        merge.merging.plan_options.worker_count = 2;
        merge.merging.run_options.backend = &io_fake_backend;
        assert_int_equal(merge_run(&merge, world), ONEFOLD_E_IO);
        assert_int_equal(merge.merging.error.state, ONEFOLD_STATE_DROP);
        assert_int_equal(tmpdir_count(world->dir.path), INPUTS + 1);
        if (at == 1) {
            settings.fail_at = 0;
            io_fake_set(&settings);
            assert_int_equal(merge_run(&merge, world), ONEFOLD_OK);
            total = io_fake_attempt_count();
            remove_out(world);
        }
    }
    assert_true(total > 30);
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
        cmocka_unit_test_setup_teardown(test_solved_coefficients_are_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_saved_sums_save_a_pass, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_finite_solution, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_chosen_inputs_are_blended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_element_rules_see_nan, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stops_in_both_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures_in_both_passes, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("run_survey", tests, NULL, NULL);
}
