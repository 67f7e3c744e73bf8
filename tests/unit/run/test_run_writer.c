/* SPDX-License-Identifier: Apache-2.0 */
/* Small files: bytes, sizes and sums, whatever the pieces. */
#include "run/writer.h"

#include "support/prng.h"
#include "support/tmpdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { BYTES_MAX = 300000 };

static void test_pieces(void **state)
{
    static const uint64_t sizes[] = {0, 1, 65535, 65536, 65537, 131072, BYTES_MAX};
    struct tmpdir dir = tmpdir_make();
    const int folder = open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint8_t *bytes = malloc(BYTES_MAX);
    struct prng prng = prng_make(prng_seed(2));
    struct of_writer writer;
    onefold_error err;

    (void)state;
    assert_non_null(bytes);
    prng_fill(&prng, bytes, BYTES_MAX);
    assert_int_equal(of_writer_init(&writer, folder, OF_SUM_SHA256 | OF_SUM_XXH128, &err),
                     ONEFOLD_OK);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct tmpdir_name path = tmpdir_join(dir.path, "file");
        struct of_digest xxh128 = of_hash_xxh128(bytes, sizes[i]);
        struct of_sha256_digest sha256;
        struct of_out_file file;
        size_t length;
        char *found;

        assert_int_equal(of_writer_begin(&writer, "file", &err), ONEFOLD_OK);
        for (uint64_t at = 0; at < sizes[i];) {
            const uint64_t part = prng_between(&prng, 1, sizes[i] - at);

            assert_int_equal(of_writer_add(&writer, bytes + at, part, &err), ONEFOLD_OK);
            at += part;
        }
        assert_int_equal(of_writer_end(&writer, &file, &err), ONEFOLD_OK);
        assert_true(of_hash_sha256(bytes, sizes[i], &sha256));
        assert_string_equal(file.name, "file");
        assert_int_equal(file.size_bytes, sizes[i]);
        assert_memory_equal(&file.hashes.sha256, &sha256, sizeof(sha256));
        assert_memory_equal(&file.hashes.xxh128, &xxh128, sizeof(xxh128));
        found = tmpdir_read(path.text, &length);
        assert_int_equal(length, sizes[i]);
        assert_memory_equal(found, bytes, length);
        free(found);
        assert_int_equal(unlink(path.text), 0);
    }
    of_writer_finish(&writer);
    assert_int_equal(close(folder), 0);
    free(bytes);
    tmpdir_remove(&dir);
}

static int count_open(void)
{
    int count = 0;

    for (int fd = 0; fd < 256; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

/* Files wait for their sync, and are whole meanwhile; never too many of them, and none is left
 * open. */
static void test_synced_together(void **state)
{
    enum { FILES = 2 * OF_WRITER_ENDED_MAX + 2 };
    static char names[FILES][24];
    struct tmpdir dir = tmpdir_make();
    const int folder = open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int open_before = count_open();
    struct of_writer writer;
    onefold_error err;

    (void)state;
    assert_int_equal(of_writer_init(&writer, folder, 0, &err), ONEFOLD_OK);
    for (int i = 0; i < FILES; i++) {
        struct of_out_file file;
        size_t length;
        char *found;

        (void)snprintf(names[i], sizeof(names[i]), "file-%d", i);
        assert_int_equal(of_writer_begin(&writer, names[i], &err), ONEFOLD_OK);
        assert_int_equal(of_writer_add(&writer, names[i], strlen(names[i]), &err), ONEFOLD_OK);
        assert_int_equal(of_writer_end(&writer, &file, &err), ONEFOLD_OK);
        assert_int_equal(count_open() - open_before, (i + 1) % OF_WRITER_ENDED_MAX);
        found = tmpdir_read(tmpdir_join(dir.path, names[i]).text, &length);
        assert_string_equal(found, names[i]);
        free(found);
    }
    assert_int_equal(of_writer_sync(&writer, &err), ONEFOLD_OK);
    assert_int_equal(count_open(), open_before);
    assert_int_equal(of_writer_sync(&writer, &err), ONEFOLD_OK);
    of_writer_finish(&writer);
    assert_int_equal(close(folder), 0);
    tmpdir_remove(&dir);
}

/* The file is named, and the others do not stay open. */
static void test_sync_fails(void **state)
{
    static const char *const names[] = {"first", "second", "third"};
    struct tmpdir dir = tmpdir_make();
    const int folder = open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int open_before = count_open();
    struct of_writer writer;
    onefold_error err;
    int null;

    (void)state;
    assert_int_equal(of_writer_init(&writer, folder, 0, &err), ONEFOLD_OK);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct of_out_file file;

        assert_int_equal(of_writer_begin(&writer, names[i], &err), ONEFOLD_OK);
        assert_int_equal(of_writer_end(&writer, &file, &err), ONEFOLD_OK);
    }
    /* A descriptor that cannot be synced. */
    null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(dup2(null, writer.ended[1].fd), writer.ended[1].fd);
    assert_int_equal(close(null), 0);
    assert_int_equal(of_writer_sync(&writer, &err), ONEFOLD_E_IO);
    assert_string_equal(err.id, "output-sync");
    assert_non_null(strstr(err.message, "second"));
    of_writer_finish(&writer);
    assert_int_equal(count_open(), open_before);
    assert_int_equal(close(folder), 0);
    tmpdir_remove(&dir);
}

static void test_never_replaces(void **state)
{
    struct tmpdir dir = tmpdir_make();
    const int folder = open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct of_writer writer;
    onefold_error err;
    size_t length;
    char *found;

    (void)state;
    tmpdir_write_text(tmpdir_join(dir.path, "file").text, "mine");
    assert_int_equal(of_writer_init(&writer, folder, 0, &err), ONEFOLD_OK);
    assert_int_not_equal(of_writer_begin(&writer, "file", &err), ONEFOLD_OK);
    of_writer_finish(&writer);
    found = tmpdir_read(tmpdir_join(dir.path, "file").text, &length);
    assert_string_equal(found, "mine");
    free(found);
    assert_int_equal(close(folder), 0);
    tmpdir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_synced_together),
        cmocka_unit_test(test_sync_fails),
        cmocka_unit_test(test_never_replaces),
    };

    return cmocka_run_group_tests_name("run_writer", tests, NULL, NULL);
}
