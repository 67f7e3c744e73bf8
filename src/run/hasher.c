/* SPDX-License-Identifier: Apache-2.0 */
/* Output files hashed from the slots, each file in order. */
#include "run/hasher.h"

#include "base/check.h"
#include "base/num.h"
#include "sys/clock.h"

#include <string.h>

/* Hashed by one function and then by the other while it is in the CPU's nearer caches. */
#define PIECE_BYTES (128 * OF_KIB)

static void *xxh128_of(const struct of_hasher *hasher, uint32_t shard_index)
{
    return hasher->xxh128 + (uint64_t)shard_index * OF_KERN_HASH_BYTES;
}

onefold_status of_hasher_init(struct of_hasher *hasher, const struct of_plan *plan,
                              const struct of_kern *kern, struct of_arena *arena,
                              onefold_error *err)
{
    const uint32_t count = plan->output.shard_count;
    bool ok = true;

    *hasher = (struct of_hasher){.kern = kern, .shard_count = count};
    if ((plan->sums & OF_SUM_SHA256) != 0) {
        hasher->sha256 = OF_ARENA_NEW(arena, struct of_hash *, count);
        ok = hasher->sha256 != NULL;
        for (uint32_t i = 0; ok && i < count; i++) {
            hasher->sha256[i] = of_hash_create(OF_HASH_SHA256);
            ok = hasher->sha256[i] != NULL;
        }
    }
    if (ok && (plan->sums & OF_SUM_XXH128) != 0) {
        hasher->xxh128 =
            of_arena_get(arena, of_mem_array_bytes(count, OF_KERN_HASH_BYTES), OF_KERN_HASH_ALIGN);
        ok = hasher->xxh128 != NULL;
        for (uint32_t i = 0; ok && i < count; i++) {
            kern->hash_start(xxh128_of(hasher, i));
        }
    }
    return ok ? ONEFOLD_OK
              : of_err_set(err, "memory", "no memory for the sums of the output files");
}

static uint32_t sums_of(const struct of_hasher *hasher)
{
    return (hasher->sha256 != NULL ? OF_SUM_SHA256 : 0) |
           (hasher->xxh128 != NULL ? OF_SUM_XXH128 : 0);
}

static void update(struct of_hasher *hasher, uint32_t sums, uint32_t shard_index, const void *data,
                   uint64_t length)
{
    const uint8_t *bytes = data;

    for (uint64_t at = 0; at < length; at += PIECE_BYTES) {
        const uint64_t piece = of_num_min(PIECE_BYTES, length - at);

        if ((sums & OF_SUM_SHA256) != 0) {
            of_hash_update(hasher->sha256[shard_index], bytes + at, piece);
        }
        if ((sums & OF_SUM_XXH128) != 0) {
            hasher->kern->hash_more(xxh128_of(hasher, shard_index), bytes + at, piece);
        }
    }
}

void of_hasher_header(void *context, uint32_t shard_index, const char *data, uint64_t length)
{
    struct of_hasher *hasher = context;

    update(hasher, sums_of(hasher), shard_index, data, length);
}

static void hash_slot(struct of_hash_stream *stream, const struct of_slot *slot)
{
    const uint64_t start_ns = of_clock_ns();

    update(stream->hasher, stream->sums, slot->visit.out_shard, slot->out, slot->visit.out_bytes);
    stream->busy_ns += of_clock_ns() - start_ns;
    atomic_store(&stream->next_number, slot->turn.number + 1);
}

static void hash_given(struct of_hash_stream *stream, struct of_slot *slot)
{
    hash_slot(stream, slot);
    of_queue_push(&stream->hasher->done, slot);
    of_io_wake(stream->hasher->io);
}

static struct of_hash_stream *stream_of(struct of_hasher *hasher, const struct of_slot *slot)
{
    return &hasher->streams[slot->turn.lane % hasher->stream_count];
}

void of_hasher_hash_at_once(struct of_hasher *hasher, struct of_slot *slot)
{
    struct of_hash_stream *stream = stream_of(hasher, slot);

    /* What is before it has been hashed, and nobody has what comes after. */
    if (hasher->crew != NULL && atomic_load(&stream->next_number) == slot->turn.number) {
        hash_slot(stream, slot);
        slot->is_hashed = true;
    }
}

/* A thread of the stream's own. */
static void serve(void *context)
{
    struct of_hash_stream *stream = context;
    struct of_slot *slot;

    while ((slot = of_queue_pop(&stream->todo)) != NULL) {
        hash_given(stream, slot);
    }
}

/* A worker, as long as there is something to do. */
static void help_out(void *context)
{
    struct of_hash_stream *stream = context;
    struct of_slot *slot;

    do {
        while ((slot = of_queue_try_pop(&stream->todo)) != NULL) {
            hash_given(stream, slot);
        }
        atomic_store(&stream->is_sent, false);
        /* Who gave a slot just before that sent nobody. */
    } while (!of_queue_is_empty(&stream->todo) && !atomic_exchange(&stream->is_sent, true));
}

static onefold_status start_stream(struct of_hasher *hasher, struct of_hash_stream *stream,
                                   uint32_t sums, uint32_t slot_count, onefold_error *err)
{
    onefold_status status = ONEFOLD_OK;

    stream->hasher = hasher;
    stream->sums = sums;
    stream->errand = (struct of_errand){.fn = help_out, .context = stream};
    OF_TRY(of_queue_init(&stream->todo, slot_count, err));
    if (hasher->crew == NULL) {
        status = of_thread_start(&stream->thread, serve, stream, err);
    }
    if (status != ONEFOLD_OK) {
        of_queue_finish(&stream->todo);
    }
    return status;
}

onefold_status of_hasher_start(struct of_hasher *hasher, struct of_io *io, struct of_crew *crew,
                               const struct of_how *how, onefold_error *err)
{
    const uint32_t slot_count = how->slot_count;
    uint32_t sums = sums_of(hasher);
    onefold_error fewer;

    of_assert(how->hash_thread_count >= 1 && how->hash_thread_count <= OF_HASH_THREADS_MAX);
    hasher->io = io;
    hasher->crew = how->workers_hash ? crew : NULL;
    OF_TRY(of_queue_init(&hasher->done, 2 * slot_count, err));
    if (how->xxh128_thread_count > 0 && start_stream(hasher, &hasher->xxh128_stream, OF_SUM_XXH128,
                                                     slot_count, &fewer) == ONEFOLD_OK) {
        hasher->has_xxh128_stream = true;
        sums = OF_SUM_SHA256;
    }
    for (uint32_t i = 0; i < how->hash_thread_count; i++) {
        if (start_stream(hasher, &hasher->streams[i], sums, slot_count, i == 0 ? err : &fewer) !=
            ONEFOLD_OK) {
            break;
        }
        hasher->stream_count++;
    }
    return hasher->stream_count > 0 ? ONEFOLD_OK : err->status;
}

static void give(struct of_hash_stream *stream, struct of_slot *slot)
{
    struct of_crew *crew = stream->hasher->crew;

    of_queue_push(&stream->todo, slot);
    if (crew != NULL && !atomic_exchange(&stream->is_sent, true)) {
        of_crew_send(crew, slot->pool, &stream->errand);
    }
}

uint32_t of_hasher_give(struct of_hasher *hasher, struct of_slot *slot)
{
    if (slot->is_hashed) {
        return 0;
    }
    give(stream_of(hasher, slot), slot);
    if (!hasher->has_xxh128_stream) {
        return 1;
    }
    give(&hasher->xxh128_stream, slot);
    return 2;
}

struct of_slot *of_hasher_take(struct of_hasher *hasher)
{
    return of_queue_try_pop(&hasher->done);
}

static void stop_stream(struct of_hasher *hasher, struct of_hash_stream *stream)
{
    of_thread_join(&stream->thread);
    of_queue_finish(&stream->todo);
    hasher->busy_ns_most = of_num_max(hasher->busy_ns_most, stream->busy_ns);
}

void of_hasher_stop(struct of_hasher *hasher)
{
    for (uint32_t i = 0; i < hasher->stream_count; i++) {
        of_queue_close(&hasher->streams[i].todo);
    }
    if (hasher->has_xxh128_stream) {
        of_queue_close(&hasher->xxh128_stream.todo);
        stop_stream(hasher, &hasher->xxh128_stream);
        hasher->has_xxh128_stream = false;
    }
    for (uint32_t i = 0; i < hasher->stream_count; i++) {
        stop_stream(hasher, &hasher->streams[i]);
    }
    hasher->stream_count = 0;
}

void of_hasher_result(struct of_hasher *hasher, uint32_t shard_index,
                      struct of_file_hashes *ret_hashes)
{
    memset(ret_hashes, 0, sizeof(*ret_hashes));
    if (hasher->sha256 != NULL) {
        of_hash_finish(hasher->sha256[shard_index], ret_hashes->sha256.bytes);
    }
    if (hasher->xxh128 != NULL) {
        ret_hashes->xxh128 = hasher->kern->hash_end(xxh128_of(hasher, shard_index));
    }
}

void of_hasher_finish(struct of_hasher *hasher)
{
    of_hasher_stop(hasher);
    of_queue_finish(&hasher->done);
    for (uint32_t i = 0; hasher->sha256 != NULL && i < hasher->shard_count; i++) {
        of_hash_destroy(hasher->sha256[i]);
    }
    hasher->shard_count = 0;
}
