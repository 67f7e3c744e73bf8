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

#include <string.h>

enum { PARAM_F };

/* The values are needed in the order of the inputs and sorted, so sorting runs on a copy: of so
 * many values at a time, a quarter of the nearest cache, on the stack. */
enum { WORK_ELEMS = 4096, STRIP_ELEMS = WORK_ELEMS / OF_NETWORK_WIRES_MAX };
_Static_assert(OF_BLOCK_CHUNK % STRIP_ELEMS == 0, "a chunk is whole strips");

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

/* Elements of one pass over the inputs: as many as fit the work space, in whole strips. */
static size_t pass_elems(uint32_t count)
{
    size_t elems = OF_BLOCK_CHUNK;

    while (elems * count > WORK_ELEMS) {
        elems /= 2;
    }
    return elems;
}

static void blend(const struct of_block *block)
{
    const size_t elems = pass_elems(block->count);
    OF_NOT_CLEARED OF_ALIGNED(64) float space[WORK_ELEMS];
    OF_NOT_CLEARED const float *d[OF_NETWORK_WIRES_MAX];
    OF_NOT_CLEARED float *sorted[OF_NETWORK_WIRES_MAX];
    const struct of_kern_near near = {.d = d,
                                      .sorted = (const float *const *)sorted,
                                      .count = block->count,
                                      .kept = block->count -
                                              2 * (uint32_t)block->params->global[PARAM_F]};

    for (size_t first = 0; first < OF_BLOCK_CHUNK; first += elems) {
        for (uint32_t t = 0; t < block->count; t++) {
            d[t] = block->d[t] + first;
            sorted[t] = space + t * elems;
            memcpy(sorted[t], d[t], elems * sizeof(float));
        }
        of_network_order(block->kern, sorted, block->count, 0, block->count - 1, elems);
        block->kern->average_near(block->v + first, &near, elems);
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
