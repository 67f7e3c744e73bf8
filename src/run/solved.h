/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule found in the statistics, and the rows of coefficients the blend works with. */
#ifndef OF_RUN_SOLVED_H
#define OF_RUN_SOLVED_H

#include "base/attr.h"
#include "base/err.h"
#include "plan/plan.h"

#include <stdbool.h>
#include <stdint.h>

struct of_solved {
    const struct of_row *rows; /* [plan->row_count]: the plan's, until the rule has solved */

    /* Set by of_solved_make; NULL and false without. */
    double *coefs;  /* [input], then that of plan->extra, before they are rounded to f32 */
    double *norms;  /* [input], of the whole task vectors */
    bool *selected; /* [input]: its coefficient is not 0 */
    bool some_left_out;
    bool has_radius;
    double radius;

    /* Of the first row that has them; for print. */
    bool has_lambda;
    double lambda;
    double beta;
};

/* Rows as planned. */
void of_solved_init(struct of_solved *solved, const struct of_plan *plan);
/* Asks the rule of a plan whose method solves. `entries` is the whole matrix of struct of_gram.
 * Ids: what the rule says; value-solve, memory. */
OF_NODISCARD onefold_status of_solved_make(struct of_solved *solved, const struct of_plan *plan,
                                           const double *entries, struct of_arena *arena,
                                           struct of_report *report, onefold_error *err);

#endif
