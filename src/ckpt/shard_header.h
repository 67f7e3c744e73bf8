/* SPDX-License-Identifier: Apache-2.0 */
/* One shard's header: measured and hashed first, parsed only when its bytes are new. */
#ifndef OF_CKPT_SHARD_HEADER_H
#define OF_CKPT_SHARD_HEADER_H

#include "ckpt/checkpoint.h"

/* Opens, finds the length of the header and hashes it; fills all of *ret_shard but the name.
 * Refuses files of another kind. Ids: input-*, kind-*, st-*. */
OF_NODISCARD onefold_status of_shard_measure(int folder_fd, const char *name, uint32_t file_flags,
                                             struct of_shard *ret_shard, onefold_error *err);

/* Parses the header into the arena, through a window that is given back as it is walked. The file
 * has to be the one that was measured (input-changed). `label` is the file's name in warnings. */
OF_NODISCARD onefold_status of_shard_parse(int folder_fd, const struct of_shard *shard,
                                           const char *label, struct of_arena *arena,
                                           struct of_report *report, struct of_header *ret_header,
                                           onefold_error *err);

/* The header has been read for the last time: its pages are given back unless the page cache held
 * them before, or the file is another one by now. */
void of_shard_leave(int folder_fd, const struct of_shard *shard);

#endif
