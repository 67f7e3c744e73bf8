/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a file from front to back with a few requests ahead, directly where the bytes are not in
 * the page cache. One thread; several readers may run side by side. Other threads may look at the
 * bytes of a chunk until it is released. */
#ifndef OF_RUN_READER_H
#define OF_RUN_READER_H

#include "base/attr.h"
#include "base/err.h"
#include "plan/plan.h"
#include "run/trial.h"
#include "sys/io.h"
#include "sys/loader.h"
#include "sys/pool.h"

#include <stdbool.h>
#include <stdint.h>

/* A file is read in long parts, which are handed out in chunks that stay in a core's cache while
 * they are looked at. One disk gave half as much again with short requests of such a part,
 * another one a twentieth more with long ones, so which it is to be is found out (run/trial.h):
 * short ones, of two parts underway, or one for each of four parts. A disk may finish all that is
 * underway together: there are places for as many again, so that it gets the next ones at once.
 * With one place more, for who has little memory, the others come as their places have been looked
 * at, and verifying took 1.34 of what reading alone takes, not 1.08. */
enum { OF_READER_READS_MIN = 5, OF_READER_READS = 8, OF_READER_READ_CHUNKS = 4 };
enum { OF_READER_UNDERWAY_SHORT = 2, OF_READER_UNDERWAY_LONG = 4 };
enum { OF_READER_READ_REQS = 8 };
#define OF_READER_CHUNK_BYTES (1 * OF_MIB)
#define OF_READER_READ_BYTES  (OF_READER_READ_CHUNKS * OF_READER_CHUNK_BYTES)
#define OF_READER_REQ_BYTES   (OF_READER_READ_BYTES / OF_READER_READ_REQS)
/* As many may be held at a time: then reads are underway still. */
enum { OF_READER_HELD_MAX = (OF_READER_READS_MIN - 1) * OF_READER_READ_CHUNKS };

struct of_reader {
    enum of_direct direct;
    uint32_t read_count; /* places, and requests */
    struct of_io io;
    bool has_io;
    struct of_pool pool;
    struct of_loader loader; /* of the places after the first */
    bool has_loader;
    uint64_t first_bytes;  /* loaded of the first place: a small file needs little */
    uint32_t loaded_count; /* places that are loaded as a whole, or the first in part */
    uint32_t free_places;  /* of these, a bit each */
    /* Of each read one request, or several short ones. */
    struct of_io_req reqs[OF_READER_READS][OF_READER_READ_REQS];
    uint32_t req_counts[OF_READER_READS];
    uint32_t undone_counts[OF_READER_READS]; /* of these, underway */
    uint32_t places[OF_READER_READS];        /* of the pool, where each of them reads to */
    uint32_t underway_count;                 /* reads */
    struct of_trial trial;                   /* 0: short requests, 1: long ones */
    uint64_t noted_ns;                       /* when the last chunk was handed out; 0 = none yet */
    /* The open file. */
    int fd;
    int direct_fd;     /* -1 = not read directly */
    bool leaves_cache; /* its pages were not in the page cache before and go again */
    uint64_t align;
    uint64_t size_bytes;
    uint64_t submit_at;  /* next offset to ask for */
    uint64_t deliver_at; /* next offset to hand out */
    uint64_t release_at; /* from here on to that one, chunks are held */
    uint32_t held_count; /* so many */
};

/* io_name as in a plan; NULL chooses. `read_count` is OF_READER_READS, or OF_READER_READS_MIN where
 * memory is short. Ids: io-backend, memory. */
OF_NODISCARD onefold_status of_reader_init(struct of_reader *reader, const char *io_name,
                                           enum of_direct direct, uint32_t read_count,
                                           onefold_error *err);
/* `fd` stays the caller's and must stay open until close. Ids: io-direct, memory. */
OF_NODISCARD onefold_status of_reader_open(struct of_reader *reader, int fd, uint64_t size_bytes,
                                           onefold_error *err);
/* The next chunk, valid until it is released; length 0 at the end. Fewer than OF_READER_HELD_MAX
 * may be held at the time. Ids: input-io, input-changed, memory. */
OF_NODISCARD onefold_status of_reader_next(struct of_reader *reader, const uint8_t **ret_data,
                                           uint64_t *ret_length, onefold_error *err);
/* The oldest chunk that is held goes back; with the last one of a read the next read is asked for
 * in its place. A failure with id input-io means that bytes since the last such place were not
 * those of the file. Ids: input-io, memory. */
OF_NODISCARD onefold_status of_reader_release(struct of_reader *reader, onefold_error *err);
/* Waits for what is still in flight; nobody may look at a chunk any more. Any state. */
void of_reader_close(struct of_reader *reader);
void of_reader_finish(struct of_reader *reader);

#endif
