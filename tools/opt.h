/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of onefold: one table (opt_rows.c) from which parsing, --help, completion and the
 * check of the manual page come; one struct that holds what was given.
 */
#ifndef TOOLS_OPT_H
#define TOOLS_OPT_H

#include "out.h"

#include <onefold/dtype.h>
#include <onefold/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Verbs an option belongs to. */
enum opt_verbs {
    OPT_MERGE = 1 << 0,
    OPT_PLAN = 1 << 1,
    OPT_INSPECT = 1 << 2,
    OPT_VERIFY = 1 << 3,
    OPT_METHODS = 1 << 4,
    OPT_BENCH = 1 << 5,
    OPT_COMPARE = 1 << 6,
    OPT_EVERY = (1 << 7) - 1
};

enum opt_kind {
    OPT_SWITCH,        /* int: 1, or 0 for --no-NAME */
    OPT_COUNTED,       /* int: how often */
    OPT_TEXT,          /* const char * */
    OPT_REPEATED,      /* struct opt_list */
    OPT_SIZE,          /* struct opt_size */
    OPT_SHARD_SIZE,    /* struct opt_size; a bare B means billion, as in mergekit */
    OPT_NUMBER,        /* struct opt_size, plain digits */
    OPT_WORD,          /* int: index into words + 1 */
    OPT_WORDS,         /* uint32_t: mask over words; only bench takes more than one, with commas */
    OPT_DTYPE,         /* struct opt_dtype */
    OPT_IGNORED,       /* mergekit's: accepted, help is the note; takes no value */
    OPT_IGNORED_VALUE, /* the same with a value */
    OPT_REFUSED        /* help is the reason and the advice */
};

struct opt_size {
    int given;
    uint64_t value;
};

struct opt_dtype {
    int given;
    onefold_dtype value;
};

enum { OPT_LIST_MAX = 32 };
struct opt_list {
    uint32_t count;
    const char *items[OPT_LIST_MAX];
};

enum { OPT_ROWS_MAX = 96 };

/* What was given. Words hold index + 1, 0 = not given. */
struct opts {
    int help;
    int version;
    int schema;
    int json;
    int quiet;
    int verbose;
    int progress;
    struct opt_size memory;
    struct opt_size threads;
    struct opt_size hash_threads;
    struct opt_size pools;
    struct opt_size rings;
    uint32_t io;
    int direct;
    struct opt_size out_shard_size;
    struct opt_dtype dtype;
    struct opt_dtype out_dtype;
    struct opt_size random_seed;
    int tensor_union;
    int tensor_intersection;
    int nonfinite;
    int copy_tokenizer;
    int write_model_card;
    const char *sums;
    int no_symlinks;
    const char *hf_cache;
    int force;
    int restart;
    int dry_run;
    /* The form without a recipe file. */
    const char *method;
    const char *base;
    const char *lambda;
    const char *beta;
    const char *weight;
    const char *samples;
    const char *steps;
    const char *lr_sum;
    int scale;
    struct opt_list set;
    /* verify */
    int structure;
    int fast;
    /* merge and compare */
    const char *stats;
    const char *save;
    const char *html;
    const char *max_norm_ratio;
    const char *max_cosine;
    /* bench */
    struct opt_size size;
    struct opt_size tensor_size;
    struct opt_size repeat;
    struct opt_size runs;
    const char *models;
    const char *rules;
    const char *dtypes;
    uint32_t cache;
    uint32_t against;
    const char *script;

    bool seen[OPT_ROWS_MAX]; /* row i was given */
    const char *verb;        /* first argument that is no option, or NULL */
    const char **arguments;  /* those after it */
    uint32_t argument_count;
};

struct opt_row {
    const char *name; /* without the dashes */
    char letter;      /* 0 = none */
    enum opt_kind kind;
    uint32_t verbs;
    size_t at;                /* of the value in struct opts */
    const char *value;        /* how help shows the value; NULL = takes none */
    const char *const *words; /* OPT_WORD */
    const char *help;
};

extern const struct opt_row opt_rows[];
extern const uint32_t opt_row_count;
extern const char *const opt_io_words[];

/* Reads the whole command line. argv is reordered: ret_opts->arguments points into it. Notes about
 * accepted flags go to `out`. */
onefold_status opt_parse(int argc, char **argv, struct out *out, struct opts *ret_opts,
                         onefold_error *err);

/* Refuses given options that are not the verb's. */
onefold_status opt_check_verb(const struct opts *opts, uint32_t verb, const char *verb_name,
                              onefold_error *err);

/* "256MiB", "1.5GB", "4096"; with `billions` also "5B". */
onefold_status opt_parse_size(const char *text, int billions, uint64_t *ret_bytes,
                              onefold_error *err);

/* A decimal number, finite. False otherwise. */
bool opt_is_number(const char *text);

/* The options of a verb, one or two lines each, to standard output. */
void opt_print_help(uint32_t verb);
/* One word per line, for completion. */
void opt_print_words(uint32_t verb);

#endif
