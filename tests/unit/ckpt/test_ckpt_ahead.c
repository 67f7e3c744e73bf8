/* SPDX-License-Identifier: Apache-2.0 */
/* Headers measured ahead are those that are measured without; a file that changes in between is
 * measured again. */
#include "ckpt/ahead.h"

#include "ckpt/shard_header.h"
#include "support/mkckpt.h"
#include "support/skip.h"
#include "support/tmpdir.h"
#include "sys/pagecache.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Above what checkpoint.c takes for large. */
enum { METADATA_BYTES = 2 << 20, FILES = 4 };

static struct tmpdir dir;
static struct tmpdir_name names[FILES];
static const char *paths[FILES];

static void make_file(const char *path, size_t metadata_bytes, char letter)
{
    const struct mk_tensor tensor = {
        .name = "w", .dtype = ONEFOLD_DTYPE_U8, .rank = 1, .shape = {16}};
    static const char start[] = "{\"k\":\"";
    static const char end[] = "\"}";
    char *metadata = malloc(metadata_bytes);

    assert_non_null(metadata);
    memset(metadata, letter, metadata_bytes);
    memcpy(metadata, start, sizeof(start) - 1);
    memcpy(metadata + metadata_bytes - sizeof(end), end, sizeof(end));
    mk_file(path, &tensor, 1, metadata);
    free(metadata);
}

static int make_dir(void **state)
{
    static const char *const files[] = {"a.safetensors", "b.safetensors", "c.safetensors",
                                        "d.safetensors"};

    (void)state;
    dir = tmpdir_make();
    for (size_t i = 0; i < FILES; i++) {
        names[i] = tmpdir_join(dir.path, files[i]);
        paths[i] = names[i].text;
        make_file(paths[i], METADATA_BYTES, (char)('a' + i));
    }
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    tmpdir_remove(&dir);
    return 0;
}

static void assert_measured(const struct of_shard *found, const char *path)
{
    struct of_shard wanted = {0};
    onefold_error err;

    assert_int_equal(of_shard_measure(of_file_here, path, 0, &wanted, &err), ONEFOLD_OK);
    assert_true(of_identity_equal(&found->identity, &wanted.identity));
    assert_int_equal(found->data_offset, wanted.data_offset);
    assert_memory_equal(&found->header_sha256, &wanted.header_sha256, sizeof(wanted.header_sha256));
}

static void paths_come_in_order(void **state)
{
    struct of_ahead *ahead = of_ahead_start(paths, FILES, 0);
    struct of_shard shard = {.name = "x"};

    (void)state;
    assert_non_null(ahead);
    assert_true(of_ahead_take(ahead, paths[0], &shard));
    assert_measured(&shard, paths[0]);
    assert_null(shard.name);
    assert_false(of_ahead_take(ahead, "elsewhere", &shard));
    /* One that nobody asks for is passed over and does not come again. */
    assert_true(of_ahead_take(ahead, paths[2], &shard));
    assert_measured(&shard, paths[2]);
    assert_false(of_ahead_take(ahead, paths[1], &shard));
    assert_true(of_ahead_take(ahead, paths[3], &shard));
    assert_measured(&shard, paths[3]);
    assert_false(of_ahead_take(ahead, paths[3], &shard));
    of_ahead_stop(ahead);
    assert_false(of_ahead_take(NULL, paths[0], &shard));
    of_ahead_stop(NULL);
}

/* A folder stands for the file in it that has the usual name. */
static void folders_come_too(void **state)
{
    const struct tmpdir_name folder = tmpdir_join(dir.path, "folder");
    const struct tmpdir_name file = tmpdir_join(folder.text, "model.safetensors");
    const char *const both[] = {folder.text, folder.text};
    struct of_shard shard = {.name = "x"};
    struct of_ahead *ahead;

    (void)state;
    assert_int_equal(mkdir(folder.text, 0777), 0);
    make_file(file.text, METADATA_BYTES, 'f');
    ahead = of_ahead_start(both, 2, 0);
    assert_non_null(ahead);
    assert_true(of_ahead_take(ahead, folder.text, &shard));
    assert_measured(&shard, file.text);
    assert_null(shard.name);
    of_ahead_stop(ahead);
}

/* Headers that nobody came for are given back, also those that were passed over. */
static void what_is_not_taken_leaves_the_page_cache(void **state)
{
    struct of_shard shard = {0};
    struct of_ahead *ahead;
    int fds[FILES];

    (void)state;
    for (size_t i = 0; i < FILES; i++) {
        fds[i] = open(paths[i], O_RDONLY | O_CLOEXEC);
        assert_true(fds[i] >= 0);
        assert_int_equal(fdatasync(fds[i]), 0);
        of_pagecache_drop(fds[i], 0, METADATA_BYTES);
        if (of_pagecache_is_warm(fds[i], 0, METADATA_BYTES)) {
            for (size_t opened = 0; opened <= i; opened++) {
                (void)close(fds[opened]);
            }
            SKIP_TEST("pages of this file system do not leave the page cache");
        }
    }
    ahead = of_ahead_start(paths, FILES, 0);
    assert_non_null(ahead);
    assert_true(of_ahead_take(ahead, paths[2], &shard));
    assert_false(shard.header_warm);
    of_ahead_stop(ahead);
    for (size_t i = 0; i < FILES; i++) {
        assert_true(of_pagecache_is_warm(fds[i], 0, METADATA_BYTES) == (i == 2));
        (void)close(fds[i]);
    }
}

static void what_is_no_file_is_left_to_others(void **state)
{
    const struct tmpdir_name text = tmpdir_join(dir.path, "text.safetensors");
    const struct tmpdir_name missing = tmpdir_join(dir.path, "missing.safetensors");
    const char *const odd[] = {dir.path, missing.text, text.text, paths[0]};
    struct of_shard shard = {0};
    struct of_ahead *ahead;

    (void)state;
    tmpdir_write_text(text.text, "no header");
    ahead = of_ahead_start(odd, 4, 0);
    assert_non_null(ahead);
    for (size_t i = 0; i < 3; i++) {
        assert_false(of_ahead_take(ahead, odd[i], &shard));
    }
    assert_true(of_ahead_take(ahead, paths[0], &shard));
    of_ahead_stop(ahead);
}

static void stops_at_any_time(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct of_ahead *ahead = of_ahead_start(paths, FILES, 0);
        struct of_shard shard;

        assert_non_null(ahead);
        if (i % 2 == 1) {
            assert_true(of_ahead_take(ahead, paths[i % FILES], &shard));
        }
        of_ahead_stop(ahead);
    }
}

static void without_memory_there_is_none(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 2; nth++) {
        of_mem_fail_at(nth, false);
        assert_null(of_ahead_start(paths, FILES, 0));
        of_mem_fail_at(0, false);
    }
}

/* Opens all files, with their paths known. The third is made anew meanwhile. */
static void checkpoints_are_the_same(void **state)
{
    struct of_arena arena;
    struct of_checkpoint_set set = {.arena = &arena, .paths = paths, .path_count = FILES};
    struct of_checkpoint *checkpoint;
    onefold_error err;

    (void)state;
    of_arena_init(&arena, 0);
    for (size_t i = 0; i < FILES; i++) {
        if (i == 2) {
            make_file(paths[i], METADATA_BYTES + 4096, 'z');
        }
        assert_int_equal(of_checkpoint_open(&set, paths[i], NULL, &checkpoint, &err), ONEFOLD_OK);
        assert_non_null(set.ahead);
        assert_int_equal(checkpoint->shard_count, 1);
        assert_string_equal(checkpoint->shards[0].name, strrchr(paths[i], '/') + 1);
        assert_measured(&checkpoint->shards[0], paths[i]);
        assert_int_equal(checkpoint->metadata[0].value.data[0], i == 2 ? 'z' : (char)('a' + i));
    }
    of_checkpoint_set_opened(&set);
    assert_null(set.ahead);
    of_checkpoint_set_finish(&set);
    of_arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_come_in_order),
        cmocka_unit_test(folders_come_too),
        cmocka_unit_test(what_is_not_taken_leaves_the_page_cache),
        cmocka_unit_test(what_is_no_file_is_left_to_others),
        cmocka_unit_test(stops_at_any_time),
        cmocka_unit_test(without_memory_there_is_none),
        cmocka_unit_test(checkpoints_are_the_same),
    };

    return cmocka_run_group_tests_name("ckpt_ahead", tests, make_dir, remove_dir);
}
