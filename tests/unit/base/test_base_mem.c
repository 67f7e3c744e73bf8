/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation, its failure hook, the freeze switch, arenas. */
#include "base/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_get_is_zeroed(void **state)
{
    unsigned char *block = of_mem_get(1000);

    (void)state;
    assert_non_null(block);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(block[i], 0);
    }
    block = of_mem_resize(block, 5000);
    assert_non_null(block);
    of_mem_free(block);
    of_mem_free(NULL);
    block = of_mem_get(0);
    assert_non_null(block);
    of_mem_free(block);
    assert_null(of_mem_get(SIZE_MAX));
}

static void test_fail_once(void **state)
{
    void *block;

    (void)state;
    of_mem_fail_at(2, false);
    block = of_mem_get(1);
    assert_non_null(block);
    assert_null(of_mem_resize(block, 2));
    of_mem_free(block);
    block = of_mem_get(1);
    assert_non_null(block);
    of_mem_free(block);
    of_mem_fail_at(0, false);
}

static void test_fail_from_then_on(void **state)
{
    uint64_t count = of_mem_count();

    (void)state;
    of_mem_fail_at(1, true);
    assert_null(of_mem_get(1));
    assert_null(of_mem_get(1));
    of_mem_fail_at(0, false);
    assert_int_equal(of_mem_count(), count + 2);
}

/* Runs what must abort in a process of its own; its one line on standard error goes nowhere. */
static int signal_of(void (*fn)(void))
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        (void)close(STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL);
        fn();
        _exit(0);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void allocate_frozen(void)
{
    of_mem_freeze();
    of_mem_free(of_mem_get(1));
}

static void allocate_thawed(void)
{
    of_mem_freeze();
    of_mem_freeze();
    of_mem_thaw();
    of_mem_thaw();
    of_mem_free(of_mem_get(1));
}

static void thaw_too_often(void)
{
    of_mem_thaw();
}

static void test_freeze(void **state)
{
    (void)state;
    assert_int_equal(signal_of(allocate_frozen), SIGABRT);
    assert_int_equal(signal_of(allocate_thawed), 0);
    assert_int_equal(signal_of(thaw_too_often), SIGABRT);
}

static void test_arena_alignment(void **state)
{
    struct of_arena arena;

    (void)state;
    of_arena_init(&arena, 0);
    for (size_t i = 0; i < 3000; i++) {
        size_t align = (size_t)1 << (i % 7);
        unsigned char *block = of_arena_get(&arena, i % 37 + 1, align);

        assert_non_null(block);
        assert_int_equal((uintptr_t)block % align, 0);
        for (size_t k = 0; k <= i % 37; k++) {
            assert_int_equal(block[k], 0);
            block[k] = 0xff;
        }
    }
    of_arena_finish(&arena);
    assert_null(arena.chunks);
    assert_int_equal(arena.used_bytes, 0);
}

static void test_arena_large_blocks_leave_the_rest_usable(void **state)
{
    struct of_arena arena;
    char *small;
    char *large;
    char *next;

    (void)state;
    of_arena_init(&arena, 0);
    small = of_arena_get(&arena, 1, 1);
    large = of_arena_get(&arena, 3000000, 64);
    next = of_arena_get(&arena, 1, 1);
    assert_non_null(small);
    assert_non_null(large);
    assert_ptr_equal(next, small + 1);
    memset(large, 1, 3000000);
    of_arena_finish(&arena);
}

static void test_arena_limit(void **state)
{
    struct of_arena arena;
    uint64_t got = 0;

    (void)state;
    of_arena_init(&arena, 1000000);
    while (of_arena_get(&arena, 1000, 8) != NULL) {
        got++;
    }
    assert_true(arena.limit_hit);
    assert_true(arena.used_bytes <= 1000000);
    assert_true(got > 950 && got <= 1000);
    assert_null(of_arena_get(&arena, SIZE_MAX, 8));
    of_arena_finish(&arena);
    assert_int_equal(arena.limit_bytes, 1000000);
    assert_non_null(of_arena_get(&arena, 1000, 8));
    of_arena_finish(&arena);
}

static void test_arena_without_memory(void **state)
{
    struct of_arena arena;

    (void)state;
    of_arena_init(&arena, 1000000);
    of_mem_fail_at(1, false);
    assert_null(of_arena_copy(&arena, "abc", 3));
    of_mem_fail_at(0, false);
    assert_false(arena.limit_hit);
    assert_string_equal(of_arena_copy(&arena, "abcdef", 3), "abc");
    assert_string_equal(of_arena_copy(&arena, NULL, 0), "");
    of_arena_finish(&arena);
}

static void test_array_bytes(void **state)
{
    struct of_arena arena;

    (void)state;
    assert_int_equal(of_mem_array_bytes(3, 8), 24);
    assert_true(of_mem_array_bytes(UINT64_MAX / 4, 8) == SIZE_MAX);
    of_arena_init(&arena, 0);
    assert_null(OF_ARENA_NEW(&arena, uint64_t, UINT64_MAX / 4));
    assert_non_null(OF_ARENA_NEW(&arena, uint64_t, 4));
    of_arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_is_zeroed),
        cmocka_unit_test(test_fail_once),
        cmocka_unit_test(test_fail_from_then_on),
        cmocka_unit_test(test_freeze),
        cmocka_unit_test(test_arena_alignment),
        cmocka_unit_test(test_arena_large_blocks_leave_the_rest_usable),
        cmocka_unit_test(test_arena_limit),
        cmocka_unit_test(test_arena_without_memory),
        cmocka_unit_test(test_array_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
