/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks shared with another file. */
#include "sys/outfile.h"

#include "support/tmpdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { BLOCK = 4096, BLOCKS = 4 };

/* Blocks of zeros, opened for reading and writing. */
static int make_file(const char *path)
{
    static const uint8_t zeros[BLOCKS * BLOCK];
    int fd;

    tmpdir_write(path, zeros, sizeof(zeros));
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* Where blocks cannot be shared nothing changes; where they can the bytes are there. */
static void test_share(void **state)
{
    const struct tmpdir dir = tmpdir_make();
    uint8_t bytes[BLOCK];
    bool ever = false;
    int from;
    int to;

    (void)state;
    from = make_file(tmpdir_join(dir.path, "from").text);
    to = make_file(tmpdir_join(dir.path, "to").text);
    memset(bytes, 7, sizeof(bytes));
    assert_int_equal(pwrite(from, bytes, BLOCK, 2L * BLOCK), BLOCK);
    memset(bytes, 1, sizeof(bytes));
    if (of_outfile_share(to, BLOCK, from, 2L * BLOCK, BLOCK, &ever)) {
        assert_int_equal(pread(to, bytes, BLOCK, BLOCK), BLOCK);
        assert_int_equal(bytes[0], 7);
        assert_int_equal(bytes[BLOCK - 1], 7);
    } else {
        assert_false(ever);
        assert_int_equal(pread(to, bytes, BLOCK, BLOCK), BLOCK);
        assert_int_equal(bytes[0], 0);
    }
    /* Between file systems never, though another file may do. */
    {
        const int other = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        struct stat here;
        struct stat there;

        assert_true(other >= 0);
        assert_int_equal(fstat(to, &here) + fstat(other, &there), 0);
        if (here.st_dev != there.st_dev) {
            assert_false(of_outfile_share(to, 0, other, 0, BLOCK, &ever));
        }
        (void)close(other);
    }
    (void)close(from);
    (void)close(to);
    tmpdir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
