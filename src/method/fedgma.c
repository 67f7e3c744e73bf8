/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fedgma: gradient-masked averaging. Where the signs of the task vectors agree well enough a
 * coordinate of their sum counts in full, elsewhere times the agreement. Votes are whole numbers,
 * so that ties with the threshold are ties; with shares they are sums of shares.
 */
#include "method/method.h"
#include "method/network.h"
#include "method/rows.h"
#include "method/shares.h"

#include <math.h>

enum { PARAM_SAMPLES, PARAM_WEIGHT, PARAM_RHO, PARAM_VOTERS };
enum { VOTERS_ALL, VOTERS_NONZERO };

/* Room for the rounding of rho: 0.30000000000000004 of ten voters is three. */
#define SLACK        1e-9
/* The same with shares, which were rounded to f32, as a part of all shares. */
#define SLACK_SHARES 1e-6

static const char *const voters[] = {[VOTERS_ALL] = "all", [VOTERS_NONZERO] = "nonzero", NULL};

static const struct of_param params[] = {
    [PARAM_SAMPLES] = OF_SHARES_SAMPLES,
    [PARAM_WEIGHT] = OF_SHARES_WEIGHT,
    [PARAM_RHO] = {.name = "rho",
                   .kind = OF_PARAM_REAL,
                   .required = true,
                   .standard = OF_PARAM_NOT_GIVEN,
                   .min = 0.0,
                   .max = OF_PARAM_UNBOUNDED,
                   .help =
                       "agreement at or above which a coordinate counts in full; above 1: never"},
    [PARAM_VOTERS] = {.name = "voters",
                      .kind = OF_PARAM_WORD,
                      .is_whole = true,
                      .standard = VOTERS_ALL,
                      .min = VOTERS_ALL,
                      .max = VOTERS_NONZERO,
                      .words = voters,
                      .help = "whether exact zeros count in the number of voters: all or nonzero"},
};

/* Factors of the sum: 1 each without shares, T p_t with them. */
static onefold_status prepare(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err)
{
    return of_shares_find(given, given->per_input[PARAM_SAMPLES], given->per_input[PARAM_WEIGHT],
                          given->input_count, ret_linear->coefs, err);
}

static void caution(const struct of_params *given, struct of_report *report)
{
    const double rho = given->global[PARAM_RHO];
    bool equal = true;

    for (uint32_t i = 0; i < given->input_count; i++) {
        equal = equal && isnan(given->per_input[PARAM_SAMPLES][i]) &&
                isnan(given->per_input[PARAM_WEIGHT][i]);
    }
    if (given->input_count == 2 && equal && rho > 0.0 && rho <= 1.0) {
        of_report_warning(report, "method-inert", NULL,
                          "fedgma: with 2 inputs rho has no influence in (0, 1]: where their signs "
                          "agree the sum counts, elsewhere 0");
    }
}

static bool is_equal(const struct of_block *block)
{
    for (uint32_t t = 0; t < block->count; t++) {
        if (block->coefs[t] != 1.0F) {
            return false;
        }
    }
    return true;
}

/* ---- One vote each ---- */

static void count_votes(const struct of_block *block, float *restrict sum, int32_t *restrict vote,
                        int32_t *restrict zero)
{
    for (uint32_t t = 0; t < block->count; t++) {
        const float *restrict d = block->d[t];

        for (size_t i = 0; i < OF_BLOCK_CHUNK; i++) {
            sum[i] = sum[i] + d[i];
            vote[i] += (d[i] > 0.0F ? 1 : 0) - (d[i] < 0.0F ? 1 : 0);
            zero[i] += d[i] == 0.0F ? 1 : 0;
        }
    }
}

static void mask_votes(const struct of_block *block, const float *restrict sum,
                       const int32_t *restrict vote, const int32_t *restrict zero)
{
    const double rho = block->params->global[PARAM_RHO];
    const bool nonzero = block->params->global[PARAM_VOTERS] == VOTERS_NONZERO;
    int32_t least[OF_NETWORK_WIRES_MAX + 1]; /* votes that count in full, by number of voters */
    float *restrict v = block->v;

    for (uint32_t z = 0; z <= block->count; z++) {
        const double votes = ceil(rho * z - SLACK);

        /* No vote has more than all voters: one more says "never". */
        least[z] = votes > z ? (int32_t)z + 1 : (int32_t)votes;
    }
    for (size_t i = 0; i < OF_BLOCK_CHUNK; i++) {
        const int32_t voter_count = (int32_t)block->count - (nonzero ? zero[i] : 0);
        const int32_t size = vote[i] < 0 ? -vote[i] : vote[i];
        const float agreement = voter_count > 0 ? (float)size / (float)voter_count : 0.0F;

        v[i] = size >= least[voter_count] ? sum[i] : agreement * sum[i];
    }
}

static void blend_equal(const struct of_block *block)
{
    float sum[OF_BLOCK_CHUNK] = {0.0F};
    int32_t vote[OF_BLOCK_CHUNK] = {0};
    int32_t zero[OF_BLOCK_CHUNK] = {0};

    count_votes(block, sum, vote, zero);
    mask_votes(block, sum, vote, zero);
}

/* ---- Votes that weigh ---- */

/* Shares are f32, so that sums of them in double are exact for all practical purposes: the order of
 * the inputs does not decide a tie. */
static void blend_weighted(const struct of_block *block)
{
    const double rho = block->params->global[PARAM_RHO];
    const bool nonzero = block->params->global[PARAM_VOTERS] == VOTERS_NONZERO;
    float sum[OF_BLOCK_CHUNK] = {0.0F};
    double vote[OF_BLOCK_CHUNK] = {0.0};
    double voter[OF_BLOCK_CHUNK] = {0.0};

    for (uint32_t t = 0; t < block->count; t++) {
        const float *restrict d = block->d[t];
        const float coef = block->coefs[t];
        const double share = (double)coef;

        for (size_t i = 0; i < OF_BLOCK_CHUNK; i++) {
            sum[i] = sum[i] + (coef * d[i]);
            vote[i] += d[i] > 0.0F ? share : d[i] < 0.0F ? -share : 0.0;
            voter[i] += nonzero && d[i] == 0.0F ? 0.0 : share;
        }
    }
    for (size_t i = 0; i < OF_BLOCK_CHUNK; i++) {
        const double size = fabs(vote[i]);
        const float agreement = voter[i] > 0.0 ? (float)size / (float)voter[i] : 0.0F;

        block->v[i] = size >= (rho - SLACK_SHARES) * voter[i] ? sum[i] : agreement * sum[i];
    }
}

static void blend(const struct of_block *block)
{
    if (is_equal(block)) {
        blend_equal(block);
    } else {
        blend_weighted(block);
    }
}

const struct of_method of_method_fedgma = {
    .name = "fedgma",
    .summary = "base plus the sum of the task vectors, damped where their signs disagree",
    .reference = "arXiv:2201.11986",
    .class = OF_CLASS_ELEMENT,
    .frame = OF_FRAME_DELTA,
    .scale = OF_SCALE_OF_SUM,
    .base = OF_BASE_REQUIRED,
    .is_federated = true,
    .takes_lambda = true,
    .beta_standard = 1.0,
    .input_count_min = 2,
    .input_count_max = OF_NETWORK_WIRES_MAX,
    .params = params,
    .param_count = OF_LENGTH(params),
    .prepare = prepare,
    .blend = blend,
    .caution = caution,
};
