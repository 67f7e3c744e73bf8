/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onefold.leaves: the digest of every grain, in plan order. Its size is known before the run, so
 * each lane writes its leaves where their place is; what lies in it is read back and hashed when it
 * is complete (a few MiB: 16 bytes of 128 KiB of bf16). Control thread.
 */
#ifndef OF_RUN_LEAVES_H
#define OF_RUN_LEAVES_H

#include "base/attr.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "run/writer.h"

#include <stdint.h>

/* Leaves that wait to be written together, of one lane: 16 KiB. */
enum { OF_LEAVES_BUFFERED = 1024 };

struct of_leaves_lane {
    struct of_digest *buffer; /* [OF_LEAVES_BUFFERED] */
    uint64_t first;           /* place of buffer[0] in the file */
    uint32_t count;
};

struct of_leaves {
    int folder;
    int fd; /* -1 = not open */
    uint32_t sums;
    uint32_t lane_count;
    struct of_leaves_lane *lanes;
    uint64_t added_count;
};

OF_NODISCARD onefold_status of_leaves_init(struct of_leaves *leaves, int folder, uint32_t sums,
                                           uint32_t lane_count, struct of_arena *arena,
                                           onefold_error *err);
/* Ids: output-io, space-run. */
OF_NODISCARD onefold_status of_leaves_begin(struct of_leaves *leaves, onefold_error *err);
/* Leaves [first, first + count) of the whole output; allocates nothing. */
OF_NODISCARD onefold_status of_leaves_add(struct of_leaves *leaves, uint32_t lane_index,
                                          uint64_t first, const struct of_digest *from,
                                          uint64_t count, onefold_error *err);
/* All leaves are there: hashes, syncs, closes. Ids: output-sync, input-io, memory and the above. */
OF_NODISCARD onefold_status of_leaves_end(struct of_leaves *leaves, struct of_out_file *ret_file,
                                          onefold_error *err);
void of_leaves_finish(struct of_leaves *leaves);

#endif
