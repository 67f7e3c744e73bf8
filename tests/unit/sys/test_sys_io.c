/* SPDX-License-Identifier: Apache-2.0 */
/* What io.c makes of attempts, by a backend of the test, and what happens where a ring is refused.
 */
#include "sys/io.h"

#include "base/limits.h"
#include "base/num.h"
#include "support/skip.h"
#include "sys/file.h"
#include "sys/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct script {
    const int *steps; /* > 0: bytes moved; 0: nothing; < 0: that errno */
    size_t count;
    size_t at;
    struct of_io_req *ready;
    uint64_t seen_starts[8];
    uint32_t attempts;
};
static struct script *script;

static onefold_status script_init(struct of_io *io, const struct of_io_options *options,
                                  onefold_error *err)
{
    (void)options;
    (void)err;
    io->state = script;
    return ONEFOLD_OK;
}

static void script_submit(struct of_io *io, struct of_io_req *req)
{
    struct script *own = io->state;
    const int step = own->at < own->count ? own->steps[own->at] : own->steps[own->count - 1];

    own->at++;
    if (own->attempts < OF_LENGTH(own->seen_starts)) {
        own->seen_starts[own->attempts] = req->done_bytes;
    }
    own->attempts++;
    req->result_errno = step < 0 ? -step : 0;
    if (step > 0) {
        req->done_bytes += of_num_min((uint64_t)step, req->length - req->done_bytes);
    }
    req->next = own->ready;
    own->ready = req;
}

static struct of_io_req *script_reap(struct of_io *io, bool wait)
{
    struct script *own = io->state;
    struct of_io_req *done = own->ready;

    (void)wait;
    own->ready = NULL;
    return done;
}

static void script_nothing(struct of_io *io)
{
    (void)io;
}

static const struct of_io_backend script_backend = {
    .name = "script",
    .summary = "for tests",
    .init = script_init,
    .submit = script_submit,
    .reap = script_reap,
    .wake = script_nothing,
    .finish = script_nothing,
};

static struct of_io_req run_script(struct script *own, enum of_io_kind kind, uint64_t length,
                                   uint64_t length_must)
{
    static uint8_t buffer[16];
    struct of_io_req req = {
        .kind = kind, .fd = -1, .length = length, .length_must = length_must, .buffer = buffer};
    const struct of_io_options options = {.depth = 1};
    onefold_error err;
    struct of_io io;

    script = own;
    assert_int_equal(of_io_init_with(&io, &script_backend, &options, &err), ONEFOLD_OK);
    of_io_submit(&io, &req);
    assert_ptr_equal(of_io_reap(&io, true), &req);
    assert_ptr_equal(req.data, buffer);
    assert_true(of_io_release(&io, &req));
    of_io_finish(&io);
    return req;
}

#define SCRIPT(...)                                               \
    {                                                             \
        .steps = (const int[]){__VA_ARGS__},                      \
        .count = sizeof((const int[]){__VA_ARGS__}) / sizeof(int) \
    }

static void test_short_transfers(void **state)
{
    struct script reads = SCRIPT(1, 1, 7, 4096);
    struct script end = SCRIPT(100, 0);
    struct script writes = SCRIPT(5000, 1, 99999);
    struct script stuck = SCRIPT(10, 0);
    struct of_io_req req;

    (void)state;
    req = run_script(&reads, OF_IO_READ, 4096, 4096);
    assert_int_equal(req.result_errno, 0);
    assert_int_equal(req.done_bytes, 4096);
    assert_int_equal(reads.attempts, 4);
    assert_int_equal(reads.seen_starts[3], 9);
    req = run_script(&end, OF_IO_READ, 4096, 100);
    assert_int_equal(req.result_errno, 0);
    assert_int_equal(req.done_bytes, 100);
    req = run_script(&writes, OF_IO_WRITE, 8192, 8192);
    assert_int_equal(req.result_errno, 0);
    assert_int_equal(writes.seen_starts[2], 5001);
    /* A write that moves nothing is an error, not a loop. */
    req = run_script(&stuck, OF_IO_WRITE, 4096, 4096);
    assert_int_equal(req.result_errno, EIO);
    assert_int_equal(req.done_bytes, 10);
}

static void test_repetitions(void **state)
{
    struct script passing = SCRIPT(-EINTR, -EAGAIN, 10, -ECANCELED, 4096);
    struct script forever = SCRIPT(-EAGAIN);
    struct script read_twice = SCRIPT(-EIO, 4096);
    struct script read_bad = SCRIPT(-EIO, -EIO, 4096);
    struct script write_bad = SCRIPT(-EIO, 4096);
    struct script full = SCRIPT(4000, -ENOSPC);
    struct of_io_req req;

    (void)state;
    req = run_script(&passing, OF_IO_READ, 4096, 4096);
    assert_int_equal(req.result_errno, 0);
    assert_int_equal(req.done_bytes, 4096);
    req = run_script(&forever, OF_IO_READ, 4096, 4096);
    assert_int_equal(req.result_errno, ETIMEDOUT);
    assert_int_equal(forever.attempts, OF_IO_RETRY_MAX + 1);
    req = run_script(&read_twice, OF_IO_READ, 4096, 4096);
    assert_int_equal(req.result_errno, 0);
    req = run_script(&read_bad, OF_IO_READ, 4096, 4096);
    assert_int_equal(req.result_errno, EIO);
    assert_int_equal(read_bad.attempts, 2);
    req = run_script(&write_bad, OF_IO_WRITE, 4096, 4096);
    assert_int_equal(req.result_errno, EIO);
    assert_int_equal(write_bad.attempts, 1);
    req = run_script(&full, OF_IO_WRITE, 4096, 4096);
    assert_int_equal(req.result_errno, ENOSPC);
    assert_int_equal(req.done_bytes, 4000);
}

static void test_rows(void **state)
{
    uint64_t count = 0;

    (void)state;
    while (of_io_backend_at(count) != NULL) {
        const struct of_io_backend *row = of_io_backend_at(count);

        assert_ptr_equal(of_io_backend_find(row->name), row);
        assert_true(strlen(row->summary) > 0);
        count++;
    }
    assert_true(count >= 2);
    assert_non_null(of_io_backend_find("threads"));
    assert_non_null(of_io_backend_find("mmap"));
    assert_null(of_io_backend_find("rings"));
}

/* Runs fn in a child; its result is the exit code, 77 = cannot be tried here. */
static void in_child(int (*fn)(int argument), int argument)
{
    const pid_t child = fork();
    int result = 0;

    assert_true(child >= 0);
    if (child == 0) {
        _exit(fn(argument));
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    if (WEXITSTATUS(result) == 77) {
        SKIP_TEST("this machine does not let a process be restricted so");
    }
    assert_int_equal(WEXITSTATUS(result), 0);
}

/* With no descriptors left, eventfd and ring are refused. By its name that is an error; by default
 * threads come, and a note that says why. */
static int no_descriptors(int argument)
{
    const struct of_io_options options = {.depth = 4};
    const struct rlimit none = {.rlim_cur = 3, .rlim_max = 3};
    onefold_error err;
    onefold_error note;
    struct of_io io;

    (void)argument;
    for (int fd = 3; fd < 256; fd++) {
        (void)close(fd);
    }
    if (setrlimit(RLIMIT_NOFILE, &none) != 0) {
        return 1;
    }
    if (of_io_backend_find("uring") != NULL &&
        (of_io_init(&io, "uring", &options, NULL, &err) == ONEFOLD_OK ||
         strcmp(err.id, "io-backend") != 0 || err.sys_errno != EMFILE)) {
        return 2;
    }
    if (of_io_init(&io, NULL, &options, &note, &err) != ONEFOLD_OK ||
        strcmp(io.backend->name, "threads") != 0 || note.status == ONEFOLD_OK ||
        strcmp(note.id, "io-backend") != 0) {
        return 3;
    }
    of_io_finish(&io);
    return of_io_init(&io, "nothing", &options, NULL, &err) != ONEFOLD_OK ? 0 : 4;
}

static void test_fallback(void **state)
{
    (void)state;
    in_child(no_descriptors, 0);
}

/* One system call answers with an errno from now on, as container runtimes do. */
static bool refuse_call(uint32_t number, int refusal)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)refusal),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = OF_LENGTH(rules), .filter = rules};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int refused_ring(int refusal)
{
    struct of_io_options options = {.depth = 4};
    onefold_error err;
    onefold_error note;
    struct of_io io;

    if (of_io_backend_find("uring") == NULL || !refuse_call(SYS_io_uring_setup, refusal)) {
        return 77;
    }
    options.ring_count = 3;
    if (of_io_init(&io, "uring", &options, NULL, &err) == ONEFOLD_OK || err.sys_errno != refusal) {
        return 3;
    }
    options.ring_count = 1;
    if (of_io_init(&io, "uring", &options, NULL, &err) == ONEFOLD_OK || err.sys_errno != refusal ||
        strcmp(err.id, "io-backend") != 0) {
        return 1;
    }
    if (of_io_init(&io, NULL, &options, &note, &err) != ONEFOLD_OK ||
        strcmp(io.backend->name, "threads") != 0 || note.sys_errno != refusal ||
        strchr(note.message, '(') == NULL) {
        return 2;
    }
    of_io_finish(&io);
    return 0;
}

static void test_refused_ring(void **state)
{
    static const int refusals[] = {EPERM, ENOSYS, ENOMEM, EINVAL};

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(refusals); i++) {
        in_child(refused_ring, refusals[i]);
    }
}

/* The ring breaks in the middle: what it had goes on by plain calls. */
static int broken_ring(int refusal)
{
    enum { COUNT = 4 };
    static uint8_t buffers[COUNT][4096];
    const struct of_io_options options = {.depth = COUNT};
    struct of_io_req reqs[COUNT];
    onefold_error err;
    struct of_io io;
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    uint32_t done_count = 0;

    if (fd < 0 || of_io_backend_find("uring") == NULL ||
        of_io_init(&io, "uring", &options, NULL, &err) != ONEFOLD_OK ||
        !refuse_call(SYS_io_uring_enter, refusal)) {
        return 77;
    }
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            reqs[i] = (struct of_io_req){.kind = OF_IO_READ,
                                         .fd = fd,
                                         .length = 4096,
                                         .length_must = 4096,
                                         .buffer = buffers[i]};
            of_io_submit(&io, &reqs[i]);
        }
        while (io.in_flight > 0) {
            for (struct of_io_req *done = of_io_reap(&io, true); done != NULL; done = done->next) {
                if (done->result_errno != 0 || memcmp(done->data, "\177ELF", 4) != 0) {
                    return 1;
                }
                done_count++;
            }
        }
    }
    /* It still wakes. */
    of_io_wake(&io);
    if (of_io_reap(&io, true) != NULL || done_count != 2 * COUNT) {
        return 2;
    }
    of_io_finish(&io);
    return close(fd);
}

static void test_broken_ring(void **state)
{
    static const int refusals[] = {EBADR, EPERM, EAGAIN};

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(refusals); i++) {
        in_child(broken_ring, refusals[i]);
    }
}

/* An ordinary user with little locked memory: buffers are registered in part, or not at all. */
static int little_locked_memory(int limit_bytes)
{
    const struct rlimit limit = {.rlim_cur = (rlim_t)limit_bytes, .rlim_max = (rlim_t)limit_bytes};
    struct of_io_options options = {.depth = 4, .pool_bytes = 16 * OF_MIB};
    struct of_io_req reqs[2];
    struct of_io_req *done;
    onefold_error err;
    struct of_pool pool;
    struct of_io io;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    if (fd < 0 || setrlimit(RLIMIT_MEMLOCK, &limit) != 0 ||
        (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) ||
        of_io_backend_find("uring") == NULL) {
        return 77;
    }
    if (of_pool_init(&pool, options.pool_bytes, &err) != ONEFOLD_OK) {
        return 1;
    }
    options.pool = pool.data;
    if (of_io_init(&io, "uring", &options, NULL, &err) != ONEFOLD_OK) {
        /* The limit holds for the ring itself, too. */
        return limit_bytes == 0 && err.sys_errno == ENOMEM ? 0 : 2;
    }
    /* One in the front of the pool, one at its end. */
    for (size_t i = 0; i < 2; i++) {
        reqs[i] = (struct of_io_req){.kind = OF_IO_READ,
                                     .fd = fd,
                                     .length = 4096,
                                     .length_must = 4096,
                                     .buffer = pool.data + i * (pool.size_bytes - 4096)};
        of_io_submit(&io, &reqs[i]);
    }
    while (io.in_flight > 0) {
        for (done = of_io_reap(&io, true); done != NULL; done = done->next) {
            if (done->result_errno != 0 || memcmp(done->data, "\177ELF", 4) != 0) {
                return 3;
            }
        }
    }
    of_io_finish(&io);
    of_pool_finish(&pool);
    of_file_close(&fd);
    return 0;
}

static void test_little_locked_memory(void **state)
{
    (void)state;
    in_child(little_locked_memory, 0);
    in_child(little_locked_memory, 6 * 1024 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_transfers),
        cmocka_unit_test(test_repetitions),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_fallback),
        cmocka_unit_test(test_refused_ring),
        cmocka_unit_test(test_broken_ring),
        cmocka_unit_test(test_little_locked_memory),
    };

    return cmocka_run_group_tests_name("sys_io", tests, NULL, NULL);
}
