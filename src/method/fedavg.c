/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fedavg: base + beta * (mean of the task vectors, each weighted by its share of the samples). One
 * round of federated averaging; with equal shares, task_arithmetic with lambda = beta / T.
 */
#include "method/method.h"
#include "method/rows.h"
#include "method/shares.h"

enum { PARAM_SAMPLES, PARAM_WEIGHT };

static const struct of_param params[] = {
    [PARAM_SAMPLES] = OF_SHARES_SAMPLES,
    [PARAM_WEIGHT] = OF_SHARES_WEIGHT,
};

static onefold_status prepare(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err)
{
    return of_shares_find(given, given->per_input[PARAM_SAMPLES], given->per_input[PARAM_WEIGHT],
                          1.0, ret_linear->coefs, err);
}

const struct of_method of_method_fedavg = {
    .name = "fedavg",
    .summary = "base plus the mean of the task vectors, weighted by samples",
    .reference = "arXiv:1602.05629",
    .class = OF_CLASS_LINEAR,
    .frame = OF_FRAME_DELTA,
    .scale = OF_SCALE_OF_MEAN,
    .base = OF_BASE_REQUIRED,
    .is_federated = true,
    .takes_lambda = true,
    .beta_standard = 1.0,
    .input_count_min = 1,
    .input_count_max = OF_INPUTS_MAX,
    .params = params,
    .param_count = OF_LENGTH(params),
    .prepare = prepare,
};
