/* SPDX-License-Identifier: Apache-2.0 */
/* Small sets of task vectors for the tests of comparisons: sums and counts as a survey would hand
 * them over, made here in the plainest way. */
#ifndef OF_TESTS_UNIT_API_COMPARED_H
#define OF_TESTS_UNIT_API_COMPARED_H

#include "api/compare_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COMPARED_INPUTS_MAX = 16, COMPARED_SUMS_MAX = 200, COMPARED_COUNTS_MAX = 100 };

struct compared {
    struct of_survey_shape shape;
    struct of_compare_sums sums;
    double sum_values[COMPARED_SUMS_MAX];
    uint64_t count_values[COMPARED_COUNTS_MAX];
    struct of_arena arena;
    const char *names[COMPARED_INPUTS_MAX];
    onefold_compare_group group;
    onefold_compare_result result;
};

static inline void compared_add_elem(struct compared *made, const double *d)
{
    const uint32_t count = made->shape.input_count;
    uint64_t *counts = made->count_values;
    double total = 0, mean = 0, largest = 0, square = 0, fourth = 0;
    int signs = 0;

    for (uint32_t t = 0; t < count; t++) {
        for (uint32_t s = 0; s <= t; s++) {
            made->sum_values[of_survey_pair(&made->shape, s, t)] += d[s] * d[t];
        }
        counts[of_survey_counts(&made->shape, OF_SURVEY_ZEROS) + t] += d[t] == 0 ? 1 : 0;
        signs += (d[t] > 0) - (d[t] < 0);
        total += fabs(d[t]);
        largest = fabs(d[t]) > largest ? fabs(d[t]) : largest;
        mean += d[t] / count;
    }
    for (uint32_t t = 0; t < count; t++) {
        square += (d[t] - mean) * (d[t] - mean);
        fourth += (d[t] - mean) * (d[t] - mean) * (d[t] - mean) * (d[t] - mean);
    }
    counts[of_survey_counts(&made->shape, OF_SURVEY_AGREEMENT) + (uint32_t)abs(signs)]++;
    if (total > 0) {
        made->sum_values[of_survey_overlap(&made->shape)] += largest / total;
        counts[of_survey_counts(&made->shape, OF_SURVEY_IN_OVERLAP)]++;
    }
    if (square > 0) {
        made->sum_values[of_survey_overlap(&made->shape) + 1] += count * fourth / (square * square);
        counts[of_survey_counts(&made->shape, OF_SURVEY_IN_TAIL)]++;
    }
}

static inline void compared_init(struct compared *made, uint32_t count)
{
    static const char *const names[COMPARED_INPUTS_MAX] = {"a", "b", "c", "d", "e", "f", "g", "h",
                                                           "i", "j", "k", "l", "m", "n", "o", "p"};

    memset(made, 0, sizeof(*made));
    of_arena_init(&made->arena, 0);
    of_survey_shape_make(OF_GRAM_FULL, true, count, &made->shape);
    made->sums = (struct of_compare_sums){.kind = ONEFOLD_GROUP_MODEL,
                                          .name = "model",
                                          .sums = made->sum_values,
                                          .counts = made->count_values};
    memcpy(made->names, names, sizeof(names));
}

/* The same elements `times` over: vectors[t][element]. */
static inline void compared_add(struct compared *made, const double *vectors, uint64_t elem_count,
                                uint64_t times)
{
    double d[COMPARED_INPUTS_MAX];

    for (uint64_t i = 0; i < elem_count * times; i++) {
        for (uint32_t t = 0; t < made->shape.input_count; t++) {
            d[t] = vectors[t * elem_count + i % elem_count];
        }
        compared_add_elem(made, d);
    }
    made->sums.tensor_count++;
    made->sums.elem_count += elem_count * times;
}

/* Statistics, steps and words. */
static inline bool compared_finish(struct compared *made, double lambda, const double *steps)
{
    onefold_compare_result *result = &made->result;

    result->input_count = made->shape.input_count;
    result->names = made->names;
    result->base_name = "base";
    result->lambda = lambda;
    result->beta = lambda * made->shape.input_count;
    result->groups = &made->group;
    result->group_count = 1;
    return of_compare_fill(&made->sums, &made->shape, lambda, &made->arena, &made->group) &&
           of_compare_steps(&made->group, result->input_count, &made->arena, result) &&
           of_compare_words(steps, false, &made->arena, result);
}

static inline bool compared_says(const struct compared *made, const char *id)
{
    for (uint64_t i = 0; i < made->result.finding_count; i++) {
        if (strcmp(made->result.findings[i].id, id) == 0) {
            return true;
        }
    }
    return false;
}

static inline const onefold_compare_step *compared_find_step(const struct compared *made,
                                                             const char *source)
{
    for (uint64_t i = 0; i < made->result.step_count; i++) {
        if (strcmp(made->result.steps[i].source, source) == 0) {
            return &made->result.steps[i];
        }
    }
    return NULL;
}

/* A step that is not there has numbers that equal nothing, so that a test of it fails. */
static inline const onefold_compare_step *compared_step(const struct compared *made,
                                                        const char *source)
{
    static const double none[64] = {0};
    static const onefold_compare_step missing = {
        .source = "", .lambda = -1e300, .beta = -1e300, .lambdas = none};
    const onefold_compare_step *found = compared_find_step(made, source);

    return found != NULL ? found : &missing;
}

#endif
