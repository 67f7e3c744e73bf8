/* SPDX-License-Identifier: Apache-2.0 */
/* The staging folder: lock, take-over, refusals, commit, and what is left after each. */
#include "run/stage.h"
#include "sys/file.h"

#include "support/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct tmpdir dir;
    struct tmpdir_name out;
    struct tmpdir_name stage;
    struct tmpdir_name journal;
    struct of_arena arena;
    struct of_plan plan; /* the stage reads its hash only */
    struct of_target target;
    struct of_report report;
    char last_id[64];
};

static void note(void *context, const onefold_notice *notice)
{
    struct fixture *fixture = context;

    (void)strncpy(fixture->last_id, notice->id, sizeof(fixture->last_id) - 1);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    onefold_error err;

    assert_non_null(fixture);
    fixture->dir = tmpdir_make();
    fixture->out = tmpdir_join(fixture->dir.path, "out");
    fixture->stage = tmpdir_join(fixture->dir.path, "out.onefold-partial");
    fixture->journal = tmpdir_join(fixture->stage.text, "JOURNAL");
    fixture->report = (struct of_report){.fn = note, .context = fixture};
    of_arena_init(&fixture->arena, 0);
    assert_int_equal(of_target_open(&fixture->target, fixture->out.text, &fixture->arena, &err),
                     ONEFOLD_OK);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    of_target_finish(&fixture->target);
    of_arena_finish(&fixture->arena);
    tmpdir_remove(&fixture->dir);
    free(fixture);
    return 0;
}

static onefold_status open_stage(struct fixture *fixture, struct of_stage *stage,
                                 onefold_error *err)
{
    const struct of_stage_options options = {.wait_ns = 100000000, .report = &fixture->report};

    return of_stage_open(stage, &fixture->target, &fixture->plan, &options, err);
}

/* The soft limit; returns what it was. */
static rlim_t limit_descriptors(rlim_t most)
{
    struct rlimit limit;
    rlim_t old;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    old = limit.rlim_cur;
    limit.rlim_cur = most;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return old;
}

/* Descriptors that another thread holds for a moment are no fault of the path's, and an input that
 * could not be looked for is not taken to be elsewhere. */
static void test_target_without_descriptors(void **state)
{
    struct fixture *fixture = *state;
    struct tmpdir_name input_path = tmpdir_join(fixture->dir.path, "input");
    struct of_checkpoint checkpoint = {.path = input_path.text};
    struct of_plan_input input = {.checkpoint = &checkpoint};
    const struct of_plan plan = {.inputs = &input, .input_count = 1};
    struct of_target target;
    onefold_error open_err;
    onefold_error err;
    onefold_status opened;
    onefold_status checked;
    rlim_t old;
    int next_fd;

    tmpdir_folder(input_path.text);
    checkpoint.folder_fd = open(input_path.text, O_RDONLY);
    assert_true(checkpoint.folder_fd >= 0);
    next_fd = dup(checkpoint.folder_fd);
    assert_true(next_fd >= 0);
    (void)close(next_fd);

    old = limit_descriptors(3);
    opened = of_target_open(&target, fixture->out.text, &fixture->arena, &open_err);
    (void)limit_descriptors(old);
    assert_int_equal(opened, ONEFOLD_E_IO);
    assert_string_equal(open_err.id, "output-io");
    assert_int_equal(open_err.sys_errno, EMFILE);

    /* None for the first folder, and one, but none for the folder above. */
    for (int spare = 0; spare < 2; spare++) {
        old = limit_descriptors((rlim_t)(next_fd + spare));
        checked = of_target_check(&fixture->target, &plan, false, &err);
        (void)limit_descriptors(old);
        assert_int_equal(checked, ONEFOLD_E_IO);
        assert_string_equal(err.id, "output-io");
        assert_int_equal(err.sys_errno, EMFILE);
    }
    assert_int_equal(of_target_check(&fixture->target, &plan, false, &err), ONEFOLD_OK);
    (void)close(checkpoint.folder_fd);
}

static void test_commit_renames(void **state)
{
    struct fixture *fixture = *state;
    struct of_stage stage;
    onefold_error err;

    assert_int_equal(open_stage(fixture, &stage, &err), ONEFOLD_OK);
    assert_true(tmpdir_exists(fixture->journal.text));
    tmpdir_write_text(tmpdir_join(fixture->stage.text, "config.json").text, "{}");
    assert_int_equal(of_stage_commit(&stage, false, &fixture->report, &err), ONEFOLD_OK);
    (void)of_stage_finish(&stage);
    assert_false(tmpdir_exists(fixture->stage.text));
    assert_true(tmpdir_exists(tmpdir_join(fixture->out.text, "config.json").text));
    assert_int_equal(tmpdir_count(fixture->out.text), 1); /* no journal in it */
}

static void test_finish_without_commit_removes(void **state)
{
    struct fixture *fixture = *state;
    struct of_stage stage;
    onefold_error err;

    assert_int_equal(open_stage(fixture, &stage, &err), ONEFOLD_OK);
    tmpdir_write_text(tmpdir_join(fixture->stage.text, "config.json").text, "{}");
    assert_int_equal(of_stage_finish(&stage), ONEFOLD_STATE_DROP);
    assert_int_equal(tmpdir_count(fixture->dir.path), 0);
}

/* A target that appeared meanwhile is not replaced; the complete data stays for a rename by hand.
 */
static void test_finish_after_somebody_removed_it(void **state)
{
    struct fixture *fixture = *state;
    struct of_stage stage;
    onefold_error err;

    assert_int_equal(open_stage(fixture, &stage, &err), ONEFOLD_OK);
    assert_int_equal(unlink(fixture->journal.text), 0);
    assert_int_equal(rmdir(fixture->stage.text), 0);
    assert_int_equal(of_stage_finish(&stage), ONEFOLD_STATE_DROP);
}

static void test_commit_never_replaces(void **state)
{
    struct fixture *fixture = *state;
    struct of_stage stage;
    onefold_error err;

    assert_int_equal(open_stage(fixture, &stage, &err), ONEFOLD_OK);
    tmpdir_folder(fixture->out.text);
    tmpdir_write_text(tmpdir_join(fixture->out.text, "mine").text, "mine");
    assert_int_not_equal(of_stage_commit(&stage, false, &fixture->report, &err), ONEFOLD_OK);
    assert_int_equal(err.state, ONEFOLD_STATE_READY);
    (void)of_stage_finish(&stage);
    assert_true(tmpdir_exists(tmpdir_join(fixture->out.text, "mine").text));
    assert_true(tmpdir_exists(fixture->stage.text));
}

/* The rename has happened when the folder around it cannot be synced: the output stays and is said
 * to be complete. A descriptor made with O_PATH renames and never syncs. */
static void test_commit_without_the_last_sync(void **state)
{
    struct fixture *fixture = *state;
    const int whole = fixture->target.parent_fd;
    struct of_stage stage;
    onefold_error err;

    assert_int_equal(open_stage(fixture, &stage, &err), ONEFOLD_OK);
    tmpdir_write_text(tmpdir_join(fixture->stage.text, "config.json").text, "{}");
    fixture->target.parent_fd = open(fixture->dir.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(fixture->target.parent_fd >= 0);
    assert_int_equal(of_stage_commit(&stage, false, &fixture->report, &err), ONEFOLD_E_IO);
    assert_string_equal(err.id, "commit-sync");
    assert_int_equal(err.sys_errno, EBADF);
    assert_int_equal(err.state, ONEFOLD_STATE_DONE);
    (void)of_stage_finish(&stage);
    assert_false(tmpdir_exists(fixture->stage.text));
    assert_true(tmpdir_exists(tmpdir_join(fixture->out.text, "config.json").text));
    assert_int_equal(close(fixture->target.parent_fd), 0);
    fixture->target.parent_fd = whole;
}

static void test_force_exchanges(void **state)
{
    struct fixture *fixture = *state;
    struct of_stage stage;
    onefold_error err;

    tmpdir_folder(fixture->out.text);
    tmpdir_write_text(tmpdir_join(fixture->out.text, "old").text, "old");
    assert_int_equal(open_stage(fixture, &stage, &err), ONEFOLD_OK);
    tmpdir_write_text(tmpdir_join(fixture->stage.text, "config.json").text, "{}");
    assert_int_equal(of_stage_commit(&stage, true, &fixture->report, &err), ONEFOLD_OK);
    (void)of_stage_finish(&stage);
    assert_int_equal(tmpdir_count(fixture->dir.path), 1);
    assert_int_equal(tmpdir_count(fixture->out.text), 1);
    assert_true(tmpdir_exists(tmpdir_join(fixture->out.text, "config.json").text));
}

static void test_second_run_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct of_stage first;
    struct of_stage second;
    onefold_error err;

    assert_int_equal(open_stage(fixture, &first, &err), ONEFOLD_OK);
    assert_int_equal(open_stage(fixture, &second, &err), ONEFOLD_E_EXISTS);
    assert_string_equal(err.id, "target-busy");
    assert_non_null(strstr(err.message, "process "));
    assert_string_equal(fixture->last_id, "target-wait");
    assert_int_equal(of_stage_finish(&second), ONEFOLD_STATE_NONE);
    assert_true(tmpdir_exists(fixture->journal.text)); /* the first one's is untouched */
    (void)of_stage_finish(&first);
    assert_int_equal(open_stage(fixture, &second, &err), ONEFOLD_OK);
    (void)of_stage_finish(&second);
}

static void test_killed_run_is_redone(void **state)
{
    struct fixture *fixture = *state;
    struct of_stage stage;
    onefold_error err;

    tmpdir_folder(fixture->stage.text);
    tmpdir_write_text(fixture->journal.text, "onefold-journal 1\n");
    for (int i = 1; i <= 40; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "model-%05d-of-00040.safetensors", i);
        tmpdir_write_text(tmpdir_join(fixture->stage.text, name).text, "half");
    }
    assert_int_equal(open_stage(fixture, &stage, &err), ONEFOLD_OK);
    assert_string_equal(fixture->last_id, "stage-stale");
    assert_int_equal(tmpdir_count(fixture->stage.text), 1);
    assert_int_equal(of_stage_finish(&stage), ONEFOLD_STATE_DROP);
}

/* Killed between making the folder and making the journal, or between removing it and the rename.
 */
static void test_folder_without_journal_is_redone(void **state)
{
    struct fixture *fixture = *state;
    struct of_stage stage;
    onefold_error err;

    tmpdir_folder(fixture->stage.text);
    tmpdir_write_text(tmpdir_join(fixture->stage.text, "onefold.json").text, "{}");
    assert_int_equal(open_stage(fixture, &stage, &err), ONEFOLD_OK);
    assert_string_equal(fixture->last_id, "stage-stale");
    assert_int_equal(tmpdir_count(fixture->stage.text), 1);
    (void)of_stage_finish(&stage);
}

static void assert_foreign(struct fixture *fixture)
{
    struct of_stage stage;
    onefold_error err;

    assert_int_equal(open_stage(fixture, &stage, &err), ONEFOLD_E_EXISTS);
    assert_string_equal(err.id, "stage-foreign");
    assert_int_equal(err.state, ONEFOLD_STATE_SAME);
    (void)of_stage_finish(&stage);
}

static void test_foreign_things_are_left_alone(void **state)
{
    struct fixture *fixture = *state;
    struct tmpdir_name thing = tmpdir_join(fixture->stage.text, "thesis.txt");

    tmpdir_folder(fixture->stage.text);
    tmpdir_write_text(fixture->journal.text, "onefold-journal 1\n");
    tmpdir_write_text(thing.text, "years of work");
    assert_foreign(fixture);
    assert_true(tmpdir_exists(thing.text));
}

static void test_links_and_folders_inside_are_foreign(void **state)
{
    struct fixture *fixture = *state;
    struct tmpdir_name victim = tmpdir_join(fixture->dir.path, "victim");

    tmpdir_write_text(victim.text, "precious");
    tmpdir_folder(fixture->stage.text);
    tmpdir_write_text(fixture->journal.text, "");
    tmpdir_link(victim.text, tmpdir_join(fixture->stage.text, "config.json").text);
    assert_foreign(fixture);
    assert_int_equal(unlink(tmpdir_join(fixture->stage.text, "config.json").text), 0);
    tmpdir_folder(tmpdir_join(fixture->stage.text, "model.safetensors").text);
    assert_foreign(fixture);
    assert_true(tmpdir_exists(victim.text));
}

static void test_file_in_the_way(void **state)
{
    struct fixture *fixture = *state;

    tmpdir_write_text(fixture->stage.text, "a file");
    assert_foreign(fixture);
    assert_true(tmpdir_exists(fixture->stage.text));
}

static void test_cancel_while_waiting(void **state)
{
    struct fixture *fixture = *state;
    const volatile sig_atomic_t cancel = 2;
    const struct of_stage_options options = {
        .wait_ns = UINT64_C(60000000000), .report = &fixture->report, .cancel = &cancel};
    struct of_stage first;
    struct of_stage second;
    onefold_error err;

    assert_int_equal(open_stage(fixture, &first, &err), ONEFOLD_OK);
    assert_int_equal(of_stage_open(&second, &fixture->target, &fixture->plan, &options, &err),
                     ONEFOLD_E_CANCELLED);
    (void)of_stage_finish(&second);
    (void)of_stage_finish(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_target_without_descriptors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_commit_renames, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_finish_without_commit_removes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_finish_after_somebody_removed_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_commit_never_replaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_commit_without_the_last_sync, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_force_exchanges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_second_run_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_killed_run_is_redone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folder_without_journal_is_redone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_foreign_things_are_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links_and_folders_inside_are_foreign, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_file_in_the_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_while_waiting, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("run_stage", tests, NULL, NULL);
}
