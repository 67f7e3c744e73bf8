/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passthrough: the tensor of the one input, byte for byte; times `scale` where that is given. A
 * coefficient of exactly 1 means "copy the bytes"; the plan sees it and plans no arithmetic.
 */
#include "method/method.h"
#include "method/rows.h"

#include <math.h>

enum { PARAM_SCALE };

static const struct of_param params[] = {
    [PARAM_SCALE] = {.name = "scale",
                     .kind = OF_PARAM_REAL,
                     .per_input = true,
                     .standard = OF_PARAM_NOT_GIVEN,
                     .min = -OF_PARAM_UNBOUNDED,
                     .max = OF_PARAM_UNBOUNDED,
                     .help = "factor of the tensor; without it the bytes are copied"},
};

static onefold_status prepare(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err)
{
    const double *scales = given->per_input[PARAM_SCALE];

    (void)err; /* the row above has refused what could go wrong */
    for (uint32_t i = 0; i < given->input_count; i++) {
        ret_linear->coefs[i] = !given->present[i] ? 0.0 : isnan(scales[i]) ? 1.0 : scales[i];
    }
    return ONEFOLD_OK;
}

const struct of_method of_method_passthrough = {
    .name = "passthrough",
    .summary = "the one input, unchanged or scaled",
    .reference = "mergekit",
    .class = OF_CLASS_COPY,
    .frame = OF_FRAME_PLAIN,
    .scale = OF_SCALE_OF_OWN,
    .base = OF_BASE_NONE,
    .input_count_min = 1,
    .input_count_max = 1,
    .params = params,
    .param_count = OF_LENGTH(params),
    .prepare = prepare,
};
