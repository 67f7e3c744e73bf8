/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of grains, steps and the model, each in order. */
#include "run/sums.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"

#include <string.h>

onefold_status of_sums_init(struct of_sums *sums, const struct of_plan *plan,
                            of_survey_step_fn *step, void *context, struct of_arena *arena,
                            onefold_error *err)
{
    const struct of_survey_shape *shape = &plan->survey;

    of_assert(shape->need != OF_GRAM_NONE);
    *sums = (struct of_sums){.plan = plan, .step = step, .context = context};
    sums->step_sums = OF_ARENA_NEW(arena, double, shape->sum_count);
    sums->step_counts = OF_ARENA_NEW(arena, uint64_t, of_num_max(shape->count_count, 1));
    sums->total = OF_ARENA_NEW(arena, double, shape->sum_count);
    if (sums->step_sums == NULL || sums->step_counts == NULL || sums->total == NULL) {
        return of_err_set(err, "memory", "no memory for the sums over %u inputs",
                          shape->input_count);
    }
    memset(sums->total, 0, shape->sum_count * sizeof(*sums->total));
    return ONEFOLD_OK;
}

uint64_t of_sums_next(const struct of_plan *plan, uint64_t number)
{
    for (; number < plan->visit_count; number++) {
        struct of_visit visit;

        of_plan_visit(plan, number, &visit);
        for (uint32_t i = 0; i < visit.step_count; i++) {
            if (of_plan_is_surveyed(plan, visit.first_step + i)) {
                return number;
            }
        }
    }
    return number;
}

static void begin_step(struct of_sums *sums)
{
    const struct of_survey_shape *shape = &sums->plan->survey;

    memset(sums->step_sums, 0, shape->sum_count * sizeof(*sums->step_sums));
    memset(sums->step_counts, 0, shape->count_count * sizeof(*sums->step_counts));
}

static void end_step(struct of_sums *sums, uint32_t step)
{
    for (uint32_t i = 0; i < sums->plan->survey.sum_count; i++) {
        sums->total[i] += sums->step_sums[i];
    }
    if (sums->step != NULL) {
        sums->step(sums->context, step, sums->step_sums, sums->step_counts);
    }
}

void of_sums_visit(struct of_sums *sums, const struct of_slot *slot)
{
    const struct of_plan *plan = sums->plan;
    const struct of_survey_shape *shape = &plan->survey;
    const struct of_visit *visit = &slot->visit;
    const uint64_t *counts = slot->survey_counts;
    const double *grain_sums = slot->sums;

    of_assert(visit->number == sums->next_visit);
    if (slot->turn.ends_tile) {
        sums->next_visit = of_sums_next(plan, visit->number + 1);
    }
    for (uint32_t i = 0; i < visit->step_count; i++, counts += shape->count_count) {
        const uint32_t step = visit->first_step + i;
        const uint64_t whole = plan->tensors[step].elem_count;
        const uint64_t first = visit->step_count == 1 ? visit->first_elem : 0;
        const uint64_t elems = visit->step_count == 1 ? visit->elem_count : whole;
        const uint64_t grains = of_num_div_ceil(elems, OF_GRAIN_ELEMS);

        if (!of_plan_is_surveyed(plan, step)) {
            grain_sums += grains * shape->sum_count;
            continue;
        }
        if (first == 0) {
            begin_step(sums);
        }
        for (uint64_t grain = 0; grain < grains; grain++) {
            for (uint32_t k = 0; k < shape->sum_count; k++) {
                sums->step_sums[k] += grain_sums[k];
            }
            grain_sums += shape->sum_count;
        }
        for (uint32_t k = 0; k < shape->count_count; k++) {
            sums->step_counts[k] += counts[k];
        }
        if (first + elems == whole) {
            end_step(sums, step);
        }
    }
}

void of_sums_gram(const struct of_sums *sums, double *entries)
{
    const struct of_survey_shape *shape = &sums->plan->survey;
    const uint32_t count = shape->input_count;

    for (uint32_t s = 0; s < count; s++) {
        for (uint32_t t = 0; t < count; t++) {
            const bool known = shape->need == OF_GRAM_FULL || s == t;

            entries[(uint64_t)s * count + t] =
                known ? sums->total[of_survey_pair(shape, s, t)] : __builtin_nan("");
        }
    }
}
