/* SPDX-License-Identifier: Apache-2.0 */
/*
 * geometric_median: the point with the smallest sum of (weighted) distances to the task vectors, by
 * smoothed Weiszfeld steps from their mean (RFA). All points are weighted means, so the steps run
 * on weights. Where the steps settle, an input that is itself the minimiser is taken as it is:
 * towards such a point the steps crawl for ever.
 */
#include "method/gram.h"
#include "method/method.h"
#include "method/rows.h"
#include "method/shares.h"

#include <math.h>
#include <string.h>

enum { PARAM_SAMPLES, PARAM_WEIGHT, PARAM_EPS, PARAM_ITERATIONS };

/* A relative change of the objective below this ends the steps (as published). */
#define SETTLED 1e-6

static const struct of_param params[] = {
    [PARAM_SAMPLES] = OF_SHARES_SAMPLES,
    [PARAM_WEIGHT] = OF_SHARES_WEIGHT,
    [PARAM_EPS] = {.name = "eps",
                   .kind = OF_PARAM_REAL,
                   .is_whole = true,
                   .standard = 1e-5,
                   .min = 0.0,
                   .min_excluded = true,
                   .max = OF_PARAM_UNBOUNDED,
                   .help = "smoothing: distances below this count as this"},
    [PARAM_ITERATIONS] = {.name = "iterations",
                          .kind = OF_PARAM_INTEGER,
                          .is_whole = true,
                          .standard = 4.0,
                          .min = 1.0,
                          .max = OF_GRAM_ROUNDS_MAX,
                          .help = "steps at most; they cost no further reading"},
};

static onefold_status find_shares(const struct of_params *given, double *ret_shares,
                                  onefold_error *err)
{
    return of_shares_find(given, given->per_input[PARAM_SAMPLES], given->per_input[PARAM_WEIGHT],
                          1.0, ret_shares, err);
}

static onefold_status prepare(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err)
{
    return find_shares(given, ret_linear->coefs, err);
}

/* Distances of all task vectors from SUM(a_t tau_t); returns their weighted sum. */
static double measure(const struct of_gram *gram, const double *shares, const double *a,
                      double *ret_distances)
{
    const double square = of_gram_project(gram, a, ret_distances);
    double objective = 0.0;

    for (uint32_t t = 0; t < gram->count; t++) {
        const double rest = of_gram_at(gram, t, t) - 2.0 * ret_distances[t] + square;

        ret_distances[t] = sqrt(fmax(0.0, rest));
        objective += shares[t] * ret_distances[t];
    }
    return objective;
}

static void step(uint32_t count, double eps, const double *shares, const double *distances,
                 double *ret_a)
{
    double sum = 0.0;

    for (uint32_t t = 0; t < count; t++) {
        ret_a[t] = shares[t] / fmax(eps, distances[t]);
        sum += ret_a[t];
    }
    for (uint32_t t = 0; t < count; t++) {
        ret_a[t] /= sum;
    }
}

/* tau_k is the minimiser iff || SUM_t alpha_t (tau_k - tau_t) / D_kt || <= alpha_k. Inputs that
 * equal tau_k add their share to the right side. */
static bool is_minimiser(const struct of_gram *gram, const double *shares, uint32_t k, double *x,
                         double *work)
{
    double held = shares[k];

    x[k] = 0.0;
    for (uint32_t t = 0; t < gram->count; t++) {
        const double distance = t == k ? 0.0 : sqrt(of_gram_distance2(gram, k, t));

        if (t == k) {
            continue;
        }
        x[t] = distance > 0.0 ? -shares[t] / distance : 0.0;
        held += distance > 0.0 ? 0.0 : shares[t];
    }
    for (uint32_t t = 0; t < gram->count; t++) {
        x[k] -= t == k ? 0.0 : x[t];
    }
    return sqrt(of_gram_project(gram, x, work)) <= held;
}

static void take_vertex(const struct of_solve *solve, const double *shares, double *a, double *x,
                        double *work)
{
    const struct of_gram *gram = solve->gram;

    for (uint32_t k = 0; k < gram->count; k++) {
        if (shares[k] > 0.0 && is_minimiser(gram, shares, k, x, work)) {
            memset(a, 0, gram->count * sizeof(a[0]));
            a[k] = 1.0;
            of_report_note(solve->report, "method-vertex", NULL,
                           "geometric_median: the minimiser is input %u itself", k + 1);
            return;
        }
    }
}

static onefold_status solve(const struct of_solve *solve, struct of_solution *ret_solution,
                            onefold_error *err)
{
    const struct of_gram *gram = solve->gram;
    const double eps = solve->params->global[PARAM_EPS];
    double *a = ret_solution->coefs;
    double *shares;
    double *distances;
    double *work;
    double objective;
    /* In range: its row says so. */
    const uint32_t iterations = (uint32_t)solve->params->global[PARAM_ITERATIONS];
    bool settled = false;

    OF_TRY(of_gram_doubles(solve, gram->count, &shares, err));
    OF_TRY(of_gram_doubles(solve, gram->count, &distances, err));
    OF_TRY(of_gram_doubles(solve, gram->count, &work, err));
    OF_TRY(find_shares(solve->params, shares, err));
    of_gram_caution(solve, OF_GRAM_SAY_ORTHOGONAL | OF_GRAM_SAY_DOMINANT);
    memcpy(a, shares, gram->count * sizeof(a[0]));
    objective = measure(gram, shares, a, distances);
    for (uint32_t i = 0; i < iterations && !settled; i++) {
        const double before = objective;

        step(gram->count, eps, shares, distances, a);
        objective = measure(gram, shares, a, distances);
        settled = fabs(before - objective) <= SETTLED * before;
    }
    if (settled && gram->count > 1) {
        take_vertex(solve, shares, a, distances, work);
    }
    return ONEFOLD_OK;
}

const struct of_method of_method_geometric_median = {
    .name = "geometric_median",
    .summary = "base plus the point with the least sum of distances to the task vectors",
    .reference = "arXiv:1912.13445",
    .class = OF_CLASS_GRAM,
    .frame = OF_FRAME_DELTA,
    .scale = OF_SCALE_OF_MEAN,
    .base = OF_BASE_REQUIRED,
    .is_federated = true,
    .takes_lambda = true,
    .beta_standard = 1.0,
    .input_count_min = 1,
    .input_count_max = OF_INPUTS_MAX,
    .params = params,
    .param_count = OF_LENGTH(params),
    .gram = OF_GRAM_FULL,
    .prepare = prepare,
    .solve = solve,
};
