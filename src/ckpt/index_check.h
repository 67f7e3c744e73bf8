/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an index and the shards it names say the same. Used by checkpoint.c. */
#ifndef OF_CKPT_INDEX_CHECK_H
#define OF_CKPT_INDEX_CHECK_H

#include "ckpt/checkpoint.h"
#include "ckpt/findings.h"
#include "fmt/shard_index.h"

/* Both ways: every entry in the file it names, every tensor in the index. Needs one bit a tensor.
 */
OF_NODISCARD onefold_status of_index_check_tensors(const struct of_shard_index *index,
                                                   const struct of_table *table,
                                                   struct of_findings *findings,
                                                   onefold_error *err);
/* Warns about names that count another number of shards, about total_size, and about weight files
 * beside those of the index. */
void of_index_check_names(const struct of_shard_index *index, const struct of_table *table,
                          int folder_fd, struct of_report *report, const char *file);
/* Position of a file name in the index, or UINT64_MAX. */
uint64_t of_index_find_file(const struct of_shard_index *index, struct of_str name);

#endif
