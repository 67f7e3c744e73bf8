/* SPDX-License-Identifier: Apache-2.0 */
/* Output shards: which tensor goes where, and the exact header bytes. Pure. */
#ifndef OF_CKPT_LAYOUT_H
#define OF_CKPT_LAYOUT_H

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "fmt/format.h"

#include <stdint.h>

struct of_out_shard {
    const char *name;      /* model.safetensors, or model-00001-of-00003.safetensors */
    uint32_t first_tensor; /* tensors of the shard are one run of the sorted array */
    uint32_t tensor_count;
    uint64_t header_bytes; /* 8 + JSON + padding = where the data starts */
    uint64_t file_bytes;
};

struct of_out_layout {
    struct of_out_shard *shards;
    uint32_t shard_count;
    uint64_t total_bytes;           /* of tensor data */
    const struct of_pair *metadata; /* sorted by key */
    uint32_t metadata_count;
    uint64_t start_bytes; /* of a header, before its tensors */
};

/* What the caller asks of the output: largest shard (0 = one file), and what __metadata__ holds. */
struct of_layout_wish {
    uint64_t shard_bytes_max;
    const struct of_pair *metadata;
    uint32_t metadata_count;
};

/*
 * `tensors` come in the order of the base (else the first model). Greedy filling: a tensor that
 * does not fit starts the next shard, one larger than the limit has a shard of its own, 0 means one
 * file; a header that would pass OF_ST_HEADER_BYTES_WRITTEN_MAX starts another. Within a shard
 * wider types come first (stable), so that every tensor is aligned to its element. Sorts `tensors`
 * accordingly and sets shard_index and offset (from the start of the file) of each; `order[i]`
 * receives the old index of the tensor now at i.
 */
OF_NODISCARD onefold_status of_layout_make(struct of_tensor *tensors, uint32_t tensor_count,
                                           const struct of_layout_wish *wish,
                                           struct of_arena *arena, uint32_t *order,
                                           struct of_out_layout *ret_layout, onefold_error *err);

/* How far a header is. Zero is its start. */
struct of_header_cursor {
    uint32_t tensor_count; /* emitted so far */
    uint64_t bytes;
    bool ended;
};

/* Appends the next portion of one shard's header to *text; false when there was none left. All
 * portions together are its header_bytes. */
bool of_layout_emit_header(const struct of_out_layout *layout, const struct of_tensor *tensors,
                           uint32_t shard_index, struct of_header_cursor *cursor,
                           struct of_text *text);
/* Memory of such a text, emptied after each portion. */
uint64_t of_layout_emit_bytes(const struct of_out_layout *layout);

#endif
