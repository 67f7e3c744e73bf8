/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inverse_norm (NAN): base + beta * SUM(w_t tau_t), w_t proportional to 1 / n_t, of sum 1: every
 * input pulls equally far, whatever its training. metagpt says the opposite.
 */
#include "method/gram.h"
#include "method/method.h"
#include "method/rows.h"
#include "method/shares.h"

#include <math.h>

static onefold_status prepare(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err)
{
    (void)err; /* without parameters nothing can be wrong */
    of_shares_equal(given, 1.0, ret_linear->coefs);
    return ONEFOLD_OK;
}

static onefold_status solve(const struct of_solve *solve, struct of_solution *ret_solution,
                            onefold_error *err)
{
    const struct of_gram *gram = solve->gram;
    double *coefs = ret_solution->coefs;
    double least = (double)INFINITY;
    double sum = 0.0;

    (void)err; /* no memory is needed */
    of_gram_caution(solve, 0);
    for (uint32_t t = 0; t < gram->count; t++) {
        const double norm = of_gram_norm(gram, t);

        least = norm > 0.0 && norm < least ? norm : least;
    }
    for (uint32_t t = 0; t < gram->count; t++) {
        const double norm = of_gram_norm(gram, t);

        /* An input that equals the base adds nothing whatever its weight, and has no 1 / n_t. */
        coefs[t] = norm > 0.0 ? least / norm : 0.0;
        sum += coefs[t];
    }
    for (uint32_t t = 0; t < gram->count; t++) {
        coefs[t] = sum > 0.0 ? coefs[t] / sum : 1.0 / gram->count;
    }
    return ONEFOLD_OK;
}

const struct of_method of_method_inverse_norm = {
    .name = "inverse_norm",
    .summary = "base plus the mean of the task vectors, weighted by their inverse norms",
    .reference = "arXiv:2505.16148",
    .class = OF_CLASS_GRAM,
    .frame = OF_FRAME_DELTA,
    .scale = OF_SCALE_OF_MEAN,
    .base = OF_BASE_REQUIRED,
    .is_federated = true,
    .takes_lambda = true,
    .beta_standard = 1.0,
    .input_count_min = 1,
    .input_count_max = OF_INPUTS_MAX,
    .gram = OF_GRAM_NORMS,
    .prepare = prepare,
    .solve = solve,
};
