/* SPDX-License-Identifier: Apache-2.0 */
/* Shares p_t of the inputs, of sum 1: from `weight`, else from `samples`, else equal. The rules
 * that weigh inputs take the two rows and the checks from here. */
#ifndef OF_METHOD_SHARES_H
#define OF_METHOD_SHARES_H

#include "base/attr.h"
#include "method/method.h"

#define OF_SHARES_SAMPLES                                                             \
    {                                                                                 \
        .name = "samples", .kind = OF_PARAM_REAL, .per_input = true, .is_fact = true, \
        .standard = OF_PARAM_NOT_GIVEN, .min = 0.0, .max = OF_PARAM_UNBOUNDED,        \
        .help = "training examples behind this input; only the ratios matter"         \
    }
#define OF_SHARES_WEIGHT                                                       \
    {                                                                          \
        .name = "weight", .kind = OF_PARAM_REAL, .per_input = true,            \
        .standard = OF_PARAM_NOT_GIVEN, .min = 0.0, .max = OF_PARAM_UNBOUNDED, \
        .help = "share of this input before normalizing, in place of samples"  \
    }

/* ret_shares[i] = total * p_i: with a total of 1 the shares, with one of T the factors of a sum,
 * which are exactly 1 where all inputs count the same. Absent inputs get 0. */
OF_NODISCARD onefold_status of_shares_find(const struct of_params *given, const double *samples,
                                           const double *weights, double total, double *ret_shares,
                                           onefold_error *err);

/* The same for rules that do not weigh: total / T each. */
void of_shares_equal(const struct of_params *given, double total, double *ret_shares);

#endif
