/* SPDX-License-Identifier: Apache-2.0 */
/* Digests: sums of whole files, tree digests of checkpoints, verify. */
#ifndef ONEFOLD_DIGEST_H
#define ONEFOLD_DIGEST_H

#include "onefold/checkpoint.h"
#include "onefold/merge.h"
#include "onefold/status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

enum {
    ONEFOLD_HASH_XXH32 = 1,
    ONEFOLD_HASH_XXH64 = 2,
    ONEFOLD_HASH_XXH128 = 4,
    ONEFOLD_HASH_SHA256 = 8
};

typedef struct onefold_sums {
    uint64_t size_bytes;
    uint8_t xxh32[4]; /* canonical byte order, as printed */
    uint8_t xxh64[8];
    uint8_t xxh128[16];
    uint8_t sha256[32];
} onefold_sums;

/* Reads the file once, to its end, and fills the digests that `kinds` (a mask) names: direct
 * and ahead where that pays. NULL or "-" is standard input. Any thread. */
onefold_status onefold_sum_file(const char *path, uint32_t kinds, const onefold_cancel *cancel,
                                onefold_sums *ret_sums, onefold_error *err);
/* The same for an open descriptor of any kind (a pipe, a device), from where it stands to its end.
 * It stays open. Any thread. */
onefold_status onefold_sum_fd(int fd, uint32_t kinds, const onefold_cancel *cancel,
                              onefold_sums *ret_sums, onefold_error *err);

typedef struct onefold_verify_options {
    int structure_only;        /* stop before tensor data */
    int fast;                  /* XXH128 and the tree only */
    uint32_t thread_count;     /* 0 = usable CPUs */
    uint64_t memory_bytes;     /* 0 = 256 MiB */
    const char *io;            /* "uring", "threads", "mmap"; NULL = choose */
    int direct;                /* ONEFOLD_DIRECT_* */
    onefold_notice_fn *notice; /* every finding; level error = does not match */
    void *notice_context;
    onefold_progress_fn *progress;
    void *progress_context;
    const onefold_cancel *cancel;
    /* Cap of the instruction set: "scalar", "avx2", "avx512", "neon"; NULL = none. */
    const char *cpu;
    uint64_t reserved[8];
} onefold_verify_options;

typedef struct onefold_verify_result {
    int had_manifest;
    int had_leaves;
    int had_sha256_list;
    int had_xxh128_list;
    uint64_t file_count;
    uint64_t tensor_count;
    uint64_t read_bytes;
    uint64_t wall_ns;
    uint64_t finding_count;
    char checkpoint_digest[33]; /* hex, or empty when no data was read */
} onefold_verify_result;

void onefold_verify_options_init(onefold_verify_options *options);
/* Checks everything that is there (structure, manifest, lists, content, finite values) and reports
 * every finding. ONEFOLD_E_DIFFERS when anything does not match. */
onefold_status onefold_verify(const char *path, const onefold_verify_options *options,
                              onefold_verify_result *ret_result, onefold_error *err);

/* Per tensor in order of (shard, offset): the tree digest, 16 bytes in canonical order. */
typedef void onefold_tensor_digest_fn(void *context, const char *name, const uint8_t digest[16]);
onefold_status onefold_digest_tree(const char *path, const onefold_verify_options *options,
                                   onefold_tensor_digest_fn *fn, void *context,
                                   uint8_t ret_checkpoint[16], onefold_error *err);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
