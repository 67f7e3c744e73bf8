/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recipes, methods, plans, runs.
 *
 * parse a recipe -> build a plan (reads headers only) -> run it. One object belongs to one thread
 * at a time; different objects may be used in parallel.
 */
#ifndef ONEFOLD_MERGE_H
#define ONEFOLD_MERGE_H

#include "onefold/dtype.h"
#include "onefold/status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* ---- Recipes ---- */

typedef struct onefold_recipe onefold_recipe;

/* Parses `length` bytes of YAML (or JSON). `label` names the text in messages. Every finding goes
 * to `notice` (may be NULL); the error counts them. The caller frees. */
onefold_status onefold_recipe_parse(const char *text, uint64_t length, const char *label,
                                    onefold_notice_fn *notice, void *notice_context,
                                    onefold_recipe **ret_recipe, onefold_error *err);
/* The same from a regular file of at most 1 MiB. */
onefold_status onefold_recipe_load(const char *path, onefold_notice_fn *notice,
                                   void *notice_context, onefold_recipe **ret_recipe,
                                   onefold_error *err);
void onefold_recipe_free(onefold_recipe *recipe); /* NULL is fine */

/* ---- Methods ---- */

typedef struct onefold_param_info {
    const char *name;
    const char *kind; /* "number", "integer", "boolean", "word" */
    int per_input;
    int required;
    int is_fact; /* stands on the entry of `models`, not under `parameters` */
    int has_standard;
    double standard; /* default; of a word its place in `words` */
    double min;
    double max;
    const char *help;
    int is_whole;             /* one value for the whole merge: no gradient, no filter */
    int min_excluded;         /* the value is greater than min */
    const char *const *words; /* of a word: NULL-terminated; else NULL */
} onefold_param_info;

typedef struct onefold_method_info {
    const char *name;
    const char *summary;
    const char *reference; /* where the rule is defined, e.g. an arXiv id */
    const char *scale;     /* of the rule's own result: "sum", "mean", "own" */
    const char *base;      /* "required", "donor", "none" */
    uint32_t passes;       /* reads of the inputs, without saved statistics */
    uint32_t input_count_min;
    uint32_t input_count_max;
    uint32_t param_count;
    int takes_lambda;         /* lambda, or beta, multiplies the result of the rule */
    const char *lambda_scale; /* form of lambda where the recipe's `scale` is silent */
} onefold_method_info;

uint64_t onefold_method_count(void);
/* Returns 0 past the end. Strings are static. */
int onefold_method_at(uint64_t index, onefold_method_info *ret_info);
int onefold_method_param_at(uint64_t method_index, uint64_t index, onefold_param_info *ret_info);

/* ---- Plans ---- */

typedef struct onefold_plan onefold_plan;

enum { ONEFOLD_SUM_SHA256 = 1, ONEFOLD_SUM_XXH128 = 2 };
enum { ONEFOLD_DIRECT_AUTO = 0, ONEFOLD_DIRECT_ON = 1, ONEFOLD_DIRECT_OFF = 2 };
enum { ONEFOLD_NONFINITE_FAIL = 0, ONEFOLD_NONFINITE_KEEP = 1 };

typedef struct onefold_plan_options {
    uint64_t
        memory_bytes; /* hard bound for the process; 0 = 256 MiB, less where a cgroup says so */
    uint32_t worker_count; /* 0 = as many as usable CPUs */
    /* Threads for whole-file sums, each at another output file: at most 16, and never more than
     * there are output files; 0 = by CPUs. */
    uint32_t hash_thread_count;
    /* Parts of the buffers with workers of their own, and rings of the I/O backend uring with a
     * thread for each: at most 16; 0 = a part per memory node with CPUs of ours, and a ring for
     * every eight workers and one part at least. */
    uint32_t pool_count;
    uint32_t ring_count;
    const char *io;           /* "uring", "threads", "mmap"; NULL = uring, else threads */
    int direct;               /* ONEFOLD_DIRECT_* */
    uint64_t out_shard_bytes; /* 0 = one file; default 5e9 */
    int out_dtype_given;      /* override the recipe's out_dtype */
    onefold_dtype out_dtype;
    int dtype_given; /* override the recipe's dtype */
    onefold_dtype dtype;
    int tensor_union;
    int tensor_intersection;
    int nonfinite;        /* ONEFOLD_NONFINITE_* */
    int copy_tokenizer;   /* default 1 */
    int write_model_card; /* default 1 */
    uint32_t sums;        /* mask of ONEFOLD_SUM_*; default both */
    int no_symlinks;
    const char *hf_cache;   /* NULL = environment */
    int compare;            /* for onefold_compare: nothing is written, the inputs are looked at */
    const char *stats_path; /* saved inner products instead of a scan; NULL = none */
    onefold_notice_fn *notice;
    void *notice_context;
    uint64_t reserved[8];
} onefold_plan_options;

typedef struct onefold_plan_info {
    uint64_t read_bytes; /* at most: an input that the rule leaves out is not read twice */
    uint64_t write_bytes;
    uint64_t tensor_count;
    uint64_t shard_count;
    uint64_t memory_bytes; /* the bound in force */
    uint32_t input_count;  /* without the base */
    uint32_t worker_count;
    char hash[65]; /* SHA-256 of what is decided, in hex */
} onefold_plan_info;

void onefold_plan_options_init(onefold_plan_options *options);
/* Reads headers, decides everything. `options` may be NULL. The recipe must outlive the plan. */
onefold_status onefold_plan_build(const onefold_recipe *recipe, const onefold_plan_options *options,
                                  onefold_plan **ret_plan, onefold_error *err);
void onefold_plan_free(onefold_plan *plan); /* NULL is fine */
void onefold_plan_get_info(const onefold_plan *plan, onefold_plan_info *ret_info);

enum { ONEFOLD_PLAN_TEXT = 0, ONEFOLD_PLAN_TEXT_ALL = 1, ONEFOLD_PLAN_JSON = 2 };
/* Receives the next piece; returns 0 to stop. */
typedef int onefold_write_fn(void *context, const char *data, uint64_t length);
onefold_status onefold_plan_write(const onefold_plan *plan, int form, onefold_write_fn *write,
                                  void *context, onefold_error *err);

/* ---- Runs ---- */

typedef struct onefold_progress {
    uint64_t done_bytes;
    uint64_t total_bytes;
    uint64_t elapsed_ns;
    uint32_t pass; /* from 1 */
    uint32_t pass_count;
    const char *waiting_for; /* a file nothing came from for 30 s, or NULL */
} onefold_progress;
typedef void onefold_progress_fn(void *context, const onefold_progress *progress);

/* Zero-initialise; shared with a signal handler or another thread. */
typedef struct onefold_cancel {
    volatile int signal_number; /* 0 = go on */
} onefold_cancel;
/* Asks a run to stop, e.g. with SIGINT. Async-signal-safe. */
void onefold_cancel_request(onefold_cancel *cancel, int signal_number);

typedef struct onefold_run_options {
    int force;   /* replace an existing output */
    int restart; /* discard a staging folder of another plan */
    onefold_notice_fn *notice;
    void *notice_context;
    onefold_progress_fn *progress;
    void *progress_context;
    const onefold_cancel *cancel;
    /* Cap of the instruction set: "scalar", "avx2", "avx512", "neon"; NULL = none. */
    const char *cpu;
    uint64_t reserved[8];
} onefold_run_options;

typedef struct onefold_run_stats {
    uint64_t read_bytes;
    uint64_t cache_bytes; /* of these, what the page cache held: not read from the disk */
    uint64_t written_bytes;
    uint64_t shared_bytes; /* of these, not written: the file system shares an input's blocks */
    uint64_t tile_count;   /* of all passes */
    uint64_t split_count;  /* of these, in parts: tried, and kept where it is faster */
    uint64_t wall_ns;
    uint64_t io_wait_ns;     /* the control thread had nothing to do but wait for the disk */
    uint64_t worker_idle_ns; /* summed over workers */
    uint64_t hash_busy_ns;   /* whole-file sums, of the busiest hash thread or file after file */
    uint64_t peak_memory_bytes;
    double cpu_seconds; /* user and system, of the whole process */
    uint64_t tensor_count;
    int direct_in;
    int direct_out;
    int huge_pages;
    char io[16];
    char cpu[16];
    char checkpoint_digest[33]; /* tree digest of the output, hex */
    char plan_hash[65];
    char signing_root[65]; /* OpenSSF model signing root, hex; empty without SHA-256 sums */
    int has_lambda;        /* the rule has a step; of the first tensors where it differs */
    double lambda;         /* sum form */
    double beta;           /* mean form */
} onefold_run_stats;

void onefold_run_options_init(onefold_run_options *options);
/* Would the run start? Looks at the target, writes nothing. */
onefold_status onefold_run_check(const onefold_plan *plan, const char *output_path,
                                 const onefold_run_options *options, onefold_error *err);
/* Carries out the plan: the folder `output_path` appears complete, or not at all. Blocks; uses
 * threads of its own. `ret_stats` may be NULL. */
onefold_status onefold_run(const onefold_plan *plan, const char *output_path,
                           const onefold_run_options *options, onefold_run_stats *ret_stats,
                           onefold_error *err);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
