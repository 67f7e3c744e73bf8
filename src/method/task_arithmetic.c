/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task_arithmetic: base + lambda * (weighted sum of the task vectors). Read fedavg beside it: the
 * same map, written for means.
 */
#include "method/method.h"
#include "method/rows.h"
#include "method/weights.h"

#include <math.h>

/* Below this the sum of weights is not divided by, as in the dialect. */
#define DIVISOR_MIN 1e-8

enum { PARAM_WEIGHT, PARAM_NORMALIZE, PARAM_RESCALE, PARAM_INT8_MASK };

static const struct of_param params[] = {
    [PARAM_WEIGHT] = {.name = "weight",
                      .kind = OF_PARAM_REAL,
                      .per_input = true,
                      .required = true,
                      .standard = OF_PARAM_NOT_GIVEN,
                      .min = -OF_PARAM_UNBOUNDED,
                      .max = OF_PARAM_UNBOUNDED,
                      .help = "factor of this input's task vector"},
    [PARAM_NORMALIZE] = {.name = "normalize",
                         .kind = OF_PARAM_BOOL,
                         .standard = 0.0,
                         .min = 0.0,
                         .max = 1.0,
                         .help = "divide by the sum of the weights"},
    /* Rescaling restores the size of what a sparsifier left; this rule has none. */
    [PARAM_RESCALE] = {.name = "rescale",
                       .kind = OF_PARAM_BOOL,
                       .no_effect = true,
                       .standard = 0.0,
                       .min = 0.0,
                       .max = 1.0,
                       .help = "no effect here: nothing is dropped that could be restored"},
    [PARAM_INT8_MASK] = {.name = "int8_mask",
                         .kind = OF_PARAM_BOOL,
                         .no_effect = true,
                         .standard = 0.0,
                         .min = 0.0,
                         .max = 1.0,
                         .help = "no effect: masks are never stored"},
};

static onefold_status prepare(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err)
{
    float sum;

    of_weights_copy(given, given->per_input[PARAM_WEIGHT], ret_linear->coefs);
    if (given->global[PARAM_NORMALIZE] == 0.0) {
        return ONEFOLD_OK;
    }
    sum = of_weights_sum(ret_linear->coefs, given->input_count);
    if (!isfinite(sum)) {
        return of_err_set(err, "recipe-zero", "the weights add up to infinity");
    }
    ret_linear->has_divisor = fabs((double)sum) >= DIVISOR_MIN;
    ret_linear->divisor = (double)sum;
    return ONEFOLD_OK;
}

const struct of_method of_method_task_arithmetic = {
    .name = "task_arithmetic",
    .summary = "base plus the weighted sum of the task vectors",
    .reference = "arXiv:2212.04089",
    .class = OF_CLASS_LINEAR,
    .frame = OF_FRAME_DELTA,
    .scale = OF_SCALE_OF_SUM,
    .base = OF_BASE_REQUIRED,
    .takes_lambda = true,
    .beta_standard = 1.0,
    .input_count_min = 1,
    .input_count_max = OF_INPUTS_MAX,
    .params = params,
    .param_count = OF_LENGTH(params),
    .prepare = prepare,
};
