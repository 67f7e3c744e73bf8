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

/* Windows side by side in a range of addresses that is taken once. They are given back all
 * together: each time that pages go, all CPUs that run the process are interrupted. */
struct of_panes {
    uint8_t *map; /* NULL: none */
    uint64_t size_bytes;
    uint64_t used_bytes;
    int32_t entry; /* row in the handler's table */
};

/* Room for windows of so many bytes, whole pages of the file each. Ids: memory. */
OF_NODISCARD onefold_status of_panes_open(struct of_panes *panes, uint64_t size_bytes,
                                          onefold_error *err);
/* How long windows may be of which `count` fit, wherever in a file they begin. */
uint64_t of_panes_length(const struct of_panes *panes, uint32_t count);
/* [offset, offset + length) of the file beside the windows that are there. NULL: it cannot be
 * mapped. */
const uint8_t *of_panes_add(struct of_panes *panes, int fd, uint64_t offset, uint64_t length);
/* Loads all pages, which takes less time than to find each when it is touched. */
void of_panes_load(struct of_panes *panes);
/* Gives all windows back. False: a page of one of them could not be loaded. */
bool of_panes_clear(struct of_panes *panes);
void of_panes_close(struct of_panes *panes);

#endif
