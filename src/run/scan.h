/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads files of a checkpoint's folder, each once and whole, several side by side: whole-file sums,
 * leaves and tensor digests, values that are not finite. Leaves are compared with those of
 * onefold.leaves as they are made, so damage is known to a grain. Threads that find no file left to
 * read compute SHA-256 beside one that reads. Memory: one reader per thread.
 */
#ifndef OF_RUN_SCAN_H
#define OF_RUN_SCAN_H

#include "base/attr.h"
#include "base/err.h"
#include "ckpt/table.h"
#include "kern/kern.h"
#include "run/hasher.h"
#include "run/run.h"
#include "run/stats.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Neighbouring damaged grains of one tensor. */
struct of_damage {
    uint32_t tensor;
    uint64_t first_grain; /* in the tensor */
    uint64_t grain_count;
};
enum { OF_DAMAGE_KEPT_MAX = 64 };

struct of_scan_file {
    /* Set by the caller. */
    const char *name;
    bool want_sha256;
    bool want_xxh128;
    bool want_tree;        /* leaves and tensor digests of tensors [first, first + count) */
    uint32_t first_tensor; /* in the table */
    uint32_t tensor_count;
    uint64_t first_leaf; /* of the first of them in the file of leaves */

    /* Set by the scan. */
    onefold_error error; /* status OK: everything below counts */
    uint64_t size_bytes;
    bool had_partner; /* a second thread computed SHA-256, of the end of the file at least */
    struct of_file_hashes hashes;
    struct of_damage *damage; /* OF_DAMAGE_KEPT_MAX places when leaves are compared, else NULL */
    uint32_t damage_count;    /* kept ones */
    uint64_t damaged_grain_count;
};

/* What one tensor was found to hold. */
struct of_scan_tensor {
    struct of_digest digest;
    uint64_t nan_count;
    uint64_t inf_count;
};

struct of_scan {
    int folder_fd;
    bool no_links;
    const struct of_table *table;   /* may be NULL when no file wants its tree */
    struct of_scan_tensor *tensors; /* [table index] */
    int leaves_fd;                  /* -1 = leaves are not compared */
    struct of_scan_file *files;
    uint32_t file_count;
    uint64_t total_bytes; /* for progress */

    uint32_t thread_count;
    uint32_t read_count; /* of a thread's reader */
    const char *io_name;
    enum of_direct direct;
    const struct of_kern *kern;
    of_progress_fn *progress;
    void *progress_context;
    const volatile sig_atomic_t *cancel;

    atomic_uint_fast64_t read_bytes; /* so far */
    /* Of the scan. */
    atomic_int_fast64_t spare_count; /* threads that nothing is left for; below 0: files wait */
};

/* Memory that one thread of a scan takes, reading or beside one that reads. */
uint64_t of_scan_thread_bytes(uint32_t read_count);
/* Fails when the scan as a whole could not be made or was stopped; what is wrong with one file
 * stands in its error. Ids: memory, cancelled, io-backend, threads. */
OF_NODISCARD onefold_status of_scan_run(struct of_scan *scan, onefold_error *err);

#endif
