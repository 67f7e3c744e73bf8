/* SPDX-License-Identifier: Apache-2.0 */
/* What verify knows while it works: the files of the folder with what manifest and lists say about
 * them, the tensors with what the manifest says about them, and the findings. */
#ifndef OF_RUN_VERIFY_STATE_H
#define OF_RUN_VERIFY_STATE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "ckpt/checkpoint.h"
#include "fmt/manifest.h"
#include "run/scan.h"
#include "run/verify.h"

#include <stdbool.h>
#include <stdint.h>

enum { OF_VERIFY_NO_SHARD = 0xffffffffu };

/* One name in the folder. */
struct of_verify_file {
    const char *name;
    enum of_file_kind kind;
    uint64_t size_bytes;
    uint32_t shard; /* of the checkpoint, or OF_VERIFY_NO_SHARD */
    bool in_manifest;
    struct of_manifest_file recorded; /* by the manifest */
    bool in_sha256_list;
    struct of_sha256_digest listed_sha256;
    bool in_xxh128_list;
    struct of_digest listed_xxh128;
};

/* What the manifest says about a tensor of the table. */
struct of_verify_tensor {
    bool recorded;
    struct of_digest digest;
    uint64_t nan_count;
    uint64_t inf_count;
};

/* Findings of one kind: after so many only the number goes on. */
struct of_finding_kind {
    const char *id;
    uint64_t count;
};
enum { OF_FINDING_KINDS_MAX = 32 };

struct of_verify_state {
    const struct of_verify_options *options;
    struct of_report *report;
    struct of_arena arena;
    struct of_checkpoint_set set;
    struct of_checkpoint *checkpoint; /* NULL when its structure is broken */
    int folder_fd;
    struct of_verify_file *files; /* in order of names */
    uint32_t file_count;
    struct of_map names;
    struct of_verify_tensor *tensors; /* [table index]; NULL without a manifest */
    struct of_manifest_head head;
    struct of_finding_kind kinds[OF_FINDING_KINDS_MAX];
    uint32_t kind_count;
    uint64_t finding_count;
    struct of_verify_result result;
};

/* Something that does not match. */
void of_verify_finding(struct of_verify_state *state, const char *id, const char *file,
                       const char *format, ...) OF_PRINTF(4, 5);
/* The same with an error that says it; statuses about this machine are passed on instead. */
OF_NODISCARD onefold_status of_verify_take(struct of_verify_state *state, const char *file,
                                           const onefold_error *found, onefold_error *err);
/* Reports how many findings of each kind were not shown. */
void of_verify_sum_up(struct of_verify_state *state);

/* Lists the folder. Ids: memory, input-io. */
OF_NODISCARD onefold_status of_verify_list_folder(struct of_verify_state *state,
                                                  onefold_error *err);
struct of_verify_file *of_verify_find(const struct of_verify_state *state, struct of_str name);
/* Reads onefold.json and compares it with headers and folder. */
OF_NODISCARD onefold_status of_verify_manifest(struct of_verify_state *state, onefold_error *err);
/* Reads SHA256SUMS and XXH128SUMS and compares them with the folder. */
OF_NODISCARD onefold_status of_verify_lists(struct of_verify_state *state, onefold_error *err);
/* Reads the data and compares it with all of that. */
OF_NODISCARD onefold_status of_verify_content(struct of_verify_state *state, onefold_error *err);

/* Shared with the tree digests: threads, and reads of each, that fit the bound beside `used_bytes`;
 * tensors and first leaf of a shard. */
void of_verify_settle_threads(const struct of_verify_options *options, uint64_t used_bytes,
                              struct of_scan *scan);
void of_verify_shard_range(const struct of_table *table, uint32_t shard, struct of_scan_file *file);

#endif
