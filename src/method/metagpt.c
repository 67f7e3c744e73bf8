/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metagpt: base + beta * SUM(lambda_t tau_t), lambda_t = n_t^2 / SUM(n_s^2). The weights that a
 * loss linear around the base and orthogonal tasks suggest: what moved far counts more.
 * inverse_norm says the opposite; both have their reports of gains.
 */
#include "method/gram.h"
#include "method/method.h"
#include "method/rows.h"
#include "method/shares.h"

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
    double sum = 0.0;

    (void)err; /* no memory is needed */
    of_gram_caution(solve, OF_GRAM_SAY_DOMINANT);
    for (uint32_t t = 0; t < gram->count; t++) {
        sum += of_gram_at(gram, t, t);
    }
    for (uint32_t t = 0; t < gram->count; t++) {
        /* All inputs equal the base: any weights give the base. */
        ret_solution->coefs[t] = sum > 0.0 ? of_gram_at(gram, t, t) / sum : 1.0 / gram->count;
    }
    return ONEFOLD_OK;
}

const struct of_method of_method_metagpt = {
    .name = "metagpt",
    .summary = "base plus the mean of the task vectors, weighted by their squared norms",
    .reference = "arXiv:2406.11385",
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
