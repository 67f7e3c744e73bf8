/* SPDX-License-Identifier: Apache-2.0 */
/* What the output says about itself: __metadata__ of its shards, and the changes to config.json. */
#include "plan/build.h"

#include "base/dtype.h"

#include <stdlib.h>
#include <string.h>

/* ---- __metadata__ ---- */

static const struct of_str *find_value(const struct of_checkpoint *checkpoint, struct of_str key)
{
    for (uint32_t i = 0; i < checkpoint->metadata_count; i++) {
        if (of_str_equal(checkpoint->metadata[i].key, key)) {
            return &checkpoint->metadata[i].value;
        }
    }
    return NULL;
}

/* Digests of an input's bytes are wrong for other bytes. */
static bool is_digest_key(struct of_str key)
{
    return of_str_starts(key, "sshs_") || of_str_is(key, "modelspec.hash_sha256");
}

static bool is_in_all(const struct of_build *build, const struct of_pair *pair)
{
    const uint32_t count = build->input_count + (build->has_base ? 1 : 0);

    for (uint32_t i = 0; i < count; i++) {
        const struct of_str *value = find_value(build->origins[i].checkpoint, pair->key);

        if (value == NULL || !of_str_equal(*value, pair->value)) {
            return false;
        }
    }
    return true;
}

static bool is_known_format(struct of_str value)
{
    return of_str_is(value, "pt") || of_str_is(value, "tf") || of_str_is(value, "flax") ||
           of_str_is(value, "mlx");
}

static int compare_pairs(const void *a, const void *b)
{
    const struct of_pair *left = a;
    const struct of_pair *right = b;

    return of_str_compare(left->key, right->key);
}

onefold_status of_metadata_make(struct of_build *build, const struct of_pair **ret_pairs,
                                uint32_t *ret_count, onefold_error *err)
{
    const struct of_checkpoint *donor = of_origins_donor(build)->checkpoint;
    struct of_pair *pairs =
        OF_ARENA_NEW(&build->plan->arena, struct of_pair, (uint64_t)donor->metadata_count + 1);
    const struct of_str *format = find_value(donor, OF_STR("format"));
    uint32_t count = 0;

    if (pairs == NULL) {
        return of_build_no_memory(build, err);
    }
    /* Loaders refuse metadata without one of the formats they know. */
    pairs[count].key = OF_STR("format");
    pairs[count++].value = format != NULL && is_known_format(*format) ? *format : OF_STR("pt");
    for (uint32_t i = 0; i < donor->metadata_count; i++) {
        const struct of_pair *pair = &donor->metadata[i];

        if (!of_str_is(pair->key, "format") && !is_digest_key(pair->key) &&
            is_in_all(build, pair)) {
            pairs[count++] = *pair;
        }
    }
    qsort(pairs, count, sizeof(pairs[0]), compare_pairs);
    *ret_pairs = pairs;
    *ret_count = count;
    return ONEFOLD_OK;
}

/* ---- config.json ---- */

/* The type that most bytes have, among those that take part in arithmetic. */
static onefold_dtype main_dtype(const struct of_tensor *tensors, uint32_t count)
{
    uint64_t elems[ONEFOLD_DTYPE_COUNT] = {0};
    onefold_dtype best = ONEFOLD_DTYPE_COUNT;

    for (uint32_t i = 0; i < count; i++) {
        const onefold_dtype dtype = (onefold_dtype)tensors[i].dtype;

        if (onefold_dtype_is_numeric(dtype)) {
            elems[dtype] += tensors[i].elem_count;
            best = best == ONEFOLD_DTYPE_COUNT || elems[dtype] > elems[best] ? dtype : best;
        }
    }
    return best;
}

static bool says(struct of_str text, const char *name)
{
    return of_str_is(text, name) ||
           (of_str_starts(text, "torch.") &&
            of_str_is((struct of_str){text.data + 6, text.length - 6}, name));
}

void of_metadata_patch_config(struct of_build *build, bool has_head)
{
    struct of_plan *plan = build->plan;
    const struct of_origin *donor = of_origins_donor(build);
    const struct of_table *table = donor->checkpoint->table;
    const onefold_dtype before = main_dtype(table->tensors, table->tensor_count);
    const onefold_dtype after = main_dtype(plan->tensors, plan->step_count);

    plan->donor = donor->checkpoint;
    plan->donor_config = donor->config;
    if (after != ONEFOLD_DTYPE_COUNT) {
        const char *name = of_dtype_torch_name(after);
        const bool is_stale = plan->donor_config.dtype.length > 0
                                  ? !says(plan->donor_config.dtype, name != NULL ? name : "")
                                  : before != after;

        /* A config that disagreed with its own weights before is left alone. */
        plan->config_patch.dtype = name != NULL && before != after && is_stale ? name : NULL;
    }
    if (has_head && plan->donor_config.tied) {
        plan->config_patch.set_tied = true;
        plan->config_patch.tied = false;
    }
}
