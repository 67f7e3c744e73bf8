/* SPDX-License-Identifier: Apache-2.0 */
/* What the page cache holds of a file, and of whose files the kernel tells. */
#include "sys/pagecache.h"

#include "support/skip.h"
#include "support/tmpdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE = 3000001, SOMEONE_ELSE = 65534 };

/* A file of SIZE bytes, clean and in the page cache; opened for reading. */
static int make_file(const char *path)
{
    static const uint8_t bytes[4096];
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    /* Small writes make small folios, of which a part of the file can be dropped. */
    for (size_t at = 0; at < SIZE; at += sizeof(bytes)) {
        assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
    }
    assert_int_equal(ftruncate(fd, SIZE), 0);
    assert_int_equal(fdatasync(fd), 0);
    return fd;
}

static void test_count_and_range(void **state)
{
    const struct tmpdir dir = tmpdir_make();
    int fd;

    (void)state;
    fd = make_file(tmpdir_join(dir.path, "f").text);
    if (!of_pagecache_holds(fd, 0, SIZE)) {
        (void)close(fd);
        tmpdir_remove(&dir);
        SKIP_TEST("the file left the page cache at once");
    }
    assert_int_equal(of_pagecache_count(fd, SIZE), OF_PAGECACHE_PLACES);
    assert_int_equal(posix_fadvise(fd, 1 << 20, 1 << 20, POSIX_FADV_DONTNEED), 0);
    if (of_pagecache_holds(fd, 1 << 20, 1 << 20)) {
        (void)close(fd);
        tmpdir_remove(&dir);
        SKIP_TEST("pages of this file system do not leave the page cache");
    }
    /* Some places are gone, some are left; and one page gone is a range gone. */
    assert_in_range(of_pagecache_count(fd, SIZE), 1, OF_PAGECACHE_PLACES - 1);
    assert_false(of_pagecache_holds(fd, 0, SIZE));
    assert_false(of_pagecache_holds(fd, (1 << 20) - 1, 2));
    assert_true(of_pagecache_holds(fd, 0, 1 << 20));
    (void)close(fd);
    tmpdir_remove(&dir);
}

/* What lies in a page in part goes with it, and no page beside it; no length is no page, though it
 * is all of the file to the kernel. */
static void test_drop_whole_pages(void **state)
{
    const struct tmpdir dir = tmpdir_make();
    const uint64_t page = of_pagecache_page_bytes();
    int fd;

    (void)state;
    fd = make_file(tmpdir_join(dir.path, "f").text);
    of_pagecache_drop(fd, 7, 0);
    if (!of_pagecache_is_warm(fd, 0, SIZE)) {
        (void)close(fd);
        tmpdir_remove(&dir);
        SKIP_TEST("the file left the page cache at once");
    }
    of_pagecache_drop(fd, 3 * page + 1, page);
    if (of_pagecache_holds(fd, 4 * page, 1)) {
        (void)close(fd);
        tmpdir_remove(&dir);
        SKIP_TEST("pages of this file system do not leave the page cache");
    }
    assert_true(of_pagecache_is_warm(fd, 0, 3 * page));
    assert_false(of_pagecache_holds(fd, 3 * page, 1));
    assert_true(of_pagecache_is_warm(fd, 5 * page, SIZE - 5 * page));
    /* Half is enough. */
    assert_true(of_pagecache_is_warm(fd, 0, SIZE));
    assert_true(of_pagecache_is_warm(fd, 2 * page, 2 * page));
    assert_false(of_pagecache_is_warm(fd, 3 * page, 1));
    assert_true(of_pagecache_is_warm(fd, 5 * page, 1));
    (void)close(fd);
    tmpdir_remove(&dir);
}

/* Exit code of a child: how many places it finds in a file that it may only read. */
static int count_as_someone_else(const char *path)
{
    int status = 0;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        const int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || setgid(SOMEONE_ELSE) != 0 || setuid(SOMEONE_ELSE) != 0) {
            _exit(99);
        }
        _exit((int)of_pagecache_count(fd, SIZE) + (of_pagecache_is_warm(fd, 0, 1) ? 1 : 0));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The kernel says of such a file that all of it is there, whether it is or not. */
static void test_foreign_files_count_as_not_cached(void **state)
{
    const struct tmpdir dir = tmpdir_make();
    const struct tmpdir_name path = tmpdir_join(dir.path, "f");

    (void)state;
    if (geteuid() != 0) {
        tmpdir_remove(&dir);
        SKIP_TEST("only root can become someone else");
    }
    (void)close(make_file(path.text));
    assert_int_equal(count_as_someone_else(path.text), 0);
    tmpdir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count_and_range),
        cmocka_unit_test(test_drop_whole_pages),
        cmocka_unit_test(test_foreign_files_count_as_not_cached),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
