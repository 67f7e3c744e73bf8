/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at the models before merging: one pass over a base and its fine-tunes gives norms, angles,
 * agreement of signs and what they suggest. Formulas: docs/methods/compare.md. T is the number of
 * inputs without the base; a task vector is an input minus the base, over all float tensors.
 */
#ifndef ONEFOLD_COMPARE_H
#define ONEFOLD_COMPARE_H

#include "onefold/merge.h"
#include "onefold/status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

enum {
    ONEFOLD_GROUP_MODEL = 0, /* everything */
    ONEFOLD_GROUP_LAYER = 1, /* one layer of a stack; and the loose tensors */
    ONEFOLD_GROUP_KIND = 2   /* one role over all layers, such as "mlp.down_proj.weight" */
};

/* Statistics over one group of tensors. Arrays belong to the comparison. */
typedef struct onefold_compare_group {
    int kind;         /* ONEFOLD_GROUP_* */
    const char *name; /* "model", "model.layers.3", "self_attn.q_proj.weight"; escaped */
    uint64_t tensor_count;
    uint64_t elem_count;
    const double *norms;  /* [T] */
    const double *gram;   /* [T * T] */
    const double *cosine; /* [T * T]; NaN where a norm is 0 */
    double norm_ratio;    /* largest / smallest; infinity when one is 0 */
    double mean_cosine;   /* over the pairs; NaN for T = 1 */
    double diversity;     /* sum of squared norms / squared norm of the sum */
    double drift_variance;
    const double *recall;         /* [T], of expert t at the planned lambda */
    const double *interference;   /* [T] */
    const uint64_t *agreement;    /* [T + 1]: elements with |sum of signs| = 0..T */
    const double *agreement_null; /* [T + 1]: expected shares for independent fair signs */
    double agreement_mean;        /* mean of |s| / T */
    double agreement_null_mean;
    const uint64_t *zeros;     /* [T]: elements of the task vector that are exactly zero */
    double overlap;            /* mean of max |d| / sum |d|: 1 = one owner, 1/T = shared */
    double tail;               /* mean of T sum r^4 / (sum r^2)^2, r = d - mean */
    double tail_gaussian;      /* what normal values would give: 3 (T - 1) / (T + 1) */
    const uint64_t *nan_count; /* [T + 1]: inputs, then the base */
    const uint64_t *inf_count;
} onefold_compare_group;

/* The step that a data-free rule would take. */
typedef struct onefold_compare_step {
    const char *source; /* "average", "feddyn", "fedexp", "metagpt", "inverse_norm", "model_stock"
                         */
    double lambda;      /* sum form; NaN when the rule has one per input */
    double beta;        /* mean form */
    const double *lambdas; /* [T], of sum 1, for metagpt and inverse_norm; else NULL */
} onefold_compare_step;

/* What the numbers say in words. */
typedef struct onefold_compare_finding {
    int level;        /* ONEFOLD_LEVEL_* */
    const char *id;   /* "compare-duplicate", ... */
    const char *text; /* one or two sentences */
} onefold_compare_finding;

typedef struct onefold_compare_result {
    uint32_t input_count;     /* T */
    const char *const *names; /* [T] labels, escaped */
    const char *base_name;
    double lambda; /* planned step: of the recipe, else 1/T; sum form */
    double beta;
    uint64_t group_count;
    const onefold_compare_group *groups; /* the model first, then layers in order, then kinds */
    uint64_t step_count;
    const onefold_compare_step *steps;
    uint64_t finding_count;
    const onefold_compare_finding *findings;
    uint64_t read_bytes;
    double seconds;
    uint64_t peak_memory_bytes;
} onefold_compare_result;

typedef struct onefold_comparison onefold_comparison;

/* One pass over the inputs of a plan that was built with `compare` set in its options. run options:
 * progress, cancel, cpu; output_path is not used. `stats_path` (may be NULL): save the inner
 * products there for merge --stats. Freed by the caller. */
onefold_status onefold_compare(const onefold_plan *plan, const onefold_run_options *options,
                               const char *stats_path, onefold_comparison **ret_comparison,
                               onefold_error *err);
const onefold_compare_result *onefold_comparison_result(const onefold_comparison *comparison);
void onefold_comparison_free(onefold_comparison *comparison); /* NULL is fine */

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
