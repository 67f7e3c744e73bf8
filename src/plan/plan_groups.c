/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order in which the printed plan groups tensors: loose names, each a group of its own, then stack,
 * role, layer. Each name is read once; most comparisons then need no look at names, which lie
 * anywhere in memory.
 */
#include "plan/plan_print.h"

#include "base/sort.h"

#include <string.h>

/* What one step's name is compared by. */
struct key {
    uint64_t head;  /* the first eight bytes of the role or of the loose name, as one number */
    uint32_t stack; /* the same for steps whose stack is known to be the same; loose: NO_STACK */
    uint32_t layer;
    uint32_t stack_bytes;
    uint32_t role_at;
};

enum { NO_STACK = 0xffffffffu };

struct keys {
    const struct of_plan *plan;
    struct key *of; /* [step] */
};

/* Zeros behind a shorter text: it comes before those that go on, and where heads are equal all is
 * compared. */
static uint64_t head_of(struct of_str text)
{
    uint64_t head = 0;

    for (size_t i = 0; i < sizeof(head); i++) {
        head = head << 8 | (i < text.length ? (unsigned char)text.data[i] : 0U);
    }
    return head;
}

static void read_names(struct keys *keys)
{
    const struct of_plan *plan = keys->plan;
    struct of_str before = {0};
    uint32_t stack = NO_STACK;

    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct of_str name = plan->tensors[i].name;
        const struct of_name_parts parts = of_name_split(name);

        if (!parts.is_layer) {
            keys->of[i] = (struct key){.head = head_of(name), .stack = NO_STACK};
            continue;
        }
        if (stack == NO_STACK || !of_str_equal(parts.stack, before)) {
            stack = i;
            before = parts.stack;
        }
        keys->of[i] = (struct key){.head = head_of(parts.role),
                                   .stack = stack,
                                   .layer = parts.layer,
                                   .stack_bytes = (uint32_t)parts.stack.length,
                                   .role_at = (uint32_t)(parts.role.data - name.data)};
    }
}

static struct of_str stack_of(const struct keys *keys, uint32_t step)
{
    return (struct of_str){keys->plan->tensors[step].name.data, keys->of[step].stack_bytes};
}

/* A loose name has its role at 0. */
static struct of_str role_of(const struct keys *keys, uint32_t step)
{
    const struct of_str name = keys->plan->tensors[step].name;
    const uint32_t at = keys->of[step].role_at;

    return (struct of_str){name.data + at, name.length - at};
}

static bool comes_before(const void *context, uint32_t a, uint32_t b)
{
    const struct keys *keys = context;
    const struct key *one = &keys->of[a];
    const struct key *two = &keys->of[b];
    int order = 0;

    if ((one->stack == NO_STACK) != (two->stack == NO_STACK)) {
        return one->stack == NO_STACK;
    }
    if (one->stack != two->stack) {
        order = of_str_compare(stack_of(keys, a), stack_of(keys, b));
    }
    if (order == 0 && one->head != two->head) {
        return one->head < two->head;
    }
    order = order != 0 ? order : of_str_compare(role_of(keys, a), role_of(keys, b));
    return order != 0 ? order < 0 : one->layer < two->layer;
}

onefold_status of_plan_groups_order(const struct of_plan *plan, uint32_t **ret_order,
                                    onefold_error *err)
{
    struct keys keys = {.plan = plan,
                        .of = of_mem_get(of_mem_array_bytes(plan->step_count, sizeof(*keys.of)))};
    uint32_t *order = of_mem_get(of_mem_array_bytes(plan->step_count, 2 * sizeof(*order)));

    if (keys.of == NULL || order == NULL) {
        of_mem_free(keys.of);
        of_mem_free(order);
        return of_err_set(err, "memory", "no memory to print the plan");
    }
    read_names(&keys);
    for (uint32_t i = 0; i < plan->step_count; i++) {
        order[i] = i;
    }
    of_sort_indices(order, order + plan->step_count, plan->step_count, comes_before, &keys);
    of_mem_free(keys.of);
    *ret_order = order;
    return ONEFOLD_OK;
}
