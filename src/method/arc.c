/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arc: adaptive robust clipping. The radius of cclip, taken from the norms themselves: the
 * k = floor(2 (f / T) (T - f)) longest task vectors are cut to the length of the next.
 */
#include "base/sort.h"
#include "method/gram.h"
#include "method/method.h"
#include "method/rows.h"
#include "method/shares.h"

enum { PARAM_F };

static const struct of_param params[] = {
    [PARAM_F] = {.name = "f",
                 .kind = OF_PARAM_INTEGER,
                 .is_whole = true,
                 .required = true,
                 .standard = OF_PARAM_NOT_GIVEN,
                 .min = 0.0,
                 .max = OF_INPUTS_MAX,
                 .help = "how many inputs may be bad; decides how many are clipped"},
};

static onefold_status prepare(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err)
{
    if (given->global[PARAM_F] >= given->input_count) {
        return of_err_set(err, "recipe-range", "\"f\" is %g; of %u inputs fewer may be bad",
                          given->global[PARAM_F], given->input_count);
    }
    of_shares_equal(given, given->input_count, ret_linear->coefs);
    return ONEFOLD_OK;
}

static void caution(const struct of_params *given, struct of_report *report)
{
    if (2.0 * given->global[PARAM_F] >= given->input_count) {
        of_report_warning(
            report, "method-majority", NULL,
            "arc: f = %g of %u inputs: where half of them or more are bad no rule can "
            "tell which",
            given->global[PARAM_F], given->input_count);
    }
}

static bool is_longer(const void *context, uint32_t a, uint32_t b)
{
    const struct of_gram *gram = context;

    return of_gram_at(gram, a, a) > of_gram_at(gram, b, b);
}

static onefold_status solve(const struct of_solve *solve, struct of_solution *ret_solution,
                            onefold_error *err)
{
    const struct of_gram *gram = solve->gram;
    const uint64_t bad = (uint64_t)solve->params->global[PARAM_F];
    const uint64_t clipped = 2 * bad * (gram->count - bad) / gram->count; /* <= T / 2 */
    uint32_t *order = OF_ARENA_NEW(solve->arena, uint32_t, gram->count);
    uint32_t *scratch = OF_ARENA_NEW(solve->arena, uint32_t, gram->count);
    double radius;

    if (order == NULL || scratch == NULL) {
        return of_err_set(err, "memory", "no memory for the order of %u inputs", gram->count);
    }
    of_gram_caution(solve, 0);
    for (uint32_t t = 0; t < gram->count; t++) {
        order[t] = t;
    }
    of_sort_indices(order, scratch, gram->count, is_longer, gram);
    radius = of_gram_norm(gram, order[clipped]);
    of_gram_clip(gram, radius, ret_solution->coefs);
    ret_solution->has_radius = true;
    ret_solution->radius = radius;
    return ONEFOLD_OK;
}

const struct of_method of_method_arc = {
    .name = "arc",
    .summary = "base plus the sum of the task vectors, the longest clipped to the next longest",
    .reference = "arXiv:2405.14432",
    .class = OF_CLASS_GRAM,
    .frame = OF_FRAME_DELTA,
    .scale = OF_SCALE_OF_SUM,
    .base = OF_BASE_REQUIRED,
    .is_federated = true,
    .takes_lambda = true,
    .beta_standard = 1.0,
    .input_count_min = 1,
    .input_count_max = OF_INPUTS_MAX,
    .params = params,
    .param_count = OF_LENGTH(params),
    .gram = OF_GRAM_NORMS,
    .prepare = prepare,
    .solve = solve,
    .caution = caution,
};
