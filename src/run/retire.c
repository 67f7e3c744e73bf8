/* SPDX-License-Identifier: Apache-2.0 */
/* Turns of the visits. */
#include "run/retire.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"
#include "ckpt/digest.h"

onefold_status of_retire_init(struct of_retire *retire, const struct of_plan *plan,
                              struct of_leaves *leaves, struct of_report *report,
                              struct of_arena *arena, onefold_error *err)
{
    bool failed = false;

    *retire = (struct of_retire){.plan = plan, .leaves = leaves, .report = report};
    retire->digests = OF_ARENA_NEW(arena, struct of_digest, plan->step_count);
    retire->lane_count = plan->how.hash_thread_count;
    for (uint32_t i = 0; i < retire->lane_count; i++) {
        retire->lanes[i].differing_step = plan->step_count;
        retire->lanes[i].tensor_hash = of_hash_create(OF_HASH_XXH128);
        failed = failed || retire->lanes[i].tensor_hash == NULL;
    }
    if (plan->nonfinite == OF_NONFINITE_KEEP) {
        retire->counts = OF_ARENA_NEW(arena, struct of_step_count, plan->step_count);
    }
    if (failed || retire->digests == NULL ||
        (plan->nonfinite == OF_NONFINITE_KEEP && retire->counts == NULL)) {
        return of_err_set(err, "memory", "no memory for the digests of %u tensors",
                          plan->step_count);
    }
    /* A tensor without elements has a digest and no visit of its own. */
    for (uint32_t i = 0; i < plan->step_count; i++) {
        if (plan->tensors[i].elem_count == 0) {
            of_digest_tensor_begin(retire->lanes[0].tensor_hash, &plan->tensors[i]);
            of_digest_tensor_end(retire->lanes[0].tensor_hash, &retire->digests[i]);
        }
    }
    return ONEFOLD_OK;
}

/* Keeps the first ones of the plan in order, however the lanes come across them. */
static void keep_difference(struct of_retire *retire, struct of_retire_lane *lane, uint32_t step,
                            uint32_t input)
{
    struct of_difference *kept = retire->differences;
    uint64_t at = of_num_min(retire->differing_count, OF_FINDINGS_SHOWN_MAX);

    if (lane->differing_step == step) {
        return; /* an earlier tile has said so */
    }
    lane->differing_step = step;
    retire->differing_count++;
    if (at == OF_FINDINGS_SHOWN_MAX) {
        if (kept[at - 1].step < step) {
            return;
        }
        at--; /* the last one goes */
    }
    for (; at > 0 && kept[at - 1].step > step; at--) {
        kept[at] = kept[at - 1];
    }
    kept[at] = (struct of_difference){.step = step, .input = input};
}

static void add_counts(struct of_step_count *to, const struct of_step_count *from)
{
    to->nan_in += from->nan_in;
    to->inf_in += from->inf_in;
    to->nan_out += from->nan_out;
    to->inf_out += from->inf_out;
    to->overflow_count += from->overflow_count;
}

onefold_status of_retire_visit(struct of_retire *retire, const struct of_slot *slot,
                               onefold_error *err)
{
    const struct of_plan *plan = retire->plan;
    const struct of_visit *visit = &slot->visit;
    struct of_retire_lane *lane = &retire->lanes[slot->turn.lane];
    const struct of_digest *leaves = slot->leaves;

    for (uint32_t i = 0; i < visit->step_count; i++) {
        const uint32_t step = visit->first_step + i;
        const struct of_tensor *tensor = &plan->tensors[step];
        const uint64_t first = visit->step_count == 1 ? visit->first_elem : 0;
        const uint64_t elems = visit->step_count == 1 ? visit->elem_count : tensor->elem_count;
        const uint64_t grains = of_num_div_ceil(elems, OF_GRAIN_ELEMS);

        if (elems == 0) {
            continue;
        }
        if (first == 0) {
            of_digest_tensor_begin(lane->tensor_hash, tensor);
        }
        of_digest_tensor_leaves(lane->tensor_hash, leaves, grains);
        if (first + elems == tensor->elem_count) {
            of_digest_tensor_end(lane->tensor_hash, &retire->digests[step]);
        }
        leaves += grains;
        if (retire->counts != NULL) {
            add_counts(&retire->counts[step], &slot->counts[i]);
        }
        if (slot->counts[i].differs) {
            keep_difference(retire, lane, step, slot->counts[i].differs_input);
        }
    }
    of_assert((uint64_t)(leaves - slot->leaves) == visit->grain_count);
    return of_leaves_add(retire->leaves, slot->turn.lane, visit->first_grain, slot->leaves,
                         visit->grain_count, err);
}

static void report_differences(const struct of_retire *retire)
{
    const struct of_plan *plan = retire->plan;
    const uint64_t shown = of_num_min(retire->differing_count, OF_FINDINGS_SHOWN_MAX);

    for (uint64_t i = 0; i < shown; i++) {
        const uint32_t step = retire->differences[i].step;
        const uint32_t input = retire->differences[i].input;

        of_report_warning(
            retire->report, "mismatch-copy", NULL,
            "tensor \"%s\": %s has other values than %s, whose values are taken",
            of_str_escape(plan->tensors[step].name).text,
            of_str_escape(of_str_from(plan->inputs[input].label)).text,
            of_str_escape(of_str_from(plan->inputs[plan->steps[step].source].label)).text);
    }
    if (retire->differing_count > OF_FINDINGS_SHOWN_MAX) {
        of_report_warning(retire->report, "mismatch-copy", NULL,
                          "%llu copied tensors in all have other values in other inputs",
                          (unsigned long long)retire->differing_count);
    }
}

void of_retire_finish(struct of_retire *retire)
{
    if (retire->plan != NULL) {
        report_differences(retire);
    }
    for (uint32_t i = 0; i < retire->lane_count; i++) {
        of_hash_destroy(retire->lanes[i].tensor_hash);
    }
    retire->lane_count = 0;
    retire->plan = NULL;
}
