/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cclip: centred clipping. Every task vector is cut to `radius` as seen from a centre, and the
 * centre moves by the mean of what is left. One round from the base, as published, is norm clipping
 * and needs norms only. All centres are sums of task vectors and, where the first centre is their
 * median, of this one vector more, so further rounds run on coefficients.
 */
#include "method/gram.h"
#include "method/method.h"
#include "method/network.h"
#include "method/rows.h"
#include "method/shares.h"

#include <math.h>

enum { PARAM_RADIUS, PARAM_START, PARAM_ITERATIONS };
enum { START_BASE, START_MEAN, START_MEDIAN };

/* Norms nearer to each other than this are equal, as far as their sums were rounded. */
#define EQUAL 1e-9

static const char *const starts[] = {
    [START_BASE] = "base", [START_MEAN] = "mean", [START_MEDIAN] = "median", NULL};

static const struct of_param params[] = {
    [PARAM_RADIUS] = {.name = "radius",
                      .kind = OF_PARAM_REAL,
                      .is_whole = true,
                      .required = true,
                      .standard = OF_PARAM_NOT_GIVEN,
                      .min = 0.0,
                      .min_excluded = true,
                      .max = OF_PARAM_UNBOUNDED,
                      .help = "longest task vector, over the whole model, that counts in full"},
    [PARAM_START] = {.name = "start",
                     .kind = OF_PARAM_WORD,
                     .is_whole = true,
                     .standard = START_BASE,
                     .min = START_BASE,
                     .max = START_MEDIAN,
                     .words = starts,
                     .help =
                         "centre of the first round: base, mean or median (of each coordinate)"},
    [PARAM_ITERATIONS] = {.name = "iterations",
                          .kind = OF_PARAM_INTEGER,
                          .is_whole = true,
                          .standard = 1.0,
                          .min = 1.0,
                          .max = OF_GRAM_ROUNDS_MAX,
                          .help = "rounds; they cost no further reading"},
};

static enum of_gram_need need(const struct of_params *given)
{
    return given->global[PARAM_START] == START_BASE && given->global[PARAM_ITERATIONS] == 1.0
               ? OF_GRAM_NORMS
               : OF_GRAM_FULL;
}

static bool starts_from_median(const struct of_params *given)
{
    return given->global[PARAM_START] == START_MEDIAN;
}

static onefold_status prepare(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err)
{
    if (starts_from_median(given) && given->input_count > OF_NETWORK_WIRES_MAX) {
        return of_err_set(err, "recipe-count",
                          "cclip: start: median takes at most %u models, not %u; start: mean takes "
                          "more",
                          (unsigned)OF_NETWORK_WIRES_MAX, given->input_count);
    }
    of_shares_equal(given, given->input_count, ret_linear->coefs);
    return ONEFOLD_OK;
}

/* Where the radius decides nothing, with the range in which it does. */
static void say_inert(const struct of_solve *solve, double radius)
{
    const struct of_gram *gram = solve->gram;
    double low = (double)INFINITY;
    double high = 0.0;

    for (uint32_t t = 0; t < gram->count; t++) {
        low = fmin(low, of_gram_norm(gram, t));
        high = fmax(high, of_gram_norm(gram, t));
    }
    if (high - low <= EQUAL * high) {
        of_report_warning(solve->report, "method-inert", NULL,
                          "cclip: all task vectors are equally long (%.6g), so that clipping only "
                          "scales the sum",
                          high);
    } else if (radius >= high || radius <= low) {
        of_report_warning(solve->report, "method-inert", NULL,
                          "cclip: radius %.6g clips %s; the lengths of the task vectors are %.6g "
                          "to %.6g, and a radius between them tells inputs apart",
                          radius, radius >= high ? "nothing" : "every input to the same length",
                          low, high);
    }
}

/* One round: a[t] <- a[t] (1 - C / T) + c[t] in sum form, C = SUM(c). The median's coefficient is
 * the last, and nothing is added to it. False when nothing moved. */
static bool move(const struct of_gram *gram, double radius, double *a, double *mean, double *work)
{
    const uint32_t vector_count = of_gram_vector_count(gram);
    const double count = gram->count;
    double square;
    double sum = 0.0;
    bool moved = false;

    for (uint32_t t = 0; t < vector_count; t++) {
        mean[t] = a[t] / count;
    }
    square = of_gram_project(gram, mean, work);
    for (uint32_t t = 0; t < gram->count; t++) {
        const double rest = of_gram_at(gram, t, t) - 2.0 * work[t] + square;
        const double distance = sqrt(fmax(0.0, rest));

        work[t] = distance > radius ? radius / distance : 1.0;
        sum += work[t];
    }
    for (uint32_t t = 0; t < vector_count; t++) {
        const double next = a[t] * (1.0 - sum / count) + (t < gram->count ? work[t] : 0.0);

        moved = moved || next != a[t];
        a[t] = next;
    }
    return moved;
}

static onefold_status solve(const struct of_solve *solve, struct of_solution *ret_solution,
                            onefold_error *err)
{
    const struct of_gram *gram = solve->gram;
    const double *global = solve->params->global;
    const double radius = global[PARAM_RADIUS];
    const bool from_base = global[PARAM_START] == START_BASE;
    const uint32_t vector_count = of_gram_vector_count(gram);
    double rounds = global[PARAM_ITERATIONS];
    double *work;

    ret_solution->has_radius = true;
    ret_solution->radius = radius;
    of_gram_caution(solve, 0);
    if (from_base && rounds == 1.0) {
        say_inert(solve, radius);
    }
    if (from_base) {
        /* The first round from the base: no cancellation, and no need for inner products. */
        of_gram_clip(gram, radius, ret_solution->coefs);
        rounds -= 1.0;
    } else {
        for (uint32_t t = 0; t < vector_count; t++) {
            ret_solution->coefs[t] = gram->has_extra ? 0.0 : 1.0;
        }
        if (gram->has_extra) {
            ret_solution->coefs[gram->count] = gram->count;
        }
    }
    if (rounds == 0.0) {
        return ONEFOLD_OK;
    }
    OF_TRY(of_gram_doubles(solve, 2 * (uint64_t)vector_count, &work, err));
    while (rounds > 0.0 && move(gram, radius, ret_solution->coefs, work, work + vector_count)) {
        rounds -= 1.0;
    }
    return ONEFOLD_OK;
}

/* ---- The median ---- */

enum { STRIP_ELEMS = OF_NETWORK_COPY_ELEMS / OF_NETWORK_WIRES_MAX };
_Static_assert(OF_BLOCK_CHUNK % STRIP_ELEMS == 0, "a piece of any number of rows is whole strips");

/* What 0.5 * (a + b) gives, but for sums past the range of f32 and halves below its normal one. */
static void halve(float *restrict v, const float *restrict a, const float *restrict b)
{
    for (size_t i = 0; i < STRIP_ELEMS; i++) {
        v[i] = 0.5F * a[i] + 0.5F * b[i];
    }
}

static void make_median(const struct of_block *block)
{
    OF_NOT_CLEARED struct of_network_copy copy;
    const uint32_t low = (block->count - 1) / 2;
    const uint32_t high = block->count / 2;

    of_network_copy_init(&copy, block->count);
    for (size_t first = 0; first < OF_BLOCK_CHUNK; first += copy.elems) {
        of_network_copy_order(&copy, block, first, low, high);
        for (size_t at = 0; at < copy.elems; at += STRIP_ELEMS) {
            halve(block->v + first + at, copy.rows[low] + at, copy.rows[high] + at);
        }
    }
}

static const struct of_extra extra = {
    .setting = "start: median", .is_wanted = starts_from_median, .make = make_median};

const struct of_method of_method_cclip = {
    .name = "cclip",
    .summary = "base plus the sum of the task vectors, each clipped to a radius",
    .reference = "arXiv:2012.10333",
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
    .gram = OF_GRAM_FULL,
    .need = need,
    .prepare = prepare,
    .solve = solve,
    .extra = &extra,
};
