/* SPDX-License-Identifier: Apache-2.0 */
/* Positional reads and writes on I/O threads: works wherever files do. */
#include "sys/io_backend.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/num.h"
#include "sys/crew.h"
#include "sys/queue.h"

#include <errno.h>
#include <unistd.h>

/* More threads than a device has room for requests gain nothing. */
enum { THREADS_MAX = 16 };
/* The kernel cuts a transfer at 2 GiB less a page. */
#define ATTEMPT_BYTES_MAX OF_GIB

struct state {
    of_io_attempt_fn *attempt;
    struct of_queue todo;
    struct of_thread *threads;
    uint32_t thread_count;
    struct of_io_done done;
};

void of_io_attempt(struct of_io_req *req)
{
    const uint64_t want = of_num_min(req->length - req->done_bytes, ATTEMPT_BYTES_MAX);
    const off_t offset = (off_t)(req->offset + req->done_bytes);
    uint8_t *at = req->buffer + req->done_bytes;
    const ssize_t moved = req->kind == OF_IO_READ ? pread(req->fd, at, want, offset)
                                                  : pwrite(req->fd, at, want, offset);

    req->result_errno = moved < 0 ? errno : 0;
    if (moved > 0) {
        req->done_bytes += (uint64_t)moved;
    }
}

static void serve(void *context)
{
    struct state *state = context;
    struct of_io_req *req;

    while ((req = of_queue_pop(&state->todo)) != NULL) {
        state->attempt(req);
        req->next = NULL;
        of_io_done_put(&state->done, req);
    }
}

static onefold_status start_threads(struct state *state, uint32_t wanted, onefold_error *err)
{
    state->threads = of_mem_get(of_mem_array_bytes(wanted, sizeof(struct of_thread)));
    if (state->threads == NULL) {
        return of_err_set(err, "memory", "no memory for %u I/O threads", wanted);
    }
    for (uint32_t i = 0; i < wanted; i++) {
        onefold_status status = of_thread_start(&state->threads[i], serve, state, err);

        if (status != ONEFOLD_OK && i == 0) {
            return status;
        }
        if (status != ONEFOLD_OK) {
            of_err_clear(err); /* fewer serve too */
            break;
        }
        state->thread_count++;
    }
    return ONEFOLD_OK;
}

onefold_status of_io_threads_init(struct of_io *io, const struct of_io_options *options,
                                  of_io_attempt_fn *attempt, onefold_error *err)
{
    struct state *state = of_mem_get(sizeof(*state));
    uint64_t wanted = options->thread_count;
    onefold_status status;

    if (state == NULL) {
        return of_err_set(err, "memory", "no memory for I/O threads");
    }
    if (wanted == 0) {
        wanted = of_num_min(options->depth, THREADS_MAX);
    }
    state->attempt = attempt;
    of_io_done_init(&state->done);
    io->state = state;
    status = of_queue_init(&state->todo, options->depth, err);
    if (status == ONEFOLD_OK) {
        status = start_threads(state, (uint32_t)wanted, err);
    }
    if (status != ONEFOLD_OK) {
        of_io_threads_finish(io);
    }
    return status;
}

void of_io_threads_submit(struct of_io *io, struct of_io_req *req)
{
    struct state *state = io->state;

    of_queue_push(&state->todo, req);
}

struct of_io_req *of_io_threads_reap(struct of_io *io, bool wait)
{
    struct state *state = io->state;

    return of_io_done_take(&state->done, wait);
}

void of_io_threads_wake(struct of_io *io)
{
    struct state *state = io->state;

    of_io_done_wake(&state->done);
}

void of_io_threads_finish(struct of_io *io)
{
    struct state *state = io->state;

    of_queue_close(&state->todo);
    for (uint32_t i = 0; i < state->thread_count; i++) {
        of_thread_join(&state->threads[i]);
    }
    of_queue_finish(&state->todo);
    of_io_done_finish(&state->done);
    of_mem_free(state->threads);
    of_mem_free(state);
    io->state = NULL;
}

static onefold_status init(struct of_io *io, const struct of_io_options *options,
                           onefold_error *err)
{
    return of_io_threads_init(io, options, of_io_attempt, err);
}

const struct of_io_backend of_io_backend_threads = {
    .name = "threads",
    .summary = "positional reads and writes on I/O threads; works everywhere",
    .init = init,
    .submit = of_io_threads_submit,
    .reap = of_io_threads_reap,
    .wake = of_io_threads_wake,
    .finish = of_io_threads_finish,
};
