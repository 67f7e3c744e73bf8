/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers reach 100 MB, so they are never copied whole. To be hashed they are read piece by piece;
 * to be parsed a window is mapped, walked front to back, and the part behind the walker given back,
 * which keeps about one MiB of it resident.
 */
#include "ckpt/shard_header.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/num.h"
#include "sys/pagecache.h"
#include "sys/window.h"

#include <string.h>

/* Enough for the length field and for every magic number that is recognised. */
enum { FIRST_BYTES = 512 };
/* Hashed at a time: one request of most devices. */
#define HASHED_BYTES   (256 * OF_KIB)
#define STEP_BYTES     OF_MIB
/* Asked for at a time, ahead of the hashing: one request after the other would make a large header
 * wait for the disk dozens of times. */
#define EXPECTED_BYTES (8 * OF_MIB)

/* A window and how much of it was given back. */
struct walker {
    struct of_window window;
    uint64_t dropped_bytes;
};

static void drop_behind(void *context, uint64_t upto_offset)
{
    struct walker *walker = context;

    if (upto_offset >= walker->dropped_bytes + STEP_BYTES) {
        of_window_drop(&walker->window, upto_offset);
        walker->dropped_bytes = upto_offset;
    }
}

static onefold_status changed(onefold_error *err)
{
    return of_err_set(err, "input-changed",
                      "the file changed or could not be read while its header "
                      "was being read");
}

/* Length of the header region. What is not a safetensors file at all is named as what it is. */
static onefold_status header_length(int fd, uint64_t file_bytes, uint64_t *ret_bytes,
                                    onefold_error *err)
{
    char first[FIRST_BYTES];
    struct of_str text = {first, (size_t)of_num_min(file_bytes, sizeof(first))};
    onefold_status status;
    onefold_error kind;

    OF_TRY(of_file_read_at(fd, first, text.length, 0, err));
    status = of_format_safetensors.header_need(text, file_bytes, ret_bytes, err);
    if (status == ONEFOLD_OK && text.length > 8 && first[8] == '{') {
        return ONEFOLD_OK;
    }
    if (of_format_recognise(text, file_bytes, &kind) != ONEFOLD_OK) {
        *err = kind;
        return kind.status;
    }
    return status;
}

/* Keeps between one and two portions asked for in front of `at`. */
static void expect_ahead(int fd, uint64_t at, uint64_t end)
{
    const uint64_t first = at == 0 ? 0 : at + EXPECTED_BYTES;
    const uint64_t last = of_num_min(end, at + 2 * EXPECTED_BYTES);

    if (at % EXPECTED_BYTES == 0 && first < last) {
        of_file_expect(fd, first, last - first);
    }
}

/* Read, not mapped: the fault on a page of a map reads ahead, past the header. */
static onefold_status hash_header(int fd, struct of_shard *shard, onefold_error *err)
{
    struct of_hash *hash = of_hash_create(OF_HASH_SHA256);
    uint8_t *buffer = of_mem_get(HASHED_BYTES);
    onefold_status status = ONEFOLD_OK;

    if (hash == NULL || buffer == NULL) {
        status = of_err_set(err, "memory", "no memory to hash a header");
    }
    for (uint64_t at = 0; at < shard->data_offset && status == ONEFOLD_OK; at += HASHED_BYTES) {
        const uint64_t length = of_num_min(HASHED_BYTES, shard->data_offset - at);

        expect_ahead(fd, at, shard->data_offset);
        status = of_file_read_at(fd, buffer, length, at, err);
        if (status == ONEFOLD_OK) {
            of_hash_update(hash, buffer, (size_t)length);
        }
    }
    if (status == ONEFOLD_OK) {
        of_hash_finish(hash, shard->header_sha256.bytes);
    }
    of_mem_free(buffer);
    of_hash_destroy(hash);
    return status;
}

onefold_status of_shard_measure(int folder_fd, const char *name, uint32_t file_flags,
                                struct of_shard *ret_shard, onefold_error *err)
{
    const uint64_t page_bytes = of_pagecache_page_bytes();
    struct of_shard shard = {.name = name};
    int fd = -1;
    onefold_status status;

    OF_TRY(of_file_open_read(folder_fd, name, file_flags | OF_FILE_NO_AHEAD, &fd, &shard.identity,
                             err));
    /* The page that tells the length is asked about before it is read. */
    shard.header_warm = of_pagecache_is_warm(fd, 0, FIRST_BYTES);
    status = header_length(fd, shard.identity.size_bytes, &shard.data_offset, err);
    if (status == ONEFOLD_OK) {
        if (shard.data_offset > page_bytes) {
            shard.header_warm =
                of_pagecache_is_warm(fd, page_bytes, shard.data_offset - page_bytes);
        }
        status = hash_header(fd, &shard, err);
    }
    if (status != ONEFOLD_OK && !shard.header_warm) {
        of_pagecache_drop(fd, 0, of_num_max(shard.data_offset, FIRST_BYTES));
    }
    of_file_close(&fd);
    if (status == ONEFOLD_OK) {
        *ret_shard = shard;
    }
    return status;
}

onefold_status of_shard_parse(int folder_fd, const struct of_shard *shard, const char *label,
                              struct of_arena *arena, struct of_report *report,
                              struct of_header *ret_header, onefold_error *err)
{
    struct walker walker = {0};
    struct of_identity identity;
    struct of_parse_in in = {.file_bytes = shard->identity.size_bytes,
                             .arena = arena,
                             .report = report,
                             .file = label,
                             .release = drop_behind,
                             .release_context = &walker};
    int fd = -1;
    onefold_status status;

    OF_TRY(of_file_open_read(folder_fd, shard->name, OF_FILE_NO_AHEAD, &fd, &identity, err));
    if (!of_identity_equal(&identity, &shard->identity)) {
        of_file_close(&fd);
        return changed(err);
    }
    status = of_window_open(&walker.window, fd, 0, shard->data_offset, false, err);
    of_file_close(&fd);
    if (status != ONEFOLD_OK) {
        return status;
    }
    in.bytes = (struct of_str){(const char *)walker.window.data, (size_t)shard->data_offset};
    status = of_format_safetensors.parse(&in, ret_header, err);
    /* Zero pages stood in for what could not be read: no verdict about them counts. */
    if (of_window_is_lost(&walker.window)) {
        status = changed(err);
    }
    of_window_close(&walker.window);
    return status;
}

void of_shard_leave(int folder_fd, const struct of_shard *shard)
{
    struct of_identity identity;
    onefold_error ignored;
    int fd = -1;

    if (shard->header_warm || shard->name == NULL ||
        of_file_open_read(folder_fd, shard->name, OF_FILE_NO_AHEAD, &fd, &identity, &ignored) !=
            ONEFOLD_OK) {
        return;
    }
    if (of_identity_equal(&identity, &shard->identity)) {
        of_pagecache_drop(fd, 0, shard->data_offset);
    }
    of_file_close(&fd);
}
