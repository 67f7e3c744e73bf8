/* SPDX-License-Identifier: Apache-2.0 */
/* Judging one name of the output after the other; used by gather.c only. */
#ifndef OF_PLAN_MATCH_H
#define OF_PLAN_MATCH_H

#include "plan/build.h"

struct of_match {
    struct of_build *build;
    const struct of_table *order;   /* of reference: the output follows its order */
    struct of_pick *picks;          /* [step], in order of judgement */
    const struct of_tensor **found; /* [variant]: of the name at hand */
    bool all_tied;
    bool has_head; /* the output stores an LM head */

    /* The name at hand. */
    const struct of_tensor *want;
    const struct of_tensor *base;
    uint32_t present_count; /* inputs that have it */

    struct of_tally missing;
    struct of_tally shapes;
    struct of_tally dtypes;
    struct of_tally codes;
    struct of_tally left_out;
    struct of_tally partial;
    struct of_tally copied;
    struct of_tally base_only;
    struct of_tally wide;
    struct of_tally tied;
};

void of_match_begin(struct of_match *match);
/* Appends the tensor to the plan's and to picks, or says why not. `order_index` is its index in the
 * table of reference; OF_MAP_NONE = it is of another one. */
void of_match_judge(struct of_match *match, const struct of_tensor *want, uint32_t order_index);
void of_match_end(struct of_match *match);

#endif
