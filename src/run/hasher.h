/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 and XXH128 of whole output files. A plain hash needs the bytes in order, and the slots of
 * a lane retire in output order, so they are hashed straight from the slots and nothing is read
 * again. What one after the other has to be hashed is a stream: all shards of a lane, or XXH128 of
 * all shards. One thread at a time serves a stream and touches its states. That is a thread of its
 * own where there are CPUs besides those of the workers, and else whichever worker is free next,
 * before it takes another tile: a thread more than there are CPUs would wait for its share of one
 * while the workers fill all slots and then wait for it
 * (docs/decisions/018-workers-hash.md). A worker that has just made what is next in its stream
 * hashes that at once, from its caches. Header bytes enter the states before the run.
 */
#ifndef OF_RUN_HASHER_H
#define OF_RUN_HASHER_H

#include "base/attr.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/limits.h"
#include "kern/kern.h"
#include "plan/plan.h"
#include "run/slot.h"
#include "sys/crew.h"
#include "sys/io.h"
#include "sys/queue.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct of_file_hashes {
    struct of_sha256_digest sha256;
    struct of_digest xxh128;
};

struct of_hasher;

struct of_hash_stream {
    struct of_hasher *hasher;
    uint32_t sums; /* OF_SUM_* that are computed */
    struct of_queue todo;
    struct of_thread thread; /* its own, or */
    struct of_errand errand; /* done by a worker; */
    atomic_bool is_sent;     /* one at a time */
    /* Number in its lane of the visit to be hashed next. Where workers hash, a stream is of one
     * lane; whoever has that visit has the states. */
    _Atomic(uint64_t) next_number;
    uint64_t busy_ns; /* of whoever serves the stream, valid after stop */
};

struct of_hasher {
    uint32_t shard_count;
    struct of_hash **sha256; /* [shard]; NULL when not wanted */
    uint8_t *xxh128;         /* [shard] states of OF_KERN_HASH_BYTES; NULL when not wanted */
    const struct of_kern *kern;
    struct of_hash_stream streams[OF_HASH_THREADS_MAX]; /* lane i is in stream i modulo */
    uint32_t stream_count;
    struct of_hash_stream xxh128_stream; /* where has_xxh128_stream */
    bool has_xxh128_stream;
    struct of_queue done;
    struct of_io *io;      /* to wake the control thread */
    struct of_crew *crew;  /* serves the streams; NULL: they have threads */
    uint64_t busy_ns_most; /* of the busiest stream, after stop */
};

/* kern has to outlive the hasher. */
OF_NODISCARD onefold_status of_hasher_init(struct of_hasher *hasher, const struct of_plan *plan,
                                           const struct of_kern *kern, struct of_arena *arena,
                                           onefold_error *err);
/* Header bytes, before start. Shaped as an of_sink_header_fn; context is the hasher. */
void of_hasher_header(void *context, uint32_t shard_index, const char *data, uint64_t length);
/* With how->workers_hash the crew, which need not have been made yet, will serve
 * how->hash_thread_count streams. Else as many threads as can be had, but one at least. */
OF_NODISCARD onefold_status of_hasher_start(struct of_hasher *hasher, struct of_io *io,
                                            struct of_crew *crew, const struct of_how *how,
                                            onefold_error *err);
/* For a worker that has made the bytes of the slot and not handed it over yet: hashes them now,
 * where workers hash and their turn has come, and notes that in the slot. */
void of_hasher_hash_at_once(struct of_hasher *hasher, struct of_slot *slot);
/* Slots of a lane in output order. Returns how often the slot will come back: not at all when it
 * has been hashed. */
uint32_t of_hasher_give(struct of_hasher *hasher, struct of_slot *slot);
/* A slot that a stream is done with, or NULL; never blocks. */
struct of_slot *of_hasher_take(struct of_hasher *hasher);
/* Waits for what was given, ends the threads. Where the crew serves, it has to be finished. */
void of_hasher_stop(struct of_hasher *hasher);
/* Digests of a complete shard, after stop. */
void of_hasher_result(struct of_hasher *hasher, uint32_t shard_index,
                      struct of_file_hashes *ret_hashes);
void of_hasher_finish(struct of_hasher *hasher);

#endif
