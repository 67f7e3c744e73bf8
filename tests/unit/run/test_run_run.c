/* SPDX-License-Identifier: Apache-2.0 */
/* Whole runs over small checkpoints: what is in the folder, what is refused, what is left. */
#include "run/run.h"

#include "support/io_fake.h"
#include "support/merging.h"
#include "support/mkckpt.h"
#include "support/skip.h"
#include "support/tmpdir.h"
#include "sys/pagecache.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct tmpdir dir;
    struct tmpdir_name a;
    struct tmpdir_name b;
    struct tmpdir_name out;
    char recipe[TMPDIR_PATH_MAX * 3];
};

static const double ones[] = {1, 2, 3, 4, 5, 6};
static const double with_nan[] = {1, 2, 3, (double)NAN, 5, 6};
static const double large[] = {60000, 2, 3, 4, 5, 6};

static void make(const char *path, const double *values, onefold_dtype dtype)
{
    const struct mk_tensor tensors[] = {
        {.name = "w", .dtype = dtype, .rank = 2, .shape = {2, 3}, .values = values},
        {.name = "model.layers.0.v", .dtype = dtype, .rank = 1, .shape = {4}, .values = ones},
    };

    mk_folder(path, tensors, 2);
    mk_config(path, "float32");
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->dir = tmpdir_make();
    fixture->a = tmpdir_join(fixture->dir.path, "a");
    fixture->b = tmpdir_join(fixture->dir.path, "b");
    fixture->out = tmpdir_join(fixture->dir.path, "out");
    make(fixture->a.text, ones, ONEFOLD_DTYPE_F32);
    make(fixture->b.text, ones, ONEFOLD_DTYPE_F32);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    tmpdir_remove(&fixture->dir);
    free(fixture);
    return 0;
}

static const char *linear(struct fixture *fixture, const char *more)
{
    (void)snprintf(fixture->recipe, sizeof(fixture->recipe),
                   "merge_method: linear\n%smodels:\n  - model: %s\n    parameters: {weight: 1}\n"
                   "  - model: %s\n    parameters: {weight: 1}\n",
                   more, fixture->a.text, fixture->b.text);
    return fixture->recipe;
}

static bool in_out(const struct fixture *fixture, const char *name)
{
    return tmpdir_exists(tmpdir_join(fixture->out.text, name).text);
}

static int run_in(const char *folder, const char *command)
{
    char text[TMPDIR_PATH_MAX + 256];

    (void)snprintf(text, sizeof(text), "cd '%s' && %s", folder, command);
    return system(text);
}

static void remove_model(const char *folder)
{
    assert_int_equal(run_in(folder, "rm -f model.safetensors config.json && rmdir \"$PWD\""), 0);
}

static void assert_untouched(const struct fixture *fixture)
{
    /* a and b, nothing else */
    assert_int_equal(tmpdir_count(fixture->dir.path), 2);
}

static void test_folder_is_complete(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"model.safetensors",     "config.json", "tokenizer.json",
                                        "mergekit_config.yml",   "README.md",   "onefold.json",
                                        "onefold.leaves",        "SHA256SUMS",  "XXH128SUMS",
                                        "generation_config.json"};
    struct merging merging;

    tmpdir_write_text(tmpdir_join(fixture->a.text, "tokenizer.json").text, "{\"a\": 1}");
    tmpdir_write_text(tmpdir_join(fixture->a.text, "generation_config.json").text, "{}");
    tmpdir_write_text(tmpdir_join(fixture->a.text, "modeling.py").text, "import os");
    merging_init(&merging, fixture->out.text);
    if (merging_run(&merging, linear(fixture, "")) != ONEFOLD_OK) {
        fail_msg("%s [%s]", merging.error.message, merging.error.id);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!in_out(fixture, names[i])) {
            fail_msg("%s is missing", names[i]);
        }
    }
    assert_int_equal(tmpdir_count(fixture->out.text), sizeof(names) / sizeof(names[0]));
    assert_int_equal(run_in(fixture->out.text, "sha256sum --strict --quiet -c SHA256SUMS"), 0);
    assert_int_equal(tmpdir_count(fixture->dir.path), 3);
}

/* The same recipe twice: the same bytes in every file. */
static void test_twice_the_same(void **state)
{
    struct fixture *fixture = *state;
    struct tmpdir_name second = tmpdir_join(fixture->dir.path, "second");
    char command[3 * TMPDIR_PATH_MAX];
    struct merging merging;

    merging_init(&merging, fixture->out.text);
    assert_int_equal(merging_run(&merging, linear(fixture, "")), ONEFOLD_OK);
    merging_init(&merging, second.text);
    merging.plan_options.worker_count = 3;
    merging.plan_options.io_name = "threads";
    assert_int_equal(merging_run(&merging, linear(fixture, "")), ONEFOLD_OK);
    (void)snprintf(command, sizeof(command), "diff -r '%s' '%s'", fixture->out.text, second.text);
    assert_int_equal(system(command), 0);
}

static void test_sums_can_be_left_out(void **state)
{
    struct fixture *fixture = *state;
    struct merging merging;

    merging_init(&merging, fixture->out.text);
    merging.plan_options.sums = 0;
    assert_int_equal(merging_run(&merging, linear(fixture, "")), ONEFOLD_OK);
    assert_false(in_out(fixture, "SHA256SUMS"));
    assert_false(in_out(fixture, "XXH128SUMS"));
    assert_true(in_out(fixture, "onefold.json"));
    assert_false(merging.stats.has_signing_root);
}

static void test_existing_target_is_untouched(void **state)
{
    struct fixture *fixture = *state;
    struct merging merging;

    tmpdir_folder(fixture->out.text);
    tmpdir_write_text(tmpdir_join(fixture->out.text, "mine").text, "mine");
    merging_init(&merging, fixture->out.text);
    assert_int_equal(merging_run(&merging, linear(fixture, "")), ONEFOLD_E_EXISTS);
    assert_string_equal(merging.error.id, "target-exists");
    assert_int_equal(merging.error.state, ONEFOLD_STATE_SAME);
    assert_int_equal(tmpdir_count(fixture->out.text), 1);
    merging.run_options.force = true;
    assert_int_equal(merging_run(&merging, linear(fixture, "")), ONEFOLD_OK);
    assert_false(in_out(fixture, "mine"));
    assert_true(in_out(fixture, "onefold.json"));
    assert_int_equal(tmpdir_count(fixture->dir.path), 3);
}

/* A failed run with --force leaves the old output as it was. */
static void test_failure_keeps_the_old_output(void **state)
{
    struct fixture *fixture = *state;
    struct merging merging;

    tmpdir_folder(fixture->out.text);
    tmpdir_write_text(tmpdir_join(fixture->out.text, "mine").text, "mine");
    remove_model(fixture->b.text);
    make(fixture->b.text, with_nan, ONEFOLD_DTYPE_F32);
    merging_init(&merging, fixture->out.text);
    merging.run_options.force = true;
    assert_int_equal(merging_run(&merging, linear(fixture, "")), ONEFOLD_E_VALUE);
    assert_true(in_out(fixture, "mine"));
    assert_int_equal(tmpdir_count(fixture->dir.path), 3);
}

static void test_output_may_not_meet_an_input(void **state)
{
    struct fixture *fixture = *state;
    struct tmpdir_name inside = tmpdir_join(fixture->a.text, "out");
    struct tmpdir_name around = tmpdir_join(fixture->dir.path, "link");
    const struct {
        const char *path;
        bool force;
    } cases[] = {{inside.text, false},
                 {fixture->a.text, true},
                 {fixture->dir.path, true},
                 {around.text, true}};

    tmpdir_link(fixture->b.text, around.text);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct merging merging;

        merging_init(&merging, cases[i].path);
        merging.run_options.force = cases[i].force;
        assert_int_equal(merging_run(&merging, linear(fixture, "")), ONEFOLD_E_EXISTS);
        assert_string_equal(merging.error.id, "target-is-input");
    }
    assert_true(tmpdir_exists(tmpdir_join(fixture->a.text, "model.safetensors").text));
    assert_true(tmpdir_exists(tmpdir_join(fixture->b.text, "model.safetensors").text));
}

static void test_bad_target_paths(void **state)
{
    struct fixture *fixture = *state;
    struct tmpdir_name missing = tmpdir_join(fixture->dir.path, "no/such/out");
    char long_name[400];
    const char *paths[] = {missing.text, "/", "..", "", long_name};

    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct merging merging;

        merging_init(&merging, paths[i]);
        assert_int_equal(merging_run(&merging, linear(fixture, "")), ONEFOLD_E_EXISTS);
        assert_string_equal(merging.error.id, "target-path");
    }
    assert_untouched(fixture);
}

static void test_nan_in_an_input_is_named(void **state)
{
    struct fixture *fixture = *state;
    struct merging merging;

    remove_model(fixture->b.text);
    make(fixture->b.text, with_nan, ONEFOLD_DTYPE_F32);
    merging_init(&merging, fixture->out.text);
    assert_int_equal(merging_run(&merging, linear(fixture, "")), ONEFOLD_E_VALUE);
    assert_string_equal(merging.error.id, "value-input");
    assert_non_null(strstr(merging.error.message, "\"w\""));
    assert_non_null(strstr(merging.error.message, "element 3"));
    assert_int_equal(merging.error.state, ONEFOLD_STATE_DROP);
    assert_untouched(fixture);
    merging.plan_options.nonfinite = OF_NONFINITE_KEEP;
    assert_int_equal(merging_run(&merging, linear(fixture, "")), ONEFOLD_OK);
    assert_int_equal(run_in(fixture->out.text, "grep -q '\"nan_in\":1' onefold.json"), 0);
    assert_int_equal(run_in(fixture->out.text, "grep -q '\"nan_out\":1' onefold.json"), 0);
}

/* Finite inputs, a sum beyond the range of the output's type: told apart from a bad input. */
static void test_overflow_is_named(void **state)
{
    struct fixture *fixture = *state;
    struct merging merging;

    remove_model(fixture->a.text);
    make(fixture->a.text, large, ONEFOLD_DTYPE_F32);
    (void)snprintf(fixture->recipe, sizeof(fixture->recipe),
                   "merge_method: linear\nout_dtype: float16\nparameters: {normalize: false}\n"
                   "models:\n  - model: %s\n    parameters: {weight: 2}\n"
                   "  - model: %s\n    parameters: {weight: 1}\n",
                   fixture->a.text, fixture->b.text);
    merging_init(&merging, fixture->out.text);
    assert_int_equal(merging_run(&merging, fixture->recipe), ONEFOLD_E_VALUE);
    assert_string_equal(merging.error.id, "value-narrow");
    assert_non_null(strstr(merging.error.message, "\"w\""));
    assert_untouched(fixture);
    merging.plan_options.nonfinite = OF_NONFINITE_KEEP;
    assert_int_equal(merging_run(&merging, fixture->recipe), ONEFOLD_OK);
    assert_int_equal(run_in(fixture->out.text, "grep -q '\"overflow\":1' onefold.json"), 0);
}

/* Models a and b of one BF16 tensor of 3 MB each. */
static void make_large_inputs(const struct fixture *fixture)
{
    const struct mk_tensor tensors[] = {
        {.name = "w", .dtype = ONEFOLD_DTYPE_BF16, .rank = 2, .shape = {1500, 1001}, .seed = 1}};

    remove_model(fixture->a.text);
    remove_model(fixture->b.text);
    mk_folder(fixture->a.text, tensors, 1);
    mk_folder(fixture->b.text, tensors, 1);
}

/* Merges again into a second folder with a backend that asks no cache: the same bytes. */
static void assert_same_without_cache(struct fixture *fixture)
{
    struct tmpdir_name second = tmpdir_join(fixture->dir.path, "second");
    char command[3 * TMPDIR_PATH_MAX];
    struct merging merging;

    merging_init(&merging, second.text);
    merging.plan_options.io_name = "threads";
    assert_int_equal(merging_run(&merging, linear(fixture, "")), ONEFOLD_OK);
    assert_string_equal(merging.stats.io_name, "threads");
    assert_int_equal(merging.stats.cache_bytes, 0);
    (void)snprintf(command, sizeof(command), "diff -r '%s' '%s'", fixture->out.text, second.text);
    assert_int_equal(system(command), 0);
}

/* Are both models wholly in the page cache? A machine that is short of memory, or told to page out
 * what was not used for a while, takes them out at any time. */
static bool are_cached(const struct fixture *fixture)
{
    const char *const folders[] = {fixture->a.text, fixture->b.text};
    bool cached = true;

    for (size_t i = 0; i < 2; i++) {
        struct tmpdir_name path = tmpdir_join(folders[i], "model.safetensors");
        const int fd = open(path.text, O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        cached = of_pagecache_holds(fd, 0, UINT64_C(1500) * 1001 * 2) && cached;
        (void)close(fd);
    }
    return cached;
}

/* Inputs that were just written lie in the page cache and are taken from there. */
static void test_cached_inputs_are_not_read_again(void **state)
{
    struct fixture *fixture = *state;
    struct merging merging;

    make_large_inputs(fixture);
    merging_init(&merging, fixture->out.text);
    assert_int_equal(merging_run(&merging, linear(fixture, "")), ONEFOLD_OK);
    if (!are_cached(fixture)) {
        SKIP_TEST("the inputs left the page cache while the test ran");
    }
    assert_int_equal(merging.stats.cache_bytes, merging.stats.read_bytes);
    assert_int_equal(merging.stats.cache_bytes, 2 * UINT64_C(1500) * 1001 * 2);
    assert_same_without_cache(fixture);
}

/* Takes the pages of one model's file from byte `from` on out of the page cache. False where they
 * stay (a file system in memory). */
static bool drop_tail(const char *folder, uint64_t from)
{
    struct tmpdir_name path = tmpdir_join(folder, "model.safetensors");
    const int fd = open(path.text, O_RDWR | O_CLOEXEC);
    bool dropped;

    assert_true(fd >= 0);
    assert_int_equal(fdatasync(fd), 0);
    assert_int_equal(posix_fadvise(fd, (off_t)from, 0, POSIX_FADV_DONTNEED), 0);
    dropped = !of_pagecache_holds(fd, from, 1 << 20);
    (void)close(fd);
    return dropped;
}

/* What the page cache holds of a file is taken from there, the rest is read past it. */
static void test_half_cached_inputs_are_half_read(void **state)
{
    struct fixture *fixture = *state;
    struct merging merging;

    make_large_inputs(fixture);
    if (!are_cached(fixture) || !drop_tail(fixture->a.text, 1 << 20)) {
        SKIP_TEST("pages of this file system do not stay, or not leave, the page cache");
    }
    merging_init(&merging, fixture->out.text);
    assert_int_equal(merging_run(&merging, linear(fixture, "")), ONEFOLD_OK);
    assert_true(merging.stats.cache_bytes > 0);
    assert_true(merging.stats.cache_bytes < merging.stats.read_bytes);
    assert_same_without_cache(fixture);
}

static void test_run_check_writes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct of_report report = {0};
    const struct of_run_options options = {.output_path = fixture->out.text, .report = &report};
    struct of_plan_options plan_options;
    struct of_recipe *recipe = NULL;
    struct of_plan *plan = NULL;
    struct of_arena arena;
    onefold_error err;

    of_arena_init(&arena, 0);
    of_plan_options_init(&plan_options);
    assert_int_equal(
        of_recipe_parse(of_str_from(linear(fixture, "")), "r", &arena, &report, &recipe, &err),
        ONEFOLD_OK);
    assert_int_equal(of_plan_build(recipe, &plan_options, &report, &plan, &err), ONEFOLD_OK);
    assert_int_equal(of_run_check(plan, &options, &err), ONEFOLD_OK);
    assert_untouched(fixture);
    tmpdir_folder(fixture->out.text);
    assert_int_equal(of_run_check(plan, &options, &err), ONEFOLD_E_EXISTS);
    of_plan_free(plan);
    of_arena_finish(&arena);
}

/* Every allocation before and after the loop fails in turn: a clean refusal or a complete run. */
static void test_no_memory_anywhere(void **state)
{
    struct fixture *fixture = *state;
    bool done = false;

    for (uint64_t nth = 1; !done; nth++) {
        struct merging merging;
        onefold_status status;

        merging_init(&merging, fixture->out.text);
        merging.plan_options.io_name = "threads";
        linear(fixture, "");
        of_mem_fail_at(nth, true);
        status = merging_run(&merging, fixture->recipe);
        of_mem_fail_at(0, false);
        if (status == ONEFOLD_OK) {
            done = true;
            assert_true(in_out(fixture, "onefold.json"));
        } else {
            assert_untouched(fixture);
        }
        assert_true(nth < 5000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_folder_is_complete, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_twice_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sums_can_be_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_existing_target_is_untouched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failure_keeps_the_old_output, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_output_may_not_meet_an_input, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_target_paths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nan_in_an_input_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_overflow_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cached_inputs_are_not_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_half_cached_inputs_are_half_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_run_check_writes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory_anywhere, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("run_run", tests, NULL, NULL);
}
