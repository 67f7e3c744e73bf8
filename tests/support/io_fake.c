/* SPDX-License-Identifier: Apache-2.0 */
/* Everything happens in reap, on the thread that calls it; only wake comes from other threads. */
#include "support/io_fake.h"

#include "support/prng.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* Direct descriptors need whole blocks, so that transfers are cut at multiples of this. */
enum { CUT_BYTES = 4096 };

struct state {
    struct of_io_req **waiting;
    uint32_t count;
    struct prng prng;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool woken;
};

static struct io_fake_settings current;
static uint64_t attempt_count;
static uint32_t reads_max;
static io_fake_hook_fn *hook;
static void *hook_context;

void io_fake_set(const struct io_fake_settings *settings)
{
    current = *settings;
    attempt_count = 0;
    reads_max = 0;
    hook = NULL;
}

uint64_t io_fake_attempt_count(void)
{
    return attempt_count;
}

void io_fake_hook(io_fake_hook_fn *fn, void *context)
{
    hook = fn;
    hook_context = context;
}

static bool chance(struct state *state, uint32_t percent)
{
    return prng_below(&state->prng, 100) < percent;
}

static onefold_status init(struct of_io *io, const struct of_io_options *options,
                           onefold_error *err)
{
    struct state *state = calloc(1, sizeof(*state));

    (void)err;
    if (state == NULL) {
        abort();
    }
    state->waiting = calloc(options->depth, sizeof(struct of_io_req *));
    if (state->waiting == NULL) {
        abort();
    }
    state->prng = prng_make(current.seed);
    (void)pthread_mutex_init(&state->mutex, NULL);
    (void)pthread_cond_init(&state->changed, NULL);
    io->state = state;
    return ONEFOLD_OK;
}

static void submit(struct of_io *io, struct of_io_req *req)
{
    struct state *state = io->state;

    uint32_t reads = 0;

    state->waiting[state->count++] = req;
    for (uint32_t i = 0; i < state->count; i++) {
        reads += state->waiting[i]->kind == OF_IO_READ ? 1 : 0;
    }
    reads_max = reads > reads_max ? reads : reads_max;
}

uint32_t io_fake_reads_max(void)
{
    return reads_max;
}

/* Does the attempt fail by order? */
static bool fails_now(void)
{
    return current.fail_at != 0 && (attempt_count == current.fail_at ||
                                    (current.fail_ever_after && attempt_count > current.fail_at));
}

static void attempt(struct state *state, struct of_io_req *req)
{
    uint64_t want = req->length - req->done_bytes;
    uint8_t *at = req->buffer + req->done_bytes;
    const off_t offset = (off_t)(req->offset + req->done_bytes);
    ssize_t moved;

    attempt_count++;
    if (hook != NULL) {
        hook(hook_context, attempt_count);
    }
    if (fails_now()) {
        req->result_errno = current.fail_as_end ? 0 : current.fail_errno;
        return;
    }
    if (chance(state, current.retry_percent)) {
        req->result_errno = chance(state, 50) ? EINTR : EAGAIN;
        return;
    }
    if (want > CUT_BYTES && chance(state, current.short_percent)) {
        want = CUT_BYTES * prng_between(&state->prng, 1, (want - 1) / CUT_BYTES);
    }
    moved = req->kind == OF_IO_READ ? pread(req->fd, at, want, offset)
                                    : pwrite(req->fd, at, want, offset);
    req->result_errno = moved < 0 ? errno : 0;
    if (moved > 0) {
        req->done_bytes += (uint64_t)moved;
    }
}

/* Until somebody calls wake; only used when no request could complete. */
static void sleep_until_woken(struct state *state)
{
    (void)pthread_mutex_lock(&state->mutex);
    while (!state->woken) {
        (void)pthread_cond_wait(&state->changed, &state->mutex);
    }
    (void)pthread_mutex_unlock(&state->mutex);
}

static struct of_io_req *take_any(struct state *state)
{
    const uint32_t at = (uint32_t)prng_below(&state->prng, state->count);
    struct of_io_req *req = state->waiting[at];

    state->waiting[at] = state->waiting[--state->count];
    return req;
}

static struct of_io_req *reap(struct of_io *io, bool wait)
{
    struct state *state = io->state;
    struct of_io_req *first = NULL;
    struct of_io_req **last = &first;

    if (wait && state->count == 0) {
        sleep_until_woken(state);
    }
    (void)pthread_mutex_lock(&state->mutex);
    state->woken = false;
    (void)pthread_mutex_unlock(&state->mutex);
    while (state->count > 0 && (wait || !chance(state, current.hold_percent))) {
        struct of_io_req *req = take_any(state);

        attempt(state, req);
        req->next = NULL;
        *last = req;
        last = &req->next;
        wait = false;
    }
    return first;
}

static void wake(struct of_io *io)
{
    struct state *state = io->state;

    (void)pthread_mutex_lock(&state->mutex);
    state->woken = true;
    (void)pthread_cond_signal(&state->changed);
    (void)pthread_mutex_unlock(&state->mutex);
}

static void finish(struct of_io *io)
{
    struct state *state = io->state;

    (void)pthread_cond_destroy(&state->changed);
    (void)pthread_mutex_destroy(&state->mutex);
    free(state->waiting);
    free(state);
}

const struct of_io_backend io_fake_backend = {
    .name = "fake",
    .summary = "for tests",
    .init = init,
    .submit = submit,
    .reap = reap,
    .wake = wake,
    .finish = finish,
};
