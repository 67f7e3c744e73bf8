/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feddyn: base + 2 * mean of the task vectors, the server step of FedDyn's first round when all
 * take part. It has no parameter; the client part of FedDyn changes the local loss and is not a
 * merge.
 */
#include "method/method.h"
#include "method/rows.h"
#include "method/shares.h"

static onefold_status prepare(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err)
{
    (void)err; /* without parameters nothing can be wrong */
    of_shares_equal(given, 1.0, ret_linear->coefs);
    ret_linear->has_factor = true;
    ret_linear->factor = 2.0;
    return ONEFOLD_OK;
}

const struct of_method of_method_feddyn = {
    .name = "feddyn",
    .summary = "base plus twice the mean of the task vectors",
    .reference = "arXiv:2111.04263",
    .class = OF_CLASS_LINEAR,
    .frame = OF_FRAME_DELTA,
    .scale = OF_SCALE_OF_MEAN,
    .base = OF_BASE_REQUIRED,
    .is_federated = true,
    .beta_standard = 2.0,
    .input_count_min = 1,
    .input_count_max = OF_INPUTS_MAX,
    .prepare = prepare,
};
