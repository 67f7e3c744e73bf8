/* SPDX-License-Identifier: Apache-2.0 */
/*
 * krum: the one task vector that lies nearest to its T - f - 2 nearest others, by the sum of
 * squared distances. multi_krum: the mean of the m best.
 */
#include "method/method.h"
#include "method/picks.h"
#include "method/rows.h"
#include "method/shares.h"

enum { PARAM_F, PARAM_M };

static const struct of_param params[] = {
    [PARAM_F] = OF_PICKS_F,
    [PARAM_M] = {.name = "m",
                 .kind = OF_PARAM_INTEGER,
                 .is_whole = true,
                 .required = true,
                 .standard = OF_PARAM_NOT_GIVEN,
                 .min = 1.0,
                 .max = OF_INPUTS_MAX,
                 .help = "how many of the best inputs are averaged, at most T - f - 2"},
};
/* krum reads the first row only. */
enum { KRUM_PARAM_COUNT = PARAM_M };

static onefold_status prepare_krum(const struct of_params *given, struct of_linear *ret_linear,
                                   onefold_error *err)
{
    OF_TRY(of_picks_check_count(given, given->global[PARAM_F], 2.0, err));
    of_shares_equal(given, 1.0, ret_linear->coefs);
    return ONEFOLD_OK;
}

static onefold_status prepare_multi_krum(const struct of_params *given,
                                         struct of_linear *ret_linear, onefold_error *err)
{
    const double m = given->global[PARAM_M];
    const double most = given->input_count - given->global[PARAM_F] - 2.0;

    OF_TRY(prepare_krum(given, ret_linear, err));
    if (m > most) {
        return of_err_set(err, "recipe-range",
                          "\"m\" is %g; with %u inputs and f = %g it is at most %g (T - f - 2)", m,
                          given->input_count, given->global[PARAM_F], most);
    }
    return ONEFOLD_OK;
}

static onefold_status choose(const struct of_solve *solve, uint32_t count,
                             struct of_solution *ret_solution, onefold_error *err)
{
    const uint32_t f = (uint32_t)solve->params->global[PARAM_F];
    struct of_picks picks;

    OF_TRY(of_picks_init(&picks, solve, err));
    of_gram_caution(solve, OF_GRAM_SAY_ORTHOGONAL | OF_GRAM_SAY_DOMINANT);
    for (uint32_t t = 0; t < solve->gram->count; t++) {
        ret_solution->coefs[t] = 0.0;
    }
    of_picks_score(&picks, solve->gram->count - f - 2);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t best = of_picks_best(&picks);

        picks.active[best] = false;
        ret_solution->coefs[best] = 1.0 / count;
    }
    return ONEFOLD_OK;
}

static onefold_status solve_krum(const struct of_solve *solve, struct of_solution *ret_solution,
                                 onefold_error *err)
{
    return choose(solve, 1, ret_solution, err);
}

static onefold_status solve_multi_krum(const struct of_solve *solve,
                                       struct of_solution *ret_solution, onefold_error *err)
{
    return choose(solve, (uint32_t)solve->params->global[PARAM_M], ret_solution, err);
}

const struct of_method of_method_krum = {
    .name = "krum",
    .summary = "base plus the one task vector nearest to its neighbours",
    .reference = "Blanchard et al. 2017, arXiv:1703.02757",
    .class = OF_CLASS_GRAM,
    .frame = OF_FRAME_DELTA,
    .scale = OF_SCALE_OF_MEAN,
    .base = OF_BASE_REQUIRED,
    .is_federated = true,
    .takes_lambda = true,
    .beta_standard = 1.0,
    .input_count_min = 3,
    .input_count_max = OF_INPUTS_MAX,
    .params = params,
    .param_count = KRUM_PARAM_COUNT,
    .gram = OF_GRAM_FULL,
    .prepare = prepare_krum,
    .solve = solve_krum,
};

const struct of_method of_method_multi_krum = {
    .name = "multi_krum",
    .summary = "base plus the mean of the m task vectors nearest to their neighbours",
    .reference = "Blanchard et al. 2017, arXiv:1703.02757",
    .class = OF_CLASS_GRAM,
    .frame = OF_FRAME_DELTA,
    .scale = OF_SCALE_OF_MEAN,
    .base = OF_BASE_REQUIRED,
    .is_federated = true,
    .takes_lambda = true,
    .beta_standard = 1.0,
    .input_count_min = 3,
    .input_count_max = OF_INPUTS_MAX,
    .params = params,
    .param_count = OF_LENGTH(params),
    .gram = OF_GRAM_FULL,
    .prepare = prepare_multi_krum,
    .solve = solve_multi_krum,
};
