/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulyan: Krum picks q = T - 2 f inputs, one after the other; then, coordinate by coordinate, the
 * q - 2 f values nearest to the median of the picked ones are averaged. Distances over the whole
 * model can hide one bad coordinate; the second stage cannot.
 */
#include "method/method.h"
#include "method/network.h"
#include "method/picks.h"
#include "method/rows.h"
#include "method/shares.h"

enum { PARAM_F };

static const struct of_param params[] = {
    [PARAM_F] = OF_PICKS_F,
};

static onefold_status prepare(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err)
{
    OF_TRY(of_picks_check_count(given, given->global[PARAM_F], 4.0, err));
    of_shares_equal(given, 1.0, ret_linear->coefs);
    return ONEFOLD_OK;
}

static onefold_status solve(const struct of_solve *solve, struct of_solution *ret_solution,
                            onefold_error *err)
{
    const uint32_t count = solve->gram->count;
    const uint32_t f = (uint32_t)solve->params->global[PARAM_F];
    struct of_picks picks;

    OF_TRY(of_picks_init(&picks, solve, err));
    of_gram_caution(solve, OF_GRAM_SAY_ORTHOGONAL | OF_GRAM_SAY_DOMINANT);
    for (uint32_t t = 0; t < count; t++) {
        ret_solution->coefs[t] = 0.0;
    }
    for (uint32_t left = count; left > 2 * f; left--) {
        uint32_t best;

        of_picks_score(&picks, left > f + 2 ? left - f - 2 : 0);
        best = of_picks_best(&picks);
        picks.active[best] = false;
        ret_solution->coefs[best] = 1.0;
    }
    return ONEFOLD_OK;
}

/* The values are needed in the order of the inputs and sorted. */
static void blend(const struct of_block *block)
{
    OF_NOT_CLEARED struct of_network_copy sorted;
    OF_NOT_CLEARED const float *d[OF_NETWORK_WIRES_MAX];
    const struct of_kern_near near = {.d = d,
                                      .sorted = (const float *const *)sorted.rows,
                                      .count = block->count,
                                      .kept = block->count -
                                              2 * (uint32_t)block->params->global[PARAM_F]};

    of_network_copy_init(&sorted, block->count);
    for (size_t at = 0; at < OF_BLOCK_CHUNK; at += sorted.elems) {
        for (uint32_t t = 0; t < block->count; t++) {
            d[t] = block->d[t] + at;
        }
        of_network_copy_order(&sorted, block, at, 0, block->count - 1);
        block->kern->average_near(block->v + at, &near, sorted.elems);
    }
}

const struct of_method of_method_bulyan = {
    .name = "bulyan",
    .summary =
        "base plus, per coordinate, the mean of the values nearest the median of Krum's picks",
    .reference = "arXiv:1802.07927",
    .class = OF_CLASS_ELEMENT,
    .frame = OF_FRAME_DELTA,
    .scale = OF_SCALE_OF_MEAN,
    .base = OF_BASE_REQUIRED,
    .is_federated = true,
    .takes_lambda = true,
    .beta_standard = 1.0,
    .input_count_min = 3,
    .input_count_max = OF_NETWORK_WIRES_MAX,
    .params = params,
    .param_count = OF_LENGTH(params),
    .gram = OF_GRAM_FULL,
    .prepare = prepare,
    .solve = solve,
    .blend = blend,
};
