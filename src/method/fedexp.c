/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fedexp: base + lambda * SUM(tau_t), with the server step lambda = max(1/T, SUM(n_t^2) / (2
 * ||S||^2)) that the task vectors themselves suggest: the less they agree, the more the mean
 * understates them.
 */
#include "method/gram.h"
#include "method/method.h"
#include "method/rows.h"
#include "method/shares.h"

#include <math.h>

/* ||S||^2 below this part of SUM(n_t^2) is what rounding leaves of a sum that cancels. */
#define CANCELLED 1e-12

static onefold_status prepare(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err)
{
    (void)err; /* without parameters nothing can be wrong */
    of_shares_equal(given, given->input_count, ret_linear->coefs);
    return ONEFOLD_OK;
}

static onefold_status solve(const struct of_solve *solve, struct of_solution *ret_solution,
                            onefold_error *err)
{
    const struct of_gram *gram = solve->gram;
    const double floor = 1.0 / gram->count;
    double squares = 0.0;
    double square;
    double *work;

    OF_TRY(of_gram_doubles(solve, gram->count, &work, err));
    of_gram_caution(solve, OF_GRAM_SAY_DOMINANT);
    for (uint32_t t = 0; t < gram->count; t++) {
        ret_solution->coefs[t] = 1.0;
        squares += of_gram_at(gram, t, t);
    }
    square = of_gram_project(gram, ret_solution->coefs, work);
    ret_solution->has_factor = true;
    if (square > CANCELLED * squares) {
        ret_solution->factor = fmax(floor, 0.5 * squares / square);
    } else {
        ret_solution->factor = floor;
        of_report_warning(solve->report, "method-cancelled", NULL,
                          "fedexp: the task vectors add up to nothing; the step is that of their "
                          "mean");
    }
    of_report_note(solve->report, "method-step", NULL, "fedexp: lambda %.6g, beta %.6g",
                   ret_solution->factor, ret_solution->factor * gram->count);
    return ONEFOLD_OK;
}

const struct of_method of_method_fedexp = {
    .name = "fedexp",
    .summary = "base plus the sum of the task vectors times a step that they suggest",
    .reference = "arXiv:2301.09604",
    .class = OF_CLASS_GRAM,
    .frame = OF_FRAME_DELTA,
    .scale = OF_SCALE_OF_SUM,
    .base = OF_BASE_REQUIRED,
    .is_federated = true,
    .beta_standard = 1.0,
    .input_count_min = 1,
    .input_count_max = OF_INPUTS_MAX,
    .gram = OF_GRAM_FULL,
    .prepare = prepare,
    .solve = solve,
};
