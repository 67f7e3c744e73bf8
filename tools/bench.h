/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of `onefold bench` share. A *group* is one element type and one number of models;
 * its *jobs* (the raw limit, cat, cat and cp, numpy, one merge per rule, backend and state of the
 * page cache) are each carried out once per round, one after the other. A job that reads from the
 * disk has a raw limit of its own right before or behind it, and is compared with that: a disk that
 * others share changes its speed from one minute to the next, and a round takes minutes.
 */
#ifndef TOOLS_BENCH_H
#define TOOLS_BENCH_H

#include "opt.h"
#include "out.h"

#include <onefold/onefold.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    BENCH_LIST_MAX = 64,     /* entries of a list on the command line */
    BENCH_MODELS_MAX = 1000, /* of one merge */
    BENCH_RUNS_MAX = 1000,
    BENCH_KERNELS_MAX = 512,
    BENCH_NAME_MAX = 64,
    BENCH_NOTE_MAX = 300
};

/* Alignment of files, offsets and buffers: every file system with direct I/O takes it. */
#define BENCH_ALIGN UINT64_C(4096)

enum bench_kind { BENCH_RAW, BENCH_CAT, BENCH_CAT_CP, BENCH_NUMPY, BENCH_MERGE };
enum bench_cache { BENCH_COLD, BENCH_WARM };
/* Bits of --against. */
enum {
    BENCH_AGAINST_RAW = 1,
    BENCH_AGAINST_CAT = 2,
    BENCH_AGAINST_NUMPY = 4,
    BENCH_AGAINST_LOOK = 8,
    BENCH_AGAINST_SHORT = 16,
    BENCH_AGAINST_ALL = 31
};
/* The raw limit; where every line of what was read is looked at; with requests half as long. */
enum bench_raw_way { BENCH_RAW_PLAIN, BENCH_RAW_LOOKED_AT, BENCH_RAW_SHORT };

/* ---- What is asked for ---- */

struct bench_wish {
    uint64_t size_bytes;   /* of the inputs of one type, all models together */
    uint64_t tensor_bytes; /* the last tensor of a model may be smaller */
    uint32_t run_count;
    uint32_t models[BENCH_LIST_MAX];
    uint32_t model_count;
    onefold_method_info rules[BENCH_LIST_MAX];
    uint32_t rule_count;
    onefold_dtype dtypes[BENCH_LIST_MAX];
    uint32_t dtype_count;
    uint32_t io;      /* mask over opt_io_words */
    uint32_t caches;  /* mask over enum bench_cache */
    uint32_t against; /* BENCH_AGAINST_* */
    const char *script;
};

/* ---- What is found ---- */

struct bench_run {
    double seconds; /* from the start of the process to its end; of the raw limit, of its I/O */
    double cpu_seconds;
    uint64_t peak_bytes;  /* resident, of the process */
    uint64_t cache_bytes; /* pages of inputs and output that came into the page cache */
    uint64_t wrong_bytes; /* of inputs: cached though cold, or not cached though warm */
    uint64_t read_bytes;
    uint64_t written_bytes;
    double raw_seconds; /* of the raw limit right beside it; 0 = that of the round is as good */
    /* Merges only: as `merge --json` says. */
    double run_seconds;
    double io_wait_seconds;
    double worker_idle_seconds;
    double hash_busy_seconds;
    bool direct; /* the raw limit: the file system took direct I/O */
};

struct bench_job {
    enum bench_kind kind;
    enum bench_cache cache;
    const onefold_method_info *rule; /* merges */
    const char *io;
    enum bench_raw_way raw_way; /* the raw limit */
    bool with_base;             /* the base is read */
    uint32_t model_count; /* that are merged, beside a base that the rule needs; 0 for others */
    uint32_t passes;
    uint64_t written_bytes; /* of tensor data, as planned */
    uint32_t raw;           /* index of the job with the same reads and writes */
    uint32_t cat;           /* index of the one that reads the same files; UINT32_MAX = none */
    char skipped[BENCH_NOTE_MAX]; /* why it was not done; empty = it was */
    struct bench_run *runs;
};

struct bench_group {
    onefold_dtype dtype;
    uint32_t model_count; /* without the base */
    uint64_t model_bytes; /* of each file */
    struct bench_job *jobs;
    uint32_t job_count;
};

struct bench_kernel {
    const char *name;
    const char *isa;
    double speed; /* GB/s of all arrays read */
};

/* GB/s; a copy counts each byte once. 0 = not measured. */
struct bench_memory {
    double read_one;
    double read_all;
    double copy_one;
    double copy_all;
};

struct bench_machine {
    char cpu[128];
    char system[200];
    char file_system[32];
    char device[128]; /* as mounted */
    char disk[160];
    char when[32];
    uint32_t cpu_count; /* usable */
    uint64_t memory_bytes;
    uint64_t limit_bytes; /* of the control group; UINT64_MAX = none */
};

struct bench_result {
    struct bench_machine machine;
    struct bench_memory memory;
    struct bench_kernel kernels[BENCH_KERNELS_MAX];
    uint32_t kernel_count;
    const struct bench_wish *wish;    /* NULL: kernels and memory only */
    uint32_t worker_count;            /* of a merge */
    const char *sums;                 /* as given, or what is the default */
    uint64_t memory_bound_bytes;      /* --memory; 0 = the default */
    const struct bench_group *groups; /* bench.group_count of them */
    uint32_t group_count;
};

struct bench {
    struct out *out;
    const struct opts *opts;
    const onefold_cancel *cancel;
    struct bench_wish wish;
    struct bench_result result;
    struct bench_group *groups;
    char path[4096]; /* the folder of our own */
    int folder;      /* its descriptor */
    uint32_t files;  /* models on disk, with the base */
    uint64_t model_bytes;
    const char *python; /* one that has numpy */
};

/* ---- bench_wish.c ---- */

/* Reads the options; `with_folder`: those of the merges are allowed. */
onefold_status bench_wish_read(const struct opts *opts, bool with_folder,
                               struct bench_wish *ret_wish, onefold_error *err);

/* ---- bench_memory.c, bench_machine.c ---- */

void bench_measure_memory(uint32_t cpu_count, uint32_t repeats, struct bench_memory *ret_memory);
/* `path` may be NULL. */
void bench_describe(const char *path, struct bench_machine *ret_machine);

/* ---- bench_make.c: the folder and what is in it ---- */

/* Makes the folder below `dir`. Call bench_folder_remove in any case. */
onefold_status bench_folder_make(struct bench *bench, const char *dir, onefold_error *err);
void bench_folder_remove(struct bench *bench);
/* Base and models of a type, those of another type removed. */
onefold_status bench_make_models(struct bench *bench, onefold_dtype dtype, onefold_error *err);
/* Removes a file or folder of ours. */
void bench_remove(const struct bench *bench, const char *name);
/* "base.safetensors", "tuned-1.safetensors", ... */
void bench_model_name(uint32_t index, char *ret_name, size_t size);
onefold_status bench_failed(onefold_error *err, const char *what, const char *name);
onefold_status bench_check_cancel(const struct bench *bench, onefold_error *err);

/* ---- bench_cache.c ---- */

/* Bytes of the file, or of the files of the folder, that lie in the page cache. */
uint64_t bench_cached(const struct bench *bench, const char *name);
/* Waits until the disk is done with what a run wrote and removed, as far as that can be known. */
void bench_settle(const struct bench *bench, uint64_t removed_bytes);
/* Takes models first .. first + count - 1 out of the page cache or into it; *ret_wrong_bytes is
 * what would not go, *ret_cached_bytes what is in it now. */
onefold_status bench_prepare(const struct bench *bench, uint32_t first, uint32_t count,
                             enum bench_cache cache, uint64_t *ret_wrong_bytes,
                             uint64_t *ret_cached_bytes, onefold_error *err);

/* ---- bench_child.c ---- */

struct bench_child {
    double seconds;
    double cpu_seconds;
    uint64_t peak_bytes;
    int code;                       /* exit code; 128 + n for signal n */
    char text[8192];                /* beginning of its standard output */
    char complaint[BENCH_NOTE_MAX]; /* last line of its standard error */
};

/* Runs a program in our folder and waits. `quiet`: what it prints is thrown away. */
onefold_status bench_spawn(const struct bench *bench, const char *const *argv, bool quiet,
                           struct bench_child *ret_child, onefold_error *err);
/* Runs `work` in a process of its own, so that what it costs is known and its memory is gone. It
 * fills `size` bytes at its second argument. */
typedef void bench_work_fn(const void *context, void *result);
onefold_status bench_fork(const struct bench *bench, bench_work_fn *work, const void *context,
                          void *ret_result, size_t size, struct bench_child *ret_child,
                          onefold_error *err);

/* ---- bench_raw.c ---- */

/* Of one request of that limit. */
uint64_t bench_raw_request_bytes(const struct bench_job *job);
onefold_status bench_raw(const struct bench *bench, const struct bench_group *group,
                         const struct bench_job *job, struct bench_run *ret_run,
                         onefold_error *err);

/* ---- bench_jobs.c ---- */

/* The jobs of a group; those that cannot be done carry the reason. */
onefold_status bench_jobs_make(struct bench *bench, struct bench_group *group, onefold_error *err);
void bench_jobs_free(struct bench_group *group);
/* What of the command line a rule needs in this group: method, base, its settings. */
void bench_rule_options(const onefold_method_info *rule, const struct bench_group *group,
                        struct opts *ret_opts);
/* A rule that needs no base merges it as one more model, so that all rules read the same bytes; but
 * one that takes a single model does not. */
bool bench_reads_base(const onefold_method_info *rule);
/* Index of the first file that is merged as a model: the base is 0. */
uint32_t bench_first_model(const onefold_method_info *rule);

/* ---- bench_run.c ---- */

onefold_status bench_run_groups(struct bench *bench, onefold_error *err);

/* ---- bench_values.c: numbers made of the runs ---- */

struct bench_span {
    double min;
    double median;
    double max;
};

enum bench_value {
    BENCH_SECONDS,
    BENCH_CPU_SECONDS,
    BENCH_CPU_PER_GB,
    BENCH_SPEED, /* GB/s, read and written */
    BENCH_PEAK_MIB,
    BENCH_CACHE_MIB,
    BENCH_RATIO,     /* to the raw limit beside it */
    BENCH_RATIO_CAT, /* to cat of the same files in the same state */
    BENCH_DEVICE,    /* shares of the time: waiting for the device, */
    BENCH_WORKERS,   /* workers at work, */
    BENCH_HASH,      /* hash thread at work, */
    BENCH_OUTSIDE    /* start, plan and end of the process */
};

/* Over the rounds; false where the job has no such value. */
bool bench_span_of(const struct bench_result *result, const struct bench_group *group,
                   const struct bench_job *job, enum bench_value value,
                   struct bench_span *ret_span);
/* "linear", "raw limit", ... */
const char *bench_job_name(const struct bench_job *job);
/* The job was skipped, and no job before it for the same reason. */
bool bench_skip_is_new(const struct bench_group *group, uint32_t index);
extern const char *const bench_cache_words[];
extern const char *const bench_raw_way_words[]; /* behind the name */
extern const char *const bench_kind_words[];

/* ---- How it is shown ---- */

void bench_text_memory(const struct bench_result *result);
void bench_text_group(const struct bench_result *result, const struct bench_group *group);
void bench_json(FILE *to, const struct bench_result *result);
/* `context` is the struct bench_result. */
void bench_html_page(FILE *to, const void *context);

#endif
