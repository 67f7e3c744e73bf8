/* SPDX-License-Identifier: Apache-2.0 */
/* What weighted-sum rules share: the weights of the inputs that are there, and their sum. */
#ifndef OF_METHOD_WEIGHTS_H
#define OF_METHOD_WEIGHTS_H

#include "method/method.h"

/* ret_coefs[i] = weights[i], 0 where the input is absent or has no weight. */
void of_weights_copy(const struct of_params *given, const double *weights, double *ret_coefs);

/* Each weight rounded to f32, added in f32 in recipe order: the W by which the accumulator is
 * divided. It is the sum of what the kernels really multiply with, and what mergekit computes. */
float of_weights_sum(const double *coefs, uint32_t count);

/* The largest error of that sum: a W no larger than this says only how the weights were rounded. */
double of_weights_sum_error(const double *coefs, uint32_t count);

#endif
