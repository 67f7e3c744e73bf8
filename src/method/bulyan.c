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

#include <math.h>
#include <string.h>

enum { PARAM_F };

/* The values are needed in model order after they were sorted, so sorting runs on a copy: of so
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

/* What one pass works with. */
struct pass {
    const struct of_block *block;
    float *work[OF_NETWORK_WIRES_MAX]; /* rows of `elems` values */
    uint32_t kept;
    size_t first;
    size_t elems;
    float median[OF_BLOCK_CHUNK];
};

static void halve(float *restrict middle, const float *restrict a, const float *restrict b)
{
    for (size_t i = 0; i < STRIP_ELEMS; i++) {
        middle[i] = 0.5F * (a[i] + b[i]);
    }
}

static void measure(float *restrict distance, const float *restrict d, const float *restrict median)
{
    for (size_t i = 0; i < STRIP_ELEMS; i++) {
        distance[i] = fabsf(d[i] - median[i]);
    }
}

static void find_medians(struct pass *pass)
{
    const uint32_t count = pass->block->count;
    const uint32_t high = count / 2;
    const uint32_t low = (count - 1) / 2;

    for (uint32_t t = 0; t < count; t++) {
        memcpy(pass->work[t], pass->block->d[t] + pass->first, pass->elems * sizeof(float));
    }
    of_network_order(pass->block->kern, pass->work, count, low, high, pass->elems);
    if (low == high) {
        memcpy(pass->median, pass->work[low], pass->elems * sizeof(float));
        return;
    }
    for (size_t at = 0; at < pass->elems; at += STRIP_ELEMS) {
        halve(pass->median + at, pass->work[low] + at, pass->work[high] + at);
    }
}

static void find_limits(struct pass *pass)
{
    const uint32_t count = pass->block->count;

    for (uint32_t t = 0; t < count; t++) {
        const float *d = pass->block->d[t] + pass->first;

        for (size_t at = 0; at < pass->elems; at += STRIP_ELEMS) {
            measure(pass->work[t] + at, d + at, pass->median + at);
        }
    }
    of_network_order(pass->block->kern, pass->work, count, pass->kept - 1, pass->kept - 1,
                     pass->elems);
}

/* Everything nearer than the last that is kept, and of what is as far as it the first ones that
 * there is room for. One strip at a time, so that loops have a known length; nothing branches, and
 * what is not taken adds +0, which changes no sum that began with +0. */
static void average_strip(const struct pass *pass, size_t at)
{
    const float *median = pass->median + at;
    const float *limit = pass->work[pass->kept - 1] + at;
    const float kept = (float)pass->kept;
    int32_t room[STRIP_ELEMS];
    float sum[STRIP_ELEMS] = {0.0F};

    for (size_t i = 0; i < STRIP_ELEMS; i++) {
        room[i] = (int32_t)pass->kept;
    }
    for (uint32_t t = 0; t < pass->block->count; t++) {
        const float *d = pass->block->d[t] + pass->first + at;

        for (size_t i = 0; i < STRIP_ELEMS; i++) {
            room[i] -= fabsf(d[i] - median[i]) < limit[i] ? 1 : 0;
        }
    }
    for (uint32_t t = 0; t < pass->block->count; t++) {
        const float *d = pass->block->d[t] + pass->first + at;

        for (size_t i = 0; i < STRIP_ELEMS; i++) {
            const float distance = fabsf(d[i] - median[i]);
            const int32_t equal = distance == limit[i] ? 1 : 0;
            const int32_t has_room = room[i] > 0 ? 1 : 0;
            const int32_t nearer = distance < limit[i] ? 1 : 0;
            const int32_t take = nearer | (equal & has_room);
            const float term = take != 0 ? d[i] : 0.0F;

            room[i] -= equal & has_room;
            sum[i] = sum[i] + term;
        }
    }
    for (size_t i = 0; i < STRIP_ELEMS; i++) {
        pass->block->v[pass->first + at + i] = sum[i] / kept;
    }
}

static void blend(const struct of_block *block)
{
    _Alignas(64) float space[WORK_ELEMS];
    struct pass pass = {.block = block, .elems = pass_elems(block->count)};

    pass.kept = block->count - 2 * (uint32_t)block->params->global[PARAM_F];
    for (uint32_t t = 0; t < block->count; t++) {
        pass.work[t] = space + t * pass.elems;
    }
    for (; pass.first < OF_BLOCK_CHUNK; pass.first += pass.elems) {
        find_medians(&pass);
        find_limits(&pass);
        for (size_t at = 0; at < pass.elems; at += STRIP_ELEMS) {
            average_strip(&pass, at);
        }
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
