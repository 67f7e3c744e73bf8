/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-order stage: visits pass here in plan order, whatever order they were finished in. Leaves
 * become tensor digests and go to the file of leaves, counts are added up, differences between
 * copied tensors are reported. Control thread.
 */
#ifndef OF_RUN_RETIRE_H
#define OF_RUN_RETIRE_H

#include "base/attr.h"
#include "base/err.h"
#include "plan/plan.h"
#include "run/slot.h"
#include "run/writer.h"

#include <stdint.h>

struct of_retire {
    const struct of_plan *plan;
    struct of_report *report;
    struct of_writer *leaves;     /* open on onefold.leaves */
    struct of_digest *digests;    /* [step] */
    struct of_step_count *counts; /* [step]; NULL when the first non-finite value ends the run */
    struct of_hash *tensor_hash;  /* of the tensor whose leaves are coming */
    uint64_t next_visit;
    uint64_t differing_count; /* copied tensors whose bytes differ between inputs */
    uint32_t differing_step;  /* the last one that was reported */
};

OF_NODISCARD onefold_status of_retire_init(struct of_retire *retire, const struct of_plan *plan,
                                           struct of_writer *leaves, struct of_report *report,
                                           struct of_arena *arena, onefold_error *err);
/* The slot of visit `next_visit`. Allocates nothing. */
OF_NODISCARD onefold_status of_retire_visit(struct of_retire *retire, const struct of_slot *slot,
                                            onefold_error *err);
void of_retire_finish(struct of_retire *retire);

#endif
