/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of weights as the kernels see them. Used by the rules that normalise. */
#include "method/weights.h"

#include <math.h>

void of_weights_copy(const struct of_params *given, const double *weights, double *ret_coefs)
{
    for (uint32_t i = 0; i < given->input_count; i++) {
        ret_coefs[i] = given->present[i] && !isnan(weights[i]) ? weights[i] : 0.0;
    }
}

float of_weights_sum(const double *coefs, uint32_t count)
{
    float sum = 0.0F;

    for (uint32_t i = 0; i < count; i++) {
        sum = sum + (float)coefs[i];
    }
    return sum;
}

double of_weights_sum_error(const double *coefs, uint32_t count)
{
    const double unit = 0x1p-24; /* half a unit in the last place of 1.0f */
    double magnitude = 0.0;

    for (uint32_t i = 0; i < count; i++) {
        magnitude += fabs(coefs[i]);
    }
    /* One rounding for each weight and one for each addition; the first addition is exact. */
    return unit * (double)count * magnitude;
}
