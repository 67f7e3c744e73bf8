/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that solve and rules that compare elements: passes, parameters, saved statistics, and plans
 * that only look. */
#include "planned.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <time.h>

static struct tmpdir dir;

#define TENSOR(n, d, length)                                                     \
    {                                                                            \
        .name = (n), .dtype = ONEFOLD_DTYPE_##d, .rank = 1, .shape = {(length) } \
    }

enum { ELEMS = 6 + 8 + 8 }; /* of the float tensors */

static int make_dir(void **state)
{
    static const struct mk_tensor tensors[] = {
        TENSOR("lm_head.weight", BF16, 6), TENSOR("model.layers.0.mlp.w", BF16, 8),
        TENSOR("model.layers.1.mlp.w", BF16, 8), TENSOR("steps", I64, 5)};
    static const struct mk_tensor other[] = {TENSOR("lm_head.weight", BF16, 7),
                                             TENSOR("model.layers.0.mlp.w", BF16, 8),
                                             TENSOR("more", BF16, 8), TENSOR("steps", I64, 5)};
    static const char *const folders[] = {"base", "a", "b", "c", "d", "e", "g", "h"};

    (void)state;
    dir = tmpdir_make();
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        planned_sparse(tmpdir_join(dir.path, folders[i]).text, tensors, 4);
    }
    planned_sparse(tmpdir_join(dir.path, "other").text, other, 4);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    tmpdir_remove(&dir);
    return 0;
}

#define THREE "base_model: @base\nmodels: [{model: @a}, {model: @b}, {model: @c}]\n"
#define SEVEN                                                                     \
    "base_model: @base\nmodels: [{model: @a}, {model: @b}, {model: @c}, {model: " \
    "@d}, {model: @e}, {model: @g}, {model: @h}]\n"

static const char *text_of(const char *lines, const char *inputs)
{
    char pattern[600];

    (void)snprintf(pattern, sizeof(pattern), "%s%s", lines, inputs);
    return planned_text(&dir, pattern);
}

static double global(const struct of_plan *plan, const double *values, const char *name)
{
    const struct of_param *param = of_method_param(plan->method, name);

    assert_non_null(param);
    assert_non_null(values);
    return values[param - plan->method->params];
}

static void norms_are_surveyed_and_inputs_come_and_go(void **state)
{
    struct planned planned;
    const struct of_plan *plan;

    (void)state;
    planned_good(&planned, text_of("merge_method: cclip\nparameters: {radius: 2.5}\n", THREE));
    plan = planned.plan;
    assert_int_equal(plan->survey.need, OF_GRAM_NORMS);
    assert_int_equal(plan->survey.sum_count, 3);
    assert_int_equal(plan->survey.count_count, 0);
    assert_int_equal(plan->pass_count, 2);
    assert_false(plan->gather);
    assert_false(plan->compare);
    assert_null(plan->stats);
    assert_int_equal(plan->params.input_count, 3);
    assert_true(plan->params.present[2]);
    assert_true(global(plan, plan->params.global, "radius") == 2.5);
    assert_int_equal(plan->row_count, 1);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(plan->rows[0].coefs[i] == 0.0F);
    }
    assert_true(plan->rows[0].has_factor && plan->rows[0].beta == 1.0);
    assert_null(plan->rows[0].global);
    /* Integers are not read for the survey; all else twice. */
    assert_int_equal(plan->read_bytes, 4 * 2 * (2 * ELEMS) + 4 * 8 * 5);
    assert_true(plan->how.survey_bytes > 0 && plan->how.statistics_bytes > 0);
    planned_finish(&planned);
}

static void inner_products_need_all_inputs_together(void **state)
{
    struct planned planned;

    (void)state;
    planned_good(&planned, text_of("merge_method: geometric_median\n", THREE));
    assert_int_equal(planned.plan->survey.need, OF_GRAM_FULL);
    assert_int_equal(planned.plan->survey.sum_count, 6);
    assert_int_equal(planned.plan->pass_count, 2);
    assert_true(planned.plan->gather);
    assert_int_equal(planned.plan->how.area_count, 3);
    planned_finish(&planned);

    planned_good(&planned, text_of("merge_method: bulyan\nparameters: {f: 1}\n", SEVEN));
    assert_int_equal(planned.plan->survey.need, OF_GRAM_FULL);
    assert_int_equal(planned.plan->pass_count, 2);
    assert_true(planned.plan->gather);
    assert_true(planned.plan->rows[0].coefs[0] == 0.0F);
    assert_true(global(planned.plan, planned.plan->rows[0].global, "f") == 1.0);
    planned_finish(&planned);
}

static void element_wise_rules_have_shares_and_settings_per_tensor(void **state)
{
    struct planned planned;
    const struct of_row *row;

    (void)state;
    planned_good(&planned, text_of("merge_method: median\n", THREE));
    assert_int_equal(planned.plan->survey.need, OF_GRAM_NONE);
    assert_int_equal(planned.plan->pass_count, 1);
    assert_true(planned.plan->gather);
    row = planned_row(&planned, "lm_head.weight");
    assert_true(row->coefs[0] > 0.0F && row->coefs[0] == row->coefs[2]);
    assert_non_null(row->global);
    planned_finish(&planned);

    planned_good(&planned, text_of("merge_method: fedgma\nparameters: {rho: [0.2, 0.8]}\n", THREE));
    assert_int_equal(planned.plan->row_count, 2);
    row = planned_row(&planned, "lm_head.weight");
    assert_true(global(planned.plan, row->global, "rho") == 0.2);
    row = planned_row(&planned, "model.layers.1.mlp.w");
    assert_true(global(planned.plan, row->global, "rho") == 0.8);
    planned_finish(&planned);
}

static void both_forms_of_the_factor_stand_side_by_side(void **state)
{
    static const struct {
        const char *lines;
        double lambda;
        double beta;
    } rows[] = {
        {"merge_method: cclip\nparameters: {radius: 1, lambda: 0.6}\n", 0.2, 0.6},
        {"merge_method: cclip\nscale: sum\nparameters: {radius: 1, lambda: 0.2}\n", 0.2, 0.6},
        {"merge_method: cclip\nscale: sum\nparameters: {radius: 1}\n", 1.0, 3.0},
        {"merge_method: fedgma\nparameters: {rho: 0.4}\n", 1.0 / 3.0, 1.0},
        {"merge_method: median\nparameters: {beta: 1.5}\n", 0.5, 1.5},
        {"merge_method: feddyn\n", 2.0 / 3.0, 2.0},
        {"merge_method: task_arithmetic\nscale: mean\nparameters: {weight: 1}\n", 1.0 / 3.0, 1.0},
    };
    struct planned planned;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct of_row *row;

        planned_good(&planned, text_of(rows[i].lines, THREE));
        row = planned_row(&planned, "lm_head.weight");
        if (!planned.plan->has_row_lambda || !row->has_factor ||
            fabs(row->lambda - rows[i].lambda) > 1e-15 || fabs(row->beta - rows[i].beta) > 1e-15) {
            fail_msg("%s: lambda %.17g, beta %.17g", rows[i].lines, row->lambda, row->beta);
        }
        planned_finish(&planned);
    }
    /* The rule finds the step itself, after the statistics. */
    planned_good(&planned, text_of("merge_method: fedexp\n", THREE));
    assert_false(planned.plan->has_row_lambda);
    assert_false(planned.plan->rows[0].has_factor);
    planned_finish(&planned);
}

static void rules_that_look_at_values_refuse_what_is_not_finite(void **state)
{
    static const char *const lines[] = {
        "merge_method: median\n", "merge_method: geometric_median\n",
        "merge_method: fedgma\nparameters: {rho: 0.4}\n", "merge_method: fedexp\n"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct planned planned;

        planned_parse(&planned, text_of(lines[i], THREE));
        planned.options.nonfinite = OF_NONFINITE_KEEP;
        planned_build(&planned);
        assert_int_equal(planned.status, ONEFOLD_E_ARGUMENT);
        assert_true(planned_found(&planned, "error argument", "--nonfinite keep: the method"));
        planned_finish(&planned);
    }
}

static void refused(const char *lines, const char *id, const char *part)
{
    struct planned planned;
    char level[80];

    planned_parse(&planned, text_of(lines, THREE));
    planned_build(&planned);
    (void)snprintf(level, sizeof(level), "error %s", id);
    assert_int_not_equal(planned.status, ONEFOLD_OK);
    assert_true(planned_found(&planned, level, part));
    planned_finish(&planned);
}

static void what_acts_on_whole_models_is_one_value(void **state)
{
    struct planned planned;

    (void)state;
    refused("merge_method: cclip\nparameters: {radius: [1, 2]}\n", "recipe-value", "radius");
    refused("merge_method: cclip\nparameters: {radius: [{filter: mlp, value: 1}]}\n",
            "recipe-value", "radius");
    refused("merge_method: geometric_median\nparameters: {weight: [1, 2]}\n", "recipe-value",
            "weight");
    refused("merge_method: cclip\nscope: tensor\nparameters: {radius: 1}\n", "recipe-scope",
            "whole model");
    refused("merge_method: fedexp\nparameters: {lambda: 1}\n", "recipe-param", "lambda");
    refused("merge_method: fedgma\n", "recipe-param", "rho");
    planned_parse(&planned, text_of("merge_method: median\n", THREE));
    planned.options.tensor_union = true;
    planned_build(&planned);
    assert_true(planned_found(&planned, "error argument", "--tensor-union"));
    planned_finish(&planned);
}

/* ---- Words of caution ---- */

static void cautions_are_reported_once_and_kept(void **state)
{
    struct planned planned;
    uint32_t count = 0;

    (void)state;
    planned_good(&planned,
                 text_of("merge_method: median\nparameters: {mode: lower}\n",
                         "base_model: @base\nmodels: [{model: @a}, {model: @b}, {model: @c}, "
                         "{model: @d}]\n"));
    assert_true(planned_found(&planned, "warning method-", "lower"));
    for (uint32_t i = 0; i < planned.finding_count; i++) {
        count += strstr(planned.findings[i], " warning method-") != NULL ? 1 : 0;
    }
    assert_int_equal(count, 1);
    count = 0;
    for (uint32_t i = 0; i < planned.plan->notice_count; i++) {
        count += strncmp(planned.plan->notices[i].id, "method-", 7) == 0 ? 1 : 0;
    }
    assert_int_equal(count, 1);
    planned_finish(&planned);
}

/* ---- Saved statistics ---- */

static struct of_stats_file *identify(const char *lines, struct of_arena *arena)
{
    struct planned planned;
    struct of_stats_file *stats = NULL;
    onefold_error err;

    planned_parse(&planned, text_of(lines, THREE));
    planned.options.compare = true;
    planned_build(&planned);
    assert_int_equal(planned.status, ONEFOLD_OK);
    assert_int_equal(of_plan_stats_identity(planned.plan, arena, &stats, &err), ONEFOLD_OK);
    planned_finish(&planned);
    stats->gram = OF_ARENA_NEW(arena, double, 9);
    assert_non_null(stats->gram);
    for (uint32_t i = 0; i < 9; i++) {
        stats->gram[i] = i % 4 == 0 ? 4.0 : 1.0;
    }
    return stats;
}

static void build_with(struct planned *planned, const char *lines, const char *inputs,
                       const struct of_stats_file *stats)
{
    planned_parse(planned, text_of(lines, inputs));
    planned->options.stats = stats;
    planned_build(planned);
}

static void saved_statistics_save_a_pass(void **state)
{
    static const char lines[] = "merge_method: geometric_median\n";
    struct of_sha256_digest hash;
    struct of_stats_file *stats;
    struct planned planned;
    struct of_arena arena;

    (void)state;
    of_arena_init(&arena, 0);
    stats = identify("merge_method: fedavg\n", &arena);
    planned_good(&planned, text_of(lines, THREE));
    hash = planned.plan->hash;
    planned_finish(&planned);

    build_with(&planned, lines, THREE, stats);
    assert_int_equal(planned.status, ONEFOLD_OK);
    assert_int_equal(planned.plan->pass_count, 1);
    assert_int_equal(planned.plan->survey.need, OF_GRAM_NONE);
    assert_false(planned.plan->gather);
    assert_ptr_not_equal(planned.plan->stats, stats);
    assert_true(planned.plan->stats->gram[0] == 4.0 && planned.plan->stats->gram[1] == 1.0);
    assert_int_equal(planned.plan->how.survey_bytes, 0);
    assert_int_equal(planned.plan->read_bytes, 4 * 2 * ELEMS + 4 * 8 * 5);
    /* The same bytes come out. */
    assert_memory_equal(&planned.plan->hash, &hash, sizeof(hash));
    planned_finish(&planned);

    /* A rule that needs none says so and goes on. */
    build_with(&planned, "merge_method: linear\nparameters: {weight: 1}\n", THREE, stats);
    assert_int_equal(planned.status, ONEFOLD_OK);
    assert_true(planned_found(&planned, "warning stats-unused", "linear"));
    assert_null(planned.plan->stats);
    planned_finish(&planned);
    of_arena_finish(&arena);
}

static void statistics_of_other_inputs_are_refused(void **state)
{
    static const char lines[] = "merge_method: cclip\nparameters: {radius: 1}\n";
    static const struct timespec times[2] = {{1000, 5}, {1000, 5}};
    const struct tmpdir_name file = tmpdir_join(dir.path, "c/model.safetensors");
    struct of_stats_file *stats;
    struct planned planned;
    struct of_arena arena;
    struct stat before;

    (void)state;
    of_arena_init(&arena, 0);
    stats = identify("merge_method: fedavg\n", &arena);
    build_with(&planned, lines, SEVEN, stats);
    assert_string_equal(planned.err.id, "stats-mismatch");
    assert_non_null(strstr(planned.err.message, "3 inputs"));
    planned_finish(&planned);

    assert_int_equal(stat(file.text, &before), 0);
    assert_int_equal(utimensat(AT_FDCWD, file.text, times, 0), 0);
    build_with(&planned, lines, THREE, stats);
    assert_int_equal(planned.status, ONEFOLD_E_MISMATCH);
    assert_string_equal(planned.err.id, "stats-mismatch");
    assert_non_null(strstr(planned.err.message, "c is not what"));
    planned_finish(&planned);
    assert_int_equal(
        utimensat(AT_FDCWD, file.text, (struct timespec[]){before.st_atim, before.st_mtim}, 0), 0);

    build_with(&planned, lines, THREE, stats);
    assert_int_equal(planned.status, ONEFOLD_OK);
    planned_finish(&planned);

    stats->tensors.bytes[7] ^= 1;
    build_with(&planned, lines, THREE, stats);
    assert_string_equal(planned.err.id, "stats-mismatch");
    assert_non_null(strstr(planned.err.message, "tensors"));
    planned_finish(&planned);

    stats->base.bytes[7] ^= 1;
    build_with(&planned, lines, THREE, stats);
    assert_non_null(strstr(planned.err.message, "base is not what"));
    planned_finish(&planned);
    of_arena_finish(&arena);
}

/* ---- Plans that only look ---- */

static void compare(struct planned *planned, const char *lines, const char *inputs)
{
    planned_parse(planned, text_of(lines, inputs));
    planned->options.compare = true;
    planned_build(planned);
}

static void any_method_may_be_compared(void **state)
{
    static const struct {
        const char *lines;
        double lambda;
    } rows[] = {
        {"merge_method: linear\n", 1.0 / 3.0},
        {"merge_method: ties\ntokenizer_source: union\n", 1.0 / 3.0},
        {"merge_method: fedavg\n", 1.0 / 3.0},
        {"merge_method: fednova\nparameters: {beta: 0.9}\n", 0.3},
        {"merge_method: task_arithmetic\nparameters: {lambda: 0.4}\n", 0.4},
        {"merge_method: cclip\n", 1.0 / 3.0},
        {"merge_method: krum\nparameters: {f: 9}\n", 1.0 / 3.0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct planned planned;
        const struct of_plan *plan;

        compare(&planned, rows[i].lines, THREE);
        if (planned.status != ONEFOLD_OK) {
            fail_msg("%s: %s", rows[i].lines, planned.err.message);
        }
        plan = planned.plan;
        assert_true(plan->compare && plan->gather && plan->has_base);
        assert_int_equal(plan->pass_count, 1);
        assert_int_equal(plan->survey.need, OF_GRAM_FULL);
        assert_true(plan->survey.elementwise);
        assert_int_equal(plan->survey.sum_count, 6 + 2);
        assert_int_equal(plan->survey.count_count, 17);
        assert_int_equal(plan->step_count, 3);
        assert_int_equal(plan->row_count, 1);
        assert_true(plan->has_row_lambda);
        assert_true(fabs(plan->rows[0].lambda - rows[i].lambda) < 1e-15);
        assert_int_equal(plan->read_bytes, 4 * 2 * ELEMS);
        assert_int_equal(plan->write_bytes, 0);
        assert_int_equal(plan->side.count, 0);
        planned_finish(&planned);
    }
}

static void what_differs_is_left_out_and_said(void **state)
{
    struct planned planned;

    (void)state;
    compare(&planned, "merge_method: median\n",
            "base_model: @base\nmodels: [{model: @a}, {model: @other}]\n");
    assert_int_equal(planned.status, ONEFOLD_OK);
    assert_int_equal(planned.plan->step_count, 1);
    assert_int_not_equal(planned_step(&planned, "model.layers.0.mlp.w"), OF_MAP_NONE);
    assert_true(planned_found(&planned, "warning plan-left-out",
                              "\"lm_head.weight\" is not compared: it has another shape in other"));
    assert_true(planned_found(&planned, "warning plan-left-out",
                              "\"model.layers.1.mlp.w\" is not compared: it is missing in other"));
    assert_true(planned_found(&planned, "warning plan-left-out",
                              "\"more\" is not compared: it is missing in the base"));
    assert_int_equal(planned.plan->notice_count, 3);
    planned_finish(&planned);
}

static void compare_needs_a_base(void **state)
{
    struct planned planned;

    (void)state;
    compare(&planned, "merge_method: linear\n", "models: [{model: @a}, {model: @b}]\n");
    assert_int_equal(planned.status, ONEFOLD_E_RECIPE);
    assert_true(planned_found(&planned, "error recipe-base", "compare needs base_model"));
    planned_finish(&planned);
}

/* ---- The hash ---- */

static void the_hash_covers_what_solve_is_asked_with(void **state)
{
    static const char *const lines[] = {
        "merge_method: cclip\nparameters: {radius: 1}\n",
        "merge_method: cclip\nparameters: {radius: 2}\n",
        "merge_method: cclip\nparameters: {radius: 2, iterations: 3}\n",
        "merge_method: geometric_median\n",
        "merge_method: geometric_median\nparameters: {eps: 0.01}\n",
        "merge_method: median\n",
        "merge_method: median\nparameters: {mode: upper}\n",
    };
    enum { COUNT = sizeof(lines) / sizeof(lines[0]) };
    struct of_sha256_digest hashes[COUNT];

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        struct planned planned;

        planned_good(&planned, text_of(lines[i], THREE));
        hashes[i] = planned.plan->hash;
        for (size_t k = 0; k < i; k++) {
            assert_memory_not_equal(&hashes[i], &hashes[k], sizeof(hashes[i]));
        }
        planned_finish(&planned);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(norms_are_surveyed_and_inputs_come_and_go),
        cmocka_unit_test(inner_products_need_all_inputs_together),
        cmocka_unit_test(element_wise_rules_have_shares_and_settings_per_tensor),
        cmocka_unit_test(both_forms_of_the_factor_stand_side_by_side),
        cmocka_unit_test(rules_that_look_at_values_refuse_what_is_not_finite),
        cmocka_unit_test(what_acts_on_whole_models_is_one_value),
        cmocka_unit_test(cautions_are_reported_once_and_kept),
        cmocka_unit_test(saved_statistics_save_a_pass),
        cmocka_unit_test(statistics_of_other_inputs_are_refused),
        cmocka_unit_test(any_method_may_be_compared),
        cmocka_unit_test(what_differs_is_left_out_and_said),
        cmocka_unit_test(compare_needs_a_base),
        cmocka_unit_test(the_hash_covers_what_solve_is_asked_with),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
