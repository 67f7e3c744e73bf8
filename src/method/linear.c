/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linear: the weighted sum of the inputs, divided by the sum of the weights unless told otherwise.
 * A base is not an input here unless it is listed; it only gives configuration and tokenizer.
 */
#include "method/method.h"
#include "method/rows.h"
#include "method/weights.h"

#include <math.h>

enum { PARAM_WEIGHT, PARAM_NORMALIZE };

static const struct of_param params[] = {
    [PARAM_WEIGHT] = {.name = "weight",
                      .kind = OF_PARAM_REAL,
                      .per_input = true,
                      .required = true,
                      .standard = OF_PARAM_NOT_GIVEN,
                      .min = -OF_PARAM_UNBOUNDED,
                      .max = OF_PARAM_UNBOUNDED,
                      .help = "factor of this input"},
    [PARAM_NORMALIZE] = {.name = "normalize",
                         .kind = OF_PARAM_BOOL,
                         .standard = 1.0,
                         .min = 0.0,
                         .max = 1.0,
                         .help = "divide by the sum of the weights"},
};

static onefold_status prepare(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err)
{
    float sum;

    of_weights_copy(given, given->per_input[PARAM_WEIGHT], ret_linear->coefs);
    ret_linear->has_divisor = given->global[PARAM_NORMALIZE] != 0.0;
    if (!ret_linear->has_divisor) {
        return ONEFOLD_OK;
    }
    sum = of_weights_sum(ret_linear->coefs, given->input_count);
    /* 0.7 + 0.1 - 0.8 is not 0 in binary; dividing by what is left would amplify rounding. */
    if (!isfinite(sum) ||
        fabs((double)sum) <= of_weights_sum_error(ret_linear->coefs, given->input_count)) {
        return of_err_set(err, "recipe-zero",
                          "the weights add up to %g, so normalizing would divide by %s",
                          (double)sum, isfinite(sum) ? "zero" : "infinity");
    }
    ret_linear->divisor = (double)sum;
    return ONEFOLD_OK;
}

const struct of_method of_method_linear = {
    .name = "linear",
    .summary = "weighted average of the inputs",
    .reference = "arXiv:2203.05482",
    .class = OF_CLASS_LINEAR,
    .frame = OF_FRAME_PLAIN,
    .scale = OF_SCALE_OF_OWN,
    .base = OF_BASE_DONOR,
    .input_count_min = 1,
    .input_count_max = OF_INPUTS_MAX,
    .params = params,
    .param_count = OF_LENGTH(params),
    .prepare = prepare,
};
