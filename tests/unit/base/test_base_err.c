/* SPDX-License-Identifier: Apache-2.0 */
/* Error values, reports, and the table of ids. */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_table_is_sorted(void **state)
{
    const char *before = "";
    const char *id;
    onefold_status status;
    uint64_t count = 0;

    (void)state;
    for (; (id = onefold_error_id_at(count, &status)) != NULL; count++) {
        assert_true(strcmp(before, id) < 0);
        assert_int_equal(of_err_status(id), status);
        assert_string_not_equal(onefold_status_name(status), "?");
        before = id;
    }
    assert_true(count > 100);
    assert_null(onefold_error_id_at(count, NULL));
    assert_null(onefold_error_id_at(UINT64_MAX, &status));
}

static void test_ids_have_the_form_of_ids(void **state)
{
    const char *id;

    (void)state;
    for (uint64_t i = 0; (id = onefold_error_id_at(i, NULL)) != NULL; i++) {
        size_t length = strlen(id);

        assert_int_equal(strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-"), length);
        assert_true(id[0] != '-' && id[length - 1] != '-' && strstr(id, "--") == NULL);
    }
}

static void test_hints_are_one_line(void **state)
{
    const char *id;

    (void)state;
    for (uint64_t i = 0; (id = onefold_error_id_at(i, NULL)) != NULL; i++) {
        const char *hint = of_err_hint(id);

        if (hint != NULL) {
            size_t length = strlen(hint);

            assert_true(length > 0 && length < 120);
            assert_null(strchr(hint, '\n'));
            assert_true(hint[length - 1] != '.');
        }
    }
}

static void test_set(void **state)
{
    onefold_error err;

    (void)state;
    memset(&err, 0x5a, sizeof(err));
    assert_int_equal(of_err_set(&err, "st-overlap", "\"%s\" and %d", "a", 7), ONEFOLD_E_FORMAT);
    assert_int_equal(err.status, ONEFOLD_E_FORMAT);
    assert_int_equal(err.state, ONEFOLD_STATE_NONE);
    assert_int_equal(err.sys_errno, 0);
    assert_true(err.offset == UINT64_MAX);
    assert_string_equal(err.id, "st-overlap");
    assert_string_equal(err.message, "\"a\" and 7");
    assert_string_equal(err.hint, of_err_hint("st-overlap"));
    of_err_clear(&err);
    assert_int_equal(err.status, ONEFOLD_OK);
    assert_string_equal(err.message, "");
    assert_true(err.offset == UINT64_MAX);
}

static void test_own_message_as_argument(void **state)
{
    onefold_error err;

    (void)state;
    (void)of_err_set(&err, "memory", "inner");
    (void)of_err_set(&err, "input-io", "outer: %s", err.message);
    assert_string_equal(err.message, "outer: inner");
}

static void test_set_sys(void **state)
{
    onefold_error err;

    (void)state;
    assert_int_equal(of_err_set_sys(&err, "space-run", ENOSPC, "write of %d bytes", 5),
                     ONEFOLD_E_IO);
    assert_int_equal(err.sys_errno, ENOSPC);
    assert_string_equal(err.message, "write of 5 bytes: ENOSPC, No space left on device");
    (void)of_err_set_sys(&err, "input-io", 99999, "read");
    assert_string_equal(err.message, "read: errno 99999");
}

static void test_prefix(void **state)
{
    onefold_error err;

    (void)state;
    (void)of_err_set(&err, "st-hole", "a hole");
    err.offset = 12;
    assert_int_equal(of_err_prefix(&err, "file %d", 3), ONEFOLD_E_FORMAT);
    assert_string_equal(err.message, "file 3: a hole");
    assert_string_equal(err.id, "st-hole");
    assert_int_equal(err.offset, 12);
}

static void test_long_messages_end_at_a_character(void **state)
{
    char text[1001];
    onefold_error err;

    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', sizeof(text));
        for (size_t i = shift; i + 4 < sizeof(text); i += 4) {
            memcpy(text + i, "\xf0\x9f\x98\x80", 4);
        }
        text[1000] = '\0';
        (void)of_err_set(&err, "memory", "%s", text);
        assert_true(strlen(err.message) > sizeof(err.message) - 6);
        assert_int_equal((strlen(err.message) - shift) % 4, 0);
        (void)of_err_prefix(&err, "p");
        (void)of_err_set_sys(&err, "memory", EIO, "%s", text);
        assert_true(strlen(err.message) < sizeof(err.message));
    }
}

struct seen {
    int count;
    onefold_notice last;
    char message[512];
};

static void take(void *context, const onefold_notice *notice)
{
    struct seen *seen = context;

    seen->count++;
    seen->last = *notice;
    (void)strcpy(seen->message, notice->message);
}

static void test_report(void **state)
{
    struct seen seen = {0};
    struct of_report report = {.fn = take, .context = &seen};

    (void)state;
    of_report_note(&report, "target-tmpfs", NULL, "n%d", 1);
    assert_int_equal(seen.last.level, ONEFOLD_LEVEL_NOTE);
    assert_null(seen.last.file);
    of_report_warning(&report, "st-name-case", "f", "w%d", 2);
    assert_int_equal(seen.last.level, ONEFOLD_LEVEL_WARNING);
    assert_string_equal(seen.message, "w2");
    of_report_error(&report, "mismatch-shape", "f", "e%d", 3);
    assert_string_equal(seen.last.hint, of_err_hint("mismatch-shape"));
    of_report_error(&report, "mismatch-dtype", "f", "e%d", 4);
    of_report_at(&report, ONEFOLD_LEVEL_ERROR, "recipe-key", "r.yml", (struct of_mark){12, 7},
                 "did you mean \"weight\"?", "key");
    assert_int_equal(seen.last.line, 12);
    assert_int_equal(seen.last.column, 7);
    assert_string_equal(seen.last.hint, "did you mean \"weight\"?");
    assert_int_equal(report.note_count, 1);
    assert_int_equal(report.warning_count, 1);
    assert_int_equal(report.error_count, 3);
    assert_int_equal(seen.count, 5);
    assert_string_equal(report.first_error.id, "mismatch-shape");
    assert_int_equal(report.first_error.status, ONEFOLD_E_MISMATCH);
    assert_string_equal(report.first_error.message, "e3");
}

static void test_report_of_an_error(void **state)
{
    struct of_report report = {0};
    onefold_error err;

    (void)state;
    (void)of_err_set_sys(&err, "input-io", EIO, "read");
    err.offset = 5;
    of_report_err(&report, "f", &err);
    assert_int_equal(report.error_count, 1);
    assert_int_equal(report.first_error.sys_errno, EIO);
    assert_int_equal(report.first_error.offset, 5);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(onefold_status_name(ONEFOLD_OK), "ok");
    assert_string_equal(onefold_status_name(ONEFOLD_E_FORMAT), "E_FORMAT");
    assert_string_equal(onefold_status_name((onefold_status)99), "?");
    assert_string_equal(onefold_state_name(ONEFOLD_STATE_READY), "ready");
    assert_string_equal(onefold_state_name((onefold_state)99), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_sorted),
        cmocka_unit_test(test_ids_have_the_form_of_ids),
        cmocka_unit_test(test_hints_are_one_line),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_own_message_as_argument),
        cmocka_unit_test(test_set_sys),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_long_messages_end_at_a_character),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_report_of_an_error),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
