/* SPDX-License-Identifier: Apache-2.0 */
/* model.safetensors.index.json: read strictly, write as the reference writers do. */
#ifndef OF_FMT_SHARD_INDEX_H
#define OF_FMT_SHARD_INDEX_H

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "fmt/format.h"

#include <stdbool.h>
#include <stdint.h>

struct of_index_entry {
    struct of_str tensor_name;
    uint16_t file_index;
};

struct of_shard_index {
    struct of_str *files; /* distinct, in order of first appearance, then sorted by bytes */
    uint64_t file_count;
    struct of_index_entry *entries; /* in file order of the index */
    uint64_t entry_count;
    bool has_total_size;
    uint64_t total_size; /* only for a warning; never trusted */
};

/* All rules of formats.md sections 2 and 9.1. Ids index-*. */
OF_NODISCARD onefold_status of_shard_index_parse(struct of_str text, const char *file,
                                                 struct of_arena *arena, struct of_report *report,
                                                 struct of_shard_index *ret_index,
                                                 onefold_error *err);

/* A file name an index may give: one component, ends in ".safetensors", and so on. */
OF_NODISCARD onefold_status of_shard_name_check(struct of_str name, onefold_error *err);

/* What an index is made of: `tensors` in any order; shard_index selects from `files`. */
struct of_shard_index_text {
    const struct of_tensor *tensors;
    uint64_t tensor_count;
    const char *const *files;
    uint64_t total_size;
};

/* Takes the text piece by piece. */
typedef onefold_status of_shard_index_piece_fn(void *context, struct of_str piece,
                                               onefold_error *err);

/* Indent 2, weight_map sorted by name, metadata.total_size, newline at the end; in pieces of some
 * dozens of KiB, because a whole one can be as large as all the tables. */
OF_NODISCARD onefold_status of_shard_index_emit(const struct of_shard_index_text *from,
                                                of_shard_index_piece_fn *piece, void *context,
                                                onefold_error *err);
/* Memory that takes while it lasts. */
uint64_t of_shard_index_emit_bytes(uint64_t tensor_count);

#endif
