/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-order stage: the visits of a lane pass here in plan order, whatever order they were
 * finished in. Leaves become tensor digests and go to the file of leaves, counts are added up,
 * differences between copied tensors are kept. A tensor lies in one shard and a shard in one lane,
 * so nothing here depends on how the lanes overtake each other. Control thread.
 */
#ifndef OF_RUN_RETIRE_H
#define OF_RUN_RETIRE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/limits.h"
#include "plan/plan.h"
#include "run/leaves.h"
#include "run/slot.h"

#include <stdint.h>

/* What one lane is at. */
struct of_retire_lane {
    struct of_hash *tensor_hash; /* of the tensor whose leaves are coming */
    uint32_t differing_step;     /* the last copied tensor whose bytes differ between inputs */
};

struct of_difference {
    uint32_t step;
    uint32_t input; /* the first one that differs */
};

struct of_retire {
    const struct of_plan *plan;
    struct of_report *report;
    struct of_leaves *leaves;
    struct of_digest *digests;    /* [step] */
    struct of_step_count *counts; /* [step]; NULL when the first non-finite value ends the run */
    struct of_retire_lane lanes[OF_HASH_THREADS_MAX];
    uint32_t lane_count;
    uint64_t differing_count; /* copied tensors whose bytes differ between inputs */
    /* The first ones of the plan, in its order. */
    struct of_difference differences[OF_FINDINGS_SHOWN_MAX];
};

OF_NODISCARD onefold_status of_retire_init(struct of_retire *retire, const struct of_plan *plan,
                                           struct of_leaves *leaves, struct of_report *report,
                                           struct of_arena *arena, onefold_error *err);
/* The slot whose turn it is in its lane. Allocates nothing. */
OF_NODISCARD onefold_status of_retire_visit(struct of_retire *retire, const struct of_slot *slot,
                                            onefold_error *err);
/* Says which copied tensors differ. */
void of_retire_finish(struct of_retire *retire);

#endif
