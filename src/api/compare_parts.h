/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files behind <onefold/compare.h> share: groups of tensors that add up what the survey
 * hands over step by step (compare_groups.c), statistics from those sums (compare_math.c), and what
 * they say in words (compare_words.c). api_compare.c puts them together.
 */
#ifndef OF_API_COMPARE_PARTS_H
#define OF_API_COMPARE_PARTS_H

#include "api/api.h"
#include "onefold/compare.h"

/* One group while it is gathered. */
struct of_compare_sums {
    int kind;         /* ONEFOLD_GROUP_* */
    const char *name; /* escaped */
    uint64_t tensor_count;
    uint64_t elem_count;
    double *sums;     /* [shape.sum_count] */
    uint64_t *counts; /* [shape.count_count] */
};

enum { OF_COMPARE_NO_GROUP = 0xffffffffu };

struct of_compare_groups {
    struct of_survey_shape shape;
    struct of_compare_sums *groups; /* the model, then layers, then kinds */
    uint32_t count;
    uint32_t *layer_of; /* [step]: its group, or OF_COMPARE_NO_GROUP */
    uint32_t *kind_of;
    bool is_coarse; /* layers and kinds were left out for want of memory */
};

/* Groups for the merge steps of a plan, from the arena; `bytes_max` bounds what their sums may
 * take. Ids: memory. */
OF_NODISCARD onefold_status of_compare_groups_make(const struct of_plan *plan, uint64_t bytes_max,
                                                   struct of_arena *arena,
                                                   struct of_compare_groups *ret_groups,
                                                   onefold_error *err);
/* Adds the statistics of one merge step; steps come in plan order. Never allocates. */
void of_compare_groups_add(struct of_compare_groups *groups, uint32_t step, uint64_t elem_count,
                           const double *sums, const uint64_t *counts);

/* Share of |sum of signs| = 0..T for T independent fair signs: [T + 1]. */
void of_compare_null(uint32_t input_count, double *ret_shares);
/* Statistics of one group at the planned lambda. False without memory. */
OF_NODISCARD bool of_compare_fill(const struct of_compare_sums *from,
                                  const struct of_survey_shape *shape, double lambda,
                                  struct of_arena *arena, onefold_compare_group *ret_group);
/* The steps of the data-free rules, from the statistics of the model. False without memory. */
enum { OF_COMPARE_STEPS_MAX = 6 };
OF_NODISCARD bool of_compare_steps(const onefold_compare_group *model, uint32_t input_count,
                                   struct of_arena *arena, onefold_compare_result *result);

/* What the numbers of result->groups[0] say; `steps` are the local optimiser steps of the inputs,
 * or NULL where the recipe does not tell. Fills result->findings. False without memory. */
OF_NODISCARD bool of_compare_words(const double *steps, bool is_coarse, struct of_arena *arena,
                                   onefold_compare_result *result);

#endif
