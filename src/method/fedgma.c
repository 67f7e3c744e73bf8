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
#include <string.h>

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

/* ---- One chunk ---- */

/* Votes are whole numbers: 1 each, or with shares parts of VOTE_TOTAL. So their sums are exact, and
 * neither rounding nor the order of inputs decides a tie. */
struct votes {
    bool has_shares;
    int32_t share[OF_NETWORK_WIRES_MAX];
    int32_t total;
    OF_ALIGNED(64) float sum[OF_BLOCK_CHUNK];
    OF_ALIGNED(64) int32_t vote[OF_BLOCK_CHUNK];
    OF_ALIGNED(64) int32_t voter[OF_BLOCK_CHUNK];
    OF_ALIGNED(64) int32_t least[OF_BLOCK_CHUNK];
};
#define VOTE_TOTAL 0x1p30 /* and half a unit for each input still fits 32 bits */

static void give_votes(const struct of_block *block, struct votes *votes)
{
    double total = 0.0;

    votes->has_shares = false;
    votes->total = 0;
    for (uint32_t t = 0; t < block->count; t++) {
        votes->has_shares = votes->has_shares || block->coefs[t] != 1.0F;
        total += (double)block->coefs[t];
    }
    for (uint32_t t = 0; t < block->count; t++) {
        votes->share[t] =
            votes->has_shares ? (int32_t)(VOTE_TOTAL * ((double)block->coefs[t] / total) + 0.5) : 1;
        votes->total += votes->share[t];
    }
}

static int32_t least_votes(const struct votes *votes, double rho, int32_t voter)
{
    const double slack = votes->has_shares ? SLACK_SHARES * voter : SLACK;
    const double least = ceil(rho * voter - slack);

    /* No vote has more than all voters: one more says "never". */
    return least > voter ? voter + 1 : (int32_t)least;
}

static void find_least(const struct of_block *block, struct votes *votes)
{
    const double rho = block->params->global[PARAM_RHO];
    const bool nonzero = block->params->global[PARAM_VOTERS] == VOTERS_NONZERO;
    int32_t table[OF_NETWORK_WIRES_MAX + 1];

    for (int32_t z = 0; nonzero && !votes->has_shares && z <= votes->total; z++) {
        table[z] = least_votes(votes, rho, z);
    }
    for (size_t i = 0; i < OF_BLOCK_CHUNK && nonzero; i++) {
        votes->least[i] =
            votes->has_shares ? least_votes(votes, rho, votes->voter[i]) : table[votes->voter[i]];
    }
    if (!nonzero) {
        const int32_t least = least_votes(votes, rho, votes->total);

        for (size_t i = 0; i < OF_BLOCK_CHUNK; i++) {
            votes->voter[i] = votes->total;
            votes->least[i] = least;
        }
    }
}

static void blend(const struct of_block *block)
{
    struct votes votes;
    struct of_kern_votes at = {
        .sum = votes.sum, .vote = votes.vote, .voter = votes.voter, .least = votes.least};

    give_votes(block, &votes);
    memset(votes.sum, 0, sizeof(votes.sum));
    memset(votes.vote, 0, sizeof(votes.vote));
    memset(votes.voter, 0, sizeof(votes.voter));
    for (uint32_t t = 0; t < block->count; t++) {
        block->kern->add_votes(&at, block->d[t], block->coefs[t], votes.share[t], OF_BLOCK_CHUNK);
    }
    find_least(block, &votes);
    block->kern->damp(block->v, &at, OF_BLOCK_CHUNK);
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
