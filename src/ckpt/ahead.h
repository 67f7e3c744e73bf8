/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers of the checkpoints that will be opened next, measured by a thread of their own while the
 * first one's is parsed: with a hundred thousand tensors both take as long. Only checkpoints of one
 * file, named itself or by a folder that has it under the usual name; whatever goes wrong here is
 * found again, and said, by whoever opens the checkpoint.
 */
#ifndef OF_CKPT_AHEAD_H
#define OF_CKPT_AHEAD_H

#include "ckpt/checkpoint.h"

/* Measures paths[0], paths[1] ... in this order, which stay the caller's and valid until
 * of_ahead_stop; file_flags as for of_file_open_read. NULL without memory or thread. */
struct of_ahead *of_ahead_start(const char *const *paths, uint32_t path_count, uint32_t file_flags);
/* Waits for the path, if it is one that is still to be taken. False: it has to be measured. The
 * name in *ret_shard is none. NULL-safe. */
OF_NODISCARD bool of_ahead_take(struct of_ahead *ahead, const char *path,
                                struct of_shard *ret_shard);
/* Waits for the file that is being measured, no further. What was measured and not taken leaves the
 * page cache as it was; the rest is the taker's to leave. NULL-safe. */
void of_ahead_stop(struct of_ahead *ahead);

#endif
