/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output side: the shards of the staging folder. Every shard is created at full size and reserved
 * before the first read, so that "disk full" happens in the first second. Whole blocks of a tile go
 * out directly from the slot; the few bytes of a block that two tiles share go through the page
 * cache (docs/decisions/003-edges-through-the-page-cache.md).
 */
#ifndef OF_RUN_SINK_H
#define OF_RUN_SINK_H

#include "base/attr.h"
#include "base/err.h"
#include "plan/plan.h"
#include "sys/io.h"

#include <stdbool.h>
#include <stdint.h>

struct of_sink_file {
    int direct_fd;         /* -1 = not open, or direct I/O is not used */
    int plain_fd;          /* -1 = not open */
    uint64_t left_bytes;   /* tensor data still to be written */
    uint64_t behind_bytes; /* buffered writes: end of what was given to write-behind */
    bool synced;
};

struct of_sink {
    const struct of_plan *plan;
    int folder;                 /* of the stage */
    struct of_sink_file *files; /* [shard] */
    uint32_t file_count;
    uint32_t align; /* of direct writes; 1 = everything goes through the page cache */
    uint64_t written_bytes;
    bool may_share; /* direct, and the file system has not refused to share blocks yet */
    uint64_t shared_bytes;
};

/* Creates and reserves every shard and writes the headers. `fn` receives the bytes of each header,
 * in order and in portions, as they are written, for the whole-file sums. */
typedef void of_sink_header_fn(void *context, uint32_t shard_index, const char *data,
                               uint64_t length);
OF_NODISCARD onefold_status of_sink_init(struct of_sink *sink, const struct of_plan *plan,
                                         int folder, struct of_arena *arena, onefold_error *err);
OF_NODISCARD onefold_status of_sink_create(struct of_sink *sink, of_sink_header_fn *fn,
                                           void *context, onefold_error *err);

/* Writes [data, data + length) to the shard at offset. What can go directly is put into *req
 * (length 0 = nothing left to do there); the rest is written before this returns. */
OF_NODISCARD onefold_status of_sink_begin_write(struct of_sink *sink, uint32_t shard_index,
                                                uint64_t offset, uint8_t *data, uint64_t length,
                                                struct of_io_req *req, onefold_error *err);
/* In place of the write that of_sink_begin_write prepared: the shard shares the blocks of `fd` at
 * `offset`, which hold these bytes. False where that is not possible; then it has to be written. */
OF_NODISCARD bool of_sink_share(struct of_sink *sink, const struct of_io_req *req, int fd,
                                uint64_t offset);
/* `length` bytes of the shard are written; the last ones sync and close it. */
OF_NODISCARD onefold_status of_sink_end_write(struct of_sink *sink, uint32_t shard_index,
                                              uint64_t offset, uint64_t length, onefold_error *err);
/* Syncs what is left (shards without data). */
OF_NODISCARD onefold_status of_sink_sync(struct of_sink *sink, onefold_error *err);
void of_sink_finish(struct of_sink *sink);

#endif
