/* SPDX-License-Identifier: Apache-2.0 */
/* Output shards: create at full size, write at final offsets in any order, sync when complete. */
#include "run/sink.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"
#include "sys/file.h"
#include "sys/outfile.h"
#include "sys/pagecache.h"

#include <string.h>

/* Buffered writes: how much may become dirty before it is given to write-back. */
#define WRITE_BEHIND_BYTES (8 * OF_MIB)

onefold_status of_sink_init(struct of_sink *sink, const struct of_plan *plan, int folder,
                            struct of_arena *arena, onefold_error *err)
{
    const struct of_out_layout *output = &plan->output;

    *sink = (struct of_sink){.plan = plan, .folder = folder, .align = 1};
    sink->files = OF_ARENA_NEW(arena, struct of_sink_file, output->shard_count);
    if (sink->files == NULL) {
        return of_err_set(err, "memory", "no memory for the table of output files");
    }
    sink->file_count = output->shard_count;
    for (uint32_t i = 0; i < output->shard_count; i++) {
        sink->files[i] = (struct of_sink_file){.direct_fd = -1, .plain_fd = -1};
        sink->files[i].left_bytes = output->shards[i].file_bytes - output->shards[i].header_bytes;
        sink->files[i].behind_bytes = output->shards[i].header_bytes;
    }
    return ONEFOLD_OK;
}

/* Buffered writing is fine unless direct writing was demanded. */
static onefold_status refuse_direct(const struct of_sink *sink, const char *name,
                                    onefold_error *err)
{
    if (sink->plan->how.direct == OF_DIRECT_ON) {
        return of_err_set(err, "io-direct", "%s: direct I/O was asked for and cannot be had here",
                          name);
    }
    return ONEFOLD_OK;
}

/* Whether this file system writes directly, found out on the first shard. */
static onefold_status settle_direct(struct of_sink *sink, const char *name, onefold_error *err)
{
    onefold_error refusal;
    int fd = -1;

    if (sink->plan->how.direct == OF_DIRECT_OFF) {
        return ONEFOLD_OK;
    }
    if (of_pagecache_page_bytes() > OF_DIRECT_ALIGN_MAX) {
        /* A page of the cache would hold an edge and blocks written directly beside it. */
        return refuse_direct(sink, name, err);
    }
    of_err_clear(&refusal);
    if (of_outfile_reopen(sink->folder, name, true, &fd, &refusal) == ONEFOLD_OK) {
        const uint32_t align = of_file_direct_align(fd);

        of_file_close(&fd);
        if (align > 0 && align <= OF_DIRECT_ALIGN_MAX && OF_DIRECT_ALIGN_MAX % align == 0) {
            /* Whole blocks of the file system, though the disk may take less: ext4 lets a write
             * that ends inside a block wait for all others to that file, and them for it. */
            sink->align = OF_DIRECT_ALIGN_MAX;
            sink->may_share = true;
            return ONEFOLD_OK;
        }
    } else if (refusal.status != ONEFOLD_E_UNSUPPORTED && refusal.status != ONEFOLD_E_ARGUMENT) {
        *err = refusal;
        return refusal.status;
    }
    return refuse_direct(sink, name, err);
}

/* Whoever wants to know the bytes of headers as they are written. */
struct listener {
    of_sink_header_fn *fn;
    void *context;
};

static onefold_status write_header(struct of_sink *sink, uint32_t shard_index, int fd,
                                   const struct listener *listener, struct of_text *text,
                                   onefold_error *err)
{
    struct of_header_cursor cursor = {0};
    uint64_t at = 0;

    text->length = 0;
    while (of_layout_emit_header(&sink->plan->output, sink->plan->tensors, shard_index, &cursor,
                                 text)) {
        if (text->failed) {
            return of_err_set(err, "memory", "no memory for a header");
        }
        OF_TRY(of_file_write_at(fd, text->data, text->length, at, err));
        if (listener->fn != NULL) {
            listener->fn(listener->context, shard_index, text->data, text->length);
        }
        at += text->length;
        text->length = 0;
    }
    of_assert(at == sink->plan->output.shards[shard_index].header_bytes);
    sink->written_bytes += at;
    return ONEFOLD_OK;
}

static onefold_status create_shard(struct of_sink *sink, uint32_t shard_index,
                                   const struct listener *listener, struct of_text *text,
                                   onefold_error *err)
{
    const struct of_out_shard *shard = &sink->plan->output.shards[shard_index];
    onefold_status status;
    int fd = -1;

    OF_TRY(of_file_create(sink->folder, shard->name, 0, &fd, err));
    status = of_file_reserve(fd, shard->file_bytes, err);
    if (status == ONEFOLD_OK) {
        status = write_header(sink, shard_index, fd, listener, text, err);
    }
    of_file_close(&fd);
    return status == ONEFOLD_OK ? ONEFOLD_OK : of_err_prefix(err, "%s", shard->name);
}

onefold_status of_sink_create(struct of_sink *sink, of_sink_header_fn *fn, void *context,
                              onefold_error *err)
{
    const struct listener listener = {.fn = fn, .context = context};
    struct of_text text = {0};
    onefold_status status = ONEFOLD_OK;

    for (uint32_t i = 0; i < sink->file_count && status == ONEFOLD_OK; i++) {
        status = create_shard(sink, i, &listener, &text, err);
        if (status == ONEFOLD_OK && i == 0) {
            status = settle_direct(sink, sink->plan->output.shards[0].name, err);
        }
    }
    of_text_finish(&text);
    return status;
}

static onefold_status open_files(struct of_sink *sink, uint32_t shard_index, onefold_error *err)
{
    struct of_sink_file *file = &sink->files[shard_index];
    const char *name = sink->plan->output.shards[shard_index].name;

    if (file->plain_fd < 0) {
        OF_TRY(of_outfile_reopen(sink->folder, name, false, &file->plain_fd, err));
    }
    if (sink->align > 1 && file->direct_fd < 0) {
        OF_TRY(of_outfile_reopen(sink->folder, name, true, &file->direct_fd, err));
    }
    return ONEFOLD_OK;
}

static onefold_status write_edge(const struct of_sink *sink, uint32_t shard_index,
                                 const uint8_t *data, uint64_t length, uint64_t offset,
                                 onefold_error *err)
{
    const struct of_sink_file *file = &sink->files[shard_index];

    if (of_file_write_at(file->plain_fd, data, length, offset, err) != ONEFOLD_OK) {
        return of_err_prefix(err, "%s", sink->plan->output.shards[shard_index].name);
    }
    return ONEFOLD_OK;
}

onefold_status of_sink_begin_write(struct of_sink *sink, uint32_t shard_index, uint64_t offset,
                                   uint8_t *data, uint64_t length, struct of_io_req *req,
                                   onefold_error *err)
{
    const uint64_t end = offset + length;
    const uint64_t first = of_num_align_up(offset, sink->align);
    const uint64_t last = of_num_align_down(end, sink->align);
    const struct of_sink_file *file;

    OF_TRY(open_files(sink, shard_index, err));
    file = &sink->files[shard_index];
    *req = (struct of_io_req){.kind = OF_IO_WRITE};
    if (first >= last) {
        /* No whole block: all of it is edge. */
        return write_edge(sink, shard_index, data, length, offset, err);
    }
    if (first > offset) {
        OF_TRY(write_edge(sink, shard_index, data, first - offset, offset, err));
    }
    if (last < end) {
        OF_TRY(write_edge(sink, shard_index, data + (last - offset), end - last, last, err));
    }
    req->fd = sink->align > 1 ? file->direct_fd : file->plain_fd;
    req->offset = first;
    req->length = last - first;
    req->length_must = last - first;
    req->buffer = data + (first - offset);
    return ONEFOLD_OK;
}

bool of_sink_share(struct of_sink *sink, const struct of_io_req *req, int fd, uint64_t offset)
{
    if (!sink->may_share || offset % sink->align != 0 ||
        !of_outfile_share(req->fd, req->offset, fd, offset, req->length, &sink->may_share)) {
        return false;
    }
    sink->shared_bytes += req->length;
    return true;
}

static onefold_status complete_shard(struct of_sink *sink, uint32_t shard_index, onefold_error *err)
{
    struct of_sink_file *file = &sink->files[shard_index];
    onefold_status status;

    /* One sync covers both descriptors: they are one inode. */
    status = of_file_sync(file->plain_fd, err);
    if (status == ONEFOLD_OK) {
        of_pagecache_drop(file->plain_fd, 0, sink->plan->output.shards[shard_index].file_bytes);
        status = of_file_close_written(&file->plain_fd, err);
    }
    if (status == ONEFOLD_OK && file->direct_fd >= 0) {
        status = of_file_close_written(&file->direct_fd, err);
    }
    if (status != ONEFOLD_OK) {
        return of_err_prefix(err, "%s", sink->plan->output.shards[shard_index].name);
    }
    file->synced = true;
    return ONEFOLD_OK;
}

onefold_status of_sink_end_write(struct of_sink *sink, uint32_t shard_index, uint64_t offset,
                                 uint64_t length, onefold_error *err)
{
    struct of_sink_file *file = &sink->files[shard_index];

    of_assert(length <= file->left_bytes);
    file->left_bytes -= length;
    sink->written_bytes += length;
    if (sink->align == 1 && offset + length >= file->behind_bytes + WRITE_BEHIND_BYTES) {
        /* What was handed over one step ago is likely clean by now and leaves the cache. */
        of_outfile_write_behind(file->plain_fd, file->behind_bytes,
                                offset + length - file->behind_bytes);
        of_pagecache_drop(file->plain_fd, 0, file->behind_bytes);
        file->behind_bytes = offset + length;
    }
    if (file->left_bytes == 0) {
        return complete_shard(sink, shard_index, err);
    }
    return ONEFOLD_OK;
}

onefold_status of_sink_sync(struct of_sink *sink, onefold_error *err)
{
    for (uint32_t i = 0; i < sink->file_count; i++) {
        if (!sink->files[i].synced) {
            of_assert(sink->files[i].left_bytes == 0);
            OF_TRY(open_files(sink, i, err));
            OF_TRY(complete_shard(sink, i, err));
        }
    }
    return ONEFOLD_OK;
}

void of_sink_finish(struct of_sink *sink)
{
    for (uint32_t i = 0; i < sink->file_count; i++) {
        of_file_close(&sink->files[i].plain_fd);
        of_file_close(&sink->files[i].direct_fd);
    }
    sink->file_count = 0;
}
