/* SPDX-License-Identifier: Apache-2.0 */
/* Read i of a file goes into buffer i mod OF_READER_READS. */
#include "run/reader.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"
#include "sys/file.h"
#include "sys/outfile.h"
#include "sys/pagecache.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

onefold_status of_reader_init(struct of_reader *reader, const char *io_name, enum of_direct direct,
                              onefold_error *err)
{
    struct of_io_options options = {.depth = OF_READER_READS, .thread_count = 2};

    *reader = (struct of_reader){.direct = direct, .fd = -1, .direct_fd = -1};
    OF_TRY(of_pool_init_parts(&reader->pool, OF_READER_READS * OF_READER_READ_BYTES, 1, NULL, err));
    options.pool = reader->pool.data;
    options.pool_bytes = reader->pool.size_bytes;
    options.pool_loaded = &reader->pool.loaded;
    OF_TRY(of_io_init(&reader->io, io_name, &options, NULL, err));
    reader->has_io = true;
    if (strcmp(reader->io.backend->name, "mmap") == 0) {
        reader->direct = OF_DIRECT_OFF;
    }
    return ONEFOLD_OK;
}

/* A second descriptor of the same file, opened for direct reading where that pays. */
static onefold_status open_direct(struct of_reader *reader, onefold_error *err)
{
    struct of_identity identity;
    onefold_error refusal;
    char path[64];

    if (reader->direct == OF_DIRECT_OFF ||
        (reader->direct == OF_DIRECT_AUTO &&
         of_pagecache_count(reader->fd, reader->size_bytes) > OF_PAGECACHE_PLACES / 2)) {
        return ONEFOLD_OK;
    }
    /* Through the descriptor and not by name: it cannot become another file. */
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", reader->fd);
    if (of_file_open_read(of_file_here, path, OF_FILE_DIRECT, &reader->direct_fd, &identity,
                          &refusal) == ONEFOLD_OK) {
        const uint32_t align = of_file_direct_align(reader->direct_fd);

        if (align > 0 && align <= OF_DIRECT_ALIGN_MAX) {
            reader->align = align;
            return ONEFOLD_OK;
        }
        of_file_close(&reader->direct_fd);
    }
    if (reader->direct == OF_DIRECT_ON) {
        return of_err_set(err, "io-direct",
                          "direct I/O was asked for and is refused by the file system");
    }
    return ONEFOLD_OK;
}

/* A small file needs little of the pool. */
static onefold_status load(struct of_reader *reader, uint32_t at, uint64_t length,
                           onefold_error *err)
{
    if (length <= reader->loaded_bytes[at]) {
        return ONEFOLD_OK;
    }
    OF_TRY(of_pool_load(&reader->pool, 0, at * OF_READER_READ_BYTES, length, err));
    reader->loaded_bytes[at] = length;
    if (at + 1 == OF_READER_READS && length == OF_READER_READ_BYTES) {
        reader->pool.loaded = true;
    }
    return ONEFOLD_OK;
}

static onefold_status submit(struct of_reader *reader, onefold_error *err)
{
    const uint64_t left = reader->size_bytes - reader->submit_at;
    const uint64_t number = reader->submit_at / OF_READER_READ_BYTES;
    const uint32_t at = (uint32_t)(number % OF_READER_READS);
    struct of_io_req *req = &reader->reqs[at];

    *req = (struct of_io_req){.kind = OF_IO_READ, .owner = reader};
    req->fd = reader->direct_fd >= 0 ? reader->direct_fd : reader->fd;
    req->offset = reader->submit_at;
    req->length_must = of_num_min(left, OF_READER_READ_BYTES);
    req->length = of_num_align_up(req->length_must, reader->align);
    req->buffer = reader->pool.data + at * OF_READER_READ_BYTES;
    OF_TRY(load(reader, at, req->length, err));
    reader->is_done[at] = false;
    reader->submit_at += req->length_must;
    of_io_submit(&reader->io, req);
    of_io_flush(&reader->io);
    return ONEFOLD_OK;
}

/* As many reads as may be underway, into places that nobody holds. */
static onefold_status submit_more(struct of_reader *reader, onefold_error *err)
{
    const uint64_t oldest = of_num_align_down(reader->release_at, OF_READER_READ_BYTES);

    while (reader->submit_at < reader->size_bytes &&
           reader->submit_at - oldest < OF_READER_READS * OF_READER_READ_BYTES &&
           reader->io.in_flight < OF_READER_UNDERWAY_MAX) {
        OF_TRY(submit(reader, err));
    }
    return ONEFOLD_OK;
}

onefold_status of_reader_open(struct of_reader *reader, int fd, uint64_t size_bytes,
                              onefold_error *err)
{
    reader->fd = fd;
    reader->align = 1;
    reader->size_bytes = size_bytes;
    reader->submit_at = 0;
    reader->deliver_at = 0;
    reader->release_at = 0;
    reader->held_count = 0;
    OF_TRY(open_direct(reader, err));
    if (reader->direct_fd < 0) {
        of_outfile_advise_sequential(fd);
    }
    /* Of a larger file the better part is there, or the user wants it read in this way. */
    reader->leaves_cache = reader->direct_fd < 0 && reader->direct == OF_DIRECT_AUTO &&
                           size_bytes <= OF_READER_CHUNK_BYTES &&
                           !of_pagecache_is_warm(fd, 0, size_bytes);
    return submit_more(reader, err);
}

static void reap(struct of_reader *reader)
{
    struct of_io_req *req = of_io_reap(&reader->io, true);

    while (req != NULL) {
        struct of_io_req *next = req->next;

        reader->is_done[req - reader->reqs] = true;
        req = next;
    }
}

/* The read that byte `offset` of the file comes with. */
static uint32_t read_at(uint64_t offset)
{
    return (uint32_t)(offset / OF_READER_READ_BYTES % OF_READER_READS);
}

onefold_status of_reader_next(struct of_reader *reader, const uint8_t **ret_data,
                              uint64_t *ret_length, onefold_error *err)
{
    const uint64_t in_read = reader->deliver_at % OF_READER_READ_BYTES;
    const uint32_t at = read_at(reader->deliver_at);
    const struct of_io_req *req = &reader->reqs[at];
    unsigned long long end;

    if (reader->deliver_at == reader->size_bytes) {
        *ret_data = NULL;
        *ret_length = 0;
        return ONEFOLD_OK;
    }
    /* Or all reads would be held, and none underway. */
    of_assert(reader->deliver_at < reader->submit_at);
    while (!reader->is_done[at]) {
        reap(reader);
        OF_TRY(submit_more(reader, err));
    }
    if (req->result_errno == ENODATA) {
        return of_err_set(err, "input-changed", "the file shrank while it was read");
    }
    end = req->offset + req->length_must;
    if (req->result_errno != 0) {
        return of_err_set_sys(err, "input-io", req->result_errno, "cannot read bytes %llu to %llu",
                              (unsigned long long)req->offset, end);
    }
    *ret_data = req->data + in_read;
    *ret_length = of_num_min(req->length_must - in_read, OF_READER_CHUNK_BYTES);
    reader->deliver_at += *ret_length;
    reader->held_count++;
    return ONEFOLD_OK;
}

onefold_status of_reader_release(struct of_reader *reader, onefold_error *err)
{
    const uint32_t at = read_at(reader->release_at);
    const uint64_t left = reader->deliver_at - reader->release_at;

    of_assert(reader->held_count > 0);
    reader->held_count--;
    reader->release_at += of_num_min(left, OF_READER_CHUNK_BYTES);
    if (reader->release_at % OF_READER_READ_BYTES != 0 &&
        reader->release_at != reader->size_bytes) {
        return ONEFOLD_OK;
    }
    if (!of_io_release(&reader->io, &reader->reqs[at])) {
        return of_err_set(err, "input-io", "a page of the file could not be loaded");
    }
    return submit_more(reader, err);
}

void of_reader_close(struct of_reader *reader)
{
    while (reader->has_io && reader->io.in_flight > 0) {
        reap(reader);
    }
    /* What came back and was never handed out, or is held. */
    for (uint64_t at = of_num_align_down(reader->release_at, OF_READER_READ_BYTES);
         at < reader->submit_at; at += OF_READER_READ_BYTES) {
        if (!of_io_release(&reader->io, &reader->reqs[read_at(at)])) {
            continue; /* nobody looked at it */
        }
    }
    of_file_close(&reader->direct_fd);
    if (reader->leaves_cache) {
        of_pagecache_drop(reader->fd, 0, reader->size_bytes);
        reader->leaves_cache = false;
    }
    reader->fd = -1;
    reader->submit_at = 0;
    reader->deliver_at = 0;
    reader->release_at = 0;
    reader->held_count = 0;
}

void of_reader_finish(struct of_reader *reader)
{
    of_reader_close(reader);
    if (reader->has_io) {
        of_io_finish(&reader->io);
        reader->has_io = false;
    }
    of_pool_finish(&reader->pool);
}
