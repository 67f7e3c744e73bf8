/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a file from front to back with a few requests ahead, directly where the bytes are not in
 * the page cache. One thread; several readers may run side by side. Other threads may look at the
 * bytes of a chunk until it is released. */
#ifndef OF_RUN_READER_H
#define OF_RUN_READER_H

#include "base/attr.h"
#include "base/err.h"
#include "plan/plan.h"
#include "sys/io.h"
#include "sys/pool.h"

#include <stdbool.h>
#include <stdint.h>

/* Four requests of 1 MiB underway reach what a disk gives, but chunks are handed out in order and
 * at least one of them is always held: with 4 a cold file took 1.15 of what fio takes, with 8 1.08,
 * with 12 1.05. */
enum { OF_READER_CHUNKS = 12 };
#define OF_READER_CHUNK_BYTES (1 * OF_MIB)

struct of_reader {
    enum of_direct direct;
    struct of_io io;
    bool has_io;
    struct of_pool pool;
    struct of_io_req reqs[OF_READER_CHUNKS];
    bool is_done[OF_READER_CHUNKS]; /* the request came back */
    /* The open file. */
    int fd;
    int direct_fd;     /* -1 = not read directly */
    bool leaves_cache; /* its pages were not in the page cache before and go again */
    uint64_t align;
    uint64_t size_bytes;
    uint64_t submit_at;   /* next offset to ask for */
    uint64_t deliver_at;  /* next offset to hand out */
    uint64_t chunk_count; /* handed out so far */
    uint32_t held_count;  /* the last of them, not released yet */
};

/* io_name as in a plan; NULL chooses. Ids: io-backend, memory. */
OF_NODISCARD onefold_status of_reader_init(struct of_reader *reader, const char *io_name,
                                           enum of_direct direct, onefold_error *err);
/* `fd` stays the caller's and must stay open until close. Ids: io-direct. */
OF_NODISCARD onefold_status of_reader_open(struct of_reader *reader, int fd, uint64_t size_bytes,
                                           onefold_error *err);
/* The next chunk, valid until it is released; length 0 at the end. Fewer than OF_READER_CHUNKS may
 * be held at the time. Ids: input-io, input-changed. */
OF_NODISCARD onefold_status of_reader_next(struct of_reader *reader, const uint8_t **ret_data,
                                           uint64_t *ret_length, onefold_error *err);
/* The oldest chunk that is held goes back, and the next one is asked for in its place. A failure
 * means that its bytes were not those of the file. Ids: input-io. */
OF_NODISCARD onefold_status of_reader_release(struct of_reader *reader, onefold_error *err);
/* Waits for what is still in flight; nobody may look at a chunk any more. Any state. */
void of_reader_close(struct of_reader *reader);
void of_reader_finish(struct of_reader *reader);

#endif
