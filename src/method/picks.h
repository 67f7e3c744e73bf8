/* SPDX-License-Identifier: Apache-2.0 */
/* Krum scores: the part that krum, multi_krum and bulyan share. */
#ifndef OF_METHOD_PICKS_H
#define OF_METHOD_PICKS_H

#include "base/attr.h"
#include "method/gram.h"
#include "method/method.h"

/* Memory of one selection. `active` says who still takes part; the user of it takes out winners. */
struct of_picks {
    const struct of_gram *gram;
    bool *active;      /* [T] */
    double *scores;    /* [T] */
    double *distances; /* [T] */
    uint32_t *order;   /* [T] */
    uint32_t *scratch; /* [T] */
    uint32_t active_count;
};

/* All inputs active. */
OF_NODISCARD onefold_status of_picks_init(struct of_picks *picks, const struct of_solve *solve,
                                          onefold_error *err);

/* scores[i] = sum of the `neighbour_count` smallest squared distances to other active inputs. */
void of_picks_score(struct of_picks *picks, uint32_t neighbour_count);
/* The active input with the smallest score; equal scores: the first. */
uint32_t of_picks_best(const struct of_picks *picks);

/* Refuses fewer inputs than factor * f + 3. */
OF_NODISCARD onefold_status of_picks_check_count(const struct of_params *given, double f,
                                                 double factor, onefold_error *err);

/* The row of `f`. */
#define OF_PICKS_F                                                                 \
    {                                                                              \
        .name = "f", .kind = OF_PARAM_INTEGER, .is_whole = true, .required = true, \
        .standard = OF_PARAM_NOT_GIVEN, .min = 0.0, .max = OF_INPUTS_MAX,          \
        .help = "how many inputs may be bad"                                       \
    }

#endif
