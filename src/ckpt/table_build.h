/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the headers of a checkpoint's shards together into one table, sharing names, shapes and
 * whole tables with the checkpoints opened before. Used by checkpoint.c. */
#ifndef OF_CKPT_TABLE_BUILD_H
#define OF_CKPT_TABLE_BUILD_H

#include "base/err.h"
#include "ckpt/checkpoint.h"
#include "ckpt/table.h"

struct of_table_build {
    struct of_checkpoint_set *set;
    bool is_first;   /* no table is there to share with: names go to the set's arena at once */
    bool is_adopted; /* `tensors` lies in the set's arena */
    struct of_arena
        names;          /* names and shapes that no earlier table has, and counterparts or a map */
    uint32_t own_count; /* those names and shapes */
    const struct of_table *first; /* of the set, while it has all names that were added; or NULL */
    uint32_t *counterparts;       /* [first's tensors] index of that name here, or OF_MAP_NONE */
    uint32_t duplicate;           /* index of a name that was there before, or OF_MAP_NONE */
    struct of_tensor *tensors;    /* of_mem block that grows */
    uint32_t count;
    uint32_t capacity;
    uint64_t other_bytes; /* what the caller holds besides, counted against the bound */
};

void of_table_build_init(struct of_table_build *build, struct of_checkpoint_set *set,
                         uint64_t other_bytes);
void of_table_build_finish(struct of_table_build *build);

/* A limit for a short-lived arena: what the bound leaves after everything that is held now. */
uint64_t of_table_build_limit(const struct of_table_build *build);

/* Copies the tensors of a shard. Nothing of the header is needed afterwards. */
OF_NODISCARD onefold_status of_table_build_add(struct of_table_build *build,
                                               const struct of_header *header, uint32_t shard_index,
                                               onefold_error *err);
/* True when the header of a checkpoint's only shard may be parsed into the set's arena and adopted
 * as it is, so that a large one is never there twice. */
bool of_table_build_can_adopt(const struct of_table_build *build, uint32_t shard_count);
OF_NODISCARD onefold_status of_table_build_adopt(struct of_table_build *build,
                                                 const struct of_header *header,
                                                 onefold_error *err);

/* A table over what was added, valid until finish: for checks before it is kept. Names that occur
 * twice are found here: *ret_duplicate is the index of a second one, or OF_MAP_NONE. */
OF_NODISCARD onefold_status of_table_build_draft(struct of_table_build *build,
                                                 struct of_table *ret_table,
                                                 uint32_t *ret_duplicate, onefold_error *err);
/* The table to keep: an equal one of the set, or a new one in one of its arenas. */
OF_NODISCARD onefold_status of_table_build_keep(struct of_table_build *build,
                                                const struct of_table *draft,
                                                const struct of_table **ret_table,
                                                onefold_error *err);

#endif
