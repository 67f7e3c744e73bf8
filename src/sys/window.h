/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapped read-only windows of a file that survive a file which shrinks or a disk which fails under
 * them: the SIGBUS handler puts zero pages over the window and marks it lost. Whoever used the
 * bytes checks the mark before the result counts.
 */
#ifndef OF_SYS_WINDOW_H
#define OF_SYS_WINDOW_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct of_window {
    const uint8_t *data;   /* first byte asked for */
    uint64_t length_bytes; /* as asked for */
    /* private */
    void *map;
    uint64_t map_bytes;
    int32_t entry; /* row in the handler's table, -1 = none */
};

/* Maps [offset, offset + length) of the file. `populate` reads it in at once. The first call of the
 * process installs the handler and keeps the old one for foreign faults. Any thread. Ids: input-io,
 * memory. */
OF_NODISCARD onefold_status of_window_open(struct of_window *window, int fd, uint64_t offset,
                                           uint64_t length, bool populate, onefold_error *err);
/* True when a page could not be loaded since the window was opened. */
bool of_window_is_lost(const struct of_window *window);
/* Gives the pages before `data + upto_bytes` back; they are loaded again when touched. */
void of_window_drop(struct of_window *window, uint64_t upto_bytes);
void of_window_close(struct of_window *window);

#endif
