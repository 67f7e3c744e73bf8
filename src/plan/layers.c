/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks of layers: a gradient runs over each of them from t = 0 to t = 1. The number of layers is
 * the largest number in the stack and one; where layers are missing in between, a notice says so.
 */
#include "plan/build.h"

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

/* Of a loose tensor. */
#define NO_STACK UINT32_MAX

struct layers {
    uint32_t *stack;  /* [step]: first step of its stack, or NO_STACK */
    uint32_t *number; /* [step]: of its layer */
    uint32_t *last;   /* [first step]: largest number */
    uint32_t *count;  /* [first step]: numbers that occur */
};

static onefold_status init(struct of_build *build, struct layers *layers, onefold_error *err)
{
    const uint32_t step_count = build->plan->step_count;
    struct of_arena *scratch = &build->scratch;

    layers->stack = OF_ARENA_NEW(scratch, uint32_t, step_count);
    layers->number = OF_ARENA_NEW(scratch, uint32_t, step_count);
    layers->last = OF_ARENA_NEW(scratch, uint32_t, step_count);
    layers->count = OF_ARENA_NEW(scratch, uint32_t, step_count);
    if (layers->stack == NULL || layers->number == NULL || layers->last == NULL ||
        layers->count == NULL) {
        return of_build_no_memory(build, err);
    }
    return ONEFOLD_OK;
}

/* Reads every name once. */
static onefold_status read_names(struct of_build *build, struct layers *layers, onefold_error *err)
{
    const struct of_plan *plan = build->plan;
    struct of_str before = {0};
    uint32_t first = NO_STACK;
    struct of_map stacks; /* stack -> its first step */

    if (!of_map_init(&stacks, &build->scratch, plan->step_count, stack_key, plan->tensors)) {
        return of_build_no_memory(build, err);
    }
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct of_name_parts parts = of_name_split(plan->tensors[i].name);

        layers->stack[i] = NO_STACK;
        if (!parts.is_layer) {
            continue;
        }
        /* Tensors of one stack mostly stand together. */
        if (first == NO_STACK || !of_str_equal(parts.stack, before)) {
            const uint32_t known = of_map_put(&stacks, i);

            first = known == OF_MAP_NONE ? i : known;
            before = parts.stack;
        }
        layers->stack[i] = first;
        layers->number[i] = parts.layer;
    }
    return ONEFOLD_OK;
}

/* Where the numbers of each stack never go back, each is new or the one before. False: they do. */
static bool count_ascending(const struct of_plan *plan, const struct layers *layers)
{
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const uint32_t first = layers->stack[i];
        const uint32_t number = layers->number[i];

        if (first == NO_STACK) {
            continue;
        }
        if (first != i && number < layers->last[first]) {
            return false;
        }
        if (first == i || number > layers->last[first]) {
            layers->last[first] = number;
            layers->count[first]++;
        }
    }
    return true;
}

static onefold_status count_any_order(struct of_build *build, const struct layers *layers,
                                      onefold_error *err)
{
    const struct of_plan *plan = build->plan;
    struct of_map distinct; /* each layer of each stack once */

    if (!of_map_init(&distinct, &build->scratch, plan->step_count, layer_key, plan->tensors)) {
        return of_build_no_memory(build, err);
    }
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const uint32_t first = layers->stack[i];

        if (first != NO_STACK) {
            layers->last[first] = 0;
            layers->count[first] = 0;
        }
    }
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const uint32_t first = layers->stack[i];
        const uint32_t number = layers->number[i];

        /* Tensors of one layer mostly stand together. */
        if (first == NO_STACK ||
            (i > 0 && layers->stack[i - 1] == first && layers->number[i - 1] == number)) {
            continue;
        }
        if (number > layers->last[first]) {
            layers->last[first] = number;
        }
        if (of_map_put(&distinct, i) == OF_MAP_NONE) {
            layers->count[first]++;
        }
    }
    return ONEFOLD_OK;
}

onefold_status of_layers_assign(struct of_build *build, onefold_error *err)
{
    struct of_plan *plan = build->plan;
    struct layers layers;
    struct of_tally holes = {0};

    OF_TRY(init(build, &layers, err));
    OF_TRY(read_names(build, &layers, err));
    if (!count_ascending(plan, &layers)) {
        OF_TRY(count_any_order(build, &layers, err));
    }
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const uint32_t first = layers.stack[i];
        uint32_t last;

        if (first == NO_STACK) {
            continue; /* loose: t stays 0 */
        }
        last = layers.last[first];
        plan->steps[i].t = last == 0 ? 1.0 : (double)layers.number[i] / (double)last;
        if (first == i && (uint64_t)layers.count[first] < (uint64_t)last + 1) {
            of_build_notice(build, &holes, ONEFOLD_LEVEL_WARNING, "plan-holes",
                            "stack \"%s\": %u layers are numbered up to %u",
                            of_str_escape(of_name_split(plan->tensors[i].name).stack).text,
                            layers.count[first], last);
        }
    }
    of_build_notice_close(build, &holes, "plan-holes", "stacks with holes");
    return ONEFOLD_OK;
}
