/* SPDX-License-Identifier: Apache-2.0 */
/* The inputs and the base: who takes part, opening them, and which of them share a layout. */
#include "plan/build.h"

#include "base/check.h"
#include "base/limits.h"

#include <string.h>

/* ---- Who takes part ---- */

/* "./a/" and "a" are one folder; what else is one folder shows when it is opened. */
static struct of_str plain_path(const char *path)
{
    struct of_str text = of_str_from(path);

    while (of_str_starts(text, "./")) {
        text.data += 2;
        text.length -= 2;
    }
    while (text.length > 1 && text.data[text.length - 1] == '/') {
        text.length--;
    }
    return text;
}

static bool same_reference(const struct of_model_ref *a, const struct of_model_ref *b)
{
    return of_str_equal(plain_path(a->path), plain_path(b->path)) &&
           strcmp(a->revision, b->revision) == 0;
}

/* A rule in the delta frame gets nothing from the base as an input: its task vector is zero. */
static bool drops_base(const struct of_build *build)
{
    return build->recipe->has_base && build->method->base == OF_BASE_REQUIRED;
}

/* Last component of the path. */
static const char *base_label(struct of_build *build)
{
    const struct of_str path = plain_path(build->recipe->base.path);
    size_t first = path.length;

    while (first > 0 && path.data[first - 1] != '/') {
        first--;
    }
    return of_arena_copy(&build->plan->arena, path.data + first, path.length - first);
}

onefold_status of_origins_select(struct of_build *build, onefold_error *err)
{
    const struct of_recipe *recipe = build->recipe;

    build->origins =
        OF_ARENA_NEW(&build->scratch, struct of_origin, (uint64_t)recipe->input_count + 1);
    if (build->origins == NULL) {
        return of_build_no_memory(build, err);
    }
    build->has_base = recipe->has_base;
    for (uint32_t i = 0; i < recipe->input_count; i++) {
        const struct of_recipe_input *entry = &recipe->inputs[i];

        if (drops_base(build) && same_reference(&entry->model, &recipe->base)) {
            continue;
        }
        build->origins[build->input_count++] =
            (struct of_origin){.entry = entry, .model = &entry->model, .label = entry->name};
    }
    if (build->has_base) {
        build->origins[build->input_count] =
            (struct of_origin){.model = &recipe->base, .label = base_label(build)};
        if (build->origins[build->input_count].label == NULL) {
            return of_build_no_memory(build, err);
        }
    }
    return ONEFOLD_OK;
}

static uint32_t origin_count(const struct of_build *build)
{
    return build->input_count + (build->has_base ? 1 : 0);
}

const struct of_origin *of_origins_donor(const struct of_build *build)
{
    return &build->origins[build->has_base ? build->input_count : 0];
}

/* ---- Opening ---- */

/* Index of the origin that is opened as number `nth`: first the one whose order the output follows,
 * because the tensors of the others are placed by those of the first. */
static uint32_t origin_to_open(const struct of_build *build, uint32_t nth)
{
    if (!build->has_base || build->method->base == OF_BASE_NONE) {
        return nth;
    }
    return nth == 0 ? build->input_count : nth - 1;
}

/* A reference seen before is opened once, so that 200 entries of one model cost one. */
static struct of_checkpoint *find_open(const struct of_build *build, uint32_t index)
{
    for (uint32_t i = 0; i < origin_count(build); i++) {
        if (build->origins[i].checkpoint != NULL &&
            same_reference(build->origins[i].model, build->origins[index].model)) {
            return build->origins[i].checkpoint;
        }
    }
    return NULL;
}

static onefold_status open_origin(struct of_build *build, uint32_t index, onefold_error *err)
{
    struct of_origin *origin = &build->origins[index];
    const char *revision = origin->model->revision[0] != '\0' ? origin->model->revision : NULL;
    onefold_error found;
    onefold_status status;

    origin->checkpoint = find_open(build, index);
    if (origin->checkpoint != NULL) {
        return ONEFOLD_OK;
    }
    of_err_clear(&found);
    status = of_checkpoint_open(&build->plan->set, origin->model->path, revision,
                                &origin->checkpoint, &found);
    if (status == ONEFOLD_OK) {
        return ONEFOLD_OK;
    }
    origin->checkpoint = NULL;
    if (build->plan->arena.limit_hit) {
        return strcmp(found.id, "memory") == 0 ? of_build_no_memory(build, err)
                                               : (*err = found, status);
    }
    if (status == ONEFOLD_E_MEMORY || status == ONEFOLD_E_INTERNAL) {
        *err = found;
        return status;
    }
    /* The message names the path; the place is where the recipe asks for it. */
    of_build_error(build, found.id, origin->model->mark, found.hint, "%s", found.message);
    return ONEFOLD_OK;
}

/* ---- The same model twice ---- */

static bool is_same_checkpoint(const struct of_checkpoint *a, const struct of_checkpoint *b)
{
    if (a == b) {
        return true;
    }
    if (a->shard_count != b->shard_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->shard_count; i++) {
        const struct of_identity *left = &a->shards[i].identity;
        const struct of_identity *right = &b->shards[i].identity;

        if (left->device != right->device || left->inode != right->inode) {
            return false;
        }
    }
    return true;
}

static void remove_origin(struct of_build *build, uint32_t index)
{
    const uint32_t behind = origin_count(build) - index - 1;

    memmove(&build->origins[index], &build->origins[index + 1], behind * sizeof(build->origins[0]));
    build->input_count--;
}

/* An entry that is the base under another name. */
static void drop_hidden_base(struct of_build *build)
{
    uint32_t i = 0;

    while (drops_base(build) && i < build->input_count) {
        const struct of_checkpoint *base = build->origins[build->input_count].checkpoint;

        if (!is_same_checkpoint(build->origins[i].checkpoint, base)) {
            i++;
            continue;
        }
        of_build_warning(build, "input-same", build->origins[i].entry->mark,
                         "%s is the base model and adds nothing",
                         of_str_escape(of_str_from(build->origins[i].label)).text);
        remove_origin(build, i);
    }
    if (build->input_count < build->method->input_count_min) {
        of_build_error(build, "recipe-count", build->recipe->form_mark, NULL,
                       "the method \"%s\" takes at least %u models besides the base, not %u",
                       build->method->name, build->method->input_count_min, build->input_count);
    }
}

static void warn_repeated(struct of_build *build)
{
    for (uint32_t i = 1; i < build->input_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (!is_same_checkpoint(build->origins[i].checkpoint, build->origins[j].checkpoint)) {
                continue;
            }
            of_build_warning(build, "recipe-repeat", build->origins[i].entry->mark,
                             "%s and %s are the same model; they count as two inputs",
                             of_str_escape(of_str_from(build->origins[j].label)).text,
                             of_str_escape(of_str_from(build->origins[i].label)).text);
            break;
        }
    }
}

/* ---- config.json ---- */

static onefold_status read_config(struct of_build *build, uint32_t index, onefold_error *err)
{
    struct of_origin *origin = &build->origins[index];

    for (uint32_t i = 0; i < index; i++) {
        if (build->origins[i].checkpoint == origin->checkpoint) {
            origin->config = build->origins[i].config;
            return ONEFOLD_OK;
        }
    }
    OF_TRY(of_config_read(origin->checkpoint, &build->plan->arena, build->report, &origin->config,
                          err));
    if (origin->config.has_quantization && build->method->class != OF_CLASS_COPY) {
        of_build_error(build, "unsupported-quantised", origin->model->mark, NULL,
                       "%s is quantised (%s); codes of different models cannot be averaged",
                       of_str_escape(of_str_from(origin->label)).text,
                       of_str_escape(origin->config.quantization).text);
    }
    return ONEFOLD_OK;
}

/* ---- Variants ---- */

static uint32_t find_variant(struct of_build *build, const struct of_origin *origin)
{
    for (uint32_t i = 0; i < build->variant_count; i++) {
        if (build->variants[i].table == origin->checkpoint->table &&
            build->variants[i].lends == origin->config.tied) {
            return i;
        }
    }
    build->variants[build->variant_count] =
        (struct of_variant){.table = origin->checkpoint->table, .lends = origin->config.tied};
    return build->variant_count++;
}

static onefold_status make_variants(struct of_build *build, onefold_error *err)
{
    build->variants =
        OF_ARENA_NEW(&build->scratch, struct of_variant, (uint64_t)build->input_count + 1);
    if (build->variants == NULL) {
        return of_build_no_memory(build, err);
    }
    build->base_variant = OF_VARIANT_NONE;
    for (uint32_t i = 0; i < build->input_count; i++) {
        build->origins[i].variant = find_variant(build, &build->origins[i]);
        build->variants[build->origins[i].variant].input_count++;
    }
    if (build->has_base && build->method->base != OF_BASE_NONE) {
        struct of_origin *base = &build->origins[build->input_count];

        if (build->method->base == OF_BASE_REQUIRED) {
            base->variant = find_variant(build, base);
        } else {
            /* Used for a few tensors only, so its layout is its own. */
            base->variant = build->variant_count++;
            build->variants[base->variant] =
                (struct of_variant){.table = base->checkpoint->table, .is_base = true};
        }
        build->base_variant = base->variant;
    }
    return ONEFOLD_OK;
}

static bool is_repeated(const struct of_build *build, uint32_t nth)
{
    const struct of_model_ref *model = build->origins[origin_to_open(build, nth)].model;
    uint32_t i = 0;

    while (i < nth && !same_reference(build->origins[origin_to_open(build, i)].model, model)) {
        i++;
    }
    return i < nth;
}

static onefold_status open_all(struct of_build *build, onefold_error *err)
{
    struct of_checkpoint_set *set = &build->plan->set;
    const char **paths = OF_ARENA_NEW(&build->scratch, const char *, origin_count(build));
    onefold_status status = ONEFOLD_OK;

    if (paths == NULL) {
        return of_build_no_memory(build, err);
    }
    for (uint32_t i = 0; i < origin_count(build); i++) {
        if (!is_repeated(build, i)) {
            paths[set->path_count++] = build->origins[origin_to_open(build, i)].model->path;
        }
    }
    set->paths = paths;
    for (uint32_t i = 0; i < origin_count(build) && status == ONEFOLD_OK; i++) {
        status = open_origin(build, origin_to_open(build, i), err);
    }
    of_checkpoint_set_opened(set);
    return status;
}

onefold_status of_origins_open(struct of_build *build, onefold_error *err)
{
    OF_TRY(open_all(build, err));
    OF_TRY(of_build_check(build, err));
    drop_hidden_base(build);
    OF_TRY(of_build_check(build, err));
    warn_repeated(build);
    for (uint32_t i = 0; i < origin_count(build); i++) {
        OF_TRY(read_config(build, i, err));
    }
    OF_TRY(of_build_check(build, err));
    return make_variants(build, err);
}
