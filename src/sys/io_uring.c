/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring. Its completion side has room for twice the requests in flight, so it cannot overflow.
 * wake() is an eventfd that the ring polls: the control thread sleeps in one place only. Buffers
 * are registered as far as the limit on locked memory allows; descriptors are not, measured it
 * gains nothing and they come and go.
 */
#include "sys/io_backend.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/num.h"
#include "sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Older headers lack these (5.19); a kernel without them answers EINVAL. */
#ifndef IORING_SETUP_COOP_TASKRUN
#define IORING_SETUP_COOP_TASKRUN (1U << 8)
#endif
#ifndef IORING_SETUP_TASKRUN_FLAG
#define IORING_SETUP_TASKRUN_FLAG (1U << 9)
#endif

/* One registered buffer is at most 1 GiB, a rule of the kernel. */
#define REGISTERED_BYTES_MAX OF_GIB
enum { REGISTERED_COUNT_MAX = 64 };
/* Fewer registered bytes than one read are not worth the second code path. */
#define REGISTERED_BYTES_MIN OF_READ_BYTES_AIM
#define ATTEMPT_BYTES_MAX    OF_GIB

/* After a lost completion: how long nothing may come before the rest counts as lost too. */
enum { QUIET_TICKS_MAX = 50 };
/* Between two looks at a ring that has no room at the moment. */
#define BUSY_PAUSE_NS UINT64_C(1000000)

struct state {
    struct io_uring ring;
    int wake_fd;
    bool poll_armed;
    uint32_t refused_count; /* hand-overs refused in a row */
    uint32_t flying_count;  /* requests the ring has */
    uint8_t *pool;          /* NULL: it is not to be registered, or has been */
    uint64_t pool_bytes;
    const atomic_bool *pool_loaded;
    const uint8_t *registered; /* first bytes of the pool, as far as registered */
    uint64_t registered_bytes;
    /* A ring that lost a completion is left; the rest is done by plain calls, in the end. */
    bool broken;
    struct of_io_req **flying; /* [depth], for the day it breaks */
    struct of_io_req *ready;   /* finished by plain calls */
};

/* --- Setting up --- */

static bool is_switched_off(void)
{
    char value = '0';
    const int fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        if (read(fd, &value, 1) != 1) {
            value = '0';
        }
        (void)close(fd);
    }
    return value != '0';
}

static onefold_status refuse(onefold_error *err, const char *what, int sys_errno)
{
    const char *cause = "";

    switch (sys_errno) {
    case EPERM:
    case EACCES:
        cause = is_switched_off() ? " (the sysctl kernel.io_uring_disabled is set)"
                                  : " (most likely a seccomp filter of the container)";
        break;
    case ENOSYS:
        cause = " (a kernel without it, or a seccomp filter)";
        break;
    case ENOMEM:
        cause = " (the limit on locked memory, ulimit -l, is too low)";
        break;
    case EINVAL:
    case EOPNOTSUPP:
        cause = " (the kernel is too old)";
        break;
    default:
        break;
    }
    return of_err_set_sys(err, "io-backend", sys_errno, "io_uring: %s%s", what, cause);
}

static onefold_status set_up_ring(struct state *state, uint32_t entries, onefold_error *err)
{
    static const unsigned wanted_features = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;
    struct io_uring_params params = {.flags = IORING_SETUP_CLAMP | IORING_SETUP_COOP_TASKRUN |
                                              IORING_SETUP_TASKRUN_FLAG};
    int result = io_uring_queue_init_params(entries, &state->ring, &params);

    if (result == -EINVAL) {
        params = (struct io_uring_params){.flags = IORING_SETUP_CLAMP};
        result = io_uring_queue_init_params(entries, &state->ring, &params);
    }
    if (result < 0) {
        state->ring.ring_fd = -1;
        return refuse(err, "the ring is refused", -result);
    }
    if ((params.features & wanted_features) != wanted_features || params.sq_entries < entries) {
        return refuse(err, "the ring lacks what is needed", EINVAL);
    }
    return ONEFOLD_OK;
}

static bool has_opcode(const struct io_uring_probe *probe, unsigned opcode)
{
    return opcode <= probe->last_op && opcode < probe->ops_len &&
           (probe->ops[opcode].flags & IO_URING_OP_SUPPORTED) != 0;
}

/* One operation by itself, to see whether it works: some sandboxes allow the ring and no operation.
 * Returns 0 or the errno. */
static int try_one(struct state *state, bool is_write, uint64_t *value)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&state->ring);
    struct io_uring_cqe *cqe = NULL;
    int result;

    of_assert(sqe != NULL);
    if (is_write) {
        io_uring_prep_write(sqe, state->wake_fd, value, sizeof(*value), 0);
    } else {
        io_uring_prep_read(sqe, state->wake_fd, value, sizeof(*value), 0);
    }
    do {
        result = io_uring_submit_and_wait(&state->ring, 1);
    } while (result == -EINTR);
    if (result >= 0) {
        do {
            result = io_uring_wait_cqe(&state->ring, &cqe);
        } while (result == -EINTR);
    }
    if (result < 0) {
        return -result;
    }
    result = cqe->res;
    io_uring_cqe_seen(&state->ring, cqe);
    if (result < 0) {
        return -result;
    }
    return result == (int)sizeof(*value) ? 0 : EIO;
}

static onefold_status check_opcodes(struct state *state, onefold_error *err)
{
    enum { OPS_MAX = 256 };
    union {
        struct io_uring_probe probe;
        uint8_t bytes[sizeof(struct io_uring_probe) + OPS_MAX * sizeof(struct io_uring_probe_op)];
    } seen;
    uint64_t value = 1;
    int result;

    memset(&seen, 0, sizeof(seen));
    result = io_uring_register_probe(&state->ring, &seen.probe, OPS_MAX);
    if (result < 0) {
        return refuse(err, "its operations cannot be listed", -result);
    }
    if (!has_opcode(&seen.probe, IORING_OP_READ) || !has_opcode(&seen.probe, IORING_OP_WRITE) ||
        !has_opcode(&seen.probe, IORING_OP_POLL_ADD)) {
        return refuse(err, "it cannot read, write and poll", EOPNOTSUPP);
    }
    result = try_one(state, true, &value);
    if (result == 0) {
        result = try_one(state, false, &value);
    }
    if (result != 0) {
        return refuse(err, "a first operation failed", result);
    }
    if (!has_opcode(&seen.probe, IORING_OP_READ_FIXED) ||
        !has_opcode(&seen.probe, IORING_OP_WRITE_FIXED)) {
        state->pool = NULL;
    }
    return ONEFOLD_OK;
}

/* As much of the front of the pool as the limit on locked memory allows: all, half, a quarter ...
 * With the first read after it was loaded: registering loads the rest, and who reads little from
 * the disk needs little of it. */
static void register_buffers(struct state *state)
{
    uint8_t *const pool = state->pool;
    struct iovec parts[REGISTERED_COUNT_MAX];
    uint64_t bytes = of_num_min(state->pool_bytes, REGISTERED_BYTES_MAX * REGISTERED_COUNT_MAX);

    if (pool == NULL || (state->pool_loaded != NULL && !*state->pool_loaded)) {
        return;
    }
    state->pool = NULL;
    for (; bytes >= REGISTERED_BYTES_MIN; bytes = of_num_align_down(bytes / 2, OF_MIB)) {
        unsigned count = 0;
        int result;

        for (uint64_t at = 0; at < bytes; at += REGISTERED_BYTES_MAX) {
            parts[count].iov_base = pool + at;
            parts[count].iov_len = of_num_min(bytes - at, REGISTERED_BYTES_MAX);
            count++;
        }
        result = io_uring_register_buffers(&state->ring, parts, count);
        if (result == 0) {
            state->registered = pool;
            state->registered_bytes = bytes;
            return;
        }
        if (result != -ENOMEM) {
            return; /* less would not help */
        }
    }
}

static void close_state(struct of_io *io)
{
    struct state *state = io->state;

    if (state->ring.ring_fd >= 0) {
        io_uring_queue_exit(&state->ring);
    }
    if (state->wake_fd >= 0) {
        (void)close(state->wake_fd);
    }
    of_mem_free(state->flying);
    of_mem_free(state);
    io->state = NULL;
}

/* --- Talking to the ring --- */

/* Hands over what is queued. A ring that is busy now is asked again by the next reap. */
static void flush(struct state *state)
{
    int result;

    do {
        result = io_uring_submit(&state->ring);
    } while (result == -EINTR);
    if (result >= 0) {
        state->refused_count = 0;
        return;
    }
    state->refused_count++;
    if ((result != -EAGAIN && result != -EBUSY && result != -ENOMEM) ||
        state->refused_count > OF_IO_RETRY_MAX) {
        state->broken = true;
    }
}

static void arm_poll(struct state *state)
{
    struct io_uring_sqe *sqe;

    if (state->poll_armed) {
        return;
    }
    sqe = io_uring_get_sqe(&state->ring);
    if (sqe != NULL) {
        io_uring_prep_poll_add(sqe, state->wake_fd, POLLIN);
        io_uring_sqe_set_data(sqe, NULL);
        state->poll_armed = true;
    }
}

static onefold_status init(struct of_io *io, const struct of_io_options *options,
                           onefold_error *err)
{
    struct state *state = of_mem_get(sizeof(*state));
    onefold_status status;

    if (state == NULL) {
        return of_err_set(err, "memory", "no memory for the ring");
    }
    state->ring.ring_fd = -1;
    state->pool = options->pool;
    state->pool_bytes = options->pool_bytes;
    state->pool_loaded = options->pool_loaded;
    io->state = state;
    state->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    state->flying = of_mem_get(of_mem_array_bytes(options->depth, sizeof(struct of_io_req *)));
    if (state->flying == NULL) {
        status = of_err_set(err, "memory", "no memory for the ring");
    } else if (state->wake_fd < 0) {
        status = refuse(err, "no eventfd can be had", errno);
    } else {
        status = set_up_ring(state, options->depth + 2, err); /* + the poll, + one to spare */
    }
    if (status == ONEFOLD_OK) {
        status = check_opcodes(state, err);
    }
    if (status != ONEFOLD_OK) {
        close_state(io);
        return status;
    }
    arm_poll(state);
    flush(state);
    return ONEFOLD_OK;
}

/* Index of the registered buffer that holds all of [data, data + length), or -1. */
static int registered_index(const struct state *state, const uint8_t *data, uint64_t length)
{
    uint64_t at;

    if (state->registered_bytes == 0 || data < state->registered ||
        data >= state->registered + state->registered_bytes) {
        return -1;
    }
    at = (uint64_t)(data - state->registered);
    if (length > state->registered_bytes - at ||
        at / REGISTERED_BYTES_MAX != (at + length - 1) / REGISTERED_BYTES_MAX) {
        return -1;
    }
    return (int)(at / REGISTERED_BYTES_MAX);
}

static void prepare(const struct state *state, struct io_uring_sqe *sqe, struct of_io_req *req)
{
    const uint64_t left = of_num_min(req->length - req->done_bytes, ATTEMPT_BYTES_MAX);
    const unsigned want = (unsigned)left;
    const uint64_t offset = req->offset + req->done_bytes;
    uint8_t *at = req->buffer + req->done_bytes;
    const int index = registered_index(state, at, want);

    if (req->kind == OF_IO_READ && index >= 0) {
        io_uring_prep_read_fixed(sqe, req->fd, at, want, offset, index);
    } else if (req->kind == OF_IO_READ) {
        io_uring_prep_read(sqe, req->fd, at, want, offset);
    } else if (index >= 0) {
        io_uring_prep_write_fixed(sqe, req->fd, at, want, offset, index);
    } else {
        io_uring_prep_write(sqe, req->fd, at, want, offset);
    }
    io_uring_sqe_set_data(sqe, req);
}

/* Last resort: the attempt as a plain call. */
static void attempt_plainly(struct state *state, struct of_io_req *req)
{
    of_io_attempt(req);
    req->next = state->ready;
    state->ready = req;
}

static void submit(struct of_io *io, struct of_io_req *req)
{
    struct state *state = io->state;
    struct io_uring_sqe *sqe;

    if (req->kind == OF_IO_READ && !state->broken) {
        register_buffers(state);
    }
    sqe = state->broken ? NULL : io_uring_get_sqe(&state->ring);
    if (sqe == NULL) {
        /* The queue has an entry for each request, so only a broken ring has none. */
        state->broken = true;
        attempt_plainly(state, req);
        return;
    }
    prepare(state, sqe, req);
    state->flying[state->flying_count++] = req;
    if (state->flying_count == 1) {
        flush(state); /* the disk has nothing to do: it begins while others are made ready */
    }
}

static void flush_ring(struct of_io *io)
{
    struct state *state = io->state;

    if (!state->broken && io_uring_sq_ready(&state->ring) > 0) {
        flush(state);
    }
}

static void forget_flying(struct state *state, const struct of_io_req *req)
{
    for (uint32_t i = 0; i < state->flying_count; i++) {
        if (state->flying[i] == req) {
            state->flying[i] = state->flying[--state->flying_count];
            return;
        }
    }
    of_assert(false);
}

/* Notes the result of one attempt. */
static void take_result(struct state *state, struct of_io_req *req, int result)
{
    const uint64_t left = of_num_min(req->length - req->done_bytes, ATTEMPT_BYTES_MAX);
    const bool was_fixed = registered_index(state, req->buffer + req->done_bytes, left) >= 0;

    if (result >= 0) {
        req->done_bytes += (uint64_t)result;
        req->result_errno = 0;
    } else if (was_fixed && (result == -EOPNOTSUPP || result == -EFAULT)) {
        /* The file cannot work with registered buffers: from now on without them. */
        state->registered_bytes = 0;
        req->result_errno = EAGAIN;
    } else {
        req->result_errno = -result;
    }
}

/* All completions that are there. *ret_woken when wake was called. */
static struct of_io_req *collect(struct state *state, bool *ret_woken)
{
    struct of_io_req *first = NULL;
    struct of_io_req **last = &first;
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(&state->ring, &cqe) == 0 && cqe != NULL) {
        struct of_io_req *req = io_uring_cqe_get_data(cqe);
        const int result = cqe->res;

        io_uring_cqe_seen(&state->ring, cqe);
        if (req == NULL) {
            uint64_t count;

            (void)!read(state->wake_fd, &count, sizeof(count));
            state->poll_armed = false;
            *ret_woken = true;
            continue;
        }
        forget_flying(state, req);
        take_result(state, req, result);
        req->next = NULL;
        *last = req;
        last = &req->next;
    }
    return first;
}

/* Waits for a completion, one tick at most. */
static void wait_one(struct state *state)
{
    struct __kernel_timespec tick = {.tv_nsec = (long long)OF_IO_TICK_NS};
    struct io_uring_cqe *cqe;
    const int result = io_uring_wait_cqe_timeout(&state->ring, &cqe, &tick);

    if (result == -EAGAIN || result == -EBUSY || result == -ENOMEM) {
        of_clock_sleep_ns(BUSY_PAUSE_NS);
    } else if (result < 0 && result != -ETIME && result != -EINTR) {
        state->broken = true; /* EBADR: a completion was lost */
    }
}

/* A broken ring: what still comes is taken; when nothing has come for a while, no completion is
 * missing but those that were lost, and their buffers are nobody's. They are done by plain calls.
 */
static struct of_io_req *salvage(struct state *state)
{
    bool woken = false;
    uint32_t quiet_ticks = 0;
    struct of_io_req *done = NULL;

    /* What the kernel has not taken off the queue cannot come. */
    while (state->flying_count > io_uring_sq_ready(&state->ring) && quiet_ticks < QUIET_TICKS_MAX) {
        done = collect(state, &woken);
        if (done != NULL) {
            return done;
        }
        of_clock_sleep_ns(OF_IO_TICK_NS);
        quiet_ticks++;
    }
    while (state->flying_count > 0) {
        attempt_plainly(state, state->flying[--state->flying_count]);
    }
    done = state->ready;
    state->ready = NULL;
    return done;
}

/* Without a ring the eventfd alone is waited for. */
static void wait_for_wake(struct state *state)
{
    struct pollfd wanted = {.fd = state->wake_fd, .events = POLLIN};
    uint64_t count;

    (void)poll(&wanted, 1, (int)(OF_IO_TICK_NS / 1000000));
    (void)!read(state->wake_fd, &count, sizeof(count));
}

static struct of_io_req *reap(struct of_io *io, bool wait)
{
    struct state *state = io->state;
    struct of_io_req *done = NULL;
    bool woken = false;

    if (!state->broken) {
        done = collect(state, &woken);
        arm_poll(state);
        flush_ring(io);
    }
    if (!state->broken && wait && done == NULL && !woken) {
        wait_one(state);
        done = collect(state, &woken);
    }
    if (done == NULL && state->broken) {
        done = salvage(state);
        if (done == NULL && wait) {
            wait_for_wake(state);
        }
    }
    return done;
}

static void wake(struct of_io *io)
{
    const struct state *state = io->state;
    const uint64_t one = 1;

    /* A full counter wakes as well. */
    (void)!write(state->wake_fd, &one, sizeof(one));
}

static void finish(struct of_io *io)
{
    close_state(io);
}

const struct of_io_backend of_io_backend_uring = {
    .name = "uring",
    .summary = "io_uring: requests in a ring shared with the kernel, few system calls",
    .init = init,
    .submit = submit,
    .flush = flush_ring,
    .reap = reap,
    .wake = wake,
    .finish = finish,
    .several = &of_io_backend_rings,
};
