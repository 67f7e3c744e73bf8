/* SPDX-License-Identifier: Apache-2.0 */
/* Public functions about recipes, plans and runs, up to a whole merge through the public headers.
 */
#include "support/mkckpt.h"
#include "support/oracle.h"
#include "support/tmpdir.h"

#include <onefold/onefold.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tmpdir dir;

/* A base and two models of one tensor each; returns a recipe for them. */
static char *make_models(void)
{
    static const double base[] = {1, 2, 3, 4};
    static const double first[] = {2, 2, 3, 4};
    static const double second[] = {4, 3, 3, 0};
    static char recipe[4 * TMPDIR_PATH_MAX];
    struct mk_tensor tensor = {
        .name = "w", .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = {4}, .values = base};

    mk_folder(tmpdir_join(dir.path, "base").text, &tensor, 1);
    tensor.values = first;
    mk_folder(tmpdir_join(dir.path, "first").text, &tensor, 1);
    tensor.values = second;
    mk_folder(tmpdir_join(dir.path, "second").text, &tensor, 1);
    (void)snprintf(recipe, sizeof(recipe),
                   "merge_method: task_arithmetic\nbase_model: \"%s/base\"\nmodels:\n"
                   "  - model: \"%s/first\"\n  - model: \"%s/second\"\n"
                   "parameters: {weight: 1, lambda: 0.5}\n",
                   dir.path, dir.path, dir.path);
    return recipe;
}

static int set_up(void **state)
{
    (void)state;
    dir = tmpdir_make();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tmpdir_remove(&dir);
    return 0;
}

static onefold_plan *make_plan(onefold_recipe **ret_recipe)
{
    const char *text = make_models();
    onefold_plan *plan = NULL;
    onefold_error err;

    if (onefold_recipe_parse(text, strlen(text), "r", NULL, NULL, ret_recipe, &err) != ONEFOLD_OK ||
        onefold_plan_build(*ret_recipe, NULL, &plan, &err) != ONEFOLD_OK) {
        fail_msg("%s", err.message);
    }
    return plan;
}

struct seen {
    unsigned errors;
    unsigned others;
    uint32_t line;
};

static void count_notice(void *context, const onefold_notice *notice)
{
    struct seen *seen = context;

    if (notice->level == ONEFOLD_LEVEL_ERROR) {
        seen->errors++;
        seen->line = notice->line;
    } else {
        seen->others++;
    }
}

static void recipe_errors_come_with_places(void **state)
{
    static const char text[] = "merge_method: linear\nmodles: []\n";
    struct seen seen = {0};
    onefold_recipe *recipe = NULL;
    onefold_error err;

    (void)state;
    assert_int_equal(
        onefold_recipe_parse(text, sizeof(text) - 1, "r.yml", count_notice, &seen, &recipe, &err),
        ONEFOLD_E_RECIPE);
    assert_true(seen.errors >= 1);
    assert_null(recipe);
    assert_non_null(err.id);
    assert_true(err.message[0] != '\0');
    assert_int_equal(onefold_recipe_parse(NULL, 3, "r", NULL, NULL, &recipe, &err),
                     ONEFOLD_E_ARGUMENT);
    assert_int_equal(onefold_recipe_parse(text, UINT64_C(2) << 20, "r", NULL, NULL, &recipe, NULL),
                     ONEFOLD_E_RECIPE);
}

static void recipe_file_is_loaded(void **state)
{
    const struct tmpdir_name path = tmpdir_join(dir.path, "r.yml");
    onefold_recipe *recipe = NULL;
    onefold_error err;

    (void)state;
    tmpdir_write_text(path.text, make_models());
    assert_int_equal(onefold_recipe_load(path.text, NULL, NULL, &recipe, &err), ONEFOLD_OK);
    onefold_recipe_free(recipe);
    recipe = NULL;
    assert_int_equal(onefold_recipe_load("/nonexistent.yml", NULL, NULL, &recipe, &err),
                     ONEFOLD_E_MISSING);
    assert_null(recipe);
    assert_int_equal(onefold_recipe_load(dir.path, NULL, NULL, &recipe, NULL),
                     ONEFOLD_E_UNSUPPORTED);
    onefold_recipe_free(NULL);
}

static void plan_options_have_defaults_and_bounds(void **state)
{
    const char *text = make_models();
    onefold_recipe *recipe = NULL;
    onefold_plan *plan = NULL;
    onefold_plan_options options;

    (void)state;
    onefold_plan_options_init(&options);
    assert_int_equal(options.out_shard_bytes, UINT64_C(5000000000));
    assert_int_equal(options.sums, ONEFOLD_SUM_SHA256 | ONEFOLD_SUM_XXH128);
    assert_int_equal(options.copy_tokenizer, 1);
    assert_int_equal(options.write_model_card, 1);
    assert_int_equal(onefold_recipe_parse(text, strlen(text), "r", NULL, NULL, &recipe, NULL),
                     ONEFOLD_OK);
    options.sums = 4;
    assert_int_equal(onefold_plan_build(recipe, &options, &plan, NULL), ONEFOLD_E_ARGUMENT);
    onefold_plan_options_init(&options);
    options.direct = 3;
    assert_int_equal(onefold_plan_build(recipe, &options, &plan, NULL), ONEFOLD_E_ARGUMENT);
    onefold_plan_options_init(&options);
    options.nonfinite = 2;
    assert_int_equal(onefold_plan_build(recipe, &options, &plan, NULL), ONEFOLD_E_ARGUMENT);
    onefold_plan_options_init(&options);
    options.out_dtype_given = 1;
    options.out_dtype = ONEFOLD_DTYPE_I64;
    assert_int_equal(onefold_plan_build(recipe, &options, &plan, NULL), ONEFOLD_E_ARGUMENT);
    onefold_plan_options_init(&options);
    options.tensor_union = 1;
    options.tensor_intersection = 1;
    assert_int_equal(onefold_plan_build(recipe, &options, &plan, NULL), ONEFOLD_E_ARGUMENT);
    onefold_plan_options_init(&options);
    options.reserved[7] = 1;
    assert_int_equal(onefold_plan_build(recipe, &options, &plan, NULL), ONEFOLD_E_ARGUMENT);
    assert_int_equal(onefold_plan_build(NULL, NULL, &plan, NULL), ONEFOLD_E_ARGUMENT);
    onefold_plan_options_init(&options);
    options.memory_bytes = 1 << 20;
    assert_int_equal(onefold_plan_build(recipe, &options, &plan, NULL), ONEFOLD_E_MEMORY);
    assert_null(plan);
    onefold_plan_free(NULL);
    onefold_recipe_free(recipe);
}

static int count_bytes(void *context, const char *data, uint64_t length)
{
    (void)data;
    *(uint64_t *)context += length;
    return 1;
}

static int stop_at_once(void *context, const char *data, uint64_t length)
{
    (void)data;
    (void)length;
    *(uint64_t *)context += 1;
    return 0;
}

static void plan_is_printed_in_three_forms(void **state)
{
    onefold_recipe *recipe = NULL;
    onefold_plan *plan = make_plan(&recipe);
    onefold_plan_info info;
    uint64_t count = 0;

    (void)state;
    onefold_plan_get_info(plan, &info);
    assert_int_equal(info.tensor_count, 1);
    assert_int_equal(info.shard_count, 1);
    assert_int_equal(info.input_count, 2);
    assert_int_equal(info.read_bytes, 3 * 16);
    assert_int_equal(strlen(info.hash), 64);
    for (int form = ONEFOLD_PLAN_TEXT; form <= ONEFOLD_PLAN_JSON; form++) {
        count = 0;
        assert_int_equal(onefold_plan_write(plan, form, count_bytes, &count, NULL), ONEFOLD_OK);
        assert_true(count > 100);
    }
    count = 0;
    (void)onefold_plan_write(plan, ONEFOLD_PLAN_TEXT, stop_at_once, &count, NULL);
    assert_int_equal(count, 1);
    assert_int_equal(onefold_plan_write(plan, 3, count_bytes, &count, NULL), ONEFOLD_E_ARGUMENT);
    assert_int_equal(onefold_plan_write(NULL, 0, count_bytes, &count, NULL), ONEFOLD_E_ARGUMENT);
    onefold_plan_get_info(NULL, &info);
    assert_int_equal(info.tensor_count, 0);
    onefold_plan_free(plan);
    onefold_recipe_free(recipe);
}

static void merge_gives_the_values(void **state)
{
    static const double want[] = {3, 2.5, 3, 2}; /* base + 0.5 * sum of the differences */
    const struct tmpdir_name out = tmpdir_join(dir.path, "out");
    onefold_recipe *recipe = NULL;
    onefold_plan *plan = make_plan(&recipe);
    onefold_run_stats stats;
    onefold_verify_result verified;
    onefold_plan_info info;
    struct oracle_model model;
    onefold_error err;

    (void)state;
    assert_int_equal(onefold_run_check(plan, out.text, NULL, &err), ONEFOLD_OK);
    assert_false(tmpdir_exists(out.text));
    if (onefold_run(plan, out.text, NULL, &stats, &err) != ONEFOLD_OK) {
        fail_msg("%s", err.message);
    }
    onefold_plan_get_info(plan, &info);
    assert_string_equal(stats.plan_hash, info.hash);
    assert_int_equal(strlen(stats.checkpoint_digest), 32);
    assert_int_equal(strlen(stats.signing_root), 64);
    assert_int_equal(stats.tensor_count, 1);
    oracle_read(out.text, &model);
    for (uint64_t i = 0; i < 4; i++) {
        assert_true(oracle_get(oracle_find(&model, "w"), i) == want[i]);
    }
    oracle_free(&model);

    assert_int_equal(onefold_verify(out.text, NULL, &verified, &err), ONEFOLD_OK);
    assert_int_equal(verified.had_manifest, 1);
    assert_int_equal(verified.finding_count, 0);
    assert_string_equal(verified.checkpoint_digest, stats.checkpoint_digest);

    assert_int_equal(onefold_run(plan, out.text, NULL, NULL, &err), ONEFOLD_E_EXISTS);
    assert_string_equal(err.id, "target-exists");
    onefold_plan_free(plan);
    onefold_recipe_free(recipe);
}

static void cancelled_run_leaves_nothing(void **state)
{
    const struct tmpdir_name out = tmpdir_join(dir.path, "out");
    onefold_recipe *recipe = NULL;
    onefold_plan *plan = make_plan(&recipe);
    onefold_run_options options;
    onefold_cancel cancel = {0};
    onefold_error err;

    (void)state;
    onefold_cancel_request(&cancel, 15);
    onefold_cancel_request(NULL, 15);
    assert_int_equal(cancel.signal_number, 15);
    onefold_run_options_init(&options);
    options.cancel = &cancel;
    assert_int_equal(onefold_run(plan, out.text, &options, NULL, &err), ONEFOLD_E_CANCELLED);
    assert_false(tmpdir_exists(out.text));
    assert_int_equal(onefold_run(plan, "", NULL, NULL, &err), ONEFOLD_E_ARGUMENT);
    assert_int_equal(onefold_run(NULL, out.text, NULL, NULL, &err), ONEFOLD_E_ARGUMENT);
    options.reserved[0] = 1;
    assert_int_equal(onefold_run(plan, out.text, &options, NULL, NULL), ONEFOLD_E_ARGUMENT);
    assert_int_equal(onefold_run_check(NULL, out.text, NULL, NULL), ONEFOLD_E_ARGUMENT);
    onefold_plan_free(plan);
    onefold_recipe_free(recipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(recipe_errors_come_with_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(recipe_file_is_loaded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(plan_options_have_defaults_and_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(plan_is_printed_in_three_forms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(merge_gives_the_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cancelled_run_leaves_nothing, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
