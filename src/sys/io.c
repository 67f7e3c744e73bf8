/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The half of the io layer that all backends share: what a finished attempt means. It is done, or
 * the rest is tried again, or it failed.
 */
#include "sys/io.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"
#include "sys/clock.h"
#include "sys/io_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* In the order of preference. */
static const struct of_io_backend *const backends[] = {
#ifdef OF_HAVE_URING
    &of_io_backend_uring,
#endif
    &of_io_backend_threads,
    &of_io_backend_mmap,
};

/* Pause before the n-th repetition: none for the first few (a signal came), then growing, 1 ms at
 * most, so that OF_IO_RETRY_MAX repetitions take about a second. */
enum { RETRIES_AT_ONCE = 8 };
#define PAUSE_STEP_NS UINT64_C(2000)
#define PAUSE_MAX_NS  UINT64_C(1000000)

const struct of_io_backend *of_io_backend_find(const char *name)
{
    for (size_t i = 0; i < OF_LENGTH(backends); i++) {
        if (strcmp(backends[i]->name, name) == 0) {
            return backends[i];
        }
    }
    return NULL;
}

const struct of_io_backend *of_io_backend_at(uint64_t index)
{
    return index < OF_LENGTH(backends) ? backends[index] : NULL;
}

onefold_status of_io_init_with(struct of_io *io, const struct of_io_backend *backend,
                               const struct of_io_options *options, onefold_error *err)
{
    onefold_status status;

    of_assert(options->depth > 0);
    if (options->ring_count > 1 && backend->several != NULL) {
        backend = backend->several;
    }
    *io = (struct of_io){.backend = backend, .depth = options->depth};
    status = backend->init(io, options, err);
    if (status != ONEFOLD_OK) {
        *io = (struct of_io){0};
        return status;
    }
    io->backend = backend;
    io->depth = options->depth;
    return ONEFOLD_OK;
}

onefold_status of_io_init(struct of_io *io, const char *name, const struct of_io_options *options,
                          onefold_error *ret_fallback, onefold_error *err)
{
    const struct of_io_backend *backend = of_io_backend_find(name != NULL ? name : "uring");
    onefold_error refusal;

    of_err_clear(&refusal);
    if (name != NULL && backend == NULL) {
        return of_err_set(err, "io-backend", "this build has no I/O backend of that name");
    }
    if (name != NULL) {
        return of_io_init_with(io, backend, options, err);
    }
    if (backend == NULL) {
        of_err_set(&refusal, "io-backend", "this build has no io_uring");
    } else if (of_io_init_with(io, backend, options, &refusal) == ONEFOLD_OK) {
        if (ret_fallback != NULL) {
            of_err_clear(ret_fallback);
        }
        return ONEFOLD_OK;
    }
    if (ret_fallback != NULL) {
        *ret_fallback = refusal;
    }
    return of_io_init_with(io, &of_io_backend_threads, options, err);
}

void of_io_submit(struct of_io *io, struct of_io_req *req)
{
    of_assert(io->in_flight < io->depth);
    of_assert(req->length > 0 && req->length_must <= req->length);
    io->in_flight++;
    io->reading_bytes += req->kind == OF_IO_READ ? req->length : 0;
    req->data = NULL;
    req->done_bytes = 0;
    req->result_errno = 0;
    req->next = NULL;
    req->reached_bytes = 0;
    req->retry_count = 0;
    req->in_window = false;
    req->error_seen = false;
    io->backend->submit(io, req);
}

void of_io_flush(struct of_io *io)
{
    if (io->backend->flush != NULL) {
        io->backend->flush(io);
    }
}

enum verdict { VERDICT_DONE, VERDICT_AGAIN };

/* An attempt that ended with an errno. */
static enum verdict judge_failure(struct of_io_req *req)
{
    switch (req->result_errno) {
    case EINTR:
    case EAGAIN:
    case ECANCELED:
        if (req->retry_count == OF_IO_RETRY_MAX) {
            req->result_errno = ETIMEDOUT;
            return VERDICT_DONE;
        }
        req->retry_count++;
        if (req->retry_count > RETRIES_AT_ONCE) {
            of_clock_sleep_ns(of_num_min(req->retry_count * PAUSE_STEP_NS, PAUSE_MAX_NS));
        }
        return VERDICT_AGAIN;
    case EIO:
        /* A read may succeed the second time; what a failed write left behind is unknown. */
        if (req->kind == OF_IO_READ && !req->error_seen) {
            req->error_seen = true;
            return VERDICT_AGAIN;
        }
        return VERDICT_DONE;
    default:
        return VERDICT_DONE;
    }
}

/* An attempt that moved less than it was asked for. */
static enum verdict judge_short(struct of_io_req *req)
{
    if (req->done_bytes > req->reached_bytes && !req->in_window) {
        const int flags = fcntl(req->fd, F_GETFL);

        req->reached_bytes = req->done_bytes;
        if (flags >= 0 && (flags & O_DIRECT) != 0) {
            /* Direct I/O takes no start inside a block; only the end of the file cuts a transfer
             * there, and then the next attempt reaches no farther. */
            req->done_bytes = of_num_align_down(req->done_bytes, OF_DIRECT_ALIGN_MAX);
        }
        return VERDICT_AGAIN;
    }
    if (req->kind == OF_IO_WRITE) {
        req->result_errno = EIO; /* it took nothing: it would be asked for ever */
    } else if (req->done_bytes < req->length_must) {
        req->result_errno = ENODATA;
    }
    return VERDICT_DONE;
}

static enum verdict judge(struct of_io_req *req)
{
    of_assert(req->done_bytes <= req->length);
    if (req->result_errno != 0) {
        return judge_failure(req);
    }
    if (req->done_bytes < req->length) {
        return judge_short(req);
    }
    return VERDICT_DONE;
}

/* Judges a list of attempts; the finished requests come back as a list in the same order. */
static struct of_io_req *settle(struct of_io *io, struct of_io_req *attempts)
{
    struct of_io_req *first = NULL;
    struct of_io_req **last = &first;

    while (attempts != NULL) {
        struct of_io_req *req = attempts;

        attempts = req->next;
        req->next = NULL;
        if (judge(req) == VERDICT_AGAIN) {
            req->result_errno = 0;
            io->backend->submit(io, req);
            continue;
        }
        if (!req->in_window) {
            req->data = req->buffer;
        }
        of_assert(io->in_flight > 0);
        io->in_flight--;
        if (req->kind == OF_IO_READ) {
            io->reading_bytes -= req->length;
            io->read_bytes += req->done_bytes;
        } else {
            io->written_bytes += req->done_bytes;
        }
        *last = req;
        last = &req->next;
    }
    return first;
}

struct of_io_req *of_io_reap(struct of_io *io, bool wait)
{
    for (;;) {
        const uint64_t start_ns = wait ? of_clock_ns() : 0;
        struct of_io_req *attempts = io->backend->reap(io, wait);
        struct of_io_req *done;

        if (wait) {
            io->wait_ns += of_clock_ns() - start_ns;
        }
        if (attempts == NULL) {
            return NULL;
        }
        done = settle(io, attempts);
        if (done != NULL || !wait) {
            return done;
        }
    }
}

bool of_io_release(struct of_io *io, struct of_io_req *req)
{
    bool lost;

    (void)io;
    req->data = NULL;
    if (!req->in_window) {
        return true;
    }
    lost = of_window_is_lost(&req->window);
    of_window_close(&req->window);
    req->in_window = false;
    return !lost;
}

void of_io_wake(struct of_io *io)
{
    io->backend->wake(io);
}

void of_io_finish(struct of_io *io)
{
    if (io->backend == NULL) {
        return;
    }
    of_assert(io->in_flight == 0);
    io->backend->finish(io);
    *io = (struct of_io){0};
}
