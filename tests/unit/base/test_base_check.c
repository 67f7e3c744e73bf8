/* SPDX-License-Identifier: Apache-2.0 */
/* The abort of a broken invariant: its message, and what does not abort. */
#include "base/check.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What a failed assertion writes to standard error, and the signal it ends with. */
static int run_child(int condition, char *ret_text, size_t size)
{
    int ends[2];
    int status = 0;
    ssize_t length;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL);
        of_assert(condition == 1);
        _exit(0);
    }
    (void)close(ends[1]);
    length = 0;
    for (;;) {
        ssize_t got = read(ends[0], ret_text + length, size - 1 - (size_t)length);

        if (got <= 0) {
            break;
        }
        length += got;
    }
    (void)close(ends[0]);
    ret_text[length] = '\0';
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_true_does_nothing(void **state)
{
    char text[256];

    (void)state;
    assert_int_equal(run_child(1, text, sizeof(text)), 0);
    assert_string_equal(text, "");
}

static void test_false_aborts_with_one_line(void **state)
{
    char text[256];
    char *newline;

    (void)state;
    assert_int_equal(run_child(2, text, sizeof(text)), SIGABRT);
    assert_non_null(strstr(text, "onefold: internal error: "));
    assert_non_null(strstr(text, "test_base_check.c:"));
    assert_non_null(strstr(text, "condition == 1"));
    newline = strchr(text, '\n');
    assert_true(newline != NULL && newline[1] == '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_true_does_nothing),
        cmocka_unit_test(test_false_aborts_with_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
