/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the parameters a rule's prepare() sees, from small tables. */
#ifndef OF_TESTS_PARAMS_GIVEN_H
#define OF_TESTS_PARAMS_GIVEN_H

#include "method/method.h"

#include <math.h>
#include <string.h>

enum { GIVEN_INPUTS_MAX = 256, GIVEN_PARAMS_MAX = 8 };

struct given {
    struct of_params params;
    bool present[GIVEN_INPUTS_MAX];
    double values[GIVEN_PARAMS_MAX][GIVEN_INPUTS_MAX];
    const double *per_input[GIVEN_PARAMS_MAX];
    double global[GIVEN_PARAMS_MAX];
    double coefs[GIVEN_INPUTS_MAX];
    struct of_linear linear;
    onefold_error err;
};

/* All inputs present; every parameter at its default. */
static inline void given_init(struct given *given, const struct of_method *method,
                              uint32_t input_count)
{
    memset(given, 0, sizeof(*given));
    for (uint32_t p = 0; p < method->param_count; p++) {
        given->global[p] = method->params[p].standard;
        given->per_input[p] = method->params[p].per_input ? given->values[p] : NULL;
        for (uint32_t i = 0; i < GIVEN_INPUTS_MAX; i++) {
            given->values[p][i] = method->params[p].standard;
        }
    }
    for (uint32_t i = 0; i < input_count; i++) {
        given->present[i] = true;
    }
    given->params = (struct of_params){.input_count = input_count,
                                       .present = given->present,
                                       .per_input = given->per_input,
                                       .global = given->global};
    given->linear.coefs = given->coefs;
}

static inline double *given_row(struct given *given, const struct of_method *method,
                                const char *name)
{
    return given->values[of_method_param(method, name) - method->params];
}

static inline double *given_global(struct given *given, const struct of_method *method,
                                   const char *name)
{
    return &given->global[of_method_param(method, name) - method->params];
}

static inline onefold_status given_prepare(struct given *given, const struct of_method *method)
{
    return method->prepare(&given->params, &given->linear, &given->err);
}

#endif
