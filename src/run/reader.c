/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read i of a file has the requests i modulo their number and goes to the first place of the pool
 * that is free. The memory of the first place is loaded when a file is opened, that of the others
 * by a thread while reads go on: finding 20 MiB may take as long as reading 80.
 */
#include "run/reader.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/outfile.h"
#include "sys/pagecache.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Much more than is underway when the way to read changes; then as much that is timed. */
#define TRIAL_BYTES (64 * OF_MIB)

onefold_status of_reader_init(struct of_reader *reader, const char *io_name, enum of_direct direct,
                              uint32_t read_count, onefold_error *err)
{
    struct of_io_options options = {.depth = read_count * OF_READER_READ_REQS, .thread_count = 2};

    of_assert(read_count >= OF_READER_READS_MIN && read_count <= OF_READER_READS);
    *reader =
        (struct of_reader){.direct = direct, .read_count = read_count, .fd = -1, .direct_fd = -1};
    of_trial_init(&reader->trial, TRIAL_BYTES, TRIAL_BYTES);
    OF_TRY(of_pool_init_parts(&reader->pool, read_count * OF_READER_READ_BYTES, 1, NULL, err));
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

/* ---- Places ---- */

static void note_place(struct of_reader *reader)
{
    reader->free_places |= 1U << reader->loaded_count;
    reader->loaded_count++;
    reader->pool.loaded = reader->loaded_count == reader->read_count;
}

static void wake(void *context)
{
    of_io_wake(context);
}

/* The first place has what the file needs of it. */
static onefold_status load_first(struct of_reader *reader, onefold_error *err)
{
    const uint64_t length =
        of_num_min(of_num_align_up(reader->size_bytes, reader->align), OF_READER_READ_BYTES);

    if (length > reader->first_bytes) {
        OF_TRY(of_pool_load(&reader->pool, 0, 0, length, err));
        reader->first_bytes = length;
    }
    if (reader->loaded_count == 0) {
        note_place(reader);
    }
    return ONEFOLD_OK;
}

static onefold_status note_loaded(struct of_reader *reader, onefold_error *err)
{
    if (!reader->has_loader || !reader->loader.asked || !of_loader_take(&reader->loader, err)) {
        return ONEFOLD_OK;
    }
    if (err->status != ONEFOLD_OK) {
        return err->status;
    }
    note_place(reader);
    return ONEFOLD_OK;
}

/* Asks for another place where none is free and the file has bytes for it. */
static void ask_for_place(struct of_reader *reader)
{
    if (reader->free_places != 0 || reader->loaded_count == reader->read_count ||
        reader->size_bytes <= reader->loaded_count * OF_READER_READ_BYTES ||
        (reader->has_loader && reader->loader.asked)) {
        return;
    }
    if (!reader->has_loader) {
        of_loader_start(&reader->loader, &reader->pool);
        of_loader_tell(&reader->loader, wake, &reader->io);
        reader->has_loader = true;
    }
    of_loader_ask(&reader->loader, 0, reader->loaded_count * OF_READER_READ_BYTES,
                  OF_READER_READ_BYTES);
}

/* Always the first: so little memory is used in turn, which disks of virtual machines fill faster
 * (docs/decisions/021). */
static uint32_t take_place(struct of_reader *reader)
{
    const uint32_t place = (uint32_t)__builtin_ctz(reader->free_places);

    reader->free_places &= ~(1U << place);
    return place;
}

/* ---- Reads ---- */

/* Where nothing is read past the page cache, the kernel reads as it likes. */
static bool is_short(const struct of_reader *reader)
{
    return reader->direct_fd >= 0 && of_trial_way(&reader->trial) == 0;
}

static void submit(struct of_reader *reader)
{
    const uint64_t left = reader->size_bytes - reader->submit_at;
    const uint64_t number = reader->submit_at / OF_READER_READ_BYTES;
    const uint32_t at = (uint32_t)(number % reader->read_count);
    const uint32_t place = take_place(reader);
    const uint64_t read_bytes = of_num_min(left, OF_READER_READ_BYTES);
    const uint64_t each_bytes = is_short(reader) ? OF_READER_REQ_BYTES : OF_READER_READ_BYTES;

    reader->places[at] = place;
    reader->req_counts[at] = 0;
    for (uint64_t done = 0; done < read_bytes; done += each_bytes) {
        struct of_io_req *req = &reader->reqs[at][reader->req_counts[at]++];

        *req = (struct of_io_req){.kind = OF_IO_READ, .owner = reader};
        req->fd = reader->direct_fd >= 0 ? reader->direct_fd : reader->fd;
        req->offset = reader->submit_at + done;
        req->length_must = of_num_min(read_bytes - done, each_bytes);
        req->length = of_num_align_up(req->length_must, reader->align);
        req->buffer = reader->pool.data + place * OF_READER_READ_BYTES + done;
        of_io_submit(&reader->io, req);
        of_io_flush(&reader->io); /* of those submitted together the kernel makes one again */
    }
    reader->undone_counts[at] = reader->req_counts[at];
    reader->submit_at += read_bytes;
    reader->underway_count++;
}

/* As many reads as may be underway, into places that nobody holds. */
static onefold_status submit_more(struct of_reader *reader, onefold_error *err)
{
    const uint32_t most = is_short(reader) ? OF_READER_UNDERWAY_SHORT : OF_READER_UNDERWAY_LONG;

    OF_TRY(note_loaded(reader, err));
    while (reader->submit_at < reader->size_bytes && reader->free_places != 0 &&
           reader->underway_count < most) {
        submit(reader);
    }
    ask_for_place(reader);
    return ONEFOLD_OK;
}

/* The place of a read is free again. False when bytes were lost under whoever looked at it. */
static bool give_back(struct of_reader *reader, uint32_t at)
{
    bool is_well = true;

    reader->free_places |= 1U << reader->places[at];
    for (uint32_t i = 0; i < reader->req_counts[at]; i++) {
        is_well = of_io_release(&reader->io, &reader->reqs[at][i]) && is_well;
    }
    return is_well;
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
    reader->noted_ns = 0;
    OF_TRY(open_direct(reader, err));
    if (reader->direct_fd < 0) {
        of_outfile_advise_sequential(fd);
    }
    /* Of a larger file the better part is there, or the user wants it read in this way. */
    reader->leaves_cache = reader->direct_fd < 0 && reader->direct == OF_DIRECT_AUTO &&
                           size_bytes <= OF_READER_CHUNK_BYTES &&
                           !of_pagecache_is_warm(fd, 0, size_bytes);
    OF_TRY(load_first(reader, err));
    return submit_more(reader, err);
}

static void reap(struct of_reader *reader)
{
    struct of_io_req *req = of_io_reap(&reader->io, true);

    while (req != NULL) {
        struct of_io_req *next = req->next;
        const ptrdiff_t at = (req - &reader->reqs[0][0]) / OF_READER_READ_REQS;

        reader->undone_counts[at]--;
        reader->underway_count -= reader->undone_counts[at] == 0;
        req = next;
    }
}

/* The read that byte `offset` of the file comes with. */
static uint32_t read_at(const struct of_reader *reader, uint64_t offset)
{
    return (uint32_t)(offset / OF_READER_READ_BYTES % reader->read_count);
}

/* Of the requests that brought those bytes of a read the first, or the first that failed. */
static const struct of_io_req *req_of(const struct of_reader *reader, uint32_t at, uint64_t in_read,
                                      uint64_t length)
{
    const struct of_io_req *reqs = reader->reqs[at];
    uint64_t first;
    uint64_t last;

    if (reader->req_counts[at] == 1) {
        return &reqs[0];
    }
    first = in_read / OF_READER_REQ_BYTES;
    last = (in_read + length - 1) / OF_READER_REQ_BYTES;
    for (uint64_t i = first; i <= last; i++) {
        if (reqs[i].result_errno != 0) {
            return &reqs[i];
        }
    }
    return &reqs[first];
}

/* From one chunk to the next: waiting, and what the caller does. */
static void note_time(struct of_reader *reader, uint64_t byte_count)
{
    const uint64_t now_ns = of_clock_ns();

    if (reader->noted_ns != 0 && reader->direct_fd >= 0) {
        of_trial_note(&reader->trial, byte_count, now_ns - reader->noted_ns);
    }
    reader->noted_ns = now_ns;
}

onefold_status of_reader_next(struct of_reader *reader, const uint8_t **ret_data,
                              uint64_t *ret_length, onefold_error *err)
{
    const uint64_t in_read = reader->deliver_at % OF_READER_READ_BYTES;
    const uint32_t at = read_at(reader, reader->deliver_at);
    const uint64_t length =
        of_num_min(reader->size_bytes - reader->deliver_at, OF_READER_CHUNK_BYTES);
    const struct of_io_req *req;

    if (reader->deliver_at == reader->size_bytes) {
        *ret_data = NULL;
        *ret_length = 0;
        return ONEFOLD_OK;
    }
    /* Or all places would be held, and neither a read nor memory underway. */
    of_assert(reader->held_count < OF_READER_HELD_MAX);
    while (reader->deliver_at == reader->submit_at || reader->undone_counts[at] > 0) {
        reap(reader);
        OF_TRY(submit_more(reader, err));
    }
    req = req_of(reader, at, in_read, length);
    if (req->result_errno == ENODATA) {
        return of_err_set(err, "input-changed", "the file shrank while it was read");
    }
    if (req->result_errno != 0) {
        return of_err_set_sys(err, "input-io", req->result_errno, "cannot read bytes %llu to %llu",
                              (unsigned long long)req->offset,
                              (unsigned long long)(req->offset + req->length_must));
    }
    *ret_data = req->data + (reader->deliver_at - req->offset);
    *ret_length = length;
    reader->deliver_at += *ret_length;
    reader->held_count++;
    note_time(reader, *ret_length);
    return ONEFOLD_OK;
}

onefold_status of_reader_release(struct of_reader *reader, onefold_error *err)
{
    const uint32_t at = read_at(reader, reader->release_at);
    const uint64_t left = reader->deliver_at - reader->release_at;

    of_assert(reader->held_count > 0);
    reader->held_count--;
    reader->release_at += of_num_min(left, OF_READER_CHUNK_BYTES);
    if (reader->release_at % OF_READER_READ_BYTES != 0 &&
        reader->release_at != reader->size_bytes) {
        return ONEFOLD_OK;
    }
    if (!give_back(reader, at)) {
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
        if (!give_back(reader, read_at(reader, at))) {
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
    of_loader_finish(&reader->loader);
    if (reader->has_io) {
        of_io_finish(&reader->io);
        reader->has_io = false;
    }
    of_pool_finish(&reader->pool);
}
