/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floor 2, `method`: merge rules as arithmetic only; includes base and kern. A rule never sees
 * files, types, threads or tiles. What a rule needs decides what the engine does for it: a linear
 * rule names coefficients from parameters, and nothing else. Gram, element-wise, ranked and random
 * classes have their place in enum of_class; their functions join the descriptor with the first
 * rule that needs them.
 */
#ifndef OF_METHOD_METHOD_H
#define OF_METHOD_METHOD_H

#include "base/attr.h"
#include "base/err.h"
#include "base/limits.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

enum of_class { OF_CLASS_COPY, OF_CLASS_LINEAR };

/* plain: the rule sees x. delta: it sees x - base, and the output is base + factor * v. */
enum of_frame { OF_FRAME_PLAIN, OF_FRAME_DELTA };

/* What v is: a sum over inputs, a mean, or neither (its own number is printed as it is). */
enum of_scale { OF_SCALE_OF_SUM, OF_SCALE_OF_MEAN, OF_SCALE_OF_OWN };

enum of_base_need { OF_BASE_DONOR, OF_BASE_REQUIRED, OF_BASE_NONE };

enum of_param_kind { OF_PARAM_REAL, OF_PARAM_BOOL, OF_PARAM_INTEGER, OF_PARAM_WORD };

/* Doubles from the start: the macros of C are floats, and widening them is a warning. */
#define OF_PARAM_NOT_GIVEN ((double)NAN)
#define OF_PARAM_UNBOUNDED ((double)INFINITY)

struct of_param {
    const char *name;
    enum of_param_kind kind;
    bool per_input;
    bool required;
    bool is_fact;    /* stands on the entry (samples, steps), not under parameters */
    bool no_effect;  /* accepted for the dialect's sake (int8_mask) */
    double standard; /* default; OF_PARAM_NOT_GIVEN = none */
    double min;
    double max;
    const char *const *words; /* OF_PARAM_WORD: NULL-terminated choices; the value is the index */
    const char *help;
};

/* Parameters of one output tensor, resolved. Rows follow the descriptor's params. */
struct of_params {
    uint32_t input_count;           /* T: the base is not counted */
    const bool *present;            /* [input]: false where --tensor-union lets one be absent */
    const double *const *per_input; /* [param][input]; NAN = not given; NULL for global rows */
    const double *global;           /* [param]; NAN = not given */
};

/* What a linear rule answers. All double; rounded once to f32 by the plan. */
struct of_linear {
    double *coefs;    /* [input], caller's memory; absent inputs get 0 and are skipped */
    bool has_divisor; /* acc / divisor after the sum */
    double divisor;
    bool has_factor; /* the rule sets the factor itself (passthrough's scale is a coefficient) */
    double factor;
};

struct of_method {
    const char *name;
    const char *summary;
    const char *reference; /* arXiv id or other source */
    enum of_class class;
    enum of_frame frame;
    enum of_scale scale;
    enum of_base_need base;
    bool is_federated; /* needs the models form, refuses parameters it does not read, and unions */
    bool takes_lambda; /* lambda (and beta) multiply v */
    double beta_standard; /* default factor of the native form */
    uint32_t input_count_min;
    uint32_t input_count_max;
    const struct of_param *params; /* without lambda, beta and scale, which the plan handles */
    uint32_t param_count;
    onefold_status (*prepare)(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err);
};

uint64_t of_method_count(void);
const struct of_method *of_method_at(uint64_t index);
const struct of_method *of_method_find(const char *name);

/* Methods of the dialect and of ours that this version does not have yet: refused by name. NULL
 * past the end. */
const char *of_method_later_at(uint64_t index);

/* Row of the parameter in the descriptor, or NULL. */
const struct of_param *of_method_param(const struct of_method *method, const char *name);
/* Checks a value against the row (range, integer); ids recipe-range. */
OF_NODISCARD onefold_status of_param_check(const struct of_param *param, double value,
                                           onefold_error *err);

#endif
