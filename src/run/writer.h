/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files of the output, each written from front to back through the page cache and hashed on
 * the way. They are synced some at a time: a file system that has to commit what it noted for one
 * commits it for all of them, which is most of what a sync of a small file costs.
 */
#ifndef OF_RUN_WRITER_H
#define OF_RUN_WRITER_H

#include "base/attr.h"
#include "base/err.h"
#include "base/hash.h"
#include "run/hasher.h"

#include <stdbool.h>
#include <stdint.h>

/* A finished file of the output. */
struct of_out_file {
    const char *name;
    uint64_t size_bytes;
    struct of_file_hashes hashes; /* those that the run makes */
};

enum { OF_WRITER_ENDED_MAX = 8 }; /* open until they are synced */

struct of_writer {
    int folder;
    uint32_t sums;          /* OF_SUM_* */
    struct of_hash *sha256; /* NULL where not wanted */
    struct of_hash *xxh128;
    char *buffer;
    uint64_t buffered_bytes;
    /* The file being written. */
    const char *name;
    int fd; /* -1 = none */
    uint64_t size_bytes;

    /* Files that were written and not synced. */
    struct {
        const char *name;
        int fd;
        uint64_t size_bytes;
    } ended[OF_WRITER_ENDED_MAX];
    uint32_t ended_count;
};

/* One writer serves any number of files, one after the other. Ids: memory. */
OF_NODISCARD onefold_status of_writer_init(struct of_writer *writer, int folder, uint32_t sums,
                                           onefold_error *err);
/* `name` must stay valid until the file is synced. Ids: output-io, space-run. */
OF_NODISCARD onefold_status of_writer_begin(struct of_writer *writer, const char *name,
                                            onefold_error *err);
/* Allocates nothing. */
OF_NODISCARD onefold_status of_writer_add(struct of_writer *writer, const void *data,
                                          uint64_t length, onefold_error *err);
/* The file is whole, but not known to be on the disk; it and others are synced when they have
 * become many. Ids: output-sync and the above. */
OF_NODISCARD onefold_status of_writer_end(struct of_writer *writer, struct of_out_file *ret_file,
                                          onefold_error *err);
/* Syncs and closes what was ended. Ids: output-sync. */
OF_NODISCARD onefold_status of_writer_sync(struct of_writer *writer, onefold_error *err);
void of_writer_finish(struct of_writer *writer);

#endif
