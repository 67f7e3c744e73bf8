/* SPDX-License-Identifier: Apache-2.0 */
/* The table of options. Order = order of --help and of the manual page. */
#include "opt.h"

#define AT(field) offsetof(struct opts, field)

/* Verbs that plan a merge. */
#define PLANS (OPT_MERGE | OPT_PLAN)

const char *const opt_io_words[] = {"auto", "uring", "threads", "mmap", NULL};
static const char *const direct_words[] = {"auto", "on", "off", NULL};
static const char *const nonfinite_words[] = {"fail", "keep", NULL};
static const char *const cache_words[] = {"cold", "warm", NULL};
static const char *const against_words[] = {"raw", "cat", "numpy", "look", "short", NULL};
static const char *const scale_words[] = {"sum", "mean", NULL};

#define GPU_NOTE         "the work is bound by the disk and runs on the CPU"
#define MEANINGLESS_NOTE "always so, or without meaning here"
#define LATER            "comes with a later version"

const struct opt_row opt_rows[] = {
    /* The form without a recipe file. */
    {"method", 0, OPT_TEXT, PLANS, AT(method), "NAME", NULL,
     "merge without a recipe file: arguments are the inputs, then OUT"},
    {"base", 0, OPT_TEXT, PLANS | OPT_COMPARE, AT(base), "MODEL", NULL,
     "base model, without a recipe file"},
    {"lambda", 0, OPT_TEXT, PLANS | OPT_COMPARE, AT(lambda), "X", NULL,
     "factor of the result, without a recipe file"},
    {"beta", 0, OPT_TEXT, PLANS | OPT_COMPARE, AT(beta), "X", NULL,
     "factor of the mean form in place of --lambda"},
    {"weight", 0, OPT_TEXT, PLANS, AT(weight), "LIST", NULL,
     "one weight, or one per input with commas, with --method (1 where a rule needs one)"},
    {"samples", 0, OPT_TEXT, PLANS, AT(samples), "LIST", NULL,
     "training examples behind each input, with commas, with --method"},
    {"steps", 0, OPT_TEXT, PLANS, AT(steps), "LIST", NULL,
     "local optimiser steps of each input, with commas, with --method"},
    {"lr-sum", 0, OPT_TEXT, PLANS, AT(lr_sum), "LIST", NULL,
     "sum of each input's learning rates, with commas, with --method"},
    {"scale", 0, OPT_WORD, PLANS, AT(scale), "FORM", scale_words,
     "in which form --lambda is meant, with --method"},
    {"set", 0, OPT_REPEATED, PLANS, AT(set), "NAME=VALUE", NULL,
     "any other parameter of the rule, with --method; may be repeated"},
    /* What comes out. */
    {"dtype", 0, OPT_DTYPE, PLANS, AT(dtype), "TYPE", NULL,
     "type of the result: bfloat16, float16 or float32; overrides the recipe"},
    {"out-dtype", 0, OPT_DTYPE, PLANS, AT(out_dtype), "TYPE", NULL,
     "type written, where it differs from --dtype; overrides the recipe"},
    {"out-shard-size", 0, OPT_SHARD_SIZE, PLANS, AT(out_shard_size), "SIZE", NULL,
     "largest shard, 0 = one file (default 5B = 5 billion bytes)"},
    {"sums", 0, OPT_TEXT, PLANS | OPT_BENCH, AT(sums), "LIST", NULL,
     "checksum lists to write: sha256,xxh128 (default), one of them, or none"},
    {"copy-tokenizer", 0, OPT_SWITCH, PLANS, AT(copy_tokenizer), NULL, NULL,
     "take tokenizer files along (default on)"},
    {"write-model-card", 0, OPT_SWITCH, PLANS, AT(write_model_card), NULL, NULL,
     "write README.md (default on)"},
    {"force", 0, OPT_SWITCH, PLANS, AT(force), NULL, NULL, "replace an existing OUT"},
    {"restart", 0, OPT_SWITCH, OPT_MERGE, AT(restart), NULL, NULL,
     "discard what an earlier run left beside OUT"},
    {"dry-run", 0, OPT_SWITCH, OPT_MERGE, AT(dry_run), NULL, NULL, "plan only"},
    {"tensor-union", 'u', OPT_SWITCH, PLANS, AT(tensor_union), NULL, NULL,
     "merge tensors that some inputs lack from those that have them"},
    {"tensor-intersection", 'i', OPT_SWITCH, PLANS, AT(tensor_intersection), NULL, NULL,
     "leave out tensors that some inputs lack"},
    {"nonfinite", 0, OPT_WORD, PLANS, AT(nonfinite), "ACTION", nonfinite_words,
     "what the first NaN or infinity does (default fail)"},
    {"random-seed", 0, OPT_NUMBER, PLANS, AT(random_seed), "N", NULL,
     "seed of rules that draw; overrides the recipe"},
    {"stats", 0, OPT_TEXT, PLANS, AT(stats), "FILE", NULL,
     "inner products that compare --save kept of the same inputs: no pass for them"},
    {"transformers-cache", 0, OPT_TEXT, PLANS | OPT_INSPECT | OPT_COMPARE, AT(hf_cache), "DIR",
     NULL, "Hugging Face cache to look names up in; nothing is downloaded"},
    {"no-symlinks", 0, OPT_SWITCH, PLANS | OPT_INSPECT | OPT_COMPARE, AT(no_symlinks), NULL, NULL,
     "refuse links among the inputs"},
    /* How it is done. */
    {"memory", 0, OPT_SIZE, PLANS | OPT_COMPARE | OPT_INSPECT | OPT_VERIFY | OPT_BENCH, AT(memory),
     "SIZE", NULL, "hard bound for the process, 64MiB at least (default 256MiB)"},
    {"num-threads", 'j', OPT_NUMBER, PLANS | OPT_COMPARE | OPT_VERIFY | OPT_BENCH, AT(threads), "N",
     NULL, "worker threads (default: usable CPUs)"},
    {"hash-threads", 0, OPT_NUMBER, PLANS, AT(hash_threads), "N", NULL,
     "threads for SHA-256 of several output files at a time (default: by CPUs)"},
    {"pools", 0, OPT_NUMBER, PLANS | OPT_COMPARE, AT(pools), "N", NULL,
     "parts of the buffers with workers of their own (default: one per memory node)"},
    {"rings", 0, OPT_NUMBER, PLANS | OPT_COMPARE, AT(rings), "N", NULL,
     "rings of io_uring (default: one for 8 workers, one per part of the buffers)"},
    {"io", 0, OPT_WORDS, PLANS | OPT_COMPARE | OPT_VERIFY | OPT_BENCH, AT(io), "BACKEND",
     opt_io_words,
     "I/O backend (default auto: uring, else threads); bench takes a list (default all)"},
    {"direct", 0, OPT_WORD, PLANS | OPT_COMPARE | OPT_VERIFY | OPT_BENCH, AT(direct), "WHEN",
     direct_words, "direct I/O past the page cache (default auto)"},
    /* compare */
    {"save", 0, OPT_TEXT, OPT_COMPARE, AT(save), "FILE", NULL,
     "keep the inner products for merge --stats"},
    {"html", 0, OPT_TEXT, OPT_COMPARE | OPT_BENCH, AT(html), "FILE", NULL,
     "write the result as one self-contained page"},
    {"max-norm-ratio", 0, OPT_TEXT, OPT_COMPARE, AT(max_norm_ratio), "X", NULL,
     "exit 1 when the longest task vector is more than X times the shortest"},
    {"max-cosine", 0, OPT_TEXT, OPT_COMPARE, AT(max_cosine), "X", NULL,
     "exit 1 when two task vectors have a cosine above X"},
    /* verify */
    {"structure", 0, OPT_SWITCH, OPT_VERIFY, AT(structure), NULL, NULL,
     "stop before reading tensor data"},
    {"fast", 0, OPT_SWITCH, OPT_VERIFY, AT(fast), NULL, NULL,
     "XXH128 and the tree digest only, no SHA-256"},
    /* bench */
    {"size", 0, OPT_SIZE, OPT_BENCH, AT(size), "SIZE", NULL,
     "bytes of generated inputs, base and models together (default 1GB)"},
    {"tensor-size", 0, OPT_SIZE, OPT_BENCH, AT(tensor_size), "SIZE", NULL,
     "bytes of each generated tensor (default 32MiB)"},
    {"runs", 0, OPT_NUMBER, OPT_BENCH, AT(runs), "N", NULL,
     "rounds of the merges and what they are compared with (default 3)"},
    {"models", 0, OPT_TEXT, OPT_BENCH, AT(models), "LIST", NULL,
     "numbers of models, with commas (default 3)"},
    {"rules", 0, OPT_TEXT, OPT_BENCH, AT(rules), "LIST", NULL,
     "rules, with commas, or all (default task_arithmetic,median,krum)"},
    {"dtypes", 0, OPT_TEXT, OPT_BENCH, AT(dtypes), "LIST", NULL,
     "types of the inputs: bf16, f16, f32 (default bf16)"},
    {"cache", 0, OPT_WORDS, OPT_BENCH, AT(cache), "LIST", cache_words,
     "inputs out of the page cache or in it (default both)"},
    {"against", 0, OPT_WORDS, OPT_BENCH, AT(against), "LIST", against_words,
     "what to compare with; raw is always there (default all)"},
    {"script", 0, OPT_TEXT, OPT_BENCH, AT(script), "FILE", NULL,
     "the numpy script of --against numpy (default as installed)"},
    {"repeat", 0, OPT_NUMBER, OPT_BENCH, AT(repeat), "N", NULL,
     "best of N for kernels and memory (default 5)"},
    /* Output forms. */
    {"json", 0, OPT_SWITCH, OPT_EVERY, AT(json), NULL, NULL, "one JSON object on standard output"},
    {"schema", 0, OPT_SWITCH, OPT_EVERY, AT(schema), NULL, NULL,
     "print the JSON schema of \"data\" and exit"},
    {"quiet", 0, OPT_SWITCH, OPT_EVERY, AT(quiet), NULL, NULL, "errors only on standard error"},
    {"verbose", 'v', OPT_COUNTED, OPT_EVERY, AT(verbose), NULL, NULL,
     "say more; list every tensor"},
    {"progress", 0, OPT_SWITCH, OPT_EVERY, AT(progress), NULL, NULL,
     "show progress (default on; --no-progress)"},
    {"version", 0, OPT_SWITCH, OPT_EVERY, AT(version), NULL, NULL, "print the version and exit"},
    {"help", 'h', OPT_SWITCH, OPT_EVERY, AT(help), NULL, NULL, "print this help and exit"},
    /* Not in this version. */
    {"verify-inputs", 0, OPT_REFUSED, PLANS, 0, NULL, NULL,
     LATER "; run \"onefold verify\" on the inputs first"},
    {"verify-output", 0, OPT_REFUSED, PLANS, 0, NULL, NULL,
     LATER "; run \"onefold verify OUT\" afterwards"},
    {"statement", 0, OPT_REFUSED, PLANS, 0, "FILE", NULL,
     LATER "; the signing root is in the JSON result"},
    {"parts", 0, OPT_REFUSED, PLANS, 0, "N", NULL, LATER},
    {"part", 0, OPT_REFUSED, PLANS, 0, "I/N", NULL, LATER},
    {"scan", 0, OPT_REFUSED, PLANS, 0, NULL, NULL, LATER},
    {"unsafe-truncate-embeddings", 0, OPT_REFUSED, PLANS, 0, NULL, NULL, LATER},
    /* mergekit's flags: they never fail for being old. */
    {"allow-crimes", 0, OPT_IGNORED, PLANS, 0, NULL, NULL,
     "architectures are not compared, names and shapes are"},
    {"lora-merge-cache", 0, OPT_IGNORED_VALUE, PLANS, 0, "DIR", NULL, "adapters need no cache"},
    {"lora-merge-dtype", 0, OPT_IGNORED_VALUE, PLANS, 0, "TYPE", NULL,
     "adapters are applied in f32"},
    {"cuda", 0, OPT_IGNORED, PLANS, 0, NULL, NULL, GPU_NOTE},
    {"device", 0, OPT_IGNORED_VALUE, PLANS, 0, "DEVICE", NULL, GPU_NOTE},
    {"read-to-gpu", 0, OPT_IGNORED, PLANS, 0, NULL, NULL, GPU_NOTE},
    {"low-cpu-memory", 0, OPT_IGNORED, PLANS, 0, NULL, NULL, GPU_NOTE},
    {"multi-gpu", 0, OPT_IGNORED, PLANS, 0, NULL, NULL, GPU_NOTE},
    {"gpu-rich", 0, OPT_IGNORED, PLANS, 0, NULL, NULL, GPU_NOTE},
    {"lazy-unpickle", 0, OPT_IGNORED, PLANS, 0, NULL, NULL, MEANINGLESS_NOTE},
    {"clone-tensors", 0, OPT_IGNORED, PLANS, 0, NULL, NULL, MEANINGLESS_NOTE},
    {"async-write", 0, OPT_IGNORED, PLANS, 0, NULL, NULL, MEANINGLESS_NOTE},
    {"write-threads", 0, OPT_IGNORED_VALUE, PLANS, 0, "N", NULL, MEANINGLESS_NOTE},
    {"trust-remote-code", 0, OPT_IGNORED, PLANS, 0, NULL, NULL, "no code of a model is ever run"},
    {"safe-serialization", 0, OPT_IGNORED, PLANS, 0, NULL, NULL, "the output is safetensors"},
    {"no-safe-serialization", 0, OPT_REFUSED, PLANS, 0, NULL, NULL,
     "is refused: the output is safetensors"},
    {"intermediate-dir", 'I', OPT_REFUSED, PLANS, 0, "DIR", NULL,
     "belongs to mergekit-multi; run the stages one after the other, each with its own output"},
    {"lazy", 0, OPT_REFUSED, PLANS, 0, NULL, NULL,
     "belongs to mergekit-multi; run the stages one after the other, each with its own output"},
};

const uint32_t opt_row_count = sizeof(opt_rows) / sizeof(opt_rows[0]);

_Static_assert(sizeof(opt_rows) / sizeof(opt_rows[0]) <= OPT_ROWS_MAX, "opts.seen has every row");
