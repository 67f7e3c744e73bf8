/* SPDX-License-Identifier: Apache-2.0 */
/* Reading checkpoints back: sums of files, digests of tensors, and verify. */
#ifndef OF_RUN_VERIFY_H
#define OF_RUN_VERIFY_H

#include "base/attr.h"
#include "base/err.h"
#include "base/hash.h"
#include "run/run.h"

struct of_verify_options {
    bool structure_only;
    bool fast;             /* XXH128 and the tree only */
    uint32_t thread_count; /* 0 = usable CPUs */
    uint64_t memory_bytes; /* 0 = default */
    const char *io_name;
    enum of_direct direct;
    const char *cpu_cap;
    struct of_report *report; /* every finding: level error = something does not match */
    of_progress_fn *progress;
    void *progress_context;
    const volatile sig_atomic_t *cancel;
};

struct of_verify_result {
    bool had_manifest;
    bool had_sha256_list;
    bool had_xxh128_list;
    bool had_leaves;
    uint64_t file_count;
    uint64_t tensor_count;
    uint64_t read_bytes;
    uint64_t wall_ns;
    uint64_t finding_count;
    bool has_checkpoint_digest;
    struct of_digest checkpoint_digest;
};

/* E_DIFFERS when anything does not match; other statuses when the check itself could not be made.
 */
OF_NODISCARD onefold_status of_verify(const char *path, const struct of_verify_options *options,
                                      struct of_verify_result *ret_result, onefold_error *err);

/* Whole-file digests in one read; kinds is a mask of 1 << of_hash_kind, digests in that order. fd
 * is read to its end (pipes too when `fd_is_stream`). Direct I/O where it pays. */
struct of_file_sums {
    uint64_t size_bytes;
    uint8_t digests[4][32];
};
OF_NODISCARD onefold_status of_sum_fd(int fd, bool fd_is_stream, uint32_t kinds,
                                      const volatile sig_atomic_t *cancel,
                                      struct of_file_sums *ret_sums, onefold_error *err);

/* Tree digests of a checkpoint, one per tensor in table order, and the whole. */
typedef void of_tensor_digest_fn(void *context, const struct of_tensor *tensor,
                                 const struct of_digest *digest);
OF_NODISCARD onefold_status of_digest_tree(const char *path,
                                           const struct of_verify_options *options,
                                           of_tensor_digest_fn *fn, void *context,
                                           struct of_digest *ret_checkpoint, onefold_error *err);

#endif
