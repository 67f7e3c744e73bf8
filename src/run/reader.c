/* SPDX-License-Identifier: Apache-2.0 */
/* Chunk i of a file lies in buffer i mod OF_READER_CHUNKS. */
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
    struct of_io_options options = {.depth = OF_READER_CHUNKS, .thread_count = 2};

    *reader = (struct of_reader){.direct = direct, .fd = -1, .direct_fd = -1};
    OF_TRY(of_pool_init(&reader->pool, OF_READER_CHUNKS * OF_READER_CHUNK_BYTES, err));
    options.pool = reader->pool.data;
    options.pool_bytes = reader->pool.size_bytes;
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

static void submit(struct of_reader *reader)
{
    const uint64_t left = reader->size_bytes - reader->submit_at;
    const uint64_t number = reader->submit_at / OF_READER_CHUNK_BYTES;
    const uint32_t at = (uint32_t)(number % OF_READER_CHUNKS);
    struct of_io_req *req = &reader->reqs[at];

    *req = (struct of_io_req){.kind = OF_IO_READ, .owner = reader};
    req->fd = reader->direct_fd >= 0 ? reader->direct_fd : reader->fd;
    req->offset = reader->submit_at;
    req->length_must = of_num_min(left, OF_READER_CHUNK_BYTES);
    req->length = of_num_align_up(req->length_must, reader->align);
    req->buffer = reader->pool.data + at * OF_READER_CHUNK_BYTES;
    reader->is_done[at] = false;
    reader->submit_at += req->length_must;
    of_io_submit(&reader->io, req);
}

onefold_status of_reader_open(struct of_reader *reader, int fd, uint64_t size_bytes,
                              onefold_error *err)
{
    reader->fd = fd;
    reader->align = 1;
    reader->size_bytes = size_bytes;
    reader->submit_at = 0;
    reader->deliver_at = 0;
    reader->chunk_count = 0;
    reader->held_count = 0;
    OF_TRY(open_direct(reader, err));
    if (reader->direct_fd < 0) {
        of_outfile_advise_sequential(fd);
    }
    /* Of a larger file the better part is there, or the user wants it read in this way. */
    reader->leaves_cache = reader->direct_fd < 0 && reader->direct == OF_DIRECT_AUTO &&
                           size_bytes <= OF_READER_CHUNK_BYTES &&
                           !of_pagecache_is_warm(fd, 0, size_bytes);
    for (uint32_t i = 0; i < OF_READER_CHUNKS && reader->submit_at < size_bytes; i++) {
        submit(reader);
    }
    return ONEFOLD_OK;
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

onefold_status of_reader_next(struct of_reader *reader, const uint8_t **ret_data,
                              uint64_t *ret_length, onefold_error *err)
{
    const uint32_t at = (uint32_t)(reader->chunk_count % OF_READER_CHUNKS);
    struct of_io_req *req = &reader->reqs[at];
    unsigned long long end;

    of_assert(reader->held_count < OF_READER_CHUNKS);
    if (reader->deliver_at == reader->size_bytes) {
        *ret_data = NULL;
        *ret_length = 0;
        return ONEFOLD_OK;
    }
    while (!reader->is_done[at]) {
        reap(reader);
    }
    reader->chunk_count++;
    reader->held_count++;
    if (req->result_errno == ENODATA) {
        return of_err_set(err, "input-changed", "the file shrank while it was read");
    }
    end = req->offset + req->length_must;
    if (req->result_errno != 0) {
        return of_err_set_sys(err, "input-io", req->result_errno, "cannot read bytes %llu to %llu",
                              (unsigned long long)req->offset, end);
    }
    *ret_data = req->data;
    *ret_length = req->length_must;
    reader->deliver_at += req->length_must;
    return ONEFOLD_OK;
}

onefold_status of_reader_release(struct of_reader *reader, onefold_error *err)
{
    const uint64_t number = reader->chunk_count - reader->held_count;

    of_assert(reader->held_count > 0);
    reader->held_count--;
    if (!of_io_release(&reader->io, &reader->reqs[number % OF_READER_CHUNKS])) {
        return of_err_set(err, "input-io", "a page of the file could not be loaded");
    }
    if (reader->submit_at < reader->size_bytes) {
        submit(reader);
    }
    return ONEFOLD_OK;
}

void of_reader_close(struct of_reader *reader)
{
    const uint64_t submitted = of_num_div_ceil(reader->submit_at, OF_READER_CHUNK_BYTES);
    /* What came back and was never handed out, and the chunks that are held. */
    const uint64_t first = reader->chunk_count - reader->held_count;

    while (reader->has_io && reader->io.in_flight > 0) {
        reap(reader);
    }
    for (uint64_t i = first; i < submitted; i++) {
        if (!of_io_release(&reader->io, &reader->reqs[i % OF_READER_CHUNKS])) {
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
    reader->chunk_count = 0;
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
