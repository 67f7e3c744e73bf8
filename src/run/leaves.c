/* SPDX-License-Identifier: Apache-2.0 */
/* The file of leaves. */
#include "run/leaves.h"

#include "base/num.h"
#include "plan/plan.h"
#include "sys/file.h"
#include "sys/pagecache.h"

#include <string.h>

static const char name[] = "onefold.leaves";

onefold_status of_leaves_init(struct of_leaves *leaves, int folder, uint32_t sums,
                              uint32_t lane_count, struct of_arena *arena, onefold_error *err)
{
    *leaves = (struct of_leaves){.folder = folder, .fd = -1, .sums = sums};
    leaves->lanes = OF_ARENA_NEW(arena, struct of_leaves_lane, lane_count);
    if (leaves->lanes == NULL) {
        return of_err_set(err, "memory", "no memory to write %s", name);
    }
    leaves->lane_count = lane_count;
    for (uint32_t i = 0; i < lane_count; i++) {
        leaves->lanes[i] = (struct of_leaves_lane){0};
        leaves->lanes[i].buffer = OF_ARENA_NEW(arena, struct of_digest, OF_LEAVES_BUFFERED);
        if (leaves->lanes[i].buffer == NULL) {
            return of_err_set(err, "memory", "no memory to write %s", name);
        }
    }
    return ONEFOLD_OK;
}

onefold_status of_leaves_begin(struct of_leaves *leaves, onefold_error *err)
{
    return of_file_create(leaves->folder, name, 0, &leaves->fd, err);
}

static onefold_status flush(struct of_leaves *leaves, struct of_leaves_lane *lane,
                            onefold_error *err)
{
    const uint64_t each = sizeof(*lane->buffer);

    if (lane->count > 0 && of_file_write_at(leaves->fd, lane->buffer, lane->count * each,
                                            lane->first * each, err) != ONEFOLD_OK) {
        return of_err_prefix(err, "%s", name);
    }
    lane->first += lane->count;
    lane->count = 0;
    return ONEFOLD_OK;
}

onefold_status of_leaves_add(struct of_leaves *leaves, uint32_t lane_index, uint64_t first,
                             const struct of_digest *from, uint64_t count, onefold_error *err)
{
    struct of_leaves_lane *lane = &leaves->lanes[lane_index];

    leaves->added_count += count;
    if (lane->first + lane->count != first) {
        /* Another shard. */
        OF_TRY(flush(leaves, lane, err));
        lane->first = first;
    }
    while (count > 0) {
        const uint32_t part = (uint32_t)of_num_min(count, OF_LEAVES_BUFFERED - lane->count);

        memcpy(&lane->buffer[lane->count], from, part * sizeof(*from));
        lane->count += part;
        from += part;
        count -= part;
        if (lane->count == OF_LEAVES_BUFFERED) {
            OF_TRY(flush(leaves, lane, err));
        }
    }
    return ONEFOLD_OK;
}

static onefold_status hash_file(const struct of_leaves *leaves, enum of_hash_kind kind,
                                uint8_t *ret_digest, onefold_error *err)
{
    struct of_digest *buffer = leaves->lanes[0].buffer;
    uint64_t left = leaves->added_count * sizeof(*buffer);
    uint64_t at = 0;
    struct of_hash *hash = of_hash_create(kind);
    onefold_status status = ONEFOLD_OK;

    if (hash == NULL) {
        return of_err_set(err, "memory", "no memory for the sums of %s", name);
    }
    while (left > 0 && status == ONEFOLD_OK) {
        const uint64_t part = of_num_min(left, OF_LEAVES_BUFFERED * sizeof(*buffer));

        status = of_file_read_at(leaves->fd, buffer, part, at, err);
        if (status == ONEFOLD_OK) {
            of_hash_update(hash, buffer, part);
        }
        at += part;
        left -= part;
    }
    if (status == ONEFOLD_OK) {
        of_hash_finish(hash, ret_digest);
    } else {
        (void)of_err_prefix(err, "%s", name);
    }
    of_hash_destroy(hash);
    return status;
}

onefold_status of_leaves_end(struct of_leaves *leaves, struct of_out_file *ret_file,
                             onefold_error *err)
{
    struct of_out_file file = {.name = name,
                               .size_bytes = leaves->added_count * sizeof(struct of_digest)};
    onefold_status status;

    for (uint32_t i = 0; i < leaves->lane_count; i++) {
        OF_TRY(flush(leaves, &leaves->lanes[i], err));
    }
    if ((leaves->sums & OF_SUM_SHA256) != 0) {
        OF_TRY(hash_file(leaves, OF_HASH_SHA256, file.hashes.sha256.bytes, err));
    }
    if ((leaves->sums & OF_SUM_XXH128) != 0) {
        OF_TRY(hash_file(leaves, OF_HASH_XXH128, file.hashes.xxh128.bytes, err));
    }
    status = of_file_sync(leaves->fd, err);
    if (status == ONEFOLD_OK) {
        of_pagecache_drop(leaves->fd, 0, file.size_bytes);
        status = of_file_close_written(&leaves->fd, err);
    }
    if (status != ONEFOLD_OK) {
        return of_err_prefix(err, "%s", name);
    }
    *ret_file = file;
    return ONEFOLD_OK;
}

void of_leaves_finish(struct of_leaves *leaves)
{
    of_file_close(&leaves->fd);
}
