/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics of a group from its inner products and counts, and the steps of the data-free rules.
 * Every formula stands in docs/methods/compare.md. All is double precision on sums that do not
 * depend on threads or tiles, with exact functions only (sqrt), so the numbers are the same on
 * every machine.
 */
#include "api/compare_parts.h"

#include <math.h>
#include <string.h>

#define NO_NUMBER ((double)NAN)
#define NO_BOUND  ((double)INFINITY)

/* ---- Signs ---- */

/* From the middle outwards: C(T, k) / 2^T underflows at the ends where it means nothing, and never
 * overflows in between. */
void of_compare_null(uint32_t input_count, double *ret_shares)
{
    const double count = input_count;
    double share = 1.0;

    memset(ret_shares, 0, ((uint64_t)input_count + 1) * sizeof(ret_shares[0]));
    if (input_count % 2 == 0) {
        for (uint32_t i = 1; i <= input_count / 2; i++) {
            share *= (2.0 * i - 1.0) / (2.0 * i);
        }
        ret_shares[0] = share; /* C(T, T/2) / 2^T */
        share *= 2.0;
    } else {
        /* C(T, (T-1)/2) / 2^T is C(T+1, (T+1)/2) / 2^(T+1). */
        for (uint32_t i = 1; i <= (input_count + 1) / 2; i++) {
            share *= (2.0 * i - 1.0) / (2.0 * i);
        }
        share *= 2.0;
        ret_shares[1] = share;
    }
    /* k votes against: |s| = T - 2k; C(T, k - 1) = C(T, k) k / (T - k + 1). */
    for (uint32_t k = input_count % 2 == 0 ? input_count / 2 : (input_count - 1) / 2; k > 0; k--) {
        share *= (double)k / (count - (double)k + 1.0);
        ret_shares[input_count - 2 * (k - 1)] = share;
    }
}

static void fill_agreement(onefold_compare_group *group, uint32_t count)
{
    uint64_t total = 0;
    double sum = 0.0;

    for (uint32_t i = 0; i <= count; i++) {
        total += group->agreement[i];
        sum += (double)i * (double)group->agreement[i];
        group->agreement_null_mean += (double)i * group->agreement_null[i];
    }
    group->agreement_mean = total > 0 ? sum / ((double)total * count) : NO_NUMBER;
    group->agreement_null_mean /= count;
}

/* ---- Inner products ---- */

static void fill_gram(const struct of_compare_sums *from, const struct of_survey_shape *shape,
                      double *gram)
{
    const uint32_t count = shape->input_count;

    for (uint32_t s = 0; s < count; s++) {
        for (uint32_t t = s; t < count; t++) {
            const double product = from->sums[of_survey_pair(shape, s, t)];

            gram[(uint64_t)s * count + t] = product;
            gram[(uint64_t)t * count + s] = product;
        }
    }
}

/* One root of the product, so that copies have exactly 1: squares of f32 values, and products of
 * those, stay far inside a double. Rounding may still lift a cosine past 1. */
static double cosine_of(double product, double one, double two)
{
    const double cosine = product / sqrt(one * two);

    if (!(one > 0.0) || !(two > 0.0)) {
        return NO_NUMBER;
    }
    return cosine > 1.0 ? 1.0 : cosine < -1.0 ? -1.0 : cosine;
}

static void fill_cosines(const double *gram, uint32_t count, double *cosine, double *ret_mean)
{
    double sum = 0.0;
    uint64_t pairs = 0;

    for (uint32_t s = 0; s < count; s++) {
        for (uint32_t t = s; t < count; t++) {
            const double value =
                cosine_of(gram[(uint64_t)s * count + t], gram[(uint64_t)s * count + s],
                          gram[(uint64_t)t * count + t]);

            cosine[(uint64_t)s * count + t] = value;
            cosine[(uint64_t)t * count + s] = value;
            if (s != t && !isnan(value)) {
                sum += value;
                pairs++;
            }
        }
    }
    *ret_mean = pairs > 0 ? sum / (double)pairs : NO_NUMBER;
}

static double above_zero(double value)
{
    return value < 0.0 ? 0.0 : value; /* rounding of a difference; NaN stays */
}

/* Ratio of norms, diversity and drift; `with_sum[t]` receives <S, tau_t>. Returns norm(S)^2. */
static double fill_lengths(onefold_compare_group *group, uint32_t count, double *with_sum)
{
    double smallest = NO_BOUND;
    double largest = 0.0;
    double squares = 0.0;
    double whole = 0.0;

    for (uint32_t t = 0; t < count; t++) {
        double row = 0.0;

        for (uint32_t s = 0; s < count; s++) {
            row += group->gram[(uint64_t)s * count + t];
        }
        with_sum[t] = row;
        whole += row;
        squares += group->gram[(uint64_t)t * count + t];
        smallest = group->norms[t] < smallest ? group->norms[t] : smallest;
        largest = group->norms[t] > largest ? group->norms[t] : largest;
    }
    whole = above_zero(whole);
    group->norm_ratio = isnan(squares)   ? NO_NUMBER
                        : smallest > 0.0 ? largest / smallest
                        : largest > 0.0  ? NO_BOUND
                                         : NO_NUMBER;
    group->diversity = isnan(whole) || !(squares > 0.0) ? NO_NUMBER
                       : whole > 0.0                    ? squares / whole
                                                        : NO_BOUND;
    group->drift_variance = above_zero(squares / count - whole / ((double)count * count));
    return whole;
}

static void fill_recall(const onefold_compare_group *group, uint32_t count, double lambda,
                        double whole, const double *with_sum, double *recall, double *interference)
{
    for (uint32_t t = 0; t < count; t++) {
        const double square = group->gram[(uint64_t)t * count + t];
        const double along = square > 0.0 ? with_sum[t] * with_sum[t] / square : 0.0;

        recall[t] = square > 0.0 ? lambda * with_sum[t] / square : NO_NUMBER;
        interference[t] = isnan(square) ? NO_NUMBER : lambda * lambda * above_zero(whole - along);
    }
}

/* ---- One group ---- */

static const uint64_t *counts_of(const struct of_compare_sums *from,
                                 const struct of_survey_shape *shape, enum of_survey_group group)
{
    return from->counts + of_survey_counts(shape, group);
}

/* Mean of the overlap (0) or of the tail statistic (1), over the elements that have one. */
static double mean_of(const struct of_compare_sums *from, const struct of_survey_shape *shape,
                      uint32_t sum, enum of_survey_group group)
{
    const uint64_t count = *counts_of(from, shape, group);

    return count > 0 ? from->sums[of_survey_overlap(shape) + sum] / (double)count : NO_NUMBER;
}

bool of_compare_fill(const struct of_compare_sums *from, const struct of_survey_shape *shape,
                     double lambda, struct of_arena *arena, onefold_compare_group *ret_group)
{
    const uint32_t count = shape->input_count;
    const uint64_t square = (uint64_t)count * count;
    double *gram = OF_ARENA_NEW(arena, double, 2 * square);
    double *numbers = OF_ARENA_NEW(arena, double, 5 * (uint64_t)count + 1);
    double *norms = numbers;
    double whole;

    if (gram == NULL || numbers == NULL) {
        return false;
    }
    *ret_group = (onefold_compare_group){.kind = from->kind,
                                         .name = from->name,
                                         .tensor_count = from->tensor_count,
                                         .elem_count = from->elem_count,
                                         .norms = norms,
                                         .gram = gram,
                                         .cosine = gram + square,
                                         .recall = numbers + count,
                                         .interference = numbers + 2 * (uint64_t)count,
                                         .agreement = counts_of(from, shape, OF_SURVEY_AGREEMENT),
                                         .agreement_null = numbers + 4 * (uint64_t)count,
                                         .zeros = counts_of(from, shape, OF_SURVEY_ZEROS),
                                         .nan_count = counts_of(from, shape, OF_SURVEY_NAN),
                                         .inf_count = counts_of(from, shape, OF_SURVEY_INF)};
    fill_gram(from, shape, gram);
    for (uint32_t t = 0; t < count; t++) {
        norms[t] = sqrt(gram[(uint64_t)t * count + t]);
    }
    fill_cosines(gram, count, gram + square, &ret_group->mean_cosine);
    whole = fill_lengths(ret_group, count, numbers + 3 * (uint64_t)count);
    fill_recall(ret_group, count, lambda, whole, numbers + 3 * (uint64_t)count, numbers + count,
                numbers + 2 * (uint64_t)count);
    of_compare_null(count, numbers + 4 * (uint64_t)count);
    fill_agreement(ret_group, count);
    ret_group->overlap = mean_of(from, shape, 0, OF_SURVEY_IN_OVERLAP);
    ret_group->tail = mean_of(from, shape, 1, OF_SURVEY_IN_TAIL);
    ret_group->tail_gaussian = 3.0 * ((double)count - 1.0) / ((double)count + 1.0);
    return true;
}

/* ---- Steps ---- */

/* Mean over the pairs as model_stock takes it: a model that equals the base has cosine 0. */
static double stock_cosine(const onefold_compare_group *model, uint32_t count)
{
    double sum = 0.0;

    for (uint32_t s = 0; s < count; s++) {
        for (uint32_t t = s + 1; t < count; t++) {
            const double value = model->cosine[(uint64_t)s * count + t];

            sum += isnan(value) ? 0.0 : value;
        }
    }
    return sum / (0.5 * (double)count * ((double)count - 1.0));
}

static double stock_share(const onefold_compare_group *model, uint32_t count)
{
    const double cosine = stock_cosine(model, count);
    const double below = 1.0 + ((double)count - 1.0) * cosine;

    return below > 0.0 ? (double)count * cosine / below : 0.0;
}

/* Weights n^power, of sum 1; NULL in *ret_weights where they are not defined. */
static bool norm_weights(const onefold_compare_group *model, uint32_t count, int power,
                         struct of_arena *arena, double **ret_weights)
{
    double *weights = OF_ARENA_NEW(arena, double, count);
    double sum = 0.0;

    if (weights == NULL) {
        return false;
    }
    for (uint32_t t = 0; t < count; t++) {
        const double norm = model->norms[t];

        weights[t] = power == 2 ? model->gram[(uint64_t)t * count + t] : 1.0 / norm;
        sum += weights[t];
    }
    for (uint32_t t = 0; t < count; t++) {
        weights[t] /= sum;
    }
    *ret_weights = sum > 0.0 && isfinite(sum) ? weights : NULL;
    return true;
}

/* Values that are not finite leave no norm to go by. */
static bool has_unknown(const onefold_compare_group *model, uint32_t count)
{
    for (uint32_t t = 0; t < count; t++) {
        if (!isfinite(model->norms[t])) {
            return true;
        }
    }
    return false;
}

static void add_step(onefold_compare_result *result, onefold_compare_step *steps,
                     const char *source, double beta, const double *lambdas)
{
    steps[result->step_count++] = (onefold_compare_step){
        .source = source, .lambda = beta / result->input_count, .beta = beta, .lambdas = lambdas};
}

bool of_compare_steps(const onefold_compare_group *model, uint32_t input_count,
                      struct of_arena *arena, onefold_compare_result *result)
{
    onefold_compare_step *steps = OF_ARENA_NEW(arena, onefold_compare_step, OF_COMPARE_STEPS_MAX);
    const double half = 0.5 * (double)input_count * model->diversity;
    const bool known = isfinite(half) || !has_unknown(model, input_count);
    double *up = NULL;
    double *down = NULL;

    if (steps == NULL || !norm_weights(model, input_count, 2, arena, &up) ||
        !norm_weights(model, input_count, -1, arena, &down)) {
        return false;
    }
    result->input_count = input_count;
    result->steps = steps;
    result->step_count = 0;
    add_step(result, steps, "average", 1.0, NULL);
    add_step(result, steps, "feddyn", 2.0, NULL);
    /* A sum of length 0 has no direction to step in, as the rule itself says: beta 1. */
    if (known) {
        add_step(result, steps, "fedexp", isfinite(half) && half > 1.0 ? half : 1.0, NULL);
    }
    if (up != NULL) {
        add_step(result, steps, "metagpt", NO_NUMBER, up);
    }
    if (down != NULL) {
        add_step(result, steps, "inverse_norm", NO_NUMBER, down);
    }
    if (known && input_count > 1) {
        add_step(result, steps, "model_stock", stock_share(model, input_count), NULL);
    }
    return true;
}
