/* SPDX-License-Identifier: Apache-2.0 */
/*
 * median: base + beta * (middle of the task vectors, coordinate by coordinate). What fewer than
 * half of the inputs claim has no say, be it an error or one input's own skill.
 */
#include "method/method.h"
#include "method/network.h"
#include "method/rows.h"
#include "method/shares.h"

#include <string.h>

enum { PARAM_MODE };
enum { MODE_LOWER, MODE_MID, MODE_UPPER };

static const char *const modes[] = {
    [MODE_LOWER] = "lower", [MODE_MID] = "mid", [MODE_UPPER] = "upper", NULL};

static const struct of_param params[] = {
    [PARAM_MODE] = {.name = "mode",
                    .kind = OF_PARAM_WORD,
                    .is_whole = true,
                    .standard = MODE_MID,
                    .min = MODE_LOWER,
                    .max = MODE_UPPER,
                    .words = modes,
                    .help =
                        "for an even number of inputs: the lower or the upper of the two middle "
                        "values, or mid, their mean"},
};

static onefold_status prepare(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err)
{
    (void)err; /* the words were checked */
    of_shares_equal(given, 1.0, ret_linear->coefs);
    return ONEFOLD_OK;
}

static void caution(const struct of_params *given, struct of_report *report)
{
    const double mode = given->global[PARAM_MODE];

    if (given->input_count % 2 == 0 && mode != MODE_MID) {
        of_report_warning(
            report, "method-bias", NULL,
            "median: with %u inputs the %s median is biased towards %s values%s; mode: "
            "mid is not",
            given->input_count, modes[(int)mode], mode == MODE_LOWER ? "negative" : "positive",
            given->input_count > 2 ? ""
            : mode == MODE_LOWER   ? ", being the smaller of the two"
                                   : ", being the larger of the two");
    }
}

static void halve(float *restrict v, const float *restrict a, const float *restrict b)
{
    for (size_t i = 0; i < OF_BLOCK_CHUNK; i++) {
        v[i] = 0.5F * (a[i] + b[i]);
    }
}

static void blend(const struct of_block *block)
{
    const uint32_t high = block->count / 2;
    const uint32_t low = (block->count - 1) / 2;
    const double mode = block->params->global[PARAM_MODE];
    const uint32_t first = mode == MODE_UPPER ? high : low;
    const uint32_t last = mode == MODE_LOWER ? low : high;

    of_network_order(block->kern, block->d, block->count, first, last, OF_BLOCK_CHUNK);
    if (first == last) {
        memcpy(block->v, block->d[first], OF_BLOCK_CHUNK * sizeof(block->v[0]));
    } else {
        halve(block->v, block->d[first], block->d[last]);
    }
}

const struct of_method of_method_median = {
    .name = "median",
    .summary = "base plus the median of the task vectors, coordinate by coordinate",
    .reference = "arXiv:1803.01498",
    .class = OF_CLASS_ELEMENT,
    .frame = OF_FRAME_DELTA,
    .scale = OF_SCALE_OF_MEAN,
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
