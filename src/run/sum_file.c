/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of whole files and streams. */
#include "base/limits.h"
#include "base/mem.h"
#include "base/num.h"
#include "run/reader.h"
#include "run/verify.h"
#include "sys/file.h"
#include "sys/outfile.h"

/* A ring and its buffers cost more than reading a file of this size plainly. */
#define SMALL_BYTES (4 * OF_MIB)
enum { PIECE_BYTES = 65536, KIND_COUNT = OF_HASH_SHA256 + 1 };
_Static_assert(KIND_COUNT == OF_LENGTH(((struct of_file_sums *)0)->digests), "one row per kind");

struct summing {
    struct of_hash *hashes[KIND_COUNT]; /* NULL where not wanted */
    const volatile sig_atomic_t *cancel;
    uint64_t size_bytes;
};

static onefold_status add(struct summing *summing, const void *data, uint64_t length,
                          onefold_error *err)
{
    for (uint32_t i = 0; i < KIND_COUNT; i++) {
        if (summing->hashes[i] != NULL) {
            of_hash_update(summing->hashes[i], data, length);
        }
    }
    summing->size_bytes += length;
    if (summing->cancel != NULL && *summing->cancel != 0) {
        return of_err_set(err, "cancelled", "stopped while a file was hashed");
    }
    return ONEFOLD_OK;
}

/* Until the end, whatever the size said: also for files of /proc, which claim to be empty. */
static onefold_status sum_plainly(struct summing *summing, int fd, onefold_error *err)
{
    uint8_t *piece = of_mem_get(PIECE_BYTES);
    onefold_status status = ONEFOLD_OK;
    uint64_t length = 0;

    if (piece == NULL) {
        return of_err_set(err, "memory", "no memory for a read buffer");
    }
    do {
        status = of_outfile_read_next(fd, piece, PIECE_BYTES, &length, err);
        if (status == ONEFOLD_OK) {
            status = add(summing, piece, length, err);
        }
    } while (status == ONEFOLD_OK && length > 0);
    of_mem_free(piece);
    return status;
}

static onefold_status sum_ahead(struct summing *summing, int fd, uint64_t size_bytes,
                                onefold_error *err)
{
    struct of_reader reader;
    const uint8_t *data = NULL;
    uint64_t length = 0;
    onefold_status status = of_reader_init(&reader, NULL, OF_DIRECT_AUTO, OF_READER_READS, err);

    if (status == ONEFOLD_OK) {
        status = of_reader_open(&reader, fd, size_bytes, err);
    }
    while (status == ONEFOLD_OK) {
        status = of_reader_next(&reader, &data, &length, err);
        if (status != ONEFOLD_OK || length == 0) {
            break;
        }
        status = add(summing, data, length, err);
        if (status == ONEFOLD_OK) {
            status = of_reader_release(&reader, err);
        }
    }
    of_reader_finish(&reader);
    return status;
}

onefold_status of_sum_fd(int fd, bool fd_is_stream, uint32_t kinds,
                         const volatile sig_atomic_t *cancel, struct of_file_sums *ret_sums,
                         onefold_error *err)
{
    struct summing summing = {.cancel = cancel};
    struct of_identity identity = {0};
    struct of_file_sums sums = {0};
    onefold_status status = ONEFOLD_OK;

    for (uint32_t i = 0; i < KIND_COUNT && status == ONEFOLD_OK; i++) {
        if ((kinds & (1U << i)) != 0) {
            summing.hashes[i] = of_hash_create((enum of_hash_kind)i);
            if (summing.hashes[i] == NULL) {
                status = of_err_set(err, "memory", "no memory for a digest");
            }
        }
    }
    if (status == ONEFOLD_OK && !fd_is_stream) {
        status = of_file_identity(fd, &identity, err);
    }
    if (status == ONEFOLD_OK) {
        status = identity.size_bytes < SMALL_BYTES
                     ? sum_plainly(&summing, fd, err)
                     : sum_ahead(&summing, fd, identity.size_bytes, err);
    }
    sums.size_bytes = summing.size_bytes;
    for (uint32_t i = 0; i < KIND_COUNT; i++) {
        if (status == ONEFOLD_OK && summing.hashes[i] != NULL) {
            of_hash_finish(summing.hashes[i], sums.digests[i]);
        }
        of_hash_destroy(summing.hashes[i]);
    }
    if (status == ONEFOLD_OK) {
        *ret_sums = sums;
    }
    return status;
}
