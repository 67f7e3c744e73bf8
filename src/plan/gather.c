/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of output tensors: walks every name of every distinct table once, has it judged
 * (match.c), lays the output out, and writes down where each input keeps the tensor of each step.
 */
#include "plan/build.h"

#include "base/check.h"
#include "base/dtype.h"
#include "base/limits.h"
#include "base/num.h"
#include "plan/match.h"

#include <string.h>

/* ---- All names ---- */

/* Names that the table of reference does not have, in order of inputs. */
struct extras {
    const struct of_tensor **tensors;
    uint32_t count;
    struct of_map names;
};

static struct of_str extra_key(const void *context, uint32_t index)
{
    const struct extras *extras = context;

    return extras->tensors[index]->name;
}

/* The table of reference, whose order the output follows. */
static const struct of_table *order_table(const struct of_build *build)
{
    return build->base_variant != OF_VARIANT_NONE
               ? build->variants[build->base_variant].table
               : build->variants[build->origins[0].variant].table;
}

static bool is_first_with_table(const struct of_build *build, uint32_t variant)
{
    for (uint32_t i = 0; i < variant; i++) {
        if (build->variants[i].table == build->variants[variant].table) {
            return false;
        }
    }
    return build->variants[variant].table != order_table(build);
}

/* A table to go through: not that of reference, none of before, and with names of its own. */
static bool may_have_extras(const struct of_build *build, uint32_t variant)
{
    return is_first_with_table(build, variant) &&
           build->variants[variant].table->within != order_table(build);
}

static uint64_t count_misses(const struct of_build *build)
{
    const struct of_table *order = order_table(build);
    uint64_t count = 0;

    for (uint32_t i = 0; i < build->variant_count; i++) {
        const struct of_table *table = build->variants[i].table;

        if (!may_have_extras(build, i)) {
            continue;
        }
        for (uint32_t j = 0; j < table->tensor_count; j++) {
            count += of_table_find(order, table->tensors[j].name) == OF_MAP_NONE ? 1 : 0;
        }
    }
    return count;
}

static onefold_status find_extras(struct of_build *build, struct extras *extras, onefold_error *err)
{
    const struct of_table *order = order_table(build);
    const uint64_t misses = count_misses(build);

    if (misses == 0) {
        return ONEFOLD_OK;
    }
    extras->tensors = OF_ARENA_NEW(&build->scratch, const struct of_tensor *, misses);
    if (misses > OF_TENSORS_MAX || extras->tensors == NULL ||
        !of_map_init(&extras->names, &build->scratch, misses, extra_key, extras)) {
        return of_build_no_memory(build, err);
    }
    for (uint32_t i = 0; i < build->variant_count; i++) {
        const struct of_table *table = build->variants[i].table;

        if (!may_have_extras(build, i)) {
            continue;
        }
        for (uint32_t j = 0; j < table->tensor_count; j++) {
            extras->tensors[extras->count] = &table->tensors[j];
            if (of_table_find(order, table->tensors[j].name) == OF_MAP_NONE &&
                of_map_put(&extras->names, extras->count) == OF_MAP_NONE) {
                extras->count++;
            }
        }
    }
    return ONEFOLD_OK;
}

/* ---- Layouts ---- */

static bool may_read(const struct of_variant *variant, const struct of_pick *pick)
{
    return !variant->is_base || pick->from_base;
}

static void place_behind(const struct of_plan *plan, struct of_layout *layout, uint32_t step)
{
    uint64_t bytes = 0;

    if (layout->shards[step - 1] != OF_PLACE_ABSENT) {
        of_assert(of_dtype_bytes((onefold_dtype)layout->dtypes[step - 1],
                                 plan->tensors[step - 1].elem_count, &bytes));
    }
    layout->shards[step] = layout->shards[step - 1];
    layout->offsets[step] = layout->offsets[step - 1] + bytes;
}

/* A tensor without bytes lies anywhere; it takes its place beside its neighbour, so that it never
 * breaks a bundle. */
static void place_empty(const struct of_plan *plan, struct of_layout *layout)
{
    uint32_t first = 0;

    while (first < plan->step_count && plan->tensors[first].elem_count == 0) {
        first++;
    }
    for (uint32_t i = 0; i < first && first < plan->step_count; i++) {
        layout->shards[i] = layout->shards[first];
        layout->offsets[i] = layout->offsets[first];
    }
    for (uint32_t i = first + 1; i < plan->step_count; i++) {
        if (plan->tensors[i].elem_count == 0) {
            place_behind(plan, layout, i);
        }
    }
}

static onefold_status make_layout(struct of_build *build, struct of_variant *variant,
                                  onefold_error *err)
{
    struct of_plan *plan = build->plan;
    const struct of_table *order = order_table(build);
    struct of_layout *layout = OF_ARENA_NEW(&plan->arena, struct of_layout, 1);

    if (layout == NULL) {
        return of_build_no_memory(build, err);
    }
    layout->offsets = OF_ARENA_NEW(&plan->arena, uint64_t, plan->step_count);
    layout->shards = OF_ARENA_NEW(&plan->arena, uint16_t, plan->step_count);
    layout->dtypes = OF_ARENA_NEW(&plan->arena, uint8_t, plan->step_count);
    if (layout->offsets == NULL || layout->shards == NULL || layout->dtypes == NULL) {
        return of_build_no_memory(build, err);
    }
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct of_pick *pick = &build->picks[i];
        const struct of_tensor *found =
            may_read(variant, pick)
                ? of_match_find(variant, &plan->tensors[i], order, pick->order_index)
                : NULL;

        layout->shards[i] = found != NULL ? found->shard_index : OF_PLACE_ABSENT;
        layout->offsets[i] = found != NULL ? found->offset : 0;
        layout->dtypes[i] = found != NULL ? found->dtype : plan->tensors[i].dtype;
    }
    place_empty(plan, layout);
    variant->layout = layout;
    return ONEFOLD_OK;
}

/* ---- Steps ---- */

static onefold_status make_steps(struct of_build *build, const struct of_pick *picks,
                                 const uint32_t *order, onefold_error *err)
{
    struct of_plan *plan = build->plan;

    plan->steps = OF_ARENA_NEW(&plan->arena, struct of_step, plan->step_count);
    build->picks = OF_ARENA_NEW(&build->scratch, struct of_pick, plan->step_count);
    if (plan->steps == NULL || build->picks == NULL) {
        return of_build_no_memory(build, err);
    }
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct of_pick *pick = &picks[order[i]];

        build->picks[i] = *pick;
        build->base_is_used = build->base_is_used || pick->from_base || pick->delta;
        plan->steps[i] = (struct of_step){.kind = pick->kind,
                                          .delta = pick->delta,
                                          .compare = pick->compare,
                                          .source = pick->source,
                                          .first_grain = plan->grain_count};
        plan->grain_count += of_num_div_ceil(plan->tensors[i].elem_count, OF_GRAIN_ELEMS);
    }
    return ONEFOLD_OK;
}

static void fill_input(const struct of_build *build, const struct of_origin *origin,
                       struct of_plan_input *input)
{
    *input = (struct of_plan_input){.checkpoint = origin->checkpoint,
                                    .layout = build->variants[origin->variant].layout,
                                    .label = origin->label,
                                    .reference = origin->model->text,
                                    .revision = origin->model->revision,
                                    .is_base = origin->entry == NULL};
    if (origin->entry != NULL) {
        input->samples = origin->entry->samples;
        input->steps = origin->entry->steps;
        input->lr_sum = origin->entry->lr_sum;
    }
}

static onefold_status make_inputs(struct of_build *build, onefold_error *err)
{
    struct of_plan *plan = build->plan;

    plan->input_count = build->input_count;
    plan->has_base = build->base_is_used;
    plan->inputs =
        OF_ARENA_NEW(&plan->arena, struct of_plan_input, (uint64_t)build->input_count + 1);
    if (plan->inputs == NULL) {
        return of_build_no_memory(build, err);
    }
    for (uint32_t i = 0; i < build->variant_count; i++) {
        if (!build->variants[i].is_base || plan->has_base) {
            OF_TRY(make_layout(build, &build->variants[i], err));
        }
    }
    for (uint32_t i = 0; i < plan->input_count + (plan->has_base ? 1 : 0); i++) {
        fill_input(build, &build->origins[i], &plan->inputs[i]);
    }
    return ONEFOLD_OK;
}

/* ---- All together ---- */

static onefold_status judge_all(struct of_build *build, struct of_match *match, onefold_error *err)
{
    const struct of_table *order = order_table(build);
    struct extras extras = {0};
    uint64_t count;

    OF_TRY(find_extras(build, &extras, err));
    count = (uint64_t)order->tensor_count + extras.count;
    build->plan->tensors = OF_ARENA_NEW(&build->plan->arena, struct of_tensor, count + 1);
    match->picks = OF_ARENA_NEW(&build->scratch, struct of_pick, count + 1);
    match->found =
        OF_ARENA_NEW(&build->scratch, const struct of_tensor *, (uint64_t)build->variant_count);
    if (build->plan->tensors == NULL || match->picks == NULL || match->found == NULL) {
        return of_build_no_memory(build, err);
    }
    match->order = order;
    of_match_begin(match);
    for (uint32_t i = 0; i < order->tensor_count; i++) {
        of_match_judge(match, &order->tensors[i], i);
    }
    for (uint32_t i = 0; i < extras.count; i++) {
        of_match_judge(match, extras.tensors[i], OF_MAP_NONE);
    }
    of_match_end(match);
    OF_TRY(of_build_check(build, err));
    if (build->plan->step_count == 0) {
        return of_err_set(err, "plan-empty", "no tensor is left to merge");
    }
    return ONEFOLD_OK;
}

onefold_status of_match(struct of_build *build, onefold_error *err)
{
    struct of_plan *plan = build->plan;
    struct of_match match = {.build = build};
    const struct of_pair *metadata;
    uint32_t metadata_count;
    struct of_layout_wish wish;
    uint32_t *order;

    OF_TRY(judge_all(build, &match, err));
    OF_TRY(of_metadata_make(build, &metadata, &metadata_count, err));
    order = OF_ARENA_NEW(&build->scratch, uint32_t, plan->step_count);
    if (order == NULL) {
        return of_build_no_memory(build, err);
    }
    wish = (struct of_layout_wish){build->options->out_shard_bytes, metadata, metadata_count};
    OF_TRY(of_layout_make(plan->tensors, plan->step_count, &wish, &plan->arena, order,
                          &plan->output, err));
    OF_TRY(make_steps(build, match.picks, order, err));
    OF_TRY(make_inputs(build, err));
    of_metadata_patch_config(build, match.has_head);
    return ONEFOLD_OK;
}
