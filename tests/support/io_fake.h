/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An I/O backend for tests: real files, but completions come in an order, with delays, short
 * transfers and failures that one seed decides. The last settings given hold for every backend of
 * this kind that is started afterwards.
 */
#ifndef OF_TESTS_IO_FAKE_H
#define OF_TESTS_IO_FAKE_H

#include "sys/io.h"

#include <stdbool.h>
#include <stdint.h>

struct io_fake_settings {
    uint64_t seed;
    uint32_t hold_percent;  /* a request stays behind although it could complete */
    uint32_t short_percent; /* a transfer moves a part only */
    uint32_t retry_percent; /* an attempt ends with EINTR or EAGAIN */
    uint64_t fail_at;       /* the n-th attempt of the run (1 = the first) fails; 0 = none */
    int fail_errno;
    bool fail_ever_after; /* and all after it */
    bool fail_as_end;     /* instead of an errno it moves nothing, as at the end of a file */
};

extern const struct of_io_backend io_fake_backend;

void io_fake_set(const struct io_fake_settings *settings);
/* Attempts since the last io_fake_set. */
uint64_t io_fake_attempt_count(void);
/* The most reads that were underway together since then. */
uint32_t io_fake_reads_max(void);
/* Called before each attempt when set, with its number; may change files under the run. */
typedef void io_fake_hook_fn(void *context, uint64_t attempt);
void io_fake_hook(io_fake_hook_fn *fn, void *context);

#endif
