/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floor 4, `run`: executes a plan; includes base, sys, kern, fmt, ckpt, method, plan. First file to
 * open: run.c.
 */
#ifndef OF_RUN_RUN_H
#define OF_RUN_RUN_H

#include "base/attr.h"
#include "base/err.h"
#include "plan/plan.h"
#include "run/pace.h"
#include "sys/io.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct of_progress {
    uint64_t done_bytes; /* read and written so far */
    uint64_t total_bytes;
    uint64_t elapsed_ns;
    uint32_t pass; /* from 1 */
    uint32_t pass_count;
    const char
        *waiting_for; /* file of the oldest request when nothing completed for 30 s, or NULL */
};
typedef void of_progress_fn(void *context, const struct of_progress *progress);

struct of_run_options {
    const char *output_path;
    bool force;
    bool restart;
    struct of_report *report;
    of_progress_fn *progress; /* from the control thread, about ten times a second; may be NULL */
    void *progress_context;
    const volatile sig_atomic_t *cancel; /* non-zero (the signal) = stop; may be NULL */
    /* Cap of the instruction set: "scalar", "avx2", "avx512", "neon"; or NULL. */
    const char *cpu_cap;
    const struct of_io_backend *backend; /* tests: instead of the plan's */
    enum of_split split;                 /* tests: of tiles */
};

struct of_run_stats {
    uint64_t read_bytes;
    uint64_t cache_bytes; /* of these, taken from the page cache by the workers */
    uint64_t written_bytes;
    uint64_t shared_bytes; /* of these, not written: blocks of an input */
    uint64_t tile_count;   /* visited, in all passes */
    uint64_t split_count;  /* of these, in parts */
    uint64_t wall_ns;
    uint64_t io_wait_ns;     /* control thread blocked */
    uint64_t worker_idle_ns; /* summed over workers */
    uint64_t hash_busy_ns;   /* the busiest hash thread */
    uint64_t peak_memory_bytes;
    double cpu_seconds;
    char io_name[16];
    char cpu_name[16];
    bool direct_in;
    bool direct_out;
    bool huge_pages;
    uint64_t tensor_count;
    struct of_digest checkpoint_digest;
    struct of_sha256_digest plan_hash;
    bool has_signing_root;
    struct of_sha256_digest signing_root;
    bool has_lambda; /* the rule has the two forms of its step: of the first row that has them */
    double lambda;   /* sum form */
    double beta;     /* mean form */
};

/* Would of_run start? Target, space, locks; writes nothing. */
OF_NODISCARD onefold_status of_run_check(const struct of_plan *plan,
                                         const struct of_run_options *options, onefold_error *err);

/* Carries out the plan. On any failure no folder of that name appears, err->state says what is
 * left. */
OF_NODISCARD onefold_status of_run(const struct of_plan *plan, const struct of_run_options *options,
                                   struct of_run_stats *ret_stats, onefold_error *err);

#endif
