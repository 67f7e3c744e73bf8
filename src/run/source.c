/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors of the input shards: a table of entries, pinned while requests use them. */
#include "run/source.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"
#include "sys/file.h"
#include "sys/host.h"
#include "sys/outfile.h"
#include "sys/pagecache.h"

static uint32_t total_inputs(const struct of_plan *plan)
{
    return plan->input_count + (plan->has_base ? 1 : 0);
}

/* Descriptors beside the inputs': output shards, ring, standard streams, folders of the inputs. */
enum { DESCRIPTORS_ELSEWHERE = 64 };

static uint32_t entries_wanted(const struct of_plan *plan, uint64_t file_count, bool ask_cache)
{
    const uint64_t limit = of_host_raise_descriptors() / (ask_cache ? 2 : 1);
    const uint64_t folders = total_inputs(plan);
    uint64_t count = of_num_min(file_count, OF_OPEN_FILES_MAX);

    if (limit < folders + DESCRIPTORS_ELSEWHERE + count) {
        count =
            limit > folders + DESCRIPTORS_ELSEWHERE ? limit - folders - DESCRIPTORS_ELSEWHERE : 1;
    }
    return (uint32_t)of_num_max(count, 1);
}

/* An entry stays pinned while a worker copies from it. Reads wait for a free entry, so there must
 * be one for every area, or slots would wait for each other. */
static bool is_room_for_all(const struct of_source *source, uint32_t file_count)
{
    const struct of_how *how = &source->plan->how;
    const uint64_t areas = (uint64_t)how->slot_count * (how->area_count + 1);

    return source->entry_count >= of_num_min(file_count, areas);
}

onefold_status of_source_init(struct of_source *source, const struct of_plan *plan,
                              const struct of_source_options *options, struct of_arena *arena,
                              onefold_error *err)
{
    const bool buffered_only = options->buffered_only;
    const uint32_t input_count = total_inputs(plan);
    uint32_t file_count = 0;

    *source = (struct of_source){.plan = plan};
    source->want_direct = !buffered_only && plan->how.direct != OF_DIRECT_OFF;
    source->must_direct = !buffered_only && plan->how.direct == OF_DIRECT_ON;
    source->first_file = OF_ARENA_NEW(arena, uint32_t, input_count);
    if (source->first_file == NULL) {
        return of_err_set(err, "memory", "no memory for the table of input files");
    }
    for (uint32_t i = 0; i < input_count; i++) {
        source->first_file[i] = file_count;
        file_count += plan->inputs[i].checkpoint->shard_count;
    }
    source->entry_count = entries_wanted(plan, file_count, options->ask_cache);
    source->ask_cache = options->ask_cache && is_room_for_all(source, file_count);
    source->entries = OF_ARENA_NEW(arena, struct of_source_entry, source->entry_count);
    source->entry_of = OF_ARENA_NEW(arena, int32_t, file_count);
    if (source->entries == NULL || source->entry_of == NULL) {
        source->entry_count = 0;
        return of_err_set(err, "memory", "no memory for the table of input files");
    }
    for (uint32_t i = 0; i < source->entry_count; i++) {
        source->entries[i].fd = -1;
        source->entries[i].cache_fd = -1;
    }
    for (uint32_t i = 0; i < file_count; i++) {
        source->entry_of[i] = -1;
    }
    return ONEFOLD_OK;
}

/* A free entry, or the unpinned one that was used longest ago; -1 when all are pinned. */
static int32_t find_room(const struct of_source *source)
{
    int32_t best = -1;

    for (uint32_t i = 0; i < source->entry_count; i++) {
        const struct of_source_entry *entry = &source->entries[i];

        if (entry->fd < 0) {
            return (int32_t)i;
        }
        if (entry->pin_count == 0 &&
            (best < 0 || entry->last_use < source->entries[best].last_use)) {
            best = (int32_t)i;
        }
    }
    return best;
}

static onefold_status open_shard(struct of_source *source, const struct of_checkpoint *checkpoint,
                                 uint32_t shard_index, struct of_source_entry *entry,
                                 onefold_error *err)
{
    entry->align = 0;
    if (source->want_direct) {
        onefold_status status =
            of_checkpoint_open_shard(checkpoint, shard_index, OF_FILE_DIRECT, &entry->fd, err);

        if (status == ONEFOLD_OK) {
            const uint32_t align = of_file_direct_align(entry->fd);

            if (align > 0 && align <= OF_DIRECT_ALIGN_MAX) {
                entry->align = align;
                source->used_direct = true;
                return ONEFOLD_OK;
            }
            of_file_close(&entry->fd);
        } else if (status == ONEFOLD_E_MISMATCH) {
            return status; /* not the file that was planned with */
        }
    }
    /* Without O_DIRECT the same open tells a real problem from a file system that has none. */
    OF_TRY(of_checkpoint_open_shard(checkpoint, shard_index, 0, &entry->fd, err));
    if (source->must_direct) {
        of_file_close(&entry->fd);
        return of_err_set(err, "io-direct",
                          "%s: direct I/O was asked for and is refused by the file system",
                          of_checkpoint_shard_path(checkpoint, shard_index).text);
    }
    of_outfile_advise_sequential(entry->fd);
    source->used_buffered = true;
    return ONEFOLD_OK;
}

static void close_entry(struct of_source_entry *entry)
{
    if (entry->cache_fd == entry->fd) {
        entry->cache_fd = -1;
    }
    of_file_close(&entry->cache_fd);
    of_file_close(&entry->fd);
}

/* A file of which the cache seems to hold nothing is not asked about again. */
static onefold_status look_into_cache(const struct of_source *source,
                                      const struct of_checkpoint *checkpoint, uint32_t shard_index,
                                      struct of_source_entry *entry, onefold_error *err)
{
    const uint64_t size_bytes = checkpoint->shards[shard_index].identity.size_bytes;

    entry->cache_fd = -1;
    if (!source->ask_cache || of_pagecache_count(entry->fd, size_bytes) == 0) {
        return ONEFOLD_OK;
    }
    if (entry->align == 0) {
        entry->cache_fd = entry->fd;
    } else {
        OF_TRY(of_checkpoint_open_shard(checkpoint, shard_index, OF_FILE_NO_AHEAD, &entry->cache_fd,
                                        err));
    }
    of_cached_init(&entry->cached, entry->cache_fd, size_bytes);
    return ONEFOLD_OK;
}

static onefold_status open_entry(struct of_source *source, uint32_t input, uint32_t shard_index,
                                 struct of_source_entry *entry, onefold_error *err)
{
    const struct of_checkpoint *checkpoint = source->plan->inputs[input].checkpoint;
    onefold_status status;

    OF_TRY(open_shard(source, checkpoint, shard_index, entry, err));
    status = look_into_cache(source, checkpoint, shard_index, entry, err);
    if (status != ONEFOLD_OK) {
        close_entry(entry);
    }
    return status;
}

onefold_status of_source_acquire(struct of_source *source, uint32_t input, uint32_t shard_index,
                                 int32_t *ret_entry, onefold_error *err)
{
    const uint32_t file = source->first_file[input] + shard_index;
    int32_t at = source->entry_of[file];

    if (at < 0) {
        struct of_source_entry *entry;

        at = find_room(source);
        if (at < 0) {
            *ret_entry = -1;
            return ONEFOLD_OK;
        }
        entry = &source->entries[at];
        if (entry->fd >= 0) {
            source->entry_of[entry->file] = -1;
            close_entry(entry);
        }
        OF_TRY(open_entry(source, input, shard_index, entry, err));
        entry->file = file;
        entry->pin_count = 0;
        source->entry_of[file] = at;
    }
    source->entries[at].pin_count++;
    source->entries[at].last_use = ++source->use_count;
    *ret_entry = at;
    return ONEFOLD_OK;
}

void of_source_release(struct of_source *source, int32_t entry)
{
    of_assert(entry >= 0 && source->entries[entry].pin_count > 0);
    source->entries[entry].pin_count--;
}

int of_source_ask_cache(struct of_source *source, int32_t entry, uint64_t offset, uint64_t length)
{
    struct of_source_entry *asked = &source->entries[entry];

    if (asked->cache_fd >= 0 && of_cached_has(&asked->cached, offset, length)) {
        return asked->cache_fd;
    }
    return -1;
}

onefold_status of_source_check_unchanged(const struct of_source *source, onefold_error *err)
{
    for (uint32_t i = 0; i < total_inputs(source->plan); i++) {
        OF_TRY(of_checkpoint_check_unchanged(source->plan->inputs[i].checkpoint, err));
    }
    return ONEFOLD_OK;
}

void of_source_finish(struct of_source *source)
{
    for (uint32_t i = 0; i < source->entry_count; i++) {
        close_entry(&source->entries[i]);
    }
    source->entry_count = 0;
}
