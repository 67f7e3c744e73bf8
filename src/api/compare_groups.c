/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups of tensors: the model, each layer of each stack (and what is in no layer), each kind of
 * tensor over all layers. A kind is a role with its numbers replaced, so that the experts of a
 * layer are one kind and their number does not decide how much memory a comparison takes.
 */
#include "api/compare_parts.h"

#include "base/map.h"
#include "base/sort.h"
#include "ckpt/table.h"

#include <string.h>

/* Loose tensors (embeddings, the last norm) are kinds of their own while they are few; a checkpoint
 * without layers would otherwise have one group for each tensor. */
enum { LOOSE_KINDS_MAX = 32 };
enum { KIND_BYTES_MAX = 1200 };

#define NO_LAYER   "tensors outside layers"
#define OTHER_KIND "other tensors"

struct making {
    const struct of_plan *plan;
    struct of_arena *arena;
    struct of_compare_groups *groups;

    struct of_map layers;  /* "model.layers.3" -> first step of that layer */
    uint32_t *layer_steps; /* first step of each layer, in the end sorted */
    uint32_t *scratch;     /* for the sort; then: first step -> group of the layer */
    uint32_t layer_count;
    uint32_t loose_count;

    struct of_map kinds;
    struct of_str *kind_names;
    uint32_t kind_count;
};

/* ---- Layers ---- */

/* "model.layers.17" of "model.layers.17.mlp.weight". */
static struct of_str layer_name(struct of_str name)
{
    const struct of_name_parts parts = of_name_split(name);

    return (struct of_str){name.data, (size_t)(parts.role.data - name.data) - 1};
}

static struct of_str layer_key(const void *context, uint32_t step)
{
    const struct of_plan *plan = context;

    return layer_name(plan->tensors[step].name);
}

static bool layer_before(const void *context, uint32_t a, uint32_t b)
{
    const struct of_plan *plan = context;
    const struct of_name_parts one = of_name_split(plan->tensors[a].name);
    const struct of_name_parts two = of_name_split(plan->tensors[b].name);
    const int order = of_str_compare(one.stack, two.stack);

    return order != 0 ? order < 0 : one.layer < two.layer;
}

static void find_layers(struct making *making)
{
    const struct of_plan *plan = making->plan;

    for (uint32_t i = 0; i < plan->step_count; i++) {
        if (!of_plan_is_surveyed(plan, i)) {
            continue;
        }
        if (!of_name_split(plan->tensors[i].name).is_layer) {
            making->loose_count++;
        } else if (of_map_put(&making->layers, i) == OF_MAP_NONE) {
            making->layer_steps[making->layer_count++] = i;
        }
    }
    of_sort_indices(making->layer_steps, making->scratch, making->layer_count, layer_before, plan);
}

/* ---- Kinds ---- */

static struct of_str kind_key(const void *context, uint32_t index)
{
    const struct making *making = context;

    return making->kind_names[index];
}

static bool is_digits(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
    }
    return length > 0;
}

/* "experts.*.w1.weight" of "experts.7.w1.weight". Names have at most 1,024 bytes. */
static struct of_str kind_name(struct of_str role, char *buffer)
{
    size_t used = 0;
    size_t at = 0;

    while (at < role.length) {
        const char *dot = memchr(role.data + at, '.', role.length - at);
        const size_t end = dot != NULL ? (size_t)(dot - role.data) : role.length;
        const size_t length = end - at;

        if (used + length + 1 > KIND_BYTES_MAX) {
            break;
        }
        if (is_digits(role.data + at, length)) {
            buffer[used++] = '*';
        } else {
            memcpy(buffer + used, role.data + at, length);
            used += length;
        }
        if (dot != NULL) {
            buffer[used++] = '.';
        }
        at = end + 1;
    }
    return (struct of_str){buffer, used};
}

static bool find_kind(struct making *making, uint32_t step)
{
    const struct of_str name = making->plan->tensors[step].name;
    const struct of_name_parts parts = of_name_split(name);
    char buffer[KIND_BYTES_MAX + 1];
    struct of_str kind;
    uint32_t index;

    if (parts.is_layer) {
        kind = kind_name(parts.role, buffer);
    } else {
        kind =
            making->loose_count <= LOOSE_KINDS_MAX ? kind_name(name, buffer) : OF_STR(OTHER_KIND);
    }
    index = of_map_find(&making->kinds, kind);
    if (index == OF_MAP_NONE) {
        const char *copy = of_arena_copy(making->arena, kind.data, kind.length);

        if (copy == NULL) {
            return false;
        }
        index = making->kind_count++;
        making->kind_names[index] = (struct of_str){copy, kind.length};
        (void)of_map_put(&making->kinds, index);
    }
    making->groups->kind_of[step] = index; /* becomes a group below */
    return true;
}

static bool find_kinds(struct making *making)
{
    for (uint32_t i = 0; i < making->plan->step_count; i++) {
        if (of_plan_is_surveyed(making->plan, i) && !find_kind(making, i)) {
            return false;
        }
    }
    return true;
}

/* ---- Groups ---- */

static bool add_group(struct making *making, int kind, struct of_str name)
{
    struct of_compare_groups *groups = making->groups;
    struct of_compare_sums *group = &groups->groups[groups->count++];
    const struct of_shown shown = of_str_escape(name);

    group->kind = kind;
    group->name = of_arena_copy(making->arena, shown.text, strlen(shown.text));
    group->sums = OF_ARENA_NEW(making->arena, double, groups->shape.sum_count + UINT64_C(1));
    group->counts = OF_ARENA_NEW(making->arena, uint64_t, groups->shape.count_count + UINT64_C(1));
    return group->name != NULL && group->sums != NULL && group->counts != NULL;
}

static bool add_layers(struct making *making)
{
    const struct of_plan *plan = making->plan;
    struct of_compare_groups *groups = making->groups;

    for (uint32_t i = 0; i < making->layer_count; i++) {
        const uint32_t first = making->layer_steps[i];

        making->scratch[first] = groups->count;
        if (!add_group(making, ONEFOLD_GROUP_LAYER, layer_name(plan->tensors[first].name))) {
            return false;
        }
    }
    if (making->layer_count > 0 && making->loose_count > 0 &&
        !add_group(making, ONEFOLD_GROUP_LAYER, OF_STR(NO_LAYER))) {
        return false;
    }
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct of_str name = plan->tensors[i].name;

        if (!of_plan_is_surveyed(plan, i) || making->layer_count == 0) {
            continue;
        }
        groups->layer_of[i] = of_name_split(name).is_layer
                                  ? making->scratch[of_map_find(&making->layers, layer_name(name))]
                                  : groups->count - 1;
    }
    return true;
}

static bool add_kinds(struct making *making)
{
    struct of_compare_groups *groups = making->groups;
    const uint32_t first = groups->count;

    for (uint32_t i = 0; i < making->kind_count; i++) {
        if (!add_group(making, ONEFOLD_GROUP_KIND, making->kind_names[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < making->plan->step_count; i++) {
        if (groups->kind_of[i] != OF_COMPARE_NO_GROUP) {
            groups->kind_of[i] += first;
        }
    }
    return true;
}

static bool init(struct making *making)
{
    struct of_compare_groups *groups = making->groups;
    struct of_arena *arena = making->arena;
    const uint32_t count = making->plan->step_count;

    groups->layer_of = OF_ARENA_NEW(arena, uint32_t, count + UINT64_C(1));
    groups->kind_of = OF_ARENA_NEW(arena, uint32_t, count + UINT64_C(1));
    making->layer_steps = OF_ARENA_NEW(arena, uint32_t, count + UINT64_C(1));
    making->scratch = OF_ARENA_NEW(arena, uint32_t, count + UINT64_C(1));
    making->kind_names = OF_ARENA_NEW(arena, struct of_str, count + UINT64_C(1));
    if (groups->layer_of == NULL || groups->kind_of == NULL || making->layer_steps == NULL ||
        making->scratch == NULL || making->kind_names == NULL ||
        !of_map_init(&making->layers, arena, count + UINT64_C(1), layer_key, making->plan) ||
        !of_map_init(&making->kinds, arena, count + UINT64_C(1), kind_key, making)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        groups->layer_of[i] = OF_COMPARE_NO_GROUP;
        groups->kind_of[i] = OF_COMPARE_NO_GROUP;
    }
    return true;
}

static void forget_kinds(struct of_compare_groups *groups, uint32_t step_count)
{
    for (uint32_t i = 0; i < step_count; i++) {
        groups->kind_of[i] = OF_COMPARE_NO_GROUP;
    }
}

static bool make(struct making *making, uint64_t bytes_max)
{
    struct of_compare_groups *groups = making->groups;
    const uint64_t each = 8 * ((uint64_t)groups->shape.sum_count + groups->shape.count_count);
    uint64_t wanted;

    if (!init(making)) {
        return false;
    }
    find_layers(making);
    if (!find_kinds(making)) {
        return false;
    }
    wanted = (uint64_t)making->layer_count + making->kind_count + 2;
    groups->is_coarse = wanted * each > bytes_max;
    groups->groups = OF_ARENA_NEW(making->arena, struct of_compare_sums, wanted);
    if (groups->groups == NULL || !add_group(making, ONEFOLD_GROUP_MODEL, OF_STR("model"))) {
        return false;
    }
    if (groups->is_coarse) {
        forget_kinds(groups, making->plan->step_count);
        return true;
    }
    return add_layers(making) && add_kinds(making);
}

onefold_status of_compare_groups_make(const struct of_plan *plan, uint64_t bytes_max,
                                      struct of_arena *arena, struct of_compare_groups *ret_groups,
                                      onefold_error *err)
{
    struct making making = {.plan = plan, .arena = arena, .groups = ret_groups};

    *ret_groups = (struct of_compare_groups){.shape = plan->survey};
    if (!make(&making, bytes_max)) {
        return of_err_set(err, "memory", "no memory for the groups of a comparison");
    }
    return ONEFOLD_OK;
}

/* ---- Adding ---- */

static void add(const struct of_survey_shape *shape, struct of_compare_sums *group,
                uint64_t elem_count, const double *sums, const uint64_t *counts)
{
    group->tensor_count++;
    group->elem_count += elem_count;
    for (uint32_t i = 0; i < shape->sum_count; i++) {
        group->sums[i] += sums[i];
    }
    for (uint32_t i = 0; i < shape->count_count; i++) {
        group->counts[i] += counts[i];
    }
}

void of_compare_groups_add(struct of_compare_groups *groups, uint32_t step, uint64_t elem_count,
                           const double *sums, const uint64_t *counts)
{
    add(&groups->shape, &groups->groups[0], elem_count, sums, counts);
    if (groups->layer_of[step] != OF_COMPARE_NO_GROUP) {
        add(&groups->shape, &groups->groups[groups->layer_of[step]], elem_count, sums, counts);
    }
    if (groups->kind_of[step] != OF_COMPARE_NO_GROUP) {
        add(&groups->shape, &groups->groups[groups->kind_of[step]], elem_count, sums, counts);
    }
}
