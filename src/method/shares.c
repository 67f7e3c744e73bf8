/* SPDX-License-Identifier: Apache-2.0 */
/* What share each input has of a federated result. Used by the rules that weigh. */
#include "method/shares.h"

#include <math.h>

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

onefold_status of_shares_find(const struct of_params *given, const double *samples,
                              const double *weights, double total, double *ret_shares,
                              onefold_error *err)
{
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
        ret_shares[i] = !given->present[i] ? 0.0 : equal ? 1.0 : shares[i];
        sum += ret_shares[i];
    }
    if (!(sum > 0.0) || !isfinite(sum)) {
        return of_err_set(err, "recipe-zero", "the shares add up to %g", sum);
    }
    for (uint32_t i = 0; i < given->input_count; i++) {
        ret_shares[i] = total * ret_shares[i] / sum;
    }
    return ONEFOLD_OK;
}

void of_shares_equal(const struct of_params *given, double total, double *ret_shares)
{
    uint32_t present = 0;

    for (uint32_t i = 0; i < given->input_count; i++) {
        present += given->present[i] ? 1 : 0;
    }
    for (uint32_t i = 0; i < given->input_count; i++) {
        ret_shares[i] = given->present[i] ? total / present : 0.0;
    }
}
