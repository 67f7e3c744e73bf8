/* SPDX-License-Identifier: Apache-2.0 */
/* Merges of one pass and two, with rules of this test's own that solve or see elements. */
#include "run/run.h"

#include "base/limits.h"
#include "base/num.h"
#include "run/view.h"
#include "support/io_fake.h"
#include "support/merging.h"
#include "surveyed.h"

#include <errno.h>

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
    plan->how.scratch_bytes = of_num_align_up(of_chunks_scratch_bytes(plan), OF_DIRECT_ALIGN_MAX);
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
        cmocka_unit_test_setup_teardown(test_solved_coefficients_are_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_saved_sums_save_a_pass, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_finite_solution, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_chosen_inputs_are_blended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_element_rules_see_nan, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stops_in_both_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures_in_both_passes, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("run_passes", tests, NULL, NULL);
}
