/* SPDX-License-Identifier: Apache-2.0 */
/* What was in the page cache when it was asked counts, not what got there since. */
#include "run/cached.h"

#include "support/skip.h"
#include "support/tmpdir.h"
#include "sys/pagecache.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB  ((uint64_t)1 << 20)
/* More than is asked at once, and an end within a unit. */
#define SIZE (100 * MIB + 5000)

/* Loads exactly that range: nothing is read ahead. */
static void load(int fd, uint64_t offset, uint64_t length)
{
    uint8_t *bytes = malloc(length);

    assert_non_null(bytes);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
    assert_int_equal(pread(fd, bytes, length, (off_t)offset), (ssize_t)length);
    free(bytes);
}

static const char not_held[] = "the page cache does not hold what was read, or more than that";

/* A file with nothing in the page cache but what is loaded then; -1 where that cannot be had. */
static int make_file(const struct tmpdir *dir, uint64_t offset, uint64_t length)
{
    const int fd = open(tmpdir_join(dir->path, "f").text, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)SIZE), 0);
    /* Some machines throw pages out again that nobody asks for. */
    for (int tries = 0; tries < 4 && !of_pagecache_holds(fd, offset, length); tries++) {
        load(fd, offset, length);
    }
    if (!of_pagecache_holds(fd, offset, length) ||
        of_pagecache_holds(fd, offset + length + MIB, MIB)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void what_came_later_does_not_count(void **state)
{
    const struct tmpdir dir = tmpdir_make();
    const int fd = make_file(&dir, 0, 4 * MIB);
    struct of_cached cached;

    (void)state;
    if (fd < 0) {
        tmpdir_remove(&dir);
        SKIP_TEST(not_held);
    }
    of_cached_init(&cached, fd, SIZE);
    assert_true(of_cached_has(&cached, 0, MIB / 2));
    load(fd, 4 * MIB, 70 * MIB);
    for (int tries = 0; tries < 4 && !of_pagecache_holds(fd, 0, 74 * MIB); tries++) {
        load(fd, 0, 74 * MIB);
    }
    assert_true(of_pagecache_holds(fd, 0, 74 * MIB));
    assert_true(of_cached_has(&cached, 3 * MIB + MIB / 2, MIB / 2));
    for (uint64_t at = 4 * MIB; at < OF_CACHED_UNITS * MIB; at += MIB / 2) {
        assert_false(of_cached_has(&cached, at, MIB / 2));
    }
    /* Of this nobody has asked yet. */
    assert_true(of_cached_has(&cached, OF_CACHED_UNITS * MIB, MIB));
    (void)close(fd);
    tmpdir_remove(&dir);
}

/* Ranges as a merge has them: they begin behind a header, and units end within them. */
static void a_late_start_is_asked_ahead_too(void **state)
{
    const struct tmpdir dir = tmpdir_make();
    const int fd = make_file(&dir, 10 * MIB, 10 * MIB);
    uint64_t at = 10 * MIB + 900000;
    struct of_cached cached;

    (void)state;
    if (fd < 0) {
        tmpdir_remove(&dir);
        SKIP_TEST(not_held);
    }
    of_cached_init(&cached, fd, SIZE);
    for (int i = 0; i < 4; i++) {
        assert_true(of_cached_has(&cached, at, MIB / 2));
        at += MIB / 2;
    }
    load(fd, 20 * MIB, 10 * MIB);
    assert_true(of_cached_has(&cached, 19 * MIB, MIB));
    assert_false(of_cached_has(&cached, 21 * MIB, MIB));
    assert_false(of_cached_has(&cached, 20 * MIB - 1, 2));
    (void)close(fd);
    tmpdir_remove(&dir);
}

static void any_order_is_answered(void **state)
{
    const struct tmpdir dir = tmpdir_make();
    const int fd = make_file(&dir, SIZE - 2 * MIB, 2 * MIB);
    struct of_cached cached;

    (void)state;
    if (fd < 0) {
        tmpdir_remove(&dir);
        SKIP_TEST(not_held);
    }
    of_cached_init(&cached, fd, SIZE);
    assert_true(of_cached_has(&cached, SIZE - 2 * MIB, 2 * MIB));
    assert_false(of_cached_has(&cached, 50 * MIB, 10));
    assert_true(of_cached_has(&cached, SIZE - 1, 1));
    assert_false(of_cached_has(&cached, 0, SIZE));
    assert_true(of_cached_has(&cached, SIZE - 100, 100));
    (void)close(fd);
    tmpdir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_later_does_not_count),
        cmocka_unit_test(a_late_start_is_asked_ahead_too),
        cmocka_unit_test(any_order_is_answered),
    };

    return cmocka_run_group_tests_name("run_cached", tests, NULL, NULL);
}
