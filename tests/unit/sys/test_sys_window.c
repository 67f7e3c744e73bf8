/* SPDX-License-Identifier: Apache-2.0 */
/* Windows: what they show, what a shrinking file does to them, and that foreign faults pass on. */
#include "sys/window.h"

#include "base/limits.h"
#include "support/tmpdir.h"
#include "sys/crew.h"
#include "sys/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, PAGES = 64, READERS = 4 };

/* The framework puts its own handler of SIGBUS in place before each test; ours comes back here. */
static struct sigaction own_handler;

struct fixture {
    struct tmpdir dir;
    struct tmpdir_name path;
    int fd;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    uint8_t *bytes = malloc((size_t)PAGES * PAGE_BYTES);
    onefold_error err;

    assert_non_null(bytes);
    fixture.dir = tmpdir_make();
    fixture.path = tmpdir_join(fixture.dir.path, "data");
    for (size_t i = 0; i < (size_t)PAGES * PAGE_BYTES; i++) {
        bytes[i] = (uint8_t)(1 + i % 251);
    }
    tmpdir_write(fixture.path.text, bytes, (size_t)PAGES * PAGE_BYTES);
    free(bytes);
    assert_int_equal(of_file_open_read(of_file_here, fixture.path.text, 0, &fixture.fd, NULL, &err),
                     ONEFOLD_OK);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    of_file_close(&fixture->fd);
    tmpdir_remove(&fixture->dir);
    return 0;
}

static void check_bytes(const struct of_window *window, uint64_t offset)
{
    for (uint64_t i = 0; i < window->length_bytes; i++) {
        if (window->data[i] != (uint8_t)(1 + (offset + i) % 251)) {
            fail_msg("byte %llu differs", (unsigned long long)i);
        }
    }
}

static void test_ranges(void **state)
{
    static const uint64_t ranges[][2] = {{0, 1},      {0, 4096},    {1, 4096},      {4095, 2},
                                         {4096, 100}, {5000, 9000}, {0, 64 * 4096}, {262143, 1}};
    const struct fixture *fixture = *state;
    struct of_window window;
    onefold_error err;

    for (size_t i = 0; i < OF_LENGTH(ranges) * 2; i++) {
        const uint64_t *range = ranges[i / 2];

        assert_int_equal(of_window_open(&window, fixture->fd, range[0], range[1], i % 2 == 0, &err),
                         ONEFOLD_OK);
        assert_int_equal(window.length_bytes, range[1]);
        check_bytes(&window, range[0]);
        /* What was given back is loaded again. */
        of_window_drop(&window, range[1] / 2);
        of_window_drop(&window, UINT64_MAX);
        check_bytes(&window, range[0]);
        assert_false(of_window_is_lost(&window));
        of_window_close(&window);
        of_window_close(&window);
        assert_false(of_window_is_lost(&window));
    }
}

static void test_refusals(void **state)
{
    const struct fixture *fixture = *state;
    struct of_window window = {0};
    onefold_error err;

    of_window_close(&window); /* never opened */
    assert_int_equal(of_window_open(&window, fixture->fd, 0, 0, true, &err), ONEFOLD_OK);
    assert_non_null(window.data);
    of_window_close(&window);
    assert_int_equal(of_window_open(&window, -1, 0, 1, false, &err), ONEFOLD_E_IO);
    assert_string_equal(err.id, "input-io");
    assert_int_equal(err.sys_errno, EBADF);
    of_window_close(&window);
    assert_int_equal(of_window_open(&window, fixture->fd, UINT64_MAX, 1, false, &err),
                     ONEFOLD_E_IO);
    assert_int_equal(of_window_open(&window, fixture->fd, UINT64_MAX - 5, 100, false, &err),
                     ONEFOLD_E_IO);
    assert_int_equal(of_window_open(&window, fixture->fd, 0, UINT64_C(1) << 60, false, &err),
                     ONEFOLD_E_MEMORY);
    assert_string_equal(err.id, "memory");
}

static void test_many_windows(void **state)
{
    enum { COUNT = 1000 };
    const struct fixture *fixture = *state;
    struct of_window *windows = calloc(COUNT, sizeof(*windows));
    onefold_error err;

    assert_non_null(windows);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            assert_int_equal(of_window_open(&windows[i], fixture->fd, i * 100, 100, false, &err),
                             ONEFOLD_OK);
        }
        /* Rows are used again. */
        assert_true(windows[COUNT - 1].entry < COUNT + 8);
        for (size_t i = 0; i < COUNT; i++) {
            check_bytes(&windows[i], i * 100);
            of_window_close(&windows[i]);
        }
    }
    free(windows);
}

static void test_truncation(void **state)
{
    const struct fixture *fixture = *state;
    struct of_window front;
    struct of_window all;
    onefold_error err;

    assert_int_equal(sigaction(SIGBUS, &own_handler, NULL), 0);
    assert_int_equal(of_window_open(&front, fixture->fd, 0, PAGE_BYTES, true, &err), ONEFOLD_OK);
    assert_int_equal(of_window_open(&all, fixture->fd, 0, (uint64_t)PAGES * PAGE_BYTES, true, &err),
                     ONEFOLD_OK);
    assert_int_equal(truncate(fixture->path.text, PAGE_BYTES + 10), 0);
    errno = 4711;
    /* The rest reads as zeros, from the first page that is gone. */
    assert_int_equal(all.data[3 * PAGE_BYTES], 0);
    assert_int_equal(errno, 4711);
    assert_true(of_window_is_lost(&all));
    assert_int_equal(all.data[(uint64_t)PAGES * PAGE_BYTES - 1], 0);
    /* What is there is still there, and the other window is well. */
    assert_int_equal(all.data[0], 1);
    check_bytes(&front, 0);
    assert_false(of_window_is_lost(&front));
    of_window_close(&all);
    of_window_close(&front);
    /* A row that was lost is well for its next window. */
    assert_int_equal(of_window_open(&all, fixture->fd, 0, PAGE_BYTES, true, &err), ONEFOLD_OK);
    check_bytes(&all, 0);
    assert_false(of_window_is_lost(&all));
    of_window_close(&all);
}

/* A window past the end of the file, populated or not. */
static void test_past_the_end(void **state)
{
    const struct fixture *fixture = *state;
    struct of_window window;
    onefold_error err;

    assert_int_equal(sigaction(SIGBUS, &own_handler, NULL), 0);
    for (int populate = 0; populate <= 1; populate++) {
        assert_int_equal(of_window_open(&window, fixture->fd, (uint64_t)(PAGES - 1) * PAGE_BYTES,
                                        (uint64_t)3 * PAGE_BYTES, populate != 0, &err),
                         ONEFOLD_OK);
        assert_int_not_equal(window.data[PAGE_BYTES - 1], 0);
        assert_int_equal(window.data[PAGE_BYTES], 0);
        assert_true(of_window_is_lost(&window));
        of_window_close(&window);
    }
}

/* --- Panes --- */

static void check_pane(const uint8_t *data, uint64_t offset, uint64_t length)
{
    assert_non_null(data);
    for (uint64_t i = 0; i < length; i++) {
        if (data[i] != (uint8_t)(1 + (offset + i) % 251)) {
            fail_msg("byte %llu differs", (unsigned long long)i);
        }
    }
}

/* Windows side by side, loaded or not, and again after they were given back. */
static void test_panes(void **state)
{
    enum { COUNT = 3 };
    static const uint64_t offsets[COUNT] = {1, 5 * PAGE_BYTES - 1, 20 * PAGE_BYTES};
    const struct fixture *fixture = *state;
    struct of_panes panes = {0};
    onefold_error err;
    uint64_t length;

    of_panes_close(&panes); /* never opened */
    assert_int_equal(of_panes_open(&panes, (uint64_t)COUNT * 8 * PAGE_BYTES, &err), ONEFOLD_OK);
    length = of_panes_length(&panes, COUNT);
    assert_true(length >= (uint64_t)4 * PAGE_BYTES && length <= (uint64_t)8 * PAGE_BYTES);
    for (int round = 0; round < 4; round++) {
        const uint8_t *data[COUNT];

        for (size_t i = 0; i < COUNT; i++) {
            data[i] = of_panes_add(&panes, fixture->fd, offsets[i] + (uint64_t)round, length);
        }
        if (round % 2 == 0) {
            of_panes_load(&panes);
        }
        for (size_t i = 0; i < COUNT; i++) {
            check_pane(data[i], offsets[i] + (uint64_t)round, length);
        }
        assert_true(of_panes_clear(&panes));
        assert_true(of_panes_clear(&panes));
    }
    of_panes_close(&panes);
    of_panes_close(&panes);
}

static void test_pane_refusals(void **state)
{
    const struct fixture *fixture = *state;
    struct of_panes panes;
    onefold_error err;

    assert_int_equal(of_panes_open(&panes, UINT64_C(1) << 60, &err), ONEFOLD_E_MEMORY);
    assert_string_equal(err.id, "memory");
    assert_null(panes.map);
    of_panes_close(&panes);
    assert_int_equal(of_panes_open(&panes, (uint64_t)4 * PAGE_BYTES, &err), ONEFOLD_OK);
    assert_null(of_panes_add(&panes, fixture->fd, 0, (uint64_t)5 * PAGE_BYTES));
    assert_null(of_panes_add(&panes, fixture->fd, 1, (uint64_t)4 * PAGE_BYTES));
    assert_null(of_panes_add(&panes, fixture->fd, 0, UINT64_MAX));
    assert_null(of_panes_add(&panes, fixture->fd, INT64_MAX, 2));
    assert_null(of_panes_add(&panes, -1, 0, 1));
    /* None of these took any room. */
    check_pane(of_panes_add(&panes, fixture->fd, PAGE_BYTES, (uint64_t)3 * PAGE_BYTES), PAGE_BYTES,
               (uint64_t)3 * PAGE_BYTES);
    assert_null(of_panes_add(&panes, fixture->fd, PAGE_BYTES - 1, 2));
    check_pane(of_panes_add(&panes, fixture->fd, 7, 9), 7, 9);
    assert_null(of_panes_add(&panes, fixture->fd, 0, 1));
    assert_true(of_panes_clear(&panes));
    of_panes_close(&panes);
}

/* A file that shrinks: zeros, told once; the windows after that are well. */
static void test_panes_of_a_short_file(void **state)
{
    const struct fixture *fixture = *state;
    struct of_panes panes;
    const uint8_t *first;
    const uint8_t *second;
    onefold_error err;

    assert_int_equal(sigaction(SIGBUS, &own_handler, NULL), 0);
    assert_int_equal(of_panes_open(&panes, (uint64_t)32 * PAGE_BYTES, &err), ONEFOLD_OK);
    for (int load = 0; load < 2; load++) {
        assert_int_equal(truncate(fixture->path.text, (off_t)PAGES * PAGE_BYTES), 0);
        first = of_panes_add(&panes, fixture->fd, 0, PAGE_BYTES);
        second = of_panes_add(&panes, fixture->fd, PAGE_BYTES, (uint64_t)8 * PAGE_BYTES);
        assert_non_null(first);
        assert_non_null(second);
        assert_int_equal(truncate(fixture->path.text, (off_t)4 * PAGE_BYTES), 0);
        if (load == 1) {
            of_panes_load(&panes);
        }
        assert_int_not_equal(second[2 * PAGE_BYTES], 0);
        assert_int_equal(second[3 * PAGE_BYTES], 0);
        assert_int_equal(second[8 * PAGE_BYTES - 1], 0);
        check_pane(first, 0, PAGE_BYTES);
        assert_false(of_panes_clear(&panes));
        assert_true(of_panes_clear(&panes));
        check_pane(of_panes_add(&panes, fixture->fd, 0, (uint64_t)4 * PAGE_BYTES), 0,
                   (uint64_t)4 * PAGE_BYTES);
        assert_true(of_panes_clear(&panes));
    }
    of_panes_close(&panes);
}

/* --- Several readers while the file shrinks, others opening and closing windows --- */

struct reader {
    struct of_thread thread;
    const struct fixture *fixture;
    const struct of_window *shared;
    uint64_t sum;
};
static atomic_bool stop;

static void read_shared(void *context)
{
    struct reader *reader = context;

    while (!atomic_load(&stop)) {
        for (uint64_t i = 0; i < reader->shared->length_bytes; i += 64) {
            reader->sum += ((const volatile uint8_t *)reader->shared->data)[i];
        }
    }
}

static void open_and_close(void *context)
{
    struct reader *reader = context;
    struct of_window window;
    onefold_error err;

    while (!atomic_load(&stop)) {
        if (of_window_open(&window, reader->fixture->fd, PAGE_BYTES, PAGE_BYTES, true, &err) ==
            ONEFOLD_OK) {
            reader->sum += ((const volatile uint8_t *)window.data)[0];
            of_window_close(&window);
        }
    }
}

static void test_readers_during_truncation(void **state)
{
    const struct fixture *fixture = *state;
    struct reader readers[READERS + 1] = {0};
    struct of_window window;
    onefold_error err;

    assert_int_equal(sigaction(SIGBUS, &own_handler, NULL), 0);
    for (int round = 0; round < 20; round++) {
        assert_int_equal(truncate(fixture->path.text, (off_t)PAGES * PAGE_BYTES), 0);
        assert_int_equal(
            of_window_open(&window, fixture->fd, 0, (uint64_t)PAGES * PAGE_BYTES, true, &err),
            ONEFOLD_OK);
        atomic_store(&stop, false);
        for (size_t i = 0; i <= READERS; i++) {
            readers[i].fixture = fixture;
            readers[i].shared = &window;
            assert_int_equal(of_thread_start(&readers[i].thread,
                                             i < READERS ? read_shared : open_and_close,
                                             &readers[i], &err),
                             ONEFOLD_OK);
        }
        assert_int_equal(truncate(fixture->path.text, (off_t)2 * PAGE_BYTES), 0);
        while (!of_window_is_lost(&window)) {
            (void)usleep(100);
        }
        atomic_store(&stop, true);
        for (size_t i = 0; i <= READERS; i++) {
            of_thread_join(&readers[i].thread);
        }
        of_window_close(&window);
    }
}

/* --- Faults that are not ours --- */

static int in_child(void (*fn)(const struct fixture *fixture), const struct fixture *fixture)
{
    const pid_t child = fork();
    int result = 0;

    assert_true(child >= 0);
    if (child == 0) {
        if (sigaction(SIGBUS, &own_handler, NULL) != 0) {
            _exit(9);
        }
        fn(fixture);
        _exit(8);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    return result;
}

static void fault_elsewhere(const struct fixture *fixture)
{
    const volatile uint8_t *map = mmap(NULL, (size_t)2 * PAGE_BYTES, PROT_READ, MAP_PRIVATE,
                                       fixture->fd, (off_t)PAGES * PAGE_BYTES);

    if (map == MAP_FAILED) {
        _exit(9);
    }
    (void)map[0];
}

static void send_signal(const struct fixture *fixture)
{
    (void)fixture;
    (void)raise(SIGBUS);
}

/* main() left a handler in place before the first window: it gets what is not ours. */
static void test_foreign_faults(void **state)
{
    const struct fixture *fixture = *state;
    int result = in_child(fault_elsewhere, fixture);

    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 42);
    result = in_child(send_signal, fixture);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 42);
}

static void host_handler(int number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    _exit(number == SIGBUS ? 42 : 43);
}

/* In a fresh process (an argument): without an earlier handler, a foreign fault kills as ever. */
static int die_by_default(const char *path, bool fault)
{
    struct fixture fixture = {.fd = -1};
    struct of_window window;
    onefold_error err;

    (void)signal(SIGBUS, SIG_DFL); /* sanitizers have one, too */
    if (of_file_open_read(of_file_here, path, 0, &fixture.fd, NULL, &err) != ONEFOLD_OK ||
        of_window_open(&window, fixture.fd, 0, 1, true, &err) != ONEFOLD_OK) {
        return 9;
    }
    if (fault) {
        fault_elsewhere(&fixture);
    } else {
        send_signal(&fixture);
    }
    return 8;
}

static void test_default_action(void **state)
{
    const struct fixture *fixture = *state;
    static const char *const kinds[] = {"fault", "signal"};

    for (size_t i = 0; i < OF_LENGTH(kinds); i++) {
        const pid_t child = fork();
        int result = 0;

        assert_true(child >= 0);
        if (child == 0) {
            (void)execl("/proc/self/exe", "test", kinds[i], fixture->path.text, (char *)NULL);
            _exit(7);
        }
        assert_int_equal(waitpid(child, &result, 0), child);
        assert_true(WIFSIGNALED(result));
        assert_int_equal(WTERMSIG(result), SIGBUS);
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(int argc, char **argv)
{
    struct sigaction host = {.sa_sigaction = host_handler, .sa_flags = SA_SIGINFO};
    struct of_window window;
    onefold_error err;
    const struct CMUnitTest tests[] = {
        TEST(test_ranges),
        TEST(test_refusals),
        TEST(test_many_windows),
        TEST(test_truncation),
        TEST(test_past_the_end),
        TEST(test_panes),
        TEST(test_pane_refusals),
        TEST(test_panes_of_a_short_file),
        TEST(test_readers_during_truncation),
        TEST(test_foreign_faults),
        TEST(test_default_action),
    };

    if (argc == 3) {
        return die_by_default(argv[2], strcmp(argv[1], "fault") == 0);
    }
    if (sigaction(SIGBUS, &host, NULL) != 0 ||
        of_window_open(&window, -1, 0, 0, false, &err) != ONEFOLD_OK ||
        sigaction(SIGBUS, NULL, &own_handler) != 0) {
        return 1;
    }
    return cmocka_run_group_tests_name("sys_window", tests, NULL, NULL);
}
