/* SPDX-License-Identifier: Apache-2.0 */
/* Geometry of the task vectors from their inner products. Used by every rule of class GRAM. */
#include "method/gram.h"

#include <math.h>

/* Above this cosine two inputs are one, or share a displacement that the base lacks. */
#define COSINE_ALIKE 0.95
/* Norms that differ by more than this: the longest decides the direction. */
#define RATIO_LARGE  3.0
/* Below this mean cosine distances between task vectors are hardly more than their lengths. */
#define COSINE_SMALL 0.2

uint32_t of_gram_vector_count(const struct of_gram *gram)
{
    return gram->count + (gram->has_extra ? 1 : 0);
}

double of_gram_at(const struct of_gram *gram, uint32_t s, uint32_t t)
{
    return gram->entries[(uint64_t)s * of_gram_vector_count(gram) + t];
}

double of_gram_norm(const struct of_gram *gram, uint32_t t)
{
    return sqrt(fmax(0.0, of_gram_at(gram, t, t)));
}

double of_gram_distance2(const struct of_gram *gram, uint32_t s, uint32_t t)
{
    const double both = of_gram_at(gram, s, s) + of_gram_at(gram, t, t);

    return fmax(0.0, both - 2.0 * of_gram_at(gram, s, t));
}

double of_gram_project(const struct of_gram *gram, const double *a, double *ret_products)
{
    const uint32_t count = of_gram_vector_count(gram);
    double square = 0.0;

    for (uint32_t t = 0; t < count; t++) {
        double product = 0.0;

        for (uint32_t s = 0; s < count; s++) {
            product += of_gram_at(gram, t, s) * a[s];
        }
        ret_products[t] = product;
        square += a[t] * product;
    }
    return fmax(0.0, square);
}

onefold_status of_gram_doubles(const struct of_solve *solve, uint64_t count, double **ret_doubles,
                               onefold_error *err)
{
    double *doubles = OF_ARENA_NEW(solve->arena, double, count);

    if (doubles == NULL) {
        return of_err_set(err, "memory", "no memory for the coefficients of %u inputs",
                          solve->gram->count);
    }
    *ret_doubles = doubles;
    return ONEFOLD_OK;
}

/* ---- Words of caution ---- */

static void say_zero(const struct of_solve *solve)
{
    uint32_t count = 0;
    uint32_t first = 0;

    for (uint32_t t = 0; t < solve->gram->count; t++) {
        if (of_gram_norm(solve->gram, t) == 0.0) {
            first = count == 0 ? t : first;
            count++;
        }
    }
    if (count > 0) {
        of_report_warning(solve->report, "method-zero", NULL,
                          "input %u equals the base: it adds nothing, and counts as an input all "
                          "the same (%u of %u are so)",
                          first + 1, count, solve->gram->count);
    }
}

static void say_dominant(const struct of_solve *solve)
{
    const struct of_gram *gram = solve->gram;
    uint32_t low = UINT32_MAX;
    uint32_t high = UINT32_MAX;

    for (uint32_t t = 0; t < gram->count; t++) {
        const double norm = of_gram_norm(gram, t);

        if (norm == 0.0) {
            continue;
        }
        low = low == UINT32_MAX || norm < of_gram_norm(gram, low) ? t : low;
        high = high == UINT32_MAX || norm > of_gram_norm(gram, high) ? t : high;
    }
    if (low != UINT32_MAX && of_gram_norm(gram, high) > RATIO_LARGE * of_gram_norm(gram, low)) {
        of_report_warning(solve->report, "method-dominant", NULL,
                          "the task vector of input %u is %.3g times as long as that of input %u "
                          "and dominates; consider cclip, inverse_norm or weights",
                          high + 1, of_gram_norm(gram, high) / of_gram_norm(gram, low), low + 1);
    }
}

/* Pairs of inputs: which are alike, and what their cosines are on the mean. */
static void say_pairs(const struct of_solve *solve, uint32_t say)
{
    const struct of_gram *gram = solve->gram;
    uint64_t pair_count = 0;
    uint64_t alike_count = 0;
    uint32_t alike[2] = {0, 0};
    double sum = 0.0;

    for (uint32_t s = 0; s < gram->count; s++) {
        for (uint32_t t = s + 1; t < gram->count; t++) {
            const double norms = of_gram_norm(gram, s) * of_gram_norm(gram, t);
            const double cosine = norms > 0.0 ? of_gram_at(gram, s, t) / norms : 0.0;

            pair_count += norms > 0.0 ? 1 : 0;
            sum += cosine;
            if (cosine > COSINE_ALIKE) {
                alike[0] = alike_count == 0 ? s : alike[0];
                alike[1] = alike_count == 0 ? t : alike[1];
                alike_count++;
            }
        }
    }
    if (alike_count > 0) {
        of_report_warning(
            solve->report, "method-alike", NULL,
            "inputs %u and %u are alike (cosine above %g; %llu pairs are so): the same "
            "model twice, or the stated base is not the base of all inputs",
            alike[0] + 1, alike[1] + 1, COSINE_ALIKE, (unsigned long long)alike_count);
    }
    if ((say & OF_GRAM_SAY_ORTHOGONAL) != 0 && pair_count > 0 &&
        fabs(sum) < COSINE_SMALL * (double)pair_count) {
        of_report_warning(solve->report, "method-orthogonal", NULL,
                          "the task vectors are close to orthogonal (mean cosine %.3f): their "
                          "distances say little more than their lengths, so that a rule made for "
                          "copies of one task with outliers prefers short ones and may drop whole "
                          "tasks",
                          sum / (double)pair_count);
    }
}

void of_gram_caution(const struct of_solve *solve, uint32_t say)
{
    say_zero(solve);
    if ((say & OF_GRAM_SAY_DOMINANT) != 0) {
        say_dominant(solve);
    }
    if (solve->gram->need == OF_GRAM_FULL) {
        say_pairs(solve, say);
    }
}

void of_gram_clip(const struct of_gram *gram, double radius, double *ret_coefs)
{
    for (uint32_t t = 0; t < gram->count; t++) {
        const double norm = of_gram_norm(gram, t);

        ret_coefs[t] = norm > radius ? radius / norm : 1.0;
    }
}
