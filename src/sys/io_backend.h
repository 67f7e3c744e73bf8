/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of io.c, and what backends with I/O threads share. Included by the io files only. */
#ifndef OF_SYS_IO_BACKEND_H
#define OF_SYS_IO_BACKEND_H

#include "base/attr.h"
#include "base/err.h"
#include "sys/io.h"

#include <pthread.h>
#include <stdbool.h>

/* Absent in a build without liburing. */
extern const struct of_io_backend of_io_backend_uring;
extern const struct of_io_backend of_io_backend_rings; /* several of it: no row of its own */
extern const struct of_io_backend of_io_backend_threads;
extern const struct of_io_backend of_io_backend_mmap;

/* Requests through `next`, first in first out. Owned by whoever holds it; not copied. */
struct of_io_list {
    struct of_io_req *first;
    struct of_io_req **last;
};
void of_io_list_clear(struct of_io_list *list);
/* `reqs` is a list through `next`, or NULL. */
void of_io_list_append(struct of_io_list *list, struct of_io_req *reqs);
/* All of them, as a list through `next`; NULL when there are none. */
struct of_io_req *of_io_list_take(struct of_io_list *list);

/* Finished attempts of threads; the control thread takes them and waits here. All under the mutex.
 * Put and wake: any thread. */
struct of_io_done {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct of_io_list list;
    bool woken; /* wake was called since the last take */
};
void of_io_done_init(struct of_io_done *done);
void of_io_done_finish(struct of_io_done *done);
void of_io_done_put(struct of_io_done *done, struct of_io_req *reqs);
/* As of_io_backend.reap. */
struct of_io_req *of_io_done_take(struct of_io_done *done, bool wait);
void of_io_done_wake(struct of_io_done *done);

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
