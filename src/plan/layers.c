/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks of layers: a gradient runs over each of them from t = 0 to t = 1. The number of layers is
 * the largest number in the stack and one; where layers are missing in between, a notice says so.
 */
#include "plan/build.h"

#include "base/check.h"

/* "model.layers" of "model.layers.17.mlp.weight". */
static struct of_str stack_key(const void *context, uint32_t index)
{
    const struct of_tensor *tensors = context;

    return of_name_split(tensors[index].name).stack;
}

/* "model.layers.17" of the same name: one of the stack's layers. */
static struct of_str layer_key(const void *context, uint32_t index)
{
    const struct of_tensor *tensors = context;
    const struct of_str name = tensors[index].name;
    const struct of_name_parts parts = of_name_split(name);
    const size_t role_at = (size_t)(parts.role.data - name.data);

    return (struct of_str){name.data, role_at - 1};
}

struct layers {
    struct of_map stacks;   /* stack -> first step of the stack */
    struct of_map distinct; /* each layer of each stack once */
    uint32_t *last;         /* [first step]: largest number */
    uint32_t *count;        /* [first step]: numbers that occur */
};

static onefold_status init(struct of_build *build, struct layers *layers, onefold_error *err)
{
    const struct of_plan *plan = build->plan;
    struct of_arena *scratch = &build->scratch;

    layers->last = OF_ARENA_NEW(scratch, uint32_t, plan->step_count);
    layers->count = OF_ARENA_NEW(scratch, uint32_t, plan->step_count);
    if (layers->last == NULL || layers->count == NULL ||
        !of_map_init(&layers->stacks, scratch, plan->step_count, stack_key, plan->tensors) ||
        !of_map_init(&layers->distinct, scratch, plan->step_count, layer_key, plan->tensors)) {
        return of_build_no_memory(build, err);
    }
    return ONEFOLD_OK;
}

static void collect(const struct of_plan *plan, struct layers *layers)
{
    struct of_str before = {0};

    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct of_name_parts parts = of_name_split(plan->tensors[i].name);
        struct of_str layer;
        uint32_t first;

        if (!parts.is_layer) {
            continue;
        }
        /* Tensors of one layer mostly stand together. */
        layer = layer_key(plan->tensors, i);
        if (of_str_equal(layer, before)) {
            continue;
        }
        before = layer;
        first = of_map_put(&layers->stacks, i);
        first = first == OF_MAP_NONE ? i : first;
        if (parts.layer > layers->last[first]) {
            layers->last[first] = parts.layer;
        }
        if (of_map_put(&layers->distinct, i) == OF_MAP_NONE) {
            layers->count[first]++;
        }
    }
}

onefold_status of_layers_assign(struct of_build *build, onefold_error *err)
{
    struct of_plan *plan = build->plan;
    struct layers layers;
    struct of_tally holes = {0};

    OF_TRY(init(build, &layers, err));
    collect(plan, &layers);
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct of_name_parts parts = of_name_split(plan->tensors[i].name);
        uint32_t first;

        if (!parts.is_layer) {
            continue; /* loose: t stays 0 */
        }
        first = of_map_find(&layers.stacks, parts.stack);
        of_assert(first != OF_MAP_NONE);
        plan->steps[i].t =
            layers.last[first] == 0 ? 1.0 : (double)parts.layer / (double)layers.last[first];
        if (first == i && (uint64_t)layers.count[first] < (uint64_t)layers.last[first] + 1) {
            of_build_notice(build, &holes, ONEFOLD_LEVEL_WARNING, "plan-holes",
                            "stack \"%s\": %u layers are numbered up to %u",
                            of_str_escape(parts.stack).text, layers.count[first],
                            layers.last[first]);
        }
    }
    of_build_notice_close(build, &holes, "plan-holes", "stacks with holes");
    return ONEFOLD_OK;
}
