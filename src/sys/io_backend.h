/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of io.c, and what backends with I/O threads share. Included by the io files only. */
#ifndef OF_SYS_IO_BACKEND_H
#define OF_SYS_IO_BACKEND_H

#include "base/attr.h"
#include "base/err.h"
#include "sys/io.h"

/* Absent in a build without liburing. */
extern const struct of_io_backend of_io_backend_uring;
extern const struct of_io_backend of_io_backend_rings; /* several of it: no row of its own */
extern const struct of_io_backend of_io_backend_threads;
extern const struct of_io_backend of_io_backend_mmap;

/* One attempt by a plain system call; see the head of io.h. Any thread. */
typedef void of_io_attempt_fn(struct of_io_req *req);
void of_io_attempt(struct of_io_req *req);

/* The backend `threads`, with another function for one attempt. */
OF_NODISCARD onefold_status of_io_threads_init(struct of_io *io,
                                               const struct of_io_options *options,
                                               of_io_attempt_fn *attempt, onefold_error *err);
void of_io_threads_submit(struct of_io *io, struct of_io_req *req);
struct of_io_req *of_io_threads_reap(struct of_io *io, bool wait);
void of_io_threads_wake(struct of_io *io);
void of_io_threads_finish(struct of_io *io);

#endif
