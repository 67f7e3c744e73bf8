/* SPDX-License-Identifier: Apache-2.0 */
/* From inner products to the coefficients of every row, rounded once. */
#include "run/solved.h"

#include "base/check.h"
#include "base/num.h"
#include "sys/crew.h"

#include <math.h>
#include <string.h>

/* Sum and mean form of a row whose factor the rule sets itself, or does not have. */
static void settle_forms(const struct of_plan *plan, struct of_row *row)
{
    const double factor = row->has_factor ? (double)row->factor : 1.0;
    const double inputs = plan->input_count;

    if (isfinite(row->lambda) || row->is_alone || plan->method->scale == OF_SCALE_OF_OWN ||
        plan->method->class == OF_CLASS_COPY) {
        return;
    }
    row->lambda = plan->method->scale == OF_SCALE_OF_SUM ? factor : factor / inputs;
    row->beta = plan->method->scale == OF_SCALE_OF_SUM ? factor * inputs : factor;
}

static void find_forms(struct of_solved *solved, const struct of_plan *plan)
{
    solved->has_lambda = false;
    for (uint32_t i = 0; i < plan->row_count && !solved->has_lambda; i++) {
        struct of_row row = solved->rows[i];

        settle_forms(plan, &row);
        solved->has_lambda = isfinite(row.lambda) && isfinite(row.beta);
        solved->lambda = row.lambda;
        solved->beta = row.beta;
    }
}

void of_solved_init(struct of_solved *solved, const struct of_plan *plan)
{
    *solved = (struct of_solved){.rows = plan->rows};
    find_forms(solved, plan);
}

/* ---- The rule's answer ---- */

static onefold_status check_answer(const struct of_plan *plan, const struct of_solution *solution,
                                   onefold_error *err)
{
    bool finite = !solution->has_factor || isfinite((float)solution->factor);

    for (uint32_t i = 0; i < of_plan_vector_count(plan); i++) {
        finite = finite && isfinite((float)solution->coefs[i]);
    }
    return finite ? ONEFOLD_OK
                  : of_err_set(err, "value-solve",
                               "%s: the inner products of these inputs give no finite coefficients",
                               plan->method->name);
}

static onefold_status ask(const struct of_plan *plan, const double *entries, double *coefs,
                          struct of_report *report, struct of_solution *ret_solution,
                          onefold_error *err)
{
    const struct of_gram gram = {.count = plan->input_count,
                                 .has_extra = plan->extra != NULL,
                                 .need = plan->survey.need,
                                 .entries = entries};
    struct of_float_env env;
    struct of_arena scratch;
    struct of_solve solve = {
        .params = &plan->params, .gram = &gram, .arena = &scratch, .report = report};
    onefold_status status;

    *ret_solution = (struct of_solution){0};
    ret_solution->coefs = coefs;
    of_arena_init(&scratch, 0);
    of_float_enter(&env);
    status = plan->method->solve(&solve, ret_solution, err);
    of_float_leave(&env);
    of_arena_finish(&scratch);
    OF_TRY(status);
    return check_answer(plan, ret_solution, err);
}

static onefold_status make_rows(struct of_solved *solved, const struct of_plan *plan,
                                const struct of_solution *solution, struct of_arena *arena,
                                onefold_error *err)
{
    const uint32_t count = of_plan_vector_count(plan);
    float *coefs = OF_ARENA_NEW(arena, float, of_num_max(count, 1));
    struct of_row *rows = OF_ARENA_NEW(arena, struct of_row, of_num_max(plan->row_count, 1));

    if (coefs == NULL || rows == NULL) {
        return of_err_set(err, "memory", "no memory for %u rows of coefficients", plan->row_count);
    }
    for (uint32_t i = 0; i < count; i++) {
        coefs[i] = (float)solution->coefs[i];
    }
    for (uint32_t i = 0; i < plan->row_count; i++) {
        rows[i] = plan->rows[i];
        if (rows[i].is_alone) {
            continue;
        }
        rows[i].coefs = coefs;
        if (solution->has_factor) {
            rows[i].has_factor = true;
            rows[i].factor = (float)solution->factor;
            rows[i].lambda = __builtin_nan("");
        }
        settle_forms(plan, &rows[i]);
        if (solution->has_factor && plan->method->scale != OF_SCALE_OF_OWN) {
            const bool of_sum = plan->method->scale == OF_SCALE_OF_SUM;

            /* As the rule computed it, not as it was rounded. */
            rows[i].lambda = of_sum ? solution->factor : solution->factor / plan->input_count;
            rows[i].beta = of_sum ? solution->factor * plan->input_count : solution->factor;
        }
    }
    solved->rows = rows;
    return ONEFOLD_OK;
}

onefold_status of_solved_make(struct of_solved *solved, const struct of_plan *plan,
                              const double *entries, struct of_arena *arena,
                              struct of_report *report, onefold_error *err)
{
    const uint32_t count = plan->input_count;
    const uint32_t vector_count = of_plan_vector_count(plan);
    struct of_solution solution;

    of_assert(plan->method->solve != NULL);
    solved->coefs = OF_ARENA_NEW(arena, double, of_num_max(vector_count, 1));
    solved->norms = OF_ARENA_NEW(arena, double, of_num_max(count, 1));
    solved->selected = OF_ARENA_NEW(arena, bool, of_num_max(count, 1));
    if (solved->coefs == NULL || solved->norms == NULL || solved->selected == NULL) {
        return of_err_set(err, "memory", "no memory for the coefficients of %u inputs", count);
    }
    memset(solved->coefs, 0, vector_count * sizeof(*solved->coefs));
    OF_TRY(ask(plan, entries, solved->coefs, report, &solution, err));
    for (uint32_t i = 0; i < count; i++) {
        solved->norms[i] = sqrt(entries[(uint64_t)i * vector_count + i]);
        solved->selected[i] = solved->coefs[i] != 0.0;
        solved->some_left_out = solved->some_left_out || !solved->selected[i];
    }
    solved->has_radius = solution.has_radius;
    solved->radius = solution.radius;
    OF_TRY(make_rows(solved, plan, &solution, arena, err));
    find_forms(solved, plan);
    return ONEFOLD_OK;
}
