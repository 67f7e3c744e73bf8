/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floor 2, `ckpt`: checkpoints as objects; includes base, sys, fmt. This file: open one file, a
 * folder with an index, or a snapshot of the Hugging Face cache; read and check all headers.
 * Nothing stays mapped and no shard stays open.
 */
#ifndef OF_CKPT_CHECKPOINT_H
#define OF_CKPT_CHECKPOINT_H

#include "base/attr.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "ckpt/table.h"
#include "sys/file.h"

#include <stdbool.h>
#include <stdint.h>

struct of_shard {
    const char *name; /* relative to the folder */
    struct of_identity identity;
    uint64_t data_offset;
    struct of_sha256_digest header_sha256; /* of the first data_offset bytes */
    bool header_warm; /* the page cache held half of these bytes or more before they were read */
};

struct of_checkpoint {
    const char *path;        /* as given */
    const char *folder_path; /* folder of the shards, for messages and for side files */
    int folder_fd;
    bool is_file; /* the path named one .safetensors file */
    bool has_index;
    bool no_links; /* as the set said when it was opened */
    struct of_shard *shards;
    uint32_t shard_count;
    const struct of_table *table; /* may be shared with other checkpoints of the same set */
    struct of_pair
        *metadata; /* of the first shard, without __metadata__ of the others unless equal */
    uint32_t metadata_count;
    bool has_metadata;
};

/* What several checkpoints opened together share: one arena, and the table of every distinct
 * layout. Shards with the same header bytes are parsed once. */
struct of_checkpoint_set {
    struct of_arena *arena;
    struct of_report *report;
    bool no_links;        /* refuse symbolic links */
    const char *hf_cache; /* root of the cache to look Hub ids up in; NULL = from the environment */
    /* Paths that will be opened, in this order; NULL = nobody knows. Headers of the later ones may
     * be read while the first is opened. Valid until of_checkpoint_set_opened. */
    const char *const *paths;
    uint32_t path_count;
    /* private */
    struct of_ahead *ahead; /* measures headers of the paths */
    struct of_arena later;  /* records of the tables after the first */
    struct of_table *later_tables;
    struct of_checkpoint **checkpoints;
    uint32_t count;
    uint32_t capacity;
};

/* Opens `path`; `revision` (may be NULL or empty) selects in the HF cache. A path that is not on
 * disk is looked up there as ORG/NAME; nothing is downloaded, and the message has the `hf download`
 * line. Several findings (missing shards, disagreement of index and shards) are reported, the first
 * 20 and the count. The checkpoint belongs to the set. */
OF_NODISCARD onefold_status of_checkpoint_open(struct of_checkpoint_set *set, const char *path,
                                               const char *revision,
                                               struct of_checkpoint **ret_checkpoint,
                                               onefold_error *err);
/* No more of `paths` will be opened. Ends what still reads ahead. */
void of_checkpoint_set_opened(struct of_checkpoint_set *set);
/* Nobody will ask for tensors of tables after the first any more: gives back their records. Counts
 * are 0 then; sums, types, and names and shapes that others took stay. */
void of_checkpoint_set_drop_tables(struct of_checkpoint_set *set);
/* Closes all folders. The arena stays the caller's. NULL-safe, half-built-safe. */
void of_checkpoint_set_finish(struct of_checkpoint_set *set);

/* Opens a shard for reading and checks that it is still the file that was planned with (id
 * input-changed). */
OF_NODISCARD onefold_status of_checkpoint_open_shard(const struct of_checkpoint *checkpoint,
                                                     uint32_t shard_index, uint32_t file_flags,
                                                     int *ret_fd, onefold_error *err);
/* Compares the identity of every shard with what was seen at opening (id input-changed). */
OF_NODISCARD onefold_status of_checkpoint_check_unchanged(const struct of_checkpoint *checkpoint,
                                                          onefold_error *err);

/* "folder/name" of a shard, for messages, escaped. */
struct of_shown of_checkpoint_shard_path(const struct of_checkpoint *checkpoint,
                                         uint32_t shard_index);

#endif
