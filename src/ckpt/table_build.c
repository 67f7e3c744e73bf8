/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of many inputs. Fine-tunes of one base have the same names and mostly the same layout, so
 * a name is kept once for all tables, and a table that equals an earlier one is dropped again: what
 * a hundred inputs cost then is a hundred paths.
 */
#include "ckpt/table_build.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"

#include <inttypes.h>
#include <string.h>

/* Tables that are asked for a name: inputs of one merge agree on names, or the merge is refused. */
enum { KNOWN_TABLES_MAX = 4 };
/* An arena's limit of 0 means none, and every arena has a first chunk of this size. */
#define LIMIT_LEAST UINT64_C(8192)

/* What the bound leaves of `limit` after `used`; 0 stays "no limit". */
static uint64_t rest_of(uint64_t limit, uint64_t used)
{
    if (limit == 0) {
        return 0;
    }
    return of_num_max(LIMIT_LEAST, limit - of_num_min(used, limit));
}

uint64_t of_table_build_limit(const struct of_table_build *build)
{
    const struct of_arena *arena = build->set->arena;
    uint64_t used = arena->used_bytes + build->names.used_bytes + build->other_bytes;

    if (!build->is_adopted) {
        used += build->capacity * sizeof(struct of_tensor);
    }
    return rest_of(arena->limit_bytes, used);
}

static onefold_status too_large(uint64_t tensor_count, onefold_error *err)
{
    return of_err_set(err, "memory-header",
                      "the records of %" PRIu64 " tensors do not fit the memory bound; they need "
                      "about %" PRIu64 " MiB",
                      tensor_count,
                      of_num_div_ceil(tensor_count * (sizeof(struct of_tensor) + 96), OF_MIB));
}

void of_table_build_init(struct of_table_build *build, struct of_checkpoint_set *set,
                         uint64_t other_bytes)
{
    *build = (struct of_table_build){.set = set,
                                     .is_first = set->count == 0,
                                     .first = set->count > 0 ? set->checkpoints[0]->table : NULL,
                                     .duplicate = OF_MAP_NONE,
                                     .other_bytes = other_bytes};
    of_arena_init(&build->names, 0);
    of_arena_init(&build->names, of_table_build_limit(build));
}

void of_table_build_finish(struct of_table_build *build)
{
    of_arena_finish(&build->names);
    if (!build->is_adopted) {
        of_mem_free(build->tensors);
    }
    build->tensors = NULL;
}

/* The tensor of that name in one of the first tables of the set, or NULL; *ret_index is its index
 * in the first one, or OF_MAP_NONE. */
static const struct of_tensor *find_known(const struct of_checkpoint_set *set, struct of_str name,
                                          uint32_t *ret_index)
{
    uint32_t looked = 0;

    *ret_index = OF_MAP_NONE;
    for (uint32_t i = 0; i < set->count && looked < KNOWN_TABLES_MAX; i++) {
        const struct of_table *table = set->checkpoints[i]->table;
        uint32_t index;

        /* A checkpoint joins the set when it is open, with its table. */
        of_assert(table != NULL);
        /* Checkpoints that share a table mostly stand together. */
        if (i > 0 && (table == set->checkpoints[i - 1]->table || table->within != NULL)) {
            continue;
        }
        looked++;
        index = of_table_find(table, name);
        if (index != OF_MAP_NONE) {
            *ret_index = i == 0 ? index : OF_MAP_NONE;
            return &table->tensors[index];
        }
    }
    return NULL;
}

static bool shape_equal(const struct of_tensor *a, const struct of_tensor *b)
{
    return a->rank == b->rank && (a->rank == 0 || a->shape == b->shape ||
                                  memcmp(a->shape, b->shape, a->rank * sizeof(*a->shape)) == 0);
}

/* Gives *tensor a name and a shape that live in `arena` or in an earlier table, where `known` (or
 * NULL) has that name. `previous` (may be NULL) is the tensor before it. Counts what is new. */
static bool settle(struct of_arena *arena, const struct of_tensor *known,
                   const struct of_tensor *previous, struct of_tensor *tensor, uint32_t *own_count)
{
    uint64_t *shape;

    if (known != NULL) {
        tensor->name = known->name;
    } else {
        tensor->name.data = of_arena_copy(arena, tensor->name.data, tensor->name.length);
        if (tensor->name.data == NULL) {
            return false;
        }
        (*own_count)++;
    }
    if (known != NULL && shape_equal(known, tensor)) {
        tensor->shape = known->shape;
    } else if (previous != NULL && shape_equal(previous, tensor)) {
        tensor->shape = previous->shape;
    } else {
        shape = OF_ARENA_NEW(arena, uint64_t, tensor->rank);
        if (shape == NULL) {
            return false;
        }
        if (tensor->rank > 0) {
            memcpy(shape, tensor->shape, tensor->rank * sizeof(*shape));
        }
        tensor->shape = shape;
        (*own_count)++;
    }
    return true;
}

/* Room for an index for each of the first table's tensors. */
static bool make_counterparts(struct of_table_build *build)
{
    const uint32_t count = build->first->tensor_count;

    build->counterparts = OF_ARENA_NEW(&build->names, uint32_t, count);
    for (uint32_t i = 0; build->counterparts != NULL && i < count; i++) {
        build->counterparts[i] = OF_MAP_NONE;
    }
    return build->counterparts != NULL;
}

/* Notes that the tensor to be added next has the name of the first table's tensor `index`. */
static void note_counterpart(struct of_table_build *build, uint32_t index)
{
    if (build->first == NULL) {
        return;
    }
    if (index == OF_MAP_NONE) {
        build->first = NULL; /* it needs a map */
    } else if (build->counterparts[index] == OF_MAP_NONE) {
        build->counterparts[index] = build->count;
    } else if (build->duplicate == OF_MAP_NONE) {
        build->duplicate = build->count;
    }
}

static onefold_status make_room(struct of_table_build *build, uint64_t more, onefold_error *err)
{
    uint64_t need = build->count + more;
    uint64_t limit = of_table_build_limit(build);
    struct of_tensor *larger;

    if (need > OF_TENSORS_MAX) {
        return of_err_set(err, "checkpoint-limit", "more than %u tensors",
                          (unsigned)OF_TENSORS_MAX);
    }
    if (need <= build->capacity) {
        return ONEFOLD_OK;
    }
    /* One shard needs no slack; a second one says that more will follow. */
    if (build->count > 0) {
        need = of_num_min(OF_TENSORS_MAX, need + need / 2);
    }
    if (limit != 0 && (need - build->capacity) * sizeof(*larger) > limit) {
        return too_large(need, err);
    }
    larger = of_mem_resize(build->tensors, of_mem_array_bytes(need, sizeof(*larger)));
    if (larger == NULL) {
        return too_large(need, err);
    }
    build->tensors = larger;
    build->capacity = (uint32_t)need;
    return ONEFOLD_OK;
}

onefold_status of_table_build_add(struct of_table_build *build, const struct of_header *header,
                                  uint32_t shard_index, onefold_error *err)
{
    struct of_arena *arena = build->is_first ? build->set->arena : &build->names;

    OF_TRY(make_room(build, header->tensor_count, err));
    if (build->first != NULL && build->counterparts == NULL && !make_counterparts(build)) {
        return too_large(build->first->tensor_count, err);
    }
    for (uint64_t i = 0; i < header->tensor_count; i++) {
        struct of_tensor *tensor = &build->tensors[build->count];
        const struct of_tensor *known;
        uint32_t index;

        *tensor = header->tensors[i];
        tensor->shard_index = (uint16_t)shard_index;
        known = find_known(build->set, tensor->name, &index);
        note_counterpart(build, index);
        if (!settle(arena, known, build->count > 0 ? tensor - 1 : NULL, tensor,
                    &build->own_count)) {
            return too_large(build->count + header->tensor_count - i, err);
        }
        build->count++;
    }
    return ONEFOLD_OK;
}

bool of_table_build_can_adopt(const struct of_table_build *build, uint32_t shard_count)
{
    return build->is_first && shard_count == 1;
}

onefold_status of_table_build_adopt(struct of_table_build *build, const struct of_header *header,
                                    onefold_error *err)
{
    of_assert(build->count == 0);
    if (header->tensor_count > OF_TENSORS_MAX) {
        return of_err_set(err, "checkpoint-limit", "more than %u tensors",
                          (unsigned)OF_TENSORS_MAX);
    }
    build->is_adopted = true;
    build->tensors = header->tensors;
    build->count = (uint32_t)header->tensor_count;
    build->capacity = build->count;
    for (uint32_t i = 0; i < build->count; i++) {
        build->tensors[i].shard_index = 0;
    }
    return ONEFOLD_OK;
}

static struct of_str tensor_name(const void *context, uint32_t index)
{
    const struct of_tensor *tensors = context;

    return tensors[index].name;
}

/* The sum of bytes and the types. */
static onefold_status count_table(struct of_table *table, onefold_error *err)
{
    table->byte_count = 0;
    table->dtypes = 0;
    for (uint32_t i = 0; i < table->tensor_count; i++) {
        if (!of_num_add(table->byte_count, table->tensors[i].byte_count, &table->byte_count)) {
            return of_err_set(err, "checkpoint-limit", "the tensors have more than 2^64 bytes");
        }
        table->dtypes |= UINT32_C(1) << table->tensors[i].dtype;
    }
    return ONEFOLD_OK;
}

/* Fills the map over table->tensors. */
static onefold_status map_table(struct of_table *table, struct of_arena *arena,
                                uint32_t *ret_duplicate, onefold_error *err)
{
    *ret_duplicate = OF_MAP_NONE;
    if (!of_map_init(&table->names, arena, table->tensor_count, tensor_name, table->tensors)) {
        return too_large(table->tensor_count, err);
    }
    for (uint32_t i = 0; i < table->tensor_count; i++) {
        if (of_map_put(&table->names, i) != OF_MAP_NONE && *ret_duplicate == OF_MAP_NONE) {
            *ret_duplicate = i;
        }
    }
    return ONEFOLD_OK;
}

onefold_status of_table_build_draft(struct of_table_build *build, struct of_table *ret_table,
                                    uint32_t *ret_duplicate, onefold_error *err)
{
    *ret_table = (struct of_table){.tensors = build->tensors, .tensor_count = build->count};
    OF_TRY(count_table(ret_table, err));
    if (build->first != NULL && build->counterparts != NULL) {
        ret_table->within = build->first;
        ret_table->counterparts = build->counterparts;
        *ret_duplicate = build->duplicate;
        return ONEFOLD_OK;
    }
    /* Records that are kept where they are keep their map too. */
    return map_table(ret_table, build->is_adopted ? build->set->arena : &build->names,
                     ret_duplicate, err);
}

/* An equal table of the set, or NULL. */
static const struct of_table *find_equal(const struct of_checkpoint_set *set,
                                         const struct of_table *draft)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const struct of_table *table = set->checkpoints[i]->table;

        if ((i == 0 || table != set->checkpoints[i - 1]->table) && of_table_equal(table, draft)) {
            return table;
        }
    }
    return NULL;
}

/* The records in memory of `records`, with names and shapes that last. */
static onefold_status keep_tensors(const struct of_table_build *build, const struct of_table *draft,
                                   struct of_arena *records, struct of_table *table,
                                   onefold_error *err)
{
    struct of_arena *arena = build->set->arena;
    const bool has_own = !build->is_first && build->own_count > 0;
    uint32_t own_count = 0;

    *table = *draft;
    table->tensors = OF_ARENA_NEW(records, struct of_tensor, draft->tensor_count);
    if (table->tensors == NULL) {
        return too_large(draft->tensor_count, err);
    }
    if (draft->tensor_count > 0) {
        memcpy(table->tensors, draft->tensors, draft->tensor_count * sizeof(*table->tensors));
    }
    for (uint32_t i = 0; has_own && i < draft->tensor_count; i++) {
        struct of_tensor *tensor = &table->tensors[i];
        uint32_t index;

        if (!settle(arena, find_known(build->set, tensor->name, &index), i > 0 ? tensor - 1 : NULL,
                    tensor, &own_count)) {
            return too_large(draft->tensor_count, err);
        }
    }
    return ONEFOLD_OK;
}

/* The same for what its names are found by. */
static onefold_status keep_names(const struct of_table *draft, struct of_arena *records,
                                 struct of_table *table, onefold_error *err)
{
    uint32_t duplicate;

    if (draft->within == NULL) {
        return map_table(table, records, &duplicate, err);
    }
    table->counterparts = OF_ARENA_NEW(records, uint32_t, draft->within->tensor_count);
    if (table->counterparts == NULL) {
        return too_large(draft->tensor_count, err);
    }
    memcpy(table->counterparts, draft->counterparts,
           draft->within->tensor_count * sizeof(*table->counterparts));
    return ONEFOLD_OK;
}

/* Of a table after the first, in an arena of its own that can be dropped. The limit of the set's
 * arena is that of both together. */
static onefold_status keep_later(const struct of_table_build *build, const struct of_table *draft,
                                 struct of_table *table, onefold_error *err)
{
    struct of_checkpoint_set *set = build->set;
    struct of_arena *arena = set->arena;
    const uint64_t used = set->later.used_bytes;
    onefold_status status;

    set->later.limit_bytes =
        arena->limit_bytes == 0 ? 0 : used + rest_of(arena->limit_bytes, arena->used_bytes);
    status = keep_tensors(build, draft, &set->later, table, err);
    if (status == ONEFOLD_OK) {
        status = keep_names(draft, &set->later, table, err);
    }
    if (arena->limit_bytes != 0) {
        arena->limit_bytes =
            of_num_max(LIMIT_LEAST, arena->limit_bytes - of_num_min(arena->limit_bytes,
                                                                    set->later.used_bytes - used));
    }
    table->next = set->later_tables;
    set->later_tables = table;
    return status;
}

onefold_status of_table_build_keep(struct of_table_build *build, const struct of_table *draft,
                                   const struct of_table **ret_table, onefold_error *err)
{
    struct of_arena *arena = build->set->arena;
    const struct of_table *equal = find_equal(build->set, draft);
    struct of_table *table;

    if (equal != NULL) {
        *ret_table = equal;
        return ONEFOLD_OK;
    }
    table = OF_ARENA_NEW(arena, struct of_table, 1);
    if (table == NULL) {
        return too_large(draft->tensor_count, err);
    }
    if (build->is_adopted) {
        *table = *draft;
    } else if (!build->is_first) {
        OF_TRY(keep_later(build, draft, table, err));
    } else {
        OF_TRY(keep_tensors(build, draft, arena, table, err));
        OF_TRY(keep_names(draft, arena, table, err));
    }
    *ret_table = table;
    return ONEFOLD_OK;
}
