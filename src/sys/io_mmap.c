/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows over the page cache: nothing is copied. An I/O thread maps the range and loads its pages,
 * so that no worker waits for the disk; the window goes with of_io_release, which keeps resident
 * memory to what is in use. Writes are those of `threads`.
 */
#include "sys/io_backend.h"

#include "base/limits.h"
#include "base/num.h"

#include <errno.h>
#include <stddef.h>
#include <sys/stat.h>

/* A window costs some microseconds, on all CPUs that run this process: so few bytes are copied. */
#define WINDOW_BYTES_MIN (64 * OF_KIB)

static void read_window(struct of_io_req *req)
{
    struct stat seen;
    onefold_error refusal;
    uint64_t size_bytes;

    if (fstat(req->fd, &seen) != 0) {
        req->result_errno = errno;
        return;
    }
    size_bytes = (uint64_t)seen.st_size;
    req->result_errno = 0;
    if (req->offset >= size_bytes) {
        return; /* nothing moved: the end of the file */
    }
    size_bytes = of_num_min(req->length, size_bytes - req->offset);
    if (of_window_open(&req->window, req->fd, req->offset, size_bytes, true, &refusal) ==
        ONEFOLD_OK) {
        req->in_window = true;
        req->data = req->window.data;
        req->done_bytes = size_bytes;
    } else if (req->buffer != NULL) {
        of_io_attempt(req); /* no more mappings, or a file system without them */
    } else {
        req->result_errno = refusal.sys_errno != 0 ? refusal.sys_errno : ENOMEM;
    }
}

static void attempt(struct of_io_req *req)
{
    const bool is_small = req->buffer != NULL && req->length < WINDOW_BYTES_MIN;

    /* A read that once went to the buffer goes on there. */
    if (req->kind == OF_IO_READ && req->reached_bytes == 0 && !is_small) {
        read_window(req);
    } else {
        of_io_attempt(req);
    }
}

static onefold_status init(struct of_io *io, const struct of_io_options *options,
                           onefold_error *err)
{
    return of_io_threads_init(io, options, attempt, err);
}

const struct of_io_backend of_io_backend_mmap = {
    .name = "mmap",
    .summary = "windows over the page cache, nothing copied; for inputs that are in memory already",
    .init = init,
    .submit = of_io_threads_submit,
    .reap = of_io_threads_reap,
    .wake = of_io_threads_wake,
    .finish = of_io_threads_finish,
};
