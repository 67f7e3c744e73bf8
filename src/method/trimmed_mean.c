/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trimmed_mean: base + beta * (mean of the task vectors, coordinate by coordinate, without the
 * `trim` smallest and the `trim` largest values). trim 0 is the mean, the largest trim the median.
 */
#include "method/method.h"
#include "method/network.h"
#include "method/rows.h"
#include "method/shares.h"

#include <string.h>

enum { PARAM_TRIM };

static const struct of_param params[] = {
    [PARAM_TRIM] = {.name = "trim",
                    .kind = OF_PARAM_INTEGER,
                    .is_whole = true,
                    .required = true,
                    .standard = OF_PARAM_NOT_GIVEN,
                    .min = 0.0,
                    .max = OF_NETWORK_WIRES_MAX,
                    .help = "how many largest and how many smallest values are dropped per "
                            "coordinate; twice as many is less than the number of inputs"},
};

static onefold_status prepare(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err)
{
    const double trim = given->global[PARAM_TRIM];

    if (2.0 * trim >= given->input_count) {
        return of_err_set(err, "recipe-range",
                          "\"trim\" is %g at both ends; that leaves none of %u inputs", trim,
                          given->input_count);
    }
    of_shares_equal(given, 1.0, ret_linear->coefs);
    return ONEFOLD_OK;
}

static void add(float *restrict v, const float *restrict d)
{
    for (size_t i = 0; i < OF_BLOCK_CHUNK; i++) {
        v[i] = v[i] + d[i];
    }
}

static void blend(const struct of_block *block)
{
    const uint32_t trim = (uint32_t)block->params->global[PARAM_TRIM];
    const uint32_t last = block->count - 1 - trim;
    const float kept = (float)(block->count - 2 * trim);

    of_network_order(block->kern, block->d, block->count, trim, last, OF_BLOCK_CHUNK);
    memset(block->v, 0, OF_BLOCK_CHUNK * sizeof(block->v[0]));
    for (uint32_t t = trim; t <= last; t++) {
        add(block->v, block->d[t]);
    }
    block->kern->divide(block->v, kept, OF_BLOCK_CHUNK);
}

const struct of_method of_method_trimmed_mean = {
    .name = "trimmed_mean",
    .summary = "base plus the mean of the task vectors without the extremes of each coordinate",
    .reference = "arXiv:1803.01498",
    .class = OF_CLASS_ELEMENT,
    .frame = OF_FRAME_DELTA,
    .scale = OF_SCALE_OF_MEAN,
    .base = OF_BASE_REQUIRED,
    .is_federated = true,
    .takes_lambda = true,
    .beta_standard = 1.0,
    .input_count_min = 1,
    .input_count_max = OF_NETWORK_WIRES_MAX,
    .params = params,
    .param_count = OF_LENGTH(params),
    .prepare = prepare,
    .blend = blend,
};
