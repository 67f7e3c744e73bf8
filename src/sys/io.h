/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and completions over rows of backends. The caller owns the request struct, the io layer
 * only links it; nothing allocates after init. Short transfers, EINTR, EAGAIN and ECANCELED are
 * handled here. One control thread calls submit, reap and release; any thread may call wake.
 *
 * io.c above, backend below: a backend carries out one attempt. It moves up to length - done_bytes
 * bytes at offset + done_bytes, adds what it moved to done_bytes, and sets result_errno (0 or the
 * errno). io.c hands the request in again for the rest, tells the end of the file from a short
 * transfer (an attempt that moves nothing), bounds repetitions, and sets data. A backend that
 * serves a window sets window, data and in_window; its attempt is the only one.
 */
#ifndef OF_SYS_IO_H
#define OF_SYS_IO_H

#include "base/attr.h"
#include "base/err.h"
#include "sys/node.h"
#include "sys/window.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Longest wait of one reap, so that the control thread sees a stop flag and reports progress also
 * while a disk does not answer. */
#define OF_IO_TICK_NS UINT64_C(100000000)

enum of_io_kind { OF_IO_READ, OF_IO_WRITE };

struct of_io_req {
    /* Set by the caller before submit; memory and offset aligned as the descriptor needs it. */
    enum of_io_kind kind;
    int fd;
    uint64_t offset;
    uint64_t length;      /* bytes wanted */
    uint64_t length_must; /* read: fewer than this at end of file is an error; write: = length */
    uint8_t *buffer; /* read: where to (a backend with windows ignores it); write: from where */
    void *owner;
    uint32_t ring; /* of several rings, this number modulo theirs: that of the part of the pool */

    /* Set when reaped. */
    const uint8_t *data; /* where the bytes are: buffer, or a window until of_io_release */
    uint64_t done_bytes;
    int result_errno; /* 0; an errno; ENODATA = the file ended before length_must */

    /* Of the io layer. */
    struct of_io_req *next;
    struct of_window window;
    uint64_t reached_bytes; /* done before the attempt underway */
    uint32_t retry_count;
    bool in_window;
    bool error_seen; /* a read got EIO once: it is repeated once */
};

struct of_io;

struct of_io_options {
    uint32_t depth; /* requests in flight at most; submit beyond it is an internal error */
    uint32_t
        thread_count; /* I/O threads of the backends that have them; 0 = by depth, at most 16 */
    void *pool;       /* memory that requests point into, for registration; may be NULL */
    uint64_t pool_bytes;
    const atomic_bool *pool_loaded; /* not registered before; NULL = it is there already */
    /* Backends that can have several rings; 0 = 1. Ring i serves part i modulo part_count of the
     * pool, all of one size, and lies on node i modulo part_count of `nodes` (may be NULL). */
    uint32_t ring_count; /* a multiple of part_count; where some are refused, fewer serve */
    uint32_t part_count; /* 0 = 1 */
    const struct of_nodes *nodes;
};

struct of_io_backend {
    const char *name;
    const char *summary;
    /* Fills *io; leaves nothing behind on failure (id io-backend, message with the likely cause;
     * other ids when it is not a refusal). */
    onefold_status (*init)(struct of_io *io, const struct of_io_options *options,
                           onefold_error *err);
    void (*submit)(struct of_io *io, struct of_io_req *req);
    /* See of_io_flush; NULL where submit hands over itself. */
    void (*flush)(struct of_io *io);
    /* Completed requests as a list through `next`, NULL when none. With `wait`, blocks until at
     * least one is there, wake was called, a signal came, or about OF_IO_TICK_NS passed: NULL then.
     */
    struct of_io_req *(*reap)(struct of_io *io, bool wait);
    void (*wake)(struct of_io *io);
    void (*finish)(struct of_io *io);
    const struct of_io_backend *several; /* takes its place where several rings are wanted; or NULL
                                          */
};

struct of_io {
    const struct of_io_backend *backend;
    void *state; /* of the backend */
    uint32_t depth;
    uint32_t in_flight;
    uint64_t reading_bytes; /* asked for by reads in flight */
    uint64_t read_bytes;
    uint64_t written_bytes;
    uint64_t wait_ns; /* time the control thread was blocked in reap */
};

/* Rows: uring, threads, mmap. Tests add their own through of_io_init_with. */
const struct of_io_backend *of_io_backend_find(const char *name);
const struct of_io_backend *of_io_backend_at(uint64_t index);

/* name NULL: uring, else threads with a note in *ret_fallback (static buffer of the io's owner; may
 * be NULL). A backend that was named and cannot be had is an error (id io-backend). */
OF_NODISCARD onefold_status of_io_init(struct of_io *io, const char *name,
                                       const struct of_io_options *options,
                                       onefold_error *ret_fallback, onefold_error *err);
OF_NODISCARD onefold_status of_io_init_with(struct of_io *io, const struct of_io_backend *backend,
                                            const struct of_io_options *options,
                                            onefold_error *err);
/* The request may wait until the next flush or reap: the system can join those that follow each
 * other in a file when it gets them together, and a long request costs a disk hardly more than a
 * short one. */
void of_io_submit(struct of_io *io, struct of_io_req *req);
/* Hands over what was submitted. */
void of_io_flush(struct of_io *io);
/* As of_io_backend.reap. result_errno ETIMEDOUT: given up after OF_IO_RETRY_MAX repetitions. */
struct of_io_req *of_io_reap(struct of_io *io, bool wait);
/* Ends the use of req->data. Needed for every completed read, also a failed one; any state is fine.
 * Returns false when the bytes were lost under the reader (the window's mark): the result made from
 * them must be thrown away and the range read again with of_file_read_at, which tells why. */
OF_NODISCARD bool of_io_release(struct of_io *io, struct of_io_req *req);
void of_io_wake(struct of_io *io);
/* Nothing may be in flight. */
void of_io_finish(struct of_io *io);

#endif
