/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several rings, each with a thread of its own that hands requests to the kernel and takes back
 * what is done; the control thread only passes lists. For devices that are faster than one thread
 * can talk to (docs/decisions/011-rings-and-pools.md).
 *
 * A request goes to ring `req->ring` modulo their number. A ring and its thread belong to one part
 * of the pool, and register the buffers of that part alone.
 */
#include "sys/io_backend.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/num.h"
#include "sys/crew.h"

#include <pthread.h>

struct ring {
    struct state *state;
    struct of_io io; /* of the backend below; its thread alone uses it, but for wake */
    struct of_thread thread;
    uint32_t node;
    bool is_up; /* io was set up */

    pthread_mutex_t mutex; /* over the two below */
    struct of_io_list todo;
    bool is_ending;
};

struct state {
    struct ring *rings;
    uint32_t ring_count;  /* that serve */
    uint32_t mutex_count; /* rings whose mutex was made */
    const struct of_nodes *nodes;
    struct of_io_done done;
};

static const struct of_io_backend *const inner = &of_io_backend_uring;

static void lock(pthread_mutex_t *mutex)
{
    of_assert(pthread_mutex_lock(mutex) == 0);
}

static void unlock(pthread_mutex_t *mutex)
{
    of_assert(pthread_mutex_unlock(mutex) == 0);
}

/* --- The thread of a ring --- */

/* Hands over what was asked for since; false once the ring shall end. */
static bool hand_over(struct ring *ring, uint32_t *in_flight)
{
    struct of_io_req *req;
    bool goes_on;

    lock(&ring->mutex);
    req = of_io_list_take(&ring->todo);
    goes_on = !ring->is_ending;
    unlock(&ring->mutex);
    while (req != NULL) {
        struct of_io_req *next = req->next;

        req->next = NULL;
        inner->submit(&ring->io, req);
        (*in_flight)++;
        req = next;
    }
    return goes_on;
}

static void serve(void *context)
{
    struct ring *ring = context;
    uint32_t in_flight = 0;

    (void)of_node_enter(ring->state->nodes, ring->node);
    while (hand_over(ring, &in_flight) || in_flight > 0) {
        struct of_io_req *done = inner->reap(&ring->io, true);

        for (const struct of_io_req *req = done; req != NULL; req = req->next) {
            in_flight--;
        }
        if (done != NULL) {
            of_io_done_put(&ring->state->done, done);
        }
    }
}

/* --- Setting up --- */

static onefold_status start_ring(struct state *state, uint32_t index,
                                 const struct of_io_options *options, onefold_error *err)
{
    struct ring *ring = &state->rings[index];
    const uint32_t part_count = (uint32_t)of_num_max(options->part_count, 1);
    struct of_io_options own = *options;
    onefold_status status;

    *ring = (struct ring){.state = state, .node = index % part_count};
    of_assert(pthread_mutex_init(&ring->mutex, NULL) == 0);
    state->mutex_count++;
    of_io_list_clear(&ring->todo);
    if (options->pool != NULL) {
        own.pool_bytes = options->pool_bytes / part_count;
        own.pool = (uint8_t *)options->pool + ring->node * own.pool_bytes;
    }
    OF_TRY(inner->init(&ring->io, &own, err));
    ring->is_up = true;
    status = of_thread_start(&ring->thread, serve, ring, err);
    if (status == ONEFOLD_OK) {
        state->ring_count++;
    }
    return status;
}

static void finish(struct of_io *io);

static onefold_status init(struct of_io *io, const struct of_io_options *options,
                           onefold_error *err)
{
    struct state *state = of_mem_get(sizeof(*state));
    onefold_status status = ONEFOLD_OK;

    if (state == NULL) {
        return of_err_set(err, "memory", "no memory for rings");
    }
    of_io_done_init(&state->done);
    state->nodes = options->nodes;
    io->state = state;
    state->rings = of_mem_get(of_mem_array_bytes(options->ring_count, sizeof(struct ring)));
    if (state->rings == NULL) {
        status = of_err_set(err, "memory", "no memory for %u rings", options->ring_count);
    }
    for (uint32_t i = 0; i < options->ring_count && status == ONEFOLD_OK; i++) {
        status = start_ring(state, i, options, err);
    }
    if (status != ONEFOLD_OK && state->ring_count > 0) {
        of_err_clear(err); /* fewer serve too */
        return ONEFOLD_OK;
    }
    if (status != ONEFOLD_OK) {
        finish(io);
    }
    return status;
}

/* --- The control thread --- */

static void submit(struct of_io *io, struct of_io_req *req)
{
    struct state *state = io->state;
    struct ring *ring = &state->rings[req->ring % state->ring_count];
    bool was_idle;

    lock(&ring->mutex);
    was_idle = ring->todo.first == NULL;
    of_io_list_append(&ring->todo, req);
    unlock(&ring->mutex);
    if (was_idle) {
        inner->wake(&ring->io);
    }
}

static struct of_io_req *reap(struct of_io *io, bool wait)
{
    struct state *state = io->state;

    return of_io_done_take(&state->done, wait);
}

static void wake(struct of_io *io)
{
    struct state *state = io->state;

    of_io_done_wake(&state->done);
}

static void end_ring(struct ring *ring)
{
    if (ring->is_up) {
        lock(&ring->mutex);
        ring->is_ending = true;
        unlock(&ring->mutex);
        inner->wake(&ring->io);
        of_thread_join(&ring->thread);
        inner->finish(&ring->io);
    }
    (void)pthread_mutex_destroy(&ring->mutex);
}

static void finish(struct of_io *io)
{
    struct state *state = io->state;

    for (uint32_t i = 0; state->rings != NULL && i < state->mutex_count; i++) {
        end_ring(&state->rings[i]);
    }
    of_io_done_finish(&state->done);
    of_mem_free(state->rings);
    of_mem_free(state);
    io->state = NULL;
}

const struct of_io_backend of_io_backend_rings = {
    .name = "uring",
    .summary = "several rings, a thread for each",
    .init = init,
    .submit = submit,
    .reap = reap,
    .wake = wake,
    .finish = finish,
};
