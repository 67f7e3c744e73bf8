/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at checkpoints: one safetensors file, a folder with an index, or a snapshot of the
 * Hugging Face cache. Headers only; no tensor byte is read. */
#ifndef ONEFOLD_CHECKPOINT_H
#define ONEFOLD_CHECKPOINT_H

#include "onefold/dtype.h"
#include "onefold/status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* Immutable after open and readable from any thread. */
typedef struct onefold_checkpoint onefold_checkpoint;

typedef struct onefold_checkpoint_options {
    onefold_notice_fn *notice; /* warnings and findings; may be NULL */
    void *notice_context;
    uint64_t memory_bytes; /* bound for the process; 0 = 256 MiB */
    int no_symlinks;       /* refuse symbolic links */
    const char *revision;  /* for a Hub id; NULL = main */
    const char *hf_cache;  /* root of the Hugging Face cache; NULL = from the environment */
    uint64_t reserved[8];
} onefold_checkpoint_options;

typedef struct onefold_tensor_info {
    const char *name;      /* terminated, UTF-8; the checkpoint's */
    const uint64_t *shape; /* rank entries; the checkpoint's */
    uint64_t elem_count;
    uint64_t byte_count;
    uint64_t offset; /* from the start of the file, in bytes */
    uint32_t shard_index;
    uint32_t rank;
    onefold_dtype dtype;
} onefold_tensor_info;

typedef struct onefold_shard_info {
    const char *name; /* relative to the folder; the checkpoint's */
    uint64_t size_bytes;
    uint64_t data_offset; /* where the tensor data starts */
} onefold_shard_info;

void onefold_checkpoint_options_init(onefold_checkpoint_options *options);

/* Opens and checks every header. `options` may be NULL. The caller closes. */
onefold_status onefold_checkpoint_open(const char *path, const onefold_checkpoint_options *options,
                                       onefold_checkpoint **ret_checkpoint, onefold_error *err);
void onefold_checkpoint_close(onefold_checkpoint *checkpoint); /* NULL is fine */

uint64_t onefold_checkpoint_tensor_count(const onefold_checkpoint *checkpoint);
/* In order of (shard, offset). `index` < tensor count. */
void onefold_checkpoint_tensor_at(const onefold_checkpoint *checkpoint, uint64_t index,
                                  onefold_tensor_info *ret_info);
/* Returns 1 and fills *ret_info when there is a tensor of that name, else 0. */
int onefold_checkpoint_tensor_find(const onefold_checkpoint *checkpoint, const char *name,
                                   onefold_tensor_info *ret_info);
uint64_t onefold_checkpoint_shard_count(const onefold_checkpoint *checkpoint);
void onefold_checkpoint_shard_at(const onefold_checkpoint *checkpoint, uint64_t index,
                                 onefold_shard_info *ret_info);
/* __metadata__ of the first shard, in the file's order. Pointers are the checkpoint's, not
 * terminated: use the lengths. Returns 0 past the end. */
int onefold_checkpoint_metadata_at(const onefold_checkpoint *checkpoint, uint64_t index,
                                   const char **ret_key, uint64_t *ret_key_length,
                                   const char **ret_value, uint64_t *ret_value_length);
/* Bytes of tensor data. */
uint64_t onefold_checkpoint_byte_count(const onefold_checkpoint *checkpoint);
/* Folder the shards lie in, as a path. The checkpoint's. */
const char *onefold_checkpoint_folder(const onefold_checkpoint *checkpoint);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
