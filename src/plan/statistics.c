/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which statistics a plan needs, and whether saved ones are those of its inputs. An input is known
 * by the headers, sizes and times of its shards: reading all of it to be sure would cost the pass
 * that saved statistics save.
 */
#include "plan/build.h"

#include "base/bytes.h"

#include <string.h>

/* ---- Who the inputs are ---- */

static void add_u64(struct of_hash *hash, uint64_t value)
{
    uint8_t bytes[8];

    of_bytes_store64(bytes, value);
    of_hash_update(hash, bytes, sizeof(bytes));
}

static void identify_checkpoint(struct of_hash *hash, const struct of_checkpoint *checkpoint,
                                struct of_sha256_digest *ret_digest)
{
    of_hash_restart(hash);
    add_u64(hash, checkpoint->shard_count);
    for (uint32_t i = 0; i < checkpoint->shard_count; i++) {
        const struct of_shard *shard = &checkpoint->shards[i];

        of_hash_update(hash, shard->header_sha256.bytes, sizeof(shard->header_sha256.bytes));
        add_u64(hash, shard->identity.size_bytes);
        add_u64(hash, (uint64_t)shard->identity.mtime_sec);
        add_u64(hash, shard->identity.mtime_nsec);
    }
    of_hash_finish(hash, ret_digest->bytes);
}

/* In plan order, in which the sums were added. Types are those of the inputs' headers. */
static void identify_tensors(struct of_hash *hash, const struct of_plan *plan,
                             struct of_sha256_digest *ret_digest)
{
    of_hash_restart(hash);
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct of_tensor *tensor = &plan->tensors[i];

        if (!of_plan_is_surveyed(plan, i)) {
            continue;
        }
        add_u64(hash, tensor->name.length);
        of_hash_update(hash, tensor->name.data, tensor->name.length);
        add_u64(hash, plan->inputs[plan->input_count].layout->dtypes[i]);
        add_u64(hash, tensor->rank);
        for (uint32_t k = 0; k < tensor->rank; k++) {
            add_u64(hash, tensor->shape[k]);
        }
    }
    of_hash_finish(hash, ret_digest->bytes);
}

onefold_status of_plan_stats_identity(const struct of_plan *plan, struct of_arena *arena,
                                      struct of_stats_file **ret_stats, onefold_error *err)
{
    struct of_stats_file *stats = OF_ARENA_NEW(arena, struct of_stats_file, 1);
    struct of_hash *hash = of_hash_create(OF_HASH_SHA256);

    if (stats != NULL) {
        stats->input_count = plan->input_count;
        stats->inputs = OF_ARENA_NEW(arena, struct of_sha256_digest, plan->input_count);
    }
    if (hash == NULL || stats == NULL || stats->inputs == NULL) {
        of_hash_destroy(hash);
        return of_err_set(err, "memory", "no memory to identify the inputs");
    }
    for (uint32_t i = 0; i < plan->input_count; i++) {
        identify_checkpoint(hash, plan->inputs[i].checkpoint, &stats->inputs[i]);
    }
    identify_checkpoint(hash, plan->inputs[plan->input_count].checkpoint, &stats->base);
    identify_tensors(hash, plan, &stats->tensors);
    of_hash_destroy(hash);
    *ret_stats = stats;
    return ONEFOLD_OK;
}

/* ---- What solve is asked with ---- */

static double *copy_values(struct of_arena *arena, const double *values, uint32_t count)
{
    double *copy = OF_ARENA_NEW(arena, double, (uint64_t)count + 1);

    for (uint32_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = values[i];
    }
    return copy;
}

onefold_status of_statistics_keep_params(struct of_build *build, const struct of_params *params,
                                         onefold_error *err)
{
    struct of_plan *plan = build->plan;
    const uint32_t param_count = build->method->param_count;
    const uint32_t count = params->input_count;
    bool *present = OF_ARENA_NEW(&plan->arena, bool, (uint64_t)count + 1);
    double **per_input = OF_ARENA_NEW(&plan->arena, double *, (uint64_t)param_count + 1);
    double *global = copy_values(&plan->arena, params->global, param_count);

    if (present == NULL || per_input == NULL || global == NULL) {
        return of_build_no_memory(build, err);
    }
    for (uint32_t i = 0; i < count; i++) {
        present[i] = true;
    }
    for (uint32_t p = 0; p < param_count; p++) {
        if (params->per_input[p] != NULL) {
            per_input[p] = copy_values(&plan->arena, params->per_input[p], count);
            if (per_input[p] == NULL) {
                return of_build_no_memory(build, err);
            }
        }
    }
    plan->params = (struct of_params){.input_count = count,
                                      .present = present,
                                      .per_input = (const double *const *)per_input,
                                      .global = global};
    return ONEFOLD_OK;
}

/* ---- Saved statistics ---- */

static bool same(const struct of_sha256_digest *a, const struct of_sha256_digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static onefold_status check_input(const struct of_plan *plan, uint32_t input, bool equal,
                                  onefold_error *err)
{
    if (equal) {
        return ONEFOLD_OK;
    }
    return of_err_set(err, "stats-mismatch",
                      "%s is not what the saved statistics were made from: another model, or its "
                      "files have changed",
                      of_str_escape(of_str_from(plan->inputs[input].label)).text);
}

static onefold_status check_saved(struct of_build *build, const struct of_stats_file *saved,
                                  onefold_error *err)
{
    struct of_plan *plan = build->plan;
    struct of_stats_file *own = NULL;

    if (saved->input_count != plan->input_count) {
        return of_err_set(err, "stats-mismatch",
                          "the saved statistics are of %u inputs besides the base, not of %u",
                          saved->input_count, plan->input_count);
    }
    OF_TRY(of_plan_stats_identity(plan, &build->scratch, &own, err));
    OF_TRY(check_input(plan, plan->input_count, same(&saved->base, &own->base), err));
    for (uint32_t i = 0; i < plan->input_count; i++) {
        OF_TRY(check_input(plan, i, same(&saved->inputs[i], &own->inputs[i]), err));
    }
    if (!same(&saved->tensors, &own->tensors)) {
        return of_err_set(err, "stats-mismatch",
                          "the saved statistics cover other tensors than this merge, or the same "
                          "ones in another order");
    }
    return ONEFOLD_OK;
}

/* The caller's may be gone before the plan is. */
static onefold_status keep_saved(struct of_build *build, const struct of_stats_file *saved,
                                 onefold_error *err)
{
    struct of_arena *arena = &build->plan->arena;
    const uint64_t count = saved->input_count;
    struct of_stats_file *copy = OF_ARENA_NEW(arena, struct of_stats_file, 1);

    if (copy == NULL) {
        return of_build_no_memory(build, err);
    }
    *copy = *saved;
    copy->inputs = OF_ARENA_NEW(arena, struct of_sha256_digest, count);
    copy->gram = OF_ARENA_NEW(arena, double, count *count);
    if (copy->inputs == NULL || copy->gram == NULL) {
        return of_build_no_memory(build, err);
    }
    memcpy(copy->inputs, saved->inputs, count * sizeof(copy->inputs[0]));
    memcpy(copy->gram, saved->gram, count * count * sizeof(copy->gram[0]));
    build->plan->stats = copy;
    return ONEFOLD_OK;
}

static const struct of_extra *extra_of(const struct of_method *method,
                                       const struct of_params *params)
{
    return method->extra != NULL && method->extra->is_wanted(params) ? method->extra : NULL;
}

onefold_status of_statistics_choose(struct of_build *build, onefold_error *err)
{
    struct of_plan *plan = build->plan;
    const struct of_method *method = build->method;
    const struct of_stats_file *saved = build->options->stats;
    enum of_gram_need need = OF_GRAM_NONE;

    plan->compare = build->options->compare;
    if (plan->compare) {
        need = OF_GRAM_FULL;
    } else if (method->solve != NULL) {
        need = of_method_need(method, &plan->params);
        plan->extra = extra_of(method, &plan->params);
    }
    if (saved != NULL && plan->extra != NULL) {
        return of_err_set(err, "stats-extra",
                          "%s with %s needs more than the inner products that saved statistics "
                          "hold",
                          method->name, plan->extra->setting);
    }
    if (saved != NULL && need == OF_GRAM_NONE) {
        struct of_tally unused = {0};

        of_build_notice(build, &unused, ONEFOLD_LEVEL_WARNING, "stats-unused",
                        "the method \"%s\" needs no statistics; the saved ones are not used",
                        method->name);
    } else if (saved != NULL && !plan->compare) {
        OF_TRY(check_saved(build, saved, err));
        OF_TRY(keep_saved(build, saved, err));
        need = OF_GRAM_NONE;
    }
    of_survey_shape_make(need, plan->compare, of_plan_vector_count(plan), &plan->survey);
    plan->pass_count = need != OF_GRAM_NONE && !plan->compare ? 2 : 1;
    plan->gather = method->class == OF_CLASS_ELEMENT || need == OF_GRAM_FULL;
    return ONEFOLD_OK;
}
