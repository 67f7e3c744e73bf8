/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-order stage of a survey: visits pass here in plan order, whatever order they were finished
 * in. Sums of grains are added to those of their step in order, and those of a finished step to the
 * whole model's; counts likewise. Control thread.
 */
#ifndef OF_RUN_SUMS_H
#define OF_RUN_SUMS_H

#include "base/attr.h"
#include "base/err.h"
#include "plan/plan.h"
#include "run/slot.h"
#include "run/survey.h"

#include <stdint.h>

struct of_sums {
    const struct of_plan *plan;
    of_survey_step_fn *step; /* may be NULL */
    void *context;
    double *step_sums; /* [sum_count] of the step whose grains are coming */
    uint64_t *step_counts;
    double *total; /* [sum_count] of all steps that are complete */
    uint64_t next_visit;
};

OF_NODISCARD onefold_status of_sums_init(struct of_sums *sums, const struct of_plan *plan,
                                         of_survey_step_fn *step, void *context,
                                         struct of_arena *arena, onefold_error *err);
/* The first visit from `number` on that has anything to survey, or visit_count. */
uint64_t of_sums_next(const struct of_plan *plan, uint64_t number);
/* The slot of visit `next_visit`. Allocates nothing. */
void of_sums_visit(struct of_sums *sums, const struct of_slot *slot);
/* The whole matrix of inner products, T x T; with norms only the diagonal, the rest NaN. */
void of_sums_gram(const struct of_sums *sums, double *entries);

#endif
