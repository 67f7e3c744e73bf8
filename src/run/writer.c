/* SPDX-License-Identifier: Apache-2.0 */
/* Small files: buffer, hash, write, and sync together. */
#include "run/writer.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/num.h"
#include "sys/file.h"
#include "sys/outfile.h"
#include "sys/pagecache.h"

#include <string.h>

/* Large enough that hashing and writing call seldom. */
enum { BUFFER_BYTES = 65536 };

onefold_status of_writer_init(struct of_writer *writer, int folder, uint32_t sums,
                              onefold_error *err)
{
    *writer = (struct of_writer){.folder = folder, .sums = sums, .fd = -1};
    writer->buffer = of_mem_get(BUFFER_BYTES);
    if ((sums & OF_SUM_SHA256) != 0) {
        writer->sha256 = of_hash_create(OF_HASH_SHA256);
    }
    if ((sums & OF_SUM_XXH128) != 0) {
        writer->xxh128 = of_hash_create(OF_HASH_XXH128);
    }
    if (writer->buffer == NULL || ((sums & OF_SUM_SHA256) != 0 && writer->sha256 == NULL) ||
        ((sums & OF_SUM_XXH128) != 0 && writer->xxh128 == NULL)) {
        return of_err_set(err, "memory", "no memory to write the small files of the output");
    }
    return ONEFOLD_OK;
}

onefold_status of_writer_begin(struct of_writer *writer, const char *name, onefold_error *err)
{
    of_assert(writer->fd < 0);
    writer->name = name;
    writer->size_bytes = 0;
    writer->buffered_bytes = 0;
    if (writer->sha256 != NULL) {
        of_hash_restart(writer->sha256);
    }
    if (writer->xxh128 != NULL) {
        of_hash_restart(writer->xxh128);
    }
    return of_file_create(writer->folder, name, 0, &writer->fd, err);
}

static onefold_status flush(struct of_writer *writer, onefold_error *err)
{
    const uint64_t length = writer->buffered_bytes;

    if (length == 0) {
        return ONEFOLD_OK;
    }
    if (writer->sha256 != NULL) {
        of_hash_update(writer->sha256, writer->buffer, length);
    }
    if (writer->xxh128 != NULL) {
        of_hash_update(writer->xxh128, writer->buffer, length);
    }
    if (of_file_write_at(writer->fd, writer->buffer, length, writer->size_bytes, err) !=
        ONEFOLD_OK) {
        return of_err_prefix(err, "%s", writer->name);
    }
    writer->size_bytes += length;
    writer->buffered_bytes = 0;
    return ONEFOLD_OK;
}

onefold_status of_writer_add(struct of_writer *writer, const void *data, uint64_t length,
                             onefold_error *err)
{
    const char *from = data;

    while (length > 0) {
        const uint64_t part = of_num_min(length, BUFFER_BYTES - writer->buffered_bytes);

        memcpy(writer->buffer + writer->buffered_bytes, from, part);
        writer->buffered_bytes += part;
        from += part;
        length -= part;
        if (writer->buffered_bytes == BUFFER_BYTES) {
            OF_TRY(flush(writer, err));
        }
    }
    return ONEFOLD_OK;
}

onefold_status of_writer_end(struct of_writer *writer, struct of_out_file *ret_file,
                             onefold_error *err)
{
    OF_TRY(flush(writer, err));
    of_outfile_write_behind(writer->fd, 0, writer->size_bytes);
    writer->ended[writer->ended_count].name = writer->name;
    writer->ended[writer->ended_count].fd = writer->fd;
    writer->ended[writer->ended_count].size_bytes = writer->size_bytes;
    writer->ended_count++;
    writer->fd = -1;
    *ret_file = (struct of_out_file){.name = writer->name, .size_bytes = writer->size_bytes};
    if (writer->sha256 != NULL) {
        of_hash_finish(writer->sha256, ret_file->hashes.sha256.bytes);
    }
    if (writer->xxh128 != NULL) {
        of_hash_finish(writer->xxh128, ret_file->hashes.xxh128.bytes);
    }
    return writer->ended_count < OF_WRITER_ENDED_MAX ? ONEFOLD_OK : of_writer_sync(writer, err);
}

static onefold_status sync_file(int *fd, uint64_t size_bytes, onefold_error *err)
{
    OF_TRY(of_file_sync(*fd, err));
    of_pagecache_drop(*fd, 0, size_bytes);
    return of_file_close_written(fd, err);
}

onefold_status of_writer_sync(struct of_writer *writer, onefold_error *err)
{
    for (uint32_t i = 0; i < writer->ended_count; i++) {
        if (sync_file(&writer->ended[i].fd, writer->ended[i].size_bytes, err) != ONEFOLD_OK) {
            return of_err_prefix(err, "%s", writer->ended[i].name);
        }
    }
    writer->ended_count = 0;
    return ONEFOLD_OK;
}

void of_writer_finish(struct of_writer *writer)
{
    for (uint32_t i = 0; i < writer->ended_count; i++) {
        of_file_close(&writer->ended[i].fd);
    }
    writer->ended_count = 0;
    of_file_close(&writer->fd);
    of_hash_destroy(writer->sha256);
    of_hash_destroy(writer->xxh128);
    of_mem_free(writer->buffer);
    writer->sha256 = NULL;
    writer->xxh128 = NULL;
    writer->buffer = NULL;
}
