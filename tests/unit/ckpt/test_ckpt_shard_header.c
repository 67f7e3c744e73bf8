/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a header leaves nothing in the page cache that was not there. */
#include "ckpt/shard_header.h"

#include "support/mkckpt.h"
#include "support/skip.h"
#include "support/tmpdir.h"
#include "sys/file.h"
#include "sys/pagecache.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { METADATA_BYTES = 2 << 20 };
#define ELEMS        ((uint64_t)16 << 20)
#define BEHIND_BYTES ((uint64_t)1 << 20)

/* One tensor behind a long header; clean, opened for reading. */
static int make_file(const char *path)
{
    const struct mk_tensor tensor = {
        .name = "w", .dtype = ONEFOLD_DTYPE_U8, .rank = 1, .shape = {ELEMS}};
    static const char start[] = "{\"k\":\"";
    static const char end[] = "\"}";
    char *metadata = malloc(METADATA_BYTES);
    int fd;

    assert_non_null(metadata);
    memset(metadata, 'x', METADATA_BYTES);
    memcpy(metadata, start, sizeof(start) - 1);
    memcpy(metadata + METADATA_BYTES - sizeof(end), end, sizeof(end));
    mk_file(path, &tensor, 1, metadata);
    free(metadata);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fdatasync(fd), 0);
    return fd;
}

static void data_is_not_loaded(void **state)
{
    const struct tmpdir dir = tmpdir_make();
    const struct tmpdir_name path = tmpdir_join(dir.path, "m.safetensors");
    struct of_shard shard = {0};
    onefold_error err;
    int fd;

    (void)state;
    fd = make_file(path.text);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    if (of_pagecache_holds(fd, METADATA_BYTES, BEHIND_BYTES)) {
        (void)close(fd);
        tmpdir_remove(&dir);
        SKIP_TEST("pages of this file system do not leave the page cache");
    }
    assert_int_equal(of_shard_measure(of_file_here, path.text, 0, &shard, &err), ONEFOLD_OK);
    assert_in_range(shard.data_offset, METADATA_BYTES, METADATA_BYTES + 4096);
    /* The page with the end of the header has some of the data. */
    for (uint64_t at = shard.data_offset + 4096; at < shard.data_offset + BEHIND_BYTES;
         at += 4096) {
        assert_false(of_pagecache_holds(fd, at, 1));
    }
    /* Nobody else has read the header. */
    assert_false(shard.header_warm);
    assert_true(of_pagecache_is_warm(fd, 0, shard.data_offset));
    shard.name = path.text;
    of_shard_leave(of_file_here, &shard);
    for (uint64_t at = 0; at < shard.data_offset; at += 4096) {
        assert_false(of_pagecache_holds(fd, at, 1));
    }
    (void)close(fd);
    tmpdir_remove(&dir);
}

/* What was read before stays, and so does what is another file by now. */
static void pages_of_others_stay(void **state)
{
    const struct tmpdir dir = tmpdir_make();
    const struct tmpdir_name path = tmpdir_join(dir.path, "m.safetensors");
    struct of_shard shard = {0};
    onefold_error err;
    int fd;

    (void)state;
    fd = make_file(path.text);
    if (!of_pagecache_is_warm(fd, 0, METADATA_BYTES)) {
        (void)close(fd);
        tmpdir_remove(&dir);
        SKIP_TEST("the file left the page cache at once");
    }
    assert_int_equal(of_shard_measure(of_file_here, path.text, 0, &shard, &err), ONEFOLD_OK);
    assert_true(shard.header_warm);
    shard.name = path.text;
    of_shard_leave(of_file_here, &shard);
    assert_true(of_pagecache_is_warm(fd, 0, shard.data_offset));
    shard.header_warm = false;
    shard.identity.mtime_nsec ^= 1;
    of_shard_leave(of_file_here, &shard);
    assert_true(of_pagecache_is_warm(fd, 0, shard.data_offset));
    of_pagecache_drop(fd, 0, METADATA_BYTES / 4 * 3);
    if (!of_pagecache_holds(fd, METADATA_BYTES / 2, METADATA_BYTES / 4)) {
        assert_int_equal(of_shard_measure(of_file_here, path.text, 0, &shard, &err), ONEFOLD_OK);
        assert_false(shard.header_warm);
    }
    (void)close(fd);
    tmpdir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_is_not_loaded),
        cmocka_unit_test(pages_of_others_stay),
    };

    return cmocka_run_group_tests_name("ckpt_shard_header", tests, NULL, NULL);
}
