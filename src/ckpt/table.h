/* SPDX-License-Identifier: Apache-2.0 */
/* All tensors of one checkpoint, found by name, walkable in order of (shard, offset). */
#ifndef OF_CKPT_TABLE_H
#define OF_CKPT_TABLE_H

#include "base/map.h"
#include "fmt/format.h"

struct of_table {
    struct of_tensor *tensors; /* by shard, then offset */
    uint32_t tensor_count;
    /* Names are found by a map, or, where an earlier table of the set has them all, by its map:
     * counterparts[i] is the index here of its tensor i, or OF_MAP_NONE. */
    struct of_map names;
    const struct of_table *within; /* that table; NULL = there is a map */
    uint32_t *counterparts;
    uint64_t byte_count;   /* of all tensor data */
    uint32_t dtypes;       /* bit i: a tensor is of onefold_dtype i */
    struct of_table *next; /* of the set's tables after the first */
};

/* Index of the tensor of that name, or OF_MAP_NONE. */
uint32_t of_table_find(const struct of_table *table, struct of_str name);

/* Same names, types, shapes, shards and offsets throughout. */
bool of_table_equal(const struct of_table *a, const struct of_table *b);

/*
 * A name split at dots: the first component of digits only, with a component before and after it,
 * is the layer number; before it the stack, after it the role. A name without one is loose.
 */
struct of_name_parts {
    bool is_layer;
    uint32_t layer;
    struct of_str stack;
    struct of_str role;
};
struct of_name_parts of_name_split(struct of_str name);

/* A loose name on the input side of a model (recipes.md section 5): has a component among
 * embed_tokens, embeddings, wte, ... */
bool of_name_is_input_side(struct of_str name);

#endif
