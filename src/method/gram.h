/* SPDX-License-Identifier: Apache-2.0 */
/* What Gram rules share. A point SUM(a_t tau_t) is its coefficients a; distances and lengths follow
 * from inner products, so a rule may iterate as often as it likes without reading a tensor. */
#ifndef OF_METHOD_GRAM_H
#define OF_METHOD_GRAM_H

#include "base/attr.h"
#include "method/method.h"

/* Most rounds that a rule may be asked for: one costs T * T operations, and more would only burn
 * time.
 */
enum { OF_GRAM_ROUNDS_MAX = 100000 };

/* T, or T + 1 with an extra vector, which stands last. */
uint32_t of_gram_vector_count(const struct of_gram *gram);
double of_gram_at(const struct of_gram *gram, uint32_t s, uint32_t t);
/* ||tau_t|| */
double of_gram_norm(const struct of_gram *gram, uint32_t t);
/* ||tau_s - tau_t||^2, never below 0. */
double of_gram_distance2(const struct of_gram *gram, uint32_t s, uint32_t t);
/* With an extra vector, a and the products have T + 1 entries.
 * ret_products[t] = <SUM(a_s tau_s), tau_t>; returns ||SUM(a_s tau_s)||^2, never below 0. */
double of_gram_project(const struct of_gram *gram, const double *a, double *ret_products);

/* `count` zeroed doubles of the solution. */
OF_NODISCARD onefold_status of_gram_doubles(const struct of_solve *solve, uint64_t count,
                                            double **ret_doubles, onefold_error *err);

/* What the numbers say about the inputs, whatever the rule. Bits: which words suit this one. */
enum {
    OF_GRAM_SAY_DOMINANT = 1 << 0,  /* one task vector is much longer than another */
    OF_GRAM_SAY_ORTHOGONAL = 1 << 1 /* the rule measures distances; those say little here */
};
void of_gram_caution(const struct of_solve *solve, uint32_t say);

/* sum form, one step from the base: coefs[t] = min(1, radius / ||tau_t||). */
void of_gram_clip(const struct of_gram *gram, double radius, double *ret_coefs);

#endif
