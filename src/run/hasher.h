/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash threads: SHA-256 and XXH128 of whole output files. A plain hash needs the bytes in
 * order, and the slots of a lane retire in output order, so they are hashed straight from the slots
 * and nothing is read again. All shards of a lane go to the same thread, which alone touches their
 * states while it runs. SHA-256 is often what a merge waits for, so XXH128 of all shards has a
 * thread of its own where both are wanted and there are CPUs for it. Header bytes enter the states
 * before the run.
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

#include <stdint.h>

struct of_file_hashes {
    struct of_sha256_digest sha256;
    struct of_digest xxh128;
};

struct of_hasher;

struct of_hasher_thread {
    struct of_hasher *hasher;
    uint32_t sums; /* OF_SUM_* that it computes */
    struct of_queue todo;
    struct of_thread thread;
    uint64_t busy_ns; /* the thread's, valid after stop */
};

struct of_hasher {
    uint32_t shard_count;
    struct of_hash **sha256; /* [shard]; NULL when not wanted */
    uint8_t *xxh128;         /* [shard] states of OF_KERN_HASH_BYTES; NULL when not wanted */
    const struct of_kern *kern;
    struct of_hasher_thread threads[OF_HASH_THREADS_MAX];
    uint32_t thread_count;                 /* running */
    struct of_hasher_thread xxh128_thread; /* where has_xxh128_thread */
    bool has_xxh128_thread;
    struct of_queue done;
    struct of_io *io;      /* to wake the control thread */
    uint64_t busy_ns_most; /* of the busiest thread, after stop */
};

/* kern has to outlive the hasher. */
OF_NODISCARD onefold_status of_hasher_init(struct of_hasher *hasher, const struct of_plan *plan,
                                           const struct of_kern *kern, struct of_arena *arena,
                                           onefold_error *err);
/* Header bytes, before start. Shaped as an of_sink_header_fn; context is the hasher. */
void of_hasher_header(void *context, uint32_t shard_index, const char *data, uint64_t length);
/* As many of how->hash_thread_count threads as can be had, but one at least. */
OF_NODISCARD onefold_status of_hasher_start(struct of_hasher *hasher, struct of_io *io,
                                            const struct of_how *how, onefold_error *err);
/* Slots of a lane in output order. Returns how often the slot will come back. */
uint32_t of_hasher_give(struct of_hasher *hasher, struct of_slot *slot);
/* A slot that a thread is done with, or NULL; never blocks. */
struct of_slot *of_hasher_take(struct of_hasher *hasher);
/* Waits for what was given, ends the threads. */
void of_hasher_stop(struct of_hasher *hasher);
/* Digests of a complete shard, after stop. */
void of_hasher_result(struct of_hasher *hasher, uint32_t shard_index,
                      struct of_file_hashes *ret_hashes);
void of_hasher_finish(struct of_hasher *hasher);

#endif
