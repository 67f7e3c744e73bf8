/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fedavg: base + beta * (mean of the task vectors, each weighted by its share of the samples). One
 * round of federated averaging; with equal shares, task_arithmetic with lambda = beta / T.
 */
#include "method/method.h"
#include "method/rows.h"

#include <math.h>

enum { PARAM_SAMPLES, PARAM_WEIGHT };

static const struct of_param params[] = {
    [PARAM_SAMPLES] = {.name = "samples",
                       .kind = OF_PARAM_REAL,
                       .per_input = true,
                       .is_fact = true,
                       .standard = OF_PARAM_NOT_GIVEN,
                       .min = 0.0,
                       .max = OF_PARAM_UNBOUNDED,
                       .help = "training examples behind this input; only the ratios matter"},
    [PARAM_WEIGHT] = {.name = "weight",
                      .kind = OF_PARAM_REAL,
                      .per_input = true,
                      .standard = OF_PARAM_NOT_GIVEN,
                      .min = 0.0,
                      .max = OF_PARAM_UNBOUNDED,
                      .help = "share of this input before normalizing, in place of samples"},
};

/* How many of the inputs that are there have a value. */
static uint32_t count_given(const struct of_params *given, const double *values,
                            uint32_t *ret_present)
{
    uint32_t count = 0;

    *ret_present = 0;
    for (uint32_t i = 0; i < given->input_count; i++) {
        *ret_present += given->present[i] ? 1 : 0;
        count += given->present[i] && !isnan(values[i]) ? 1 : 0;
    }
    return count;
}

/* All inputs or none: a share made up for the rest would be a guess. */
static onefold_status check_all(const char *name, uint32_t count, uint32_t present,
                                onefold_error *err)
{
    if (count == 0 || count == present) {
        return ONEFOLD_OK;
    }
    return of_err_set(err, "recipe-fact", "\"%s\" is given for %u of %u inputs; all or none", name,
                      count, present);
}

static onefold_status prepare(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err)
{
    const double *samples = given->per_input[PARAM_SAMPLES];
    const double *weights = given->per_input[PARAM_WEIGHT];
    uint32_t present;
    const uint32_t with_samples = count_given(given, samples, &present);
    const uint32_t with_weight = count_given(given, weights, &present);
    const double *shares = with_weight > 0 ? weights : samples;
    const bool equal = with_weight == 0 && with_samples == 0;
    double sum = 0.0;

    if (with_samples > 0 && with_weight > 0) {
        return of_err_set(err, "recipe-fact",
                          "\"samples\" and \"weight\" both say what share an input has");
    }
    OF_TRY(check_all("samples", with_samples, present, err));
    OF_TRY(check_all("weight", with_weight, present, err));
    for (uint32_t i = 0; i < given->input_count; i++) {
        ret_linear->coefs[i] = !given->present[i] ? 0.0 : equal ? 1.0 : shares[i];
        sum += ret_linear->coefs[i];
    }
    if (!(sum > 0.0) || !isfinite(sum)) {
        return of_err_set(err, "recipe-zero", "the shares add up to %g", sum);
    }
    for (uint32_t i = 0; i < given->input_count; i++) {
        ret_linear->coefs[i] /= sum;
    }
    return ONEFOLD_OK;
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
