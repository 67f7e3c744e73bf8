/* SPDX-License-Identifier: Apache-2.0 */
/* Every backend by the same tests, through the page cache and directly. */
#include "sys/io.h"

#include "base/limits.h"
#include "base/num.h"
#include "support/skip.h"
#include "support/tmpdir.h"
#include "sys/clock.h"
#include "sys/crew.h"
#include "sys/file.h"
#include "sys/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DEPTH = 16, CHUNK_BYTES = 65536, CHUNKS = 200, TAIL_BYTES = 1234 };
#define FILE_BYTES ((uint64_t)CHUNK_BYTES * CHUNKS + TAIL_BYTES)

struct fixture {
    const char *backend;
    bool direct;
    uint32_t ring_count;
    uint32_t part_count;
    struct tmpdir dir;
    struct tmpdir_name path;
    struct of_pool pool;
    struct of_io io;
    struct of_io_req reqs[DEPTH];
    int fd;
};

static uint8_t pattern(uint64_t at)
{
    return (uint8_t)(at * 31 + at / 251 + at / 65536);
}

/* The framework puts its own handler of SIGBUS in place before each test; ours comes back here. */
static struct sigaction own_handler;

static void keep_handler(void)
{
    struct of_window window;
    onefold_error err;

    if (of_window_open(&window, -1, 0, 0, false, &err) != ONEFOLD_OK ||
        sigaction(SIGBUS, NULL, &own_handler) != 0) {
        abort();
    }
    of_window_close(&window);
}

static void fill_file(const char *path)
{
    uint8_t *bytes = malloc(FILE_BYTES);

    assert_non_null(bytes);
    for (uint64_t i = 0; i < FILE_BYTES; i++) {
        bytes[i] = pattern(i);
    }
    tmpdir_write(path, bytes, FILE_BYTES);
    free(bytes);
}

static int open_input(const struct fixture *fixture, const char *path)
{
    onefold_error err;
    int fd = -1;

    if (of_file_open_read(of_file_here, path, fixture->direct ? OF_FILE_DIRECT : 0, &fd, NULL,
                          &err) != ONEFOLD_OK) {
        return -1;
    }
    return fd;
}

static int set_up(void **state)
{
    struct fixture *fixture = *state;
    onefold_error err;
    struct of_io_options options = {.depth = DEPTH,
                                    .pool_bytes = (uint64_t)DEPTH * CHUNK_BYTES,
                                    .ring_count = fixture->ring_count,
                                    .part_count = fixture->part_count};
    onefold_status status;

    fixture->dir = tmpdir_make();
    fixture->path = tmpdir_join(fixture->dir.path, "input");
    fill_file(fixture->path.text);
    memset(fixture->reqs, 0, sizeof(fixture->reqs));
    assert_int_equal(of_pool_init(&fixture->pool, options.pool_bytes, &err), ONEFOLD_OK);
    options.pool_bytes = fixture->pool.size_bytes;
    options.pool = fixture->pool.data;
    status = of_io_init(&fixture->io, fixture->backend, &options, NULL, &err);
    fixture->fd = open_input(fixture, fixture->path.text);
    if (status != ONEFOLD_OK) {
        assert_string_equal(err.id, "io-backend");
    }
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    of_io_finish(&fixture->io);
    of_file_close(&fixture->fd);
    of_pool_finish(&fixture->pool);
    tmpdir_remove(&fixture->dir);
    return 0;
}

/* A machine may refuse a ring, a file system direct I/O. */
#define NEED(fixture)                                                        \
    do {                                                                     \
        if ((fixture)->io.backend == NULL || (fixture)->fd < 0) {            \
            SKIP_TEST("no such backend, or no direct I/O, on this machine"); \
        }                                                                    \
    } while (0)

static uint8_t *buffer_of(struct fixture *fixture, size_t index)
{
    return fixture->pool.data + index * CHUNK_BYTES;
}

/* Reaps until something is done. */
static struct of_io_req *reap_some(struct of_io *io)
{
    struct of_io_req *done = NULL;

    for (int tries = 0; done == NULL && tries < 600; tries++) {
        done = of_io_reap(io, true);
    }
    assert_non_null(done);
    return done;
}

static struct of_io_req *run_one(struct fixture *fixture, enum of_io_kind kind, int fd,
                                 uint64_t offset, uint64_t length, uint64_t length_must)
{
    struct of_io_req *req = &fixture->reqs[0];
    struct of_io_req *done;

    *req = (struct of_io_req){.kind = kind,
                              .fd = fd,
                              .offset = offset,
                              .length = length,
                              .length_must = length_must,
                              .buffer = buffer_of(fixture, 0)};
    of_io_submit(&fixture->io, req);
    done = reap_some(&fixture->io);
    assert_ptr_equal(done, req);
    assert_null(done->next);
    assert_int_equal(fixture->io.in_flight, 0);
    return req;
}

static void check_bytes(const struct of_io_req *req)
{
    for (uint64_t i = 0; i < req->done_bytes; i++) {
        if (req->data[i] != pattern(req->offset + i)) {
            fail_msg("byte %llu differs", (unsigned long long)(req->offset + i));
        }
    }
}

static void submit_chunk(struct fixture *fixture, size_t index, uint64_t chunk)
{
    struct of_io_req *req = &fixture->reqs[index];

    *req = (struct of_io_req){.kind = OF_IO_READ,
                              .fd = fixture->fd,
                              .offset = chunk * CHUNK_BYTES,
                              .length = CHUNK_BYTES,
                              .length_must = chunk < CHUNKS ? CHUNK_BYTES : TAIL_BYTES,
                              .buffer = buffer_of(fixture, index),
                              .ring = (uint32_t)index,
                              .owner = &fixture->reqs[index]};
    of_io_submit(&fixture->io, req);
}

static void test_many_requests(void **state)
{
    struct fixture *fixture = *state;
    uint64_t next = 0;
    uint64_t done_count = 0;

    NEED(fixture);
    for (size_t i = 0; i < DEPTH; i++) {
        submit_chunk(fixture, i, next++);
    }
    while (done_count <= CHUNKS) {
        struct of_io_req *list = reap_some(&fixture->io);

        while (list != NULL) {
            struct of_io_req *req = list;
            const size_t index = (size_t)(req - fixture->reqs);

            list = req->next;
            assert_int_equal(req->result_errno, 0);
            assert_ptr_equal(req->owner, req);
            assert_int_equal(req->done_bytes, of_num_min(CHUNK_BYTES, FILE_BYTES - req->offset));
            check_bytes(req);
            assert_true(of_io_release(&fixture->io, req));
            assert_null(req->data);
            assert_true(of_io_release(&fixture->io, req)); /* any state is fine */
            done_count++;
            if (next <= CHUNKS) {
                submit_chunk(fixture, index, next++);
            }
        }
    }
    assert_int_equal(fixture->io.in_flight, 0);
    assert_int_equal(fixture->io.read_bytes, FILE_BYTES);
    assert_int_equal(fixture->io.written_bytes, 0);
    assert_null(of_io_reap(&fixture->io, false));
}

static void test_end_of_file(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t last = (uint64_t)CHUNKS * CHUNK_BYTES;
    struct of_io_req *req;

    NEED(fixture);
    /* Widened past the end: the file has what must be there, to the byte. */
    req = run_one(fixture, OF_IO_READ, fixture->fd, last, 4096, TAIL_BYTES);
    assert_int_equal(req->result_errno, 0);
    assert_int_equal(req->done_bytes, TAIL_BYTES);
    check_bytes(req);
    assert_true(of_io_release(&fixture->io, req));
    /* One more than there is. */
    req = run_one(fixture, OF_IO_READ, fixture->fd, last, 4096, TAIL_BYTES + 1);
    assert_int_equal(req->result_errno, ENODATA);
    assert_int_equal(req->done_bytes, TAIL_BYTES);
    assert_true(of_io_release(&fixture->io, req));
    /* Nothing at all. */
    req = run_one(fixture, OF_IO_READ, fixture->fd, last + 8192, 4096, 1);
    assert_int_equal(req->result_errno, ENODATA);
    assert_int_equal(req->done_bytes, 0);
    assert_true(of_io_release(&fixture->io, req));
    /* Nothing, and that is fine. */
    req = run_one(fixture, OF_IO_READ, fixture->fd, last + 8192, 4096, 0);
    assert_int_equal(req->result_errno, 0);
    assert_int_equal(req->done_bytes, 0);
    assert_true(of_io_release(&fixture->io, req));
    /* The end on a block's border. */
    assert_int_equal(truncate(fixture->path.text, CHUNK_BYTES), 0);
    req = run_one(fixture, OF_IO_READ, fixture->fd, 0, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES);
    assert_int_equal(req->result_errno, ENODATA);
    assert_int_equal(req->done_bytes, CHUNK_BYTES);
    check_bytes(req);
    assert_true(of_io_release(&fixture->io, req));
}

static void test_bad_descriptor(void **state)
{
    struct fixture *fixture = *state;
    struct of_io_req *req;
    int closed;

    NEED(fixture);
    closed = fcntl(fixture->fd, F_DUPFD_CLOEXEC, 900);
    assert_true(closed >= 900);
    assert_int_equal(close(closed), 0);
    req = run_one(fixture, OF_IO_READ, closed, 0, 4096, 4096);
    assert_int_equal(req->result_errno, EBADF);
    assert_true(of_io_release(&fixture->io, req));
    /* Writing to a descriptor open for reading only. */
    req = run_one(fixture, OF_IO_WRITE, fixture->fd, 0, 4096, 4096);
    assert_int_equal(req->result_errno, EBADF);
    /* And the next request works. */
    req = run_one(fixture, OF_IO_READ, fixture->fd, 0, 4096, 4096);
    assert_int_equal(req->result_errno, 0);
    check_bytes(req);
    assert_true(of_io_release(&fixture->io, req));
}

static void test_write(void **state)
{
    struct fixture *fixture = *state;
    const struct tmpdir_name path = tmpdir_join(fixture->dir.path, "output");
    onefold_error err;
    size_t length = 0;
    char *bytes;
    int fd = -1;

    NEED(fixture);
    assert_int_equal(
        of_file_create(of_file_here, path.text, fixture->direct ? OF_FILE_DIRECT : 0, &fd, &err),
        ONEFOLD_OK);
    /* All in flight at once, the last chunk of the file first. */
    for (size_t i = 0; i < DEPTH; i++) {
        const uint64_t offset = (uint64_t)(DEPTH - 1 - i) * CHUNK_BYTES;
        uint8_t *buffer = buffer_of(fixture, i);

        for (uint64_t k = 0; k < CHUNK_BYTES; k++) {
            buffer[k] = pattern(offset + k);
        }
        fixture->reqs[i] = (struct of_io_req){.kind = OF_IO_WRITE,
                                              .fd = fd,
                                              .offset = offset,
                                              .length = CHUNK_BYTES,
                                              .length_must = CHUNK_BYTES,
                                              .ring = (uint32_t)i,
                                              .buffer = buffer};
        of_io_submit(&fixture->io, &fixture->reqs[i]);
    }
    while (fixture->io.in_flight > 0) {
        for (struct of_io_req *req = reap_some(&fixture->io); req != NULL; req = req->next) {
            assert_int_equal(req->result_errno, 0);
            assert_int_equal(req->done_bytes, CHUNK_BYTES);
        }
    }
    assert_int_equal(fixture->io.written_bytes, (uint64_t)DEPTH * CHUNK_BYTES);
    of_file_close(&fd);
    bytes = tmpdir_read(path.text, &length);
    assert_int_equal(length, (uint64_t)DEPTH * CHUNK_BYTES);
    for (uint64_t i = 0; i < length; i++) {
        if ((uint8_t)bytes[i] != pattern(i)) {
            fail_msg("byte %llu differs", (unsigned long long)i);
        }
    }
    free(bytes);
}

static void wake_later(void *context)
{
    of_clock_sleep_ns(5000000);
    of_io_wake(context);
}

static void test_wake(void **state)
{
    struct fixture *fixture = *state;
    struct of_thread thread;
    struct of_io_req *req;
    onefold_error err;

    NEED(fixture);
    /* Before the wait: not lost, and one wait ends by it. */
    of_io_wake(&fixture->io);
    of_io_wake(&fixture->io);
    assert_null(of_io_reap(&fixture->io, true));
    /* From another thread, again and again. */
    for (int i = 0; i < 20; i++) {
        assert_int_equal(of_thread_start(&thread, wake_later, &fixture->io, &err), ONEFOLD_OK);
        assert_null(of_io_reap(&fixture->io, true));
        of_thread_join(&thread);
    }
    /* Requests still come through. */
    req = run_one(fixture, OF_IO_READ, fixture->fd, 4096, 4096, 4096);
    assert_int_equal(req->result_errno, 0);
    check_bytes(req);
    assert_true(of_io_release(&fixture->io, req));
}

static void test_nothing_to_wait_for(void **state)
{
    struct fixture *fixture = *state;

    NEED(fixture);
    /* Neither hangs. */
    assert_null(of_io_reap(&fixture->io, false));
    assert_null(of_io_reap(&fixture->io, true));
}

/* The file shrinks while its bytes are in use: a window is lost and says so, a buffer keeps what
 * was read. */
static void test_truncated_under_reader(void **state)
{
    struct fixture *fixture = *state;
    struct of_io_req *req;
    uint64_t sum = 0;
    bool had_window;

    NEED(fixture);
    assert_int_equal(sigaction(SIGBUS, &own_handler, NULL), 0);
    req = run_one(fixture, OF_IO_READ, fixture->fd, 0, 16 * 4096, 16 * 4096);
    assert_int_equal(req->result_errno, 0);
    had_window = req->in_window;
    assert_int_equal(had_window, strcmp(fixture->backend, "mmap") == 0);
    assert_int_equal(truncate(fixture->path.text, 4096), 0);
    for (uint64_t i = 0; i < req->done_bytes; i++) {
        sum += req->data[i];
    }
    assert_true(sum > 0);
    assert_int_equal(of_io_release(&fixture->io, req), !had_window);
    /* The range again: the file ended. */
    req = run_one(fixture, OF_IO_READ, fixture->fd, 0, 16 * 4096, 16 * 4096);
    assert_int_equal(req->result_errno, ENODATA);
    assert_int_equal(req->done_bytes, 4096);
    assert_true(of_io_release(&fixture->io, req));
}

/* A file that is full where it may not grow: SIGXFSZ is ignored by the tools. */
static void test_file_size_limit(void **state)
{
    struct fixture *fixture = *state;
    const struct tmpdir_name path = tmpdir_join(fixture->dir.path, "limited");
    struct rlimit old;
    struct rlimit low;
    onefold_error err;
    struct of_io_req *req;
    int fd = -1;

    NEED(fixture);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = (struct rlimit){.rlim_cur = 8192, .rlim_max = old.rlim_max};
    assert_int_equal(of_file_create(of_file_here, path.text, 0, &fd, &err), ONEFOLD_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    /* Short at first, then refused. */
    req = run_one(fixture, OF_IO_WRITE, fd, 0, 16384, 16384);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(req->result_errno, EFBIG);
    assert_int_equal(req->done_bytes, 8192);
    of_file_close(&fd);
}

#define BACKEND_TESTS(fixture)                                                                     \
    cmocka_unit_test_prestate_setup_teardown(test_many_requests, set_up, tear_down, &(fixture)),   \
        cmocka_unit_test_prestate_setup_teardown(test_end_of_file, set_up, tear_down, &(fixture)), \
        cmocka_unit_test_prestate_setup_teardown(test_bad_descriptor, set_up, tear_down,           \
                                                 &(fixture)),                                      \
        cmocka_unit_test_prestate_setup_teardown(test_write, set_up, tear_down, &(fixture)),       \
        cmocka_unit_test_prestate_setup_teardown(test_wake, set_up, tear_down, &(fixture)),        \
        cmocka_unit_test_prestate_setup_teardown(test_nothing_to_wait_for, set_up, tear_down,      \
                                                 &(fixture)),                                      \
        cmocka_unit_test_prestate_setup_teardown(test_truncated_under_reader, set_up, tear_down,   \
                                                 &(fixture)),                                      \
        cmocka_unit_test_prestate_setup_teardown(test_file_size_limit, set_up, tear_down,          \
                                                 &(fixture))

int main(void)
{
    static struct fixture uring = {.backend = "uring"};
    static struct fixture uring_direct = {.backend = "uring", .direct = true};
    static struct fixture rings = {.backend = "uring", .ring_count = 3};
    static struct fixture rings_direct = {
        .backend = "uring", .direct = true, .ring_count = 4, .part_count = 2};
    static struct fixture threads = {.backend = "threads"};
    static struct fixture threads_direct = {.backend = "threads", .direct = true};
    static struct fixture mapped = {.backend = "mmap"};
    static struct fixture mapped_direct = {.backend = "mmap", .direct = true};
    const struct CMUnitTest tests[] = {
        BACKEND_TESTS(uring),        BACKEND_TESTS(uring_direct),  BACKEND_TESTS(rings),
        BACKEND_TESTS(rings_direct), BACKEND_TESTS(threads),       BACKEND_TESTS(threads_direct),
        BACKEND_TESTS(mapped),       BACKEND_TESTS(mapped_direct),
    };

    keep_handler();
    return cmocka_run_group_tests_name("sys_io_backends", tests, NULL, NULL);
}
