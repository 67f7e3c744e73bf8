/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs: one cmd_VERB.c each, one row in onefold.c each. */
#ifndef TOOLS_VERBS_H
#define TOOLS_VERBS_H

#include "opt.h"
#include "out.h"

#include <onefold/onefold.h>

/* Does the work and prints the result; what failed is in *err, which main turns into the last
 * message and the exit code. */
typedef onefold_status verb_fn(const struct opts *opts, struct out *out, onefold_error *err);

verb_fn cmd_merge;
verb_fn cmd_plan;
verb_fn cmd_compare;
verb_fn cmd_inspect;
verb_fn cmd_verify;
verb_fn cmd_methods;
verb_fn cmd_bench;

/* compare: the tables for people (compare_text.c) and the value of "data" (compare_json.c). */
void compare_print(FILE *to, const onefold_compare_result *result, bool verbose);
void compare_json(FILE *to, const onefold_compare_result *result, const struct opts *opts);

extern const char compare_schema[];
extern const char bench_schema[];

/* ---- Shared by merge, plan and compare (planning.c) ---- */

/* Recipe and plan made from a command line, and the target. */
struct planning {
    onefold_recipe *recipe;
    onefold_plan *plan;
    const char *target; /* NULL for `plan RECIPE` */
};

/* Reads the recipe file, or writes one for --method, and builds the plan. Call planning_finish in
 * any case. */
onefold_status planning_make(const struct opts *opts, struct out *out, int need_target,
                             struct planning *ret_planning, onefold_error *err);
/* The same for compare: RECIPE, or with --base the inputs. */
onefold_status planning_make_comparison(const struct opts *opts, struct out *out,
                                        struct planning *ret_planning, onefold_error *err);
void planning_finish(struct planning *planning);

void planning_run_options(const struct opts *opts, struct out *out,
                          onefold_run_options *ret_options);

/* Prints the plan (text, or JSON in its envelope); with a target, only if the run would start. */
onefold_status planning_print(const struct planning *planning, const struct opts *opts,
                              struct out *out, onefold_error *err);

/* The recipe that the options and the first `input_count` arguments stand for, as YAML; without
 * --method it is for comparing. The caller frees *ret_text. (recipe_text.c) */
onefold_status recipe_text_make(const struct opts *opts, uint32_t input_count, char **ret_text,
                                size_t *ret_length, onefold_error *err);

/* Cap of the instruction set, from ONEFOLD_CPU; NULL = none. */
const char *planning_cpu(void);
/* -j, or OMP_NUM_THREADS; 0 = not given. */
uint32_t planning_threads(const struct opts *opts);
/* --sums as a mask of ONEFOLD_SUM_*. */
onefold_status planning_sums(const char *list, uint32_t *ret_sums, onefold_error *err);
/* Name of the chosen backend, or NULL; ONEFOLD_DIRECT_*. */
const char *planning_io(const struct opts *opts);
int planning_direct(const struct opts *opts);

#endif
