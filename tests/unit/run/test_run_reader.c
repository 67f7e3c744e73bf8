/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the length of the file, the backend and the way, the bytes are those of the file, in
 * chunks of full length, also of those that are held while the reader goes on. */
#include "run/reader.h"

#include "base/limits.h"
#include "support/nowhere.h"
#include "support/prng.h"
#include "support/skip.h"
#include "support/tmpdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* More than all reads at a time take. */
#define SIZE_MAX_BYTES ((OF_READER_READS + 1) * OF_READER_READ_BYTES)

struct fixture {
    struct tmpdir dir;
    uint8_t *bytes; /* of the longest file; the others are its front */
    int fd;
};

static void begin(struct fixture *fixture)
{
    struct prng prng = prng_make(prng_seed(7));

    fixture->dir = tmpdir_make();
    fixture->bytes = malloc(SIZE_MAX_BYTES);
    assert_non_null(fixture->bytes);
    prng_fill(&prng, fixture->bytes, SIZE_MAX_BYTES);
    fixture->fd =
        open(tmpdir_join(fixture->dir.path, "f").text, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fixture->fd >= 0);
}

static void finish(struct fixture *fixture)
{
    (void)close(fixture->fd);
    free(fixture->bytes);
    tmpdir_remove(&fixture->dir);
}

static void set_size(const struct fixture *fixture, uint64_t size_bytes)
{
    assert_int_equal(ftruncate(fixture->fd, 0), 0);
    assert_int_equal(pwrite(fixture->fd, fixture->bytes, size_bytes, 0), (ssize_t)size_bytes);
}

struct chunk {
    const uint8_t *data;
    uint64_t length;
    uint64_t offset;
};

/* Goes through the file up to `end` with up to `held_max` chunks held; these are compared when they
 * are given back. */
static void go_through(const struct fixture *fixture, struct of_reader *reader, uint64_t size_bytes,
                       uint64_t end, uint32_t held_max)
{
    struct chunk held[OF_READER_HELD_MAX];
    uint32_t held_count = 0;
    uint64_t at = 0;
    onefold_error err;

    while (at < end) {
        const uint64_t left = size_bytes - at;
        struct chunk *chunk = &held[held_count++];

        chunk->offset = at;
        assert_int_equal(of_reader_next(reader, &chunk->data, &chunk->length, &err), ONEFOLD_OK);
        assert_int_equal(chunk->length,
                         left < OF_READER_CHUNK_BYTES ? left : OF_READER_CHUNK_BYTES);
        at += chunk->length;
        while (held_count == held_max || (at == size_bytes && held_count > 0)) {
            assert_memory_equal(held[0].data, fixture->bytes + held[0].offset, held[0].length);
            assert_int_equal(of_reader_release(reader, &err), ONEFOLD_OK);
            held_count--;
            memmove(held, held + 1, held_count * sizeof(held[0]));
        }
    }
    if (end == size_bytes) {
        const uint8_t *data = fixture->bytes;
        uint64_t length = 1;

        assert_int_equal(of_reader_next(reader, &data, &length, &err), ONEFOLD_OK);
        assert_int_equal(length, 0);
        assert_null(data);
    }
}

static void read_all_sizes(const struct fixture *fixture, const char *io_name,
                           enum of_direct direct, uint32_t read_count)
{
    static const uint64_t sizes[] = {0,
                                     1,
                                     4096,
                                     OF_READER_CHUNK_BYTES - 1,
                                     OF_READER_CHUNK_BYTES,
                                     OF_READER_CHUNK_BYTES + 1,
                                     OF_READER_READ_BYTES - 512,
                                     OF_READER_READ_BYTES,
                                     OF_READER_READ_BYTES + 1,
                                     OF_READER_READS * OF_READER_READ_BYTES,
                                     OF_READER_READS * OF_READER_READ_BYTES + 1,
                                     SIZE_MAX_BYTES - OF_READER_CHUNK_BYTES - 77,
                                     SIZE_MAX_BYTES};
    struct of_reader reader;
    onefold_error err;

    assert_int_equal(of_reader_init(&reader, io_name, direct, read_count, &err), ONEFOLD_OK);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        set_size(fixture, sizes[i]);
        for (uint32_t held_max = 1; held_max < OF_READER_HELD_MAX;
             held_max += OF_READER_HELD_MAX - 2) {
            assert_int_equal(of_reader_open(&reader, fixture->fd, sizes[i], &err), ONEFOLD_OK);
            go_through(fixture, &reader, sizes[i], sizes[i], held_max);
            of_reader_close(&reader);
        }
    }
    of_reader_finish(&reader);
}

static void test_bytes_are_the_files(void **state)
{
    static const enum of_direct ways[] = {OF_DIRECT_AUTO, OF_DIRECT_OFF};
    struct fixture fixture;

    (void)state;
    begin(&fixture);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        read_all_sizes(&fixture, NULL, ways[i], OF_READER_READS);
        read_all_sizes(&fixture, NULL, ways[i], OF_READER_READS_MIN);
        read_all_sizes(&fixture, "threads", ways[i], OF_READER_READS);
        read_all_sizes(&fixture, "mmap", ways[i], OF_READER_READS_MIN);
    }
    finish(&fixture);
}

/* A file that is left in the middle, with chunks held, is no harm to the next one. */
static void test_left_in_the_middle(void **state)
{
    static const char *const names[] = {NULL, "threads", "mmap"};
    struct fixture fixture;
    onefold_error err;

    (void)state;
    begin(&fixture);
    set_size(&fixture, SIZE_MAX_BYTES);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct of_reader reader;

        assert_int_equal(of_reader_init(&reader, names[i], OF_DIRECT_AUTO, OF_READER_READS, &err),
                         ONEFOLD_OK);
        for (uint64_t end = 0; end <= 6; end++) {
            assert_int_equal(of_reader_open(&reader, fixture.fd, SIZE_MAX_BYTES, &err), ONEFOLD_OK);
            go_through(&fixture, &reader, SIZE_MAX_BYTES, end * OF_READER_CHUNK_BYTES, 4);
            of_reader_close(&reader);
        }
        assert_int_equal(of_reader_open(&reader, fixture.fd, SIZE_MAX_BYTES, &err), ONEFOLD_OK);
        go_through(&fixture, &reader, SIZE_MAX_BYTES, SIZE_MAX_BYTES, 4);
        of_reader_finish(&reader);
    }
    finish(&fixture);
}

/* A file that ends before the length that was said is refused, not read with what is left of the
 * one before in the buffer. */
static void test_shorter_than_said(void **state)
{
    struct fixture fixture;
    struct of_reader reader;
    const uint8_t *data;
    uint64_t length;
    onefold_error err;
    onefold_status status = ONEFOLD_OK;

    (void)state;
    begin(&fixture);
    assert_int_equal(of_reader_init(&reader, "threads", OF_DIRECT_OFF, OF_READER_READS_MIN, &err),
                     ONEFOLD_OK);
    set_size(&fixture, OF_READER_READ_BYTES);
    assert_int_equal(of_reader_open(&reader, fixture.fd, OF_READER_READ_BYTES + 4096, &err),
                     ONEFOLD_OK);
    for (uint32_t i = 0; i <= OF_READER_READ_CHUNKS && status == ONEFOLD_OK; i++) {
        status = of_reader_next(&reader, &data, &length, &err);
        if (status == ONEFOLD_OK) {
            assert_true(i < OF_READER_READ_CHUNKS);
            assert_int_equal(of_reader_release(&reader, &err), ONEFOLD_OK);
        }
    }
    assert_int_not_equal(status, ONEFOLD_OK);
    assert_string_equal(err.id, "input-changed");
    of_reader_finish(&reader);
    finish(&fixture);
}

/* A reader that reads past the page cache, in the given way of its trial. False where the file
 * system refuses that. */
static bool begin_direct(const struct fixture *fixture, struct of_reader *reader, uint32_t way)
{
    onefold_error err;

    set_size(fixture, 4096);
    assert_int_equal(of_reader_init(reader, NULL, OF_DIRECT_ON, OF_READER_READS, &err), ONEFOLD_OK);
    if (of_reader_open(reader, fixture->fd, 4096, &err) != ONEFOLD_OK) {
        assert_string_equal(err.id, "io-direct");
        return false;
    }
    of_reader_close(reader);
    reader->trial.stretch = way;
    assert_int_equal(of_trial_way(&reader->trial), way);
    return true;
}

/* No more reads are underway than there may be; the places are loaded already. */
static void check_underway(struct of_reader *reader, int fd, uint64_t size_bytes, uint32_t most)
{
    const uint8_t *data;
    uint64_t length;
    onefold_error err;

    reader->trial.bytes = 0;
    assert_int_equal(of_reader_open(reader, fd, size_bytes, &err), ONEFOLD_OK);
    do {
        assert_in_range(reader->underway_count, 0, most);
        assert_int_equal(of_reader_next(reader, &data, &length, &err), ONEFOLD_OK);
    } while (length > 0 && of_reader_release(reader, &err) == ONEFOLD_OK);
    assert_int_equal(length, 0);
    of_reader_close(reader);
}

/* Short requests of two reads, or a long one for each of four: the bytes are the same. */
static void test_both_ways(void **state)
{
    static const uint32_t req_counts[] = {OF_READER_READ_REQS, 1};
    static const uint32_t reads[] = {OF_READER_UNDERWAY_SHORT, OF_READER_UNDERWAY_LONG};
    static const uint64_t ends[] = {0, 1, 512, OF_READER_REQ_BYTES, OF_READER_CHUNK_BYTES + 77};
    struct fixture fixture;
    bool is_direct = true;

    (void)state;
    begin(&fixture);
    for (uint32_t way = 0; way < 2 && is_direct; way++) {
        struct of_reader reader;

        is_direct = begin_direct(&fixture, &reader, way);
        for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]) && is_direct; i++) {
            const uint64_t size_bytes = SIZE_MAX_BYTES - ends[i];
            onefold_error err;

            reader.trial.stretch = way;
            reader.trial.bytes = 0;
            set_size(&fixture, size_bytes);
            assert_int_equal(of_reader_open(&reader, fixture.fd, size_bytes, &err), ONEFOLD_OK);
            assert_int_equal(reader.req_counts[0], req_counts[way]);
            assert_in_range(reader.underway_count, 1, reads[way]);
            go_through(&fixture, &reader, size_bytes, size_bytes, 1 + 3 * (uint32_t)i);
            of_reader_close(&reader);
            check_underway(&reader, fixture.fd, size_bytes, reads[way]);
        }
        of_reader_finish(&reader);
    }
    finish(&fixture);
    if (!is_direct) {
        SKIP_TEST("the file system of the temporary folder refuses direct reading");
    }
}

/* The second of two short requests that a chunk comes with found the end of the file: the chunk is
 * refused, the ones before it are not. */
static void test_half_a_chunk(void **state)
{
    struct fixture fixture;
    struct of_reader reader;
    bool is_direct;

    (void)state;
    begin(&fixture);
    is_direct = begin_direct(&fixture, &reader, 0);
    if (is_direct) {
        const uint8_t *data;
        uint64_t length;
        onefold_error err;

        set_size(&fixture, OF_READER_READ_BYTES - OF_READER_REQ_BYTES + 4096);
        assert_int_equal(of_reader_open(&reader, fixture.fd, OF_READER_READ_BYTES, &err),
                         ONEFOLD_OK);
        for (uint32_t i = 0; i < OF_READER_READ_CHUNKS - 1; i++) {
            assert_int_equal(of_reader_next(&reader, &data, &length, &err), ONEFOLD_OK);
            assert_memory_equal(data, fixture.bytes + i * OF_READER_CHUNK_BYTES, length);
            assert_int_equal(of_reader_release(&reader, &err), ONEFOLD_OK);
        }
        assert_int_not_equal(of_reader_next(&reader, &data, &length, &err), ONEFOLD_OK);
        assert_string_equal(err.id, "input-changed");
    }
    of_reader_finish(&reader);
    finish(&fixture);
    if (!is_direct) {
        SKIP_TEST("the file system of the temporary folder refuses direct reading");
    }
}

/* Whoever waits for memory beside the reads is told that it cannot be had; with it, all goes on. */
static void test_memory_that_cannot_be_had(void **state)
{
    struct fixture fixture;
    struct of_reader reader;
    const uint8_t *data;
    uint64_t length;
    uint8_t *pool;
    onefold_error err;
    onefold_status status = ONEFOLD_OK;

    (void)state;
    if (!nowhere_is_refused()) {
        SKIP_TEST("memory that cannot be had is not refused here");
    }
    begin(&fixture);
    /* Reads through windows do not need the memory that is not there. */
    assert_int_equal(of_reader_init(&reader, "mmap", OF_DIRECT_OFF, OF_READER_READS_MIN, &err),
                     ONEFOLD_OK);
    set_size(&fixture, OF_READER_READ_BYTES);
    assert_int_equal(of_reader_open(&reader, fixture.fd, OF_READER_READ_BYTES, &err), ONEFOLD_OK);
    of_reader_close(&reader);
    set_size(&fixture, SIZE_MAX_BYTES);
    pool = reader.pool.data;
    reader.pool.data = nowhere();
    status = of_reader_open(&reader, fixture.fd, SIZE_MAX_BYTES, &err);
    for (uint32_t i = 0; i <= OF_READER_READ_CHUNKS && status == ONEFOLD_OK; i++) {
        status = of_reader_next(&reader, &data, &length, &err);
    }
    assert_int_equal(status, ONEFOLD_E_MEMORY);
    assert_string_equal(err.id, "memory");
    of_reader_close(&reader);
    reader.pool.data = pool;
    assert_int_equal(of_reader_open(&reader, fixture.fd, SIZE_MAX_BYTES, &err), ONEFOLD_OK);
    go_through(&fixture, &reader, SIZE_MAX_BYTES, SIZE_MAX_BYTES, OF_READER_HELD_MAX - 1);
    assert_true(reader.loaded_count >= OF_READER_READS_MIN - 1);
    of_reader_finish(&reader);
    finish(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_the_files),
        cmocka_unit_test(test_left_in_the_middle),
        cmocka_unit_test(test_shorter_than_said),
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_half_a_chunk),
        cmocka_unit_test(test_memory_that_cannot_be_had),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
