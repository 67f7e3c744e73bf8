/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floor 2, `method`: merge rules as arithmetic only; includes base and kern. A rule never sees
 * files, types, threads or tiles. What a rule needs decides what the engine does for it: a linear
 * rule names coefficients from parameters; a Gram rule names them from norms or inner products of
 * the task vectors; an element-wise rule makes each element from the values of all inputs. Ranked
 * and random classes have their place in enum of_class; their functions join the descriptor with
 * the first rule that needs them.
 */
#ifndef OF_METHOD_METHOD_H
#define OF_METHOD_METHOD_H

#include "base/attr.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "kern/kern.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

enum of_class { OF_CLASS_COPY, OF_CLASS_LINEAR, OF_CLASS_GRAM, OF_CLASS_ELEMENT };

/* What a rule must know of all tensors before the first output byte: nothing, the norms of the task
 * vectors, or all their inner products. One scan of the inputs gives either. */
enum of_gram_need { OF_GRAM_NONE, OF_GRAM_NORMS, OF_GRAM_FULL };

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
    bool is_whole;   /* acts on whole models: one value, no gradient, no filter */
    double standard; /* default; OF_PARAM_NOT_GIVEN = none */
    double min;
    bool min_excluded; /* the value is greater than min */
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

/* Inner products of the task vectors over all tensors the rule is applied to. `entries` is the
 * whole symmetric T x T matrix, row by row; with OF_GRAM_NORMS only the diagonal counts, the rest
 * is NaN. The rule's extra vector has one more row and column, the last. */
struct of_gram {
    uint32_t count; /* T */
    bool has_extra;
    enum of_gram_need need;
    const double *entries;
};

/* What a Gram rule gets. Parameters of such rules are whole-model scalars (and facts of inputs), so
 * `params` holds for all tensors. Memory for the solution comes from `arena`. */
struct of_solve {
    const struct of_params *params;
    const struct of_gram *gram;
    struct of_arena *arena;
    struct of_report *report; /* warnings: an inert radius, tasks that are nearly orthogonal, ... */
};

/* What it answers. With class ELEMENT (bulyan) coefs are 1 for the inputs that go on and 0 for the
 * others, which the engine then leaves out of the block. */
struct of_solution {
    double *coefs;   /* [T], with an extra vector [T + 1], its own the last; caller's memory */
    bool has_factor; /* the rule sets the factor of its native v itself (fedexp) */
    double factor;
    bool has_radius; /* the rule clipped (cclip, arc): with which radius, for the manifest */
    double radius;
};

/* Elements of one output tensor as an element-wise rule sees them: the task vectors (delta frame)
 * or the values (plain frame) of the inputs that have the tensor, as f32, in recipe order. */
enum { OF_BLOCK_CHUNK = 256 }; /* a block is at most so long, so that loops have a known length */
struct of_block {
    const struct of_kern *kern;
    const struct of_params *params; /* global rows only, resolved for this tensor */
    uint32_t count;                 /* inputs here */
    float *const *d;                /* [count][OF_BLOCK_CHUNK], 64-byte aligned; may be changed */
    const float *coefs;             /* [count]: shares from prepare, rounded once */
    float *v;                       /* [OF_BLOCK_CHUNK]: the result, before lambda and base */
    size_t length;                  /* elements that count; the rest of each chunk is zero */
};

/* A vector besides the task vectors that a GRAM rule makes of them, element by element. It takes
 * part in the inner products and in v = sum coefs[t] * d_t + coefs[T] * extra; both passes need all
 * inputs of a tile together, and the rule needs OF_GRAM_FULL whenever it is wanted. */
struct of_extra {
    const char *setting; /* what asks for it, for messages */
    bool (*is_wanted)(const struct of_params *given);
    /* v from d, which stay as they are. Cannot fail; no allocation. */
    void (*make)(const struct of_block *block);
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
    double beta_standard; /* default factor, of the form that lambda has unless scale says
                             otherwise: the mean form for a federated rule, else the native one */
    uint32_t input_count_min;
    uint32_t input_count_max;
    const struct of_param *params; /* without lambda, beta and scale, which the plan handles */
    uint32_t param_count;
    enum of_gram_need
        gram; /* GRAM, and ELEMENT rules that choose inputs first: the most it needs */
    /* What it needs with these parameters, where that may be less than `gram`. May be NULL. */
    enum of_gram_need (*need)(const struct of_params *given);
    /* LINEAR, and ELEMENT for shares (coefs); checks what the parameters alone show for all
     * classes. NULL for an ELEMENT or GRAM rule: shares are 1/T. */
    onefold_status (*prepare)(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err);
    /* GRAM, and ELEMENT with gram != NONE. */
    onefold_status (*solve)(const struct of_solve *solve, struct of_solution *ret_solution,
                            onefold_error *err);
    /* ELEMENT. Cannot fail: parameters were checked. Plain loops or kernels; no allocation. */
    void (*blend)(const struct of_block *block);
    const struct of_extra *extra; /* GRAM; NULL: task vectors only */
    /* Words of caution that hold for the whole merge: even T with the lower median, and the like.
     * May be NULL. Called once by the plan. */
    void (*caution)(const struct of_params *given, struct of_report *report);
};

uint64_t of_method_count(void);
const struct of_method *of_method_at(uint64_t index);
const struct of_method *of_method_find(const char *name);

/* Methods of the dialect and of ours that this version does not have yet: refused by name. NULL
 * past the end. */
const char *of_method_later_at(uint64_t index);

/* What the rule must know of all tensors, given its parameters: `need` where it has one, else
 * `gram`. */
enum of_gram_need of_method_need(const struct of_method *method, const struct of_params *given);

/* Row of the parameter in the descriptor, or NULL. */
const struct of_param *of_method_param(const struct of_method *method, const char *name);
/* Checks a value against the row (range, integer); ids recipe-range. */
OF_NODISCARD onefold_status of_param_check(const struct of_param *param, double value,
                                           onefold_error *err);

#endif
