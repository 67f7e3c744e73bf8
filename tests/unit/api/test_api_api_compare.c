/* SPDX-License-Identifier: Apache-2.0 */
/* Comparisons of small checkpoints through the public functions, and statistics kept in a file. */
#include "support/mkckpt.h"
#include "support/tmpdir.h"

#include <onefold/onefold.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { INPUTS = 4, ELEMS = 6 };

/* Set A of the golden vectors; the base is zero. */
static const double golden[INPUTS][ELEMS] = {{1, -2, .5, 0, 3, -.25},
                                             {2, 1, .5, 0, -1, -.5},
                                             {-1, -3, 0, .25, 2, -1},
                                             {4, -1, -.5, -.25, 5, .75}};
static struct tmpdir dir;

static void make_model(const char *name, onefold_dtype dtype, const double *values)
{
    struct mk_tensor tensors[] = {
        {.name = "h.0.w", .dtype = dtype, .rank = 1, .shape = {3}, .values = values},
        {.name = "h.1.w", .dtype = dtype, .rank = 1, .shape = {3}, .values = values + 3}};

    mk_folder(tmpdir_join(dir.path, name).text, tensors, 2);
}

static int set_up(void **state)
{
    static const double zero[ELEMS];
    char name[8];

    (void)state;
    dir = tmpdir_make();
    make_model("base", ONEFOLD_DTYPE_BF16, zero);
    for (uint32_t i = 0; i < INPUTS; i++) {
        (void)snprintf(name, sizeof(name), "t%u", i + 1);
        make_model(name, ONEFOLD_DTYPE_BF16, golden[i]);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tmpdir_remove(&dir);
    return 0;
}

/* `inputs` are digits: "134" takes t1, t3 and t4. */
static onefold_recipe *make_recipe(const char *method, const char *inputs, const char *more)
{
    static char text[8 * TMPDIR_PATH_MAX];
    onefold_recipe *recipe = NULL;
    onefold_error err;
    size_t used = (size_t)snprintf(text, sizeof(text),
                                   "merge_method: %s\nbase_model: \"%s/base\"\n%s\nmodels:\n",
                                   method, dir.path, more);

    for (; *inputs != '\0'; inputs++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "  - model: \"%s/t%c\"\n",
                                 dir.path, *inputs);
    }
    if (onefold_recipe_parse(text, used, "r", NULL, NULL, &recipe, &err) != ONEFOLD_OK) {
        fail_msg("%s", err.message);
    }
    return recipe;
}

static onefold_comparison *run_compare(const onefold_recipe *recipe,
                                       const onefold_plan_options *given, const char *stats_path)
{
    onefold_plan_options options;
    onefold_plan *plan = NULL;
    onefold_comparison *comparison = NULL;
    onefold_error err;

    onefold_plan_options_init(&options);
    if (given != NULL) {
        options = *given;
    }
    options.compare = 1;
    if (onefold_plan_build(recipe, &options, &plan, &err) != ONEFOLD_OK ||
        onefold_compare(plan, NULL, stats_path, &comparison, &err) != ONEFOLD_OK) {
        fail_msg("%s", err.message);
    }
    onefold_plan_free(plan);
    return comparison;
}

static void golden_vectors_come_out_of_files(void **state)
{
    static const double gram[] = {14.3125, -2.625, 11.25,  20.5625, -2.625,  6.5,
                                  -6.5,    1.375,  11.25,  -6.5,    15.0625, 8.1875,
                                  20.5625, 1.375,  8.1875, 42.875};
    onefold_recipe *recipe = make_recipe("fedavg", "1234", "");
    onefold_comparison *comparison = run_compare(recipe, NULL, NULL);
    const onefold_compare_result *result = onefold_comparison_result(comparison);

    (void)state;
    assert_int_equal(result->input_count, INPUTS);
    assert_string_equal(result->names[2], "t3");
    assert_string_equal(result->base_name, "base");
    assert_memory_equal(result->groups[0].gram, gram, sizeof(gram));
    assert_true(result->lambda == .25 && result->beta == 1);
    assert_true(fabs(result->groups[0].mean_cosine - .178626525) < 1e-8);
    /* The model, two layers, one kind; layers and kinds add up to it. */
    assert_int_equal(result->group_count, 4);
    for (uint32_t i = 0; i < 16; i++) {
        assert_true(result->groups[1].gram[i] + result->groups[2].gram[i] == gram[i]);
        assert_true(result->groups[3].gram[i] == gram[i]);
    }
    assert_true(result->read_bytes > 0 && result->seconds >= 0);
    onefold_comparison_free(comparison);
    onefold_recipe_free(recipe);
}

static void planned_step_is_the_recipes(void **state)
{
    onefold_recipe *recipe =
        make_recipe("task_arithmetic", "12", "parameters: {weight: 1, lambda: 0.3}");
    onefold_comparison *comparison = run_compare(recipe, NULL, NULL);

    (void)state;
    assert_true(onefold_comparison_result(comparison)->lambda == .3);
    assert_true(onefold_comparison_result(comparison)->beta == .6);
    onefold_comparison_free(comparison);
    onefold_recipe_free(recipe);
}

/* Neither memory nor workers nor backend changes a bit. */
static void numbers_do_not_depend_on_how(void **state)
{
    static const char *const backends[] = {"threads", "mmap"};
    onefold_recipe *recipe = make_recipe("fedavg", "1234", "");
    onefold_comparison *one = run_compare(recipe, NULL, NULL);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        onefold_plan_options options;
        onefold_comparison *two;

        onefold_plan_options_init(&options);
        options.io = backends[i];
        options.worker_count = 1 + 3 * (uint32_t)i;
        options.memory_bytes = UINT64_C(64) << 20;
        two = run_compare(recipe, &options, NULL);
        for (uint64_t g = 0; g < onefold_comparison_result(one)->group_count; g++) {
            assert_memory_equal(onefold_comparison_result(one)->groups[g].gram,
                                onefold_comparison_result(two)->groups[g].gram,
                                INPUTS * INPUTS * sizeof(double));
        }
        onefold_comparison_free(two);
    }
    onefold_comparison_free(one);
    onefold_recipe_free(recipe);
}

static onefold_status plan_with(const char *inputs, const char *stats_path, onefold_error *err)
{
    onefold_recipe *recipe = make_recipe("fedexp", inputs, "");
    onefold_plan_options options;
    onefold_plan *plan = NULL;
    onefold_status status;

    onefold_plan_options_init(&options);
    options.stats_path = stats_path;
    status = onefold_plan_build(recipe, &options, &plan, err);
    onefold_plan_free(plan);
    onefold_recipe_free(recipe);
    return status;
}

static void statistics_are_kept_and_tied_to_inputs(void **state)
{
    const struct tmpdir_name path = tmpdir_join(dir.path, "stats.json");
    const struct tmpdir_name left = tmpdir_join(dir.path, "stats.json.onefold-partial");
    onefold_recipe *recipe = make_recipe("fedavg", "1234", "");
    onefold_error err;

    (void)state;
    tmpdir_write_text(left.text, "left by a run that was killed");
    onefold_comparison_free(run_compare(recipe, NULL, path.text));
    assert_true(tmpdir_exists(path.text));
    assert_false(tmpdir_exists(left.text));
    /* Again, over the old file. */
    onefold_comparison_free(run_compare(recipe, NULL, path.text));
    assert_false(tmpdir_exists(left.text));
    if (plan_with("1234", path.text, &err) != ONEFOLD_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(plan_with("1243", path.text, &err), ONEFOLD_E_MISMATCH);
    assert_string_equal(err.id, "stats-mismatch");
    assert_int_equal(plan_with("123", path.text, &err), ONEFOLD_E_MISMATCH);
    tmpdir_write_text(path.text, "{}");
    assert_true(plan_with("1234", path.text, &err) != ONEFOLD_OK);
    assert_non_null(strstr(err.message, "stats.json"));
    assert_int_equal(plan_with("1234", "/nonexistent/stats.json", &err), ONEFOLD_E_MISSING);
    onefold_recipe_free(recipe);
}

static void check_place(const onefold_plan *plan, const char *path, const char *id)
{
    onefold_comparison *comparison = NULL;
    onefold_error err;

    assert_true(onefold_compare(plan, NULL, path, &comparison, &err) != ONEFOLD_OK);
    assert_string_equal(err.id, id);
    assert_null(comparison);
}

static void places_are_checked_before_reading(void **state)
{
    const struct tmpdir_name input = tmpdir_join(dir.path, "t1/model.safetensors");
    const struct tmpdir_name link = tmpdir_join(dir.path, "link.json");
    onefold_recipe *recipe = make_recipe("fedavg", "12", "");
    onefold_plan_options options;
    onefold_plan *plan = NULL;
    size_t before;
    size_t after;

    (void)state;
    onefold_plan_options_init(&options);
    options.compare = 1;
    assert_int_equal(onefold_plan_build(recipe, &options, &plan, NULL), ONEFOLD_OK);
    free(tmpdir_read(input.text, &before));
    tmpdir_link("stats.json", link.text);
    check_place(plan, input.text, "target-is-input");
    check_place(plan, dir.path, "target-kind");
    check_place(plan, link.text, "target-kind");
    check_place(plan, "/nonexistent/stats.json", "target-path");
    check_place(plan, "", "argument");
    free(tmpdir_read(input.text, &after));
    assert_int_equal(before, after);
    onefold_plan_free(plan);
    onefold_recipe_free(recipe);
}

static void values_that_are_not_finite_are_counted_not_saved(void **state)
{
    static const double odd[ELEMS] = {(double)NAN, 1, (double)INFINITY, 1, 1, 1};
    const struct tmpdir_name path = tmpdir_join(dir.path, "odd.json");
    onefold_recipe *recipe;
    onefold_comparison *comparison;
    onefold_comparison *none = NULL;
    onefold_plan_options options;
    onefold_plan *plan = NULL;
    onefold_error err;

    (void)state;
    make_model("t9", ONEFOLD_DTYPE_F32, odd);
    recipe = make_recipe("fedavg", "19", "");
    comparison = run_compare(recipe, NULL, NULL);
    assert_int_equal(onefold_comparison_result(comparison)->groups[0].nan_count[1], 1);
    assert_int_equal(onefold_comparison_result(comparison)->groups[0].inf_count[1], 1);
    assert_int_equal(onefold_comparison_result(comparison)->groups[0].nan_count[0], 0);
    /* The two elements are left out of the other input's norm, too. */
    assert_true(onefold_comparison_result(comparison)->groups[0].gram[0] == 4 + 9 + .0625);
    assert_string_equal(onefold_comparison_result(comparison)->findings[0].id, "compare-nonfinite");
    onefold_comparison_free(comparison);

    onefold_plan_options_init(&options);
    options.compare = 1;
    assert_int_equal(onefold_plan_build(recipe, &options, &plan, &err), ONEFOLD_OK);
    assert_int_equal(onefold_compare(plan, NULL, path.text, &none, &err), ONEFOLD_E_VALUE);
    assert_string_equal(err.id, "stats-value");
    assert_false(tmpdir_exists(path.text));
    assert_false(tmpdir_exists(tmpdir_join(dir.path, "odd.json.onefold-partial").text));
    onefold_plan_free(plan);
    onefold_recipe_free(recipe);
}

static void plans_have_one_purpose(void **state)
{
    onefold_recipe *recipe = make_recipe("fedavg", "12", "");
    onefold_comparison *comparison = NULL;
    onefold_plan_options options;
    onefold_plan *plan = NULL;

    (void)state;
    onefold_plan_options_init(&options);
    assert_int_equal(onefold_plan_build(recipe, &options, &plan, NULL), ONEFOLD_OK);
    assert_int_equal(onefold_compare(plan, NULL, NULL, &comparison, NULL), ONEFOLD_E_ARGUMENT);
    assert_int_equal(onefold_compare(NULL, NULL, NULL, &comparison, NULL), ONEFOLD_E_ARGUMENT);
    onefold_plan_free(plan);
    plan = NULL;
    options.compare = 1;
    assert_int_equal(onefold_plan_build(recipe, &options, &plan, NULL), ONEFOLD_OK);
    assert_int_equal(onefold_run(plan, tmpdir_join(dir.path, "out").text, NULL, NULL, NULL),
                     ONEFOLD_E_ARGUMENT);
    assert_int_equal(onefold_compare(plan, NULL, NULL, NULL, NULL), ONEFOLD_E_ARGUMENT);
    onefold_plan_free(plan);
    plan = NULL;
    options.stats_path = "x";
    assert_int_equal(onefold_plan_build(recipe, &options, &plan, NULL), ONEFOLD_E_ARGUMENT);
    assert_null(onefold_comparison_result(NULL));
    onefold_comparison_free(NULL);
    onefold_recipe_free(recipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_vectors_come_out_of_files),
        cmocka_unit_test(planned_step_is_the_recipes),
        cmocka_unit_test(numbers_do_not_depend_on_how),
        cmocka_unit_test(statistics_are_kept_and_tied_to_inputs),
        cmocka_unit_test(places_are_checked_before_reading),
        cmocka_unit_test(values_that_are_not_finite_are_counted_not_saved),
        cmocka_unit_test(plans_have_one_purpose),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
