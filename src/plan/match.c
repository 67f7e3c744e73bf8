/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which input tensors feed which output: the union over the sources, in the base's order (else the
 * first input's). Everything that does not fit is named, all of it, before anything is written.
 */
#include "plan/match.h"

#include "base/check.h"
#include "base/dtype.h"
#include "base/limits.h"
#include "plan/build.h"

#include <stdio.h>
#include <string.h>

/* Where the tensor is that the table of reference has at `order_index`. Where counterparts are not
 * known, tables mostly have the same order, so the next tensor is tried before the name is looked
 * up. */
static uint32_t find_index(const struct of_variant *variant, const struct of_tensor *want,
                           const struct of_table *order, uint32_t order_index)
{
    const struct of_table *table = variant->table;
    const uint32_t guess = variant->guess;

    if (order_index != OF_MAP_NONE && table == order) {
        return order_index;
    }
    if (order_index != OF_MAP_NONE && table->within == order) {
        return table->counterparts[order_index];
    }
    if (guess < table->tensor_count && of_str_equal(table->tensors[guess].name, want->name)) {
        return guess;
    }
    return of_table_find(table, want->name);
}

const struct of_tensor *of_match_find(struct of_variant *variant, const struct of_tensor *want,
                                      const struct of_table *order, uint32_t order_index)
{
    const struct of_table *table = variant->table;
    const uint32_t index = find_index(variant, want, order, order_index);

    if (index != OF_MAP_NONE) {
        variant->guess = index + 1;
        return &table->tensors[index];
    }
    return variant->lends && of_head_is(want->name) ? of_head_embedding(variant->table, want)
                                                    : NULL;
}

/* ---- What the judgement of one name rests on ---- */

static bool is_numeric(const struct of_tensor *tensor)
{
    return onefold_dtype_is_numeric((onefold_dtype)tensor->dtype) != 0;
}

static bool fits(const struct of_tensor *a, const struct of_tensor *b)
{
    return a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof(a->shape[0])) == 0;
}

static void look_up(struct of_match *match, const struct of_tensor *want, uint32_t order_index)
{
    const struct of_build *build = match->build;

    match->want = want;
    match->present_count = 0;
    for (uint32_t i = 0; i < build->variant_count; i++) {
        match->found[i] = of_match_find(&build->variants[i], want, match->order, order_index);
        if (match->found[i] != NULL) {
            match->present_count += build->variants[i].input_count;
        }
    }
    match->base = build->base_variant == OF_VARIANT_NONE ? NULL : match->found[build->base_variant];
}

static const struct of_tensor *found_in(const struct of_match *match, uint32_t input)
{
    return match->found[match->build->origins[input].variant];
}

static uint32_t first_present(const struct of_match *match)
{
    uint32_t i = 0;

    while (i < match->build->input_count && found_in(match, i) == NULL) {
        i++;
    }
    of_assert(i < match->build->input_count);
    return i;
}

static bool needs_base(const struct of_match *match)
{
    return match->build->method->base == OF_BASE_REQUIRED;
}

/* Labels of inputs that have (or lack) the tensor, as far as they fit a line. */
struct label_list {
    char text[160];
};

static struct label_list list_labels(const struct of_match *match, bool having)
{
    struct label_list list = {""};
    size_t length = 0;

    for (uint32_t i = 0; i < match->build->input_count; i++) {
        struct of_shown label;
        int more;

        if ((found_in(match, i) != NULL) != having) {
            continue;
        }
        label = of_str_escape(of_str_from(match->build->origins[i].label));
        if (length + strlen(label.text) + 8 > sizeof(list.text)) {
            (void)snprintf(list.text + length, sizeof(list.text) - length, ", ...");
            break;
        }
        more = snprintf(list.text + length, sizeof(list.text) - length, "%s%s",
                        length > 0 ? ", " : "", label.text);
        length += more > 0 ? (size_t)more : 0;
    }
    return list;
}

/* ---- Refusals ---- */

static const char *missing_hint(const struct of_match *match)
{
    if (of_str_contains(match->want->name, OF_STR("experts"))) {
        return "fused and per-expert layouts of one model do not meet by name; bring all inputs "
               "into one layout";
    }
    return match->build->method->is_federated
               ? "use --tensor-intersection to leave such tensors out"
               : NULL;
}

/* Compare says what differs and looks at the rest. */
static bool leave_out(struct of_match *match)
{
    struct of_build *build = match->build;
    const struct of_tensor *base = match->base;
    const char *why = NULL;
    uint32_t input = build->input_count;

    if (!build->options->compare) {
        return false;
    }
    if (!is_numeric(match->want)) {
        return true; /* counters and the like are no part of a task vector */
    }
    for (uint32_t i = 0; base != NULL && i < build->input_count; i++) {
        const struct of_tensor *found = found_in(match, i);
        const char *found_why = found == NULL        ? "is missing in"
                                : !fits(base, found) ? "has another shape in"
                                : !is_numeric(found) ? "has another kind of type in"
                                                     : NULL;

        if (found_why != NULL && why == NULL) {
            why = found_why;
            input = i;
        }
    }
    if (base == NULL || !is_numeric(base)) {
        why = base == NULL ? "is missing in the base" : "has another kind of type in the base";
    }
    if (why == NULL) {
        return false;
    }
    of_build_notice(
        build, &match->left_out, ONEFOLD_LEVEL_WARNING, "plan-left-out",
        "tensor \"%s\" is not compared: it %s %s", of_str_escape(match->want->name).text, why,
        input < build->input_count ? of_str_escape(of_str_from(build->origins[input].label)).text
                                   : "");
    return true;
}

static bool refuse_missing(struct of_match *match)
{
    struct of_build *build = match->build;
    const struct of_str name = match->want->name;

    if (needs_base(match) && match->base == NULL) {
        of_build_error_tally(build, &match->missing, "mismatch-base", NULL,
                             "tensor \"%s\" is missing in the base; it is in %s",
                             of_str_escape(name).text, list_labels(match, true).text);
        return true;
    }
    if (match->present_count == 0 || match->present_count == build->input_count) {
        return false;
    }
    if (build->options->tensor_intersection) {
        of_build_notice(build, &match->left_out, ONEFOLD_LEVEL_WARNING, "plan-left-out",
                        "tensor \"%s\" is left out: missing in %s", of_str_escape(name).text,
                        list_labels(match, false).text);
        return true;
    }
    if (build->options->tensor_union) {
        of_build_notice(build, &match->partial, ONEFOLD_LEVEL_WARNING, "plan-extra",
                        "tensor \"%s\" comes from %u of %u inputs: missing in %s",
                        of_str_escape(name).text, match->present_count, build->input_count,
                        list_labels(match, false).text);
        return false;
    }
    of_build_error_tally(build, &match->missing, "mismatch-missing", missing_hint(match),
                         "tensor \"%s\" is missing in %s; it is in %s", of_str_escape(name).text,
                         list_labels(match, false).text, list_labels(match, true).text);
    return true;
}

struct shape_text {
    char text[OF_TENSOR_RANK_MAX * 22 + 4];
};

static struct shape_text show_shape(const struct of_tensor *tensor)
{
    struct shape_text shown = {"["};
    size_t length = 1;

    for (uint32_t i = 0; i < tensor->rank; i++) {
        length += (size_t)snprintf(shown.text + length, sizeof(shown.text) - length, "%s%llu",
                                   i > 0 ? ", " : "", (unsigned long long)tensor->shape[i]);
    }
    (void)snprintf(shown.text + length, sizeof(shown.text) - length, "]");
    return shown;
}

/* Only the number of rows of a loose matrix differs: two vocabularies. */
static const char *shape_hint(const struct of_tensor *a, const struct of_tensor *b)
{
    if (a->rank == b->rank && a->rank >= 1 && a->rank <= 2 && a->shape[0] != b->shape[0] &&
        (a->rank == 1 || a->shape[1] == b->shape[1]) && !of_name_split(a->name).is_layer) {
        return "the vocabularies differ; they are never cropped or padded unasked, and the key "
               "\"tokenizer\" that reconciles them comes with a later version";
    }
    return NULL;
}

static const char *label_of_variant(const struct of_build *build, uint32_t variant)
{
    for (uint32_t i = 0; i < build->input_count; i++) {
        if (build->origins[i].variant == variant) {
            return build->origins[i].label;
        }
    }
    return build->origins[build->input_count].label;
}

/* The tensor that shape and class of the others are compared with, and its label. */
static const struct of_tensor *reference(const struct of_match *match, const char **ret_label)
{
    uint32_t variant = match->build->base_variant;

    if (!needs_base(match)) {
        variant = match->present_count > 0 ? match->build->origins[first_present(match)].variant
                                           : variant;
    }
    *ret_label = label_of_variant(match->build, variant);
    return match->found[variant];
}

static bool refuse_unlike(struct of_match *match)
{
    struct of_build *build = match->build;
    const char *label;
    const struct of_tensor *model = reference(match, &label);

    for (uint32_t i = 0; i < build->variant_count; i++) {
        const struct of_tensor *other = match->found[i];

        if (other == NULL || other == model || build->variants[i].is_base) {
            continue;
        }
        if (!fits(model, other)) {
            of_build_error_tally(build, &match->shapes, "mismatch-shape", shape_hint(model, other),
                                 "tensor \"%s\": shape %s in %s, %s in %s",
                                 of_str_escape(match->want->name).text, show_shape(model).text,
                                 of_str_escape(of_str_from(label)).text, show_shape(other).text,
                                 of_str_escape(of_str_from(label_of_variant(build, i))).text);
            return true;
        }
        if (other->dtype != model->dtype && !(is_numeric(other) && is_numeric(model))) {
            of_build_error_tally(build, &match->dtypes, "mismatch-dtype", NULL,
                                 "tensor \"%s\": type %s in %s, %s in %s",
                                 of_str_escape(match->want->name).text,
                                 onefold_dtype_name((onefold_dtype)model->dtype),
                                 of_str_escape(of_str_from(label)).text,
                                 onefold_dtype_name((onefold_dtype)other->dtype),
                                 of_str_escape(of_str_from(label_of_variant(build, i))).text);
            return true;
        }
    }
    return false;
}

/* "x.weight_scale_inv" beside "x.weight", "x.scales" beside "x.qweight". */
static bool has_companion(const struct of_table *table, struct of_str name)
{
    static const char *const endings[] = {"_scale_inv", "_scale", "_scales", ".absmax",
                                          "_blocks_scale"};
    char text[OF_TENSOR_NAME_BYTES_MAX + 32];

    if (name.length > OF_TENSOR_NAME_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < OF_LENGTH(endings); i++) {
        (void)snprintf(text, sizeof(text), "%.*s%s", (int)name.length, name.data, endings[i]);
        if (of_table_find(table, of_str_from(text)) != OF_MAP_NONE) {
            return true;
        }
    }
    if (of_str_ends(name, "qweight")) {
        (void)snprintf(text, sizeof(text), "%.*sscales", (int)(name.length - strlen("qweight")),
                       name.data);
        return of_table_find(table, of_str_from(text)) != OF_MAP_NONE;
    }
    return false;
}

static bool may_be_codes(const struct of_tensor *tensor)
{
    return onefold_dtype_bits((onefold_dtype)tensor->dtype) <= 8 ||
           of_str_ends(tensor->name, "qweight");
}

static bool refuse_codes(struct of_match *match)
{
    struct of_build *build = match->build;

    if (build->method->class == OF_CLASS_COPY) {
        return false;
    }
    for (uint32_t i = 0; i < build->variant_count; i++) {
        const struct of_tensor *found = match->found[i];

        if (found == NULL || !may_be_codes(found) ||
            !has_companion(build->variants[i].table, found->name)) {
            continue;
        }
        of_build_error_tally(build, &match->codes, "unsupported-quantised", NULL,
                             "%s: tensor \"%s\" holds codes with scales beside it",
                             of_str_escape(of_str_from(label_of_variant(build, i))).text,
                             of_str_escape(found->name).text);
        return true;
    }
    return false;
}

/* ---- What becomes of a tensor ---- */

static bool forced_dtype(const struct of_build *build, onefold_dtype *ret_dtype)
{
    const struct of_plan_options *options = build->options;

    if (options->has_out_dtype) {
        *ret_dtype = options->out_dtype;
    } else if (build->recipe->has_out_dtype) {
        *ret_dtype = build->recipe->out_dtype;
    } else if (options->has_dtype) {
        *ret_dtype = options->dtype;
    } else if (build->recipe->has_dtype) {
        *ret_dtype = build->recipe->dtype;
    } else {
        return false;
    }
    return true;
}

/* The base's type; without a base the common type, F32 if they differ, F64 if one is F64. */
static onefold_dtype result_dtype(const struct of_match *match)
{
    const struct of_build *build = match->build;
    onefold_dtype dtype = ONEFOLD_DTYPE_COUNT;

    if (forced_dtype(build, &dtype)) {
        return dtype;
    }
    if (match->base != NULL && is_numeric(match->base)) {
        return (onefold_dtype)match->base->dtype;
    }
    for (uint32_t i = 0; i < build->variant_count; i++) {
        const struct of_tensor *found = match->found[i];

        if (found == NULL || build->variants[i].input_count == 0) {
            continue;
        }
        if (dtype == ONEFOLD_DTYPE_COUNT || dtype == found->dtype) {
            dtype = (onefold_dtype)found->dtype;
        } else if (dtype == ONEFOLD_DTYPE_F64 || found->dtype == ONEFOLD_DTYPE_F64) {
            dtype = ONEFOLD_DTYPE_F64;
        } else {
            dtype = ONEFOLD_DTYPE_F32;
        }
    }
    of_assert(dtype != ONEFOLD_DTYPE_COUNT);
    return dtype;
}

static void note_f64(struct of_match *match)
{
    for (uint32_t i = 0; i < match->build->variant_count; i++) {
        if (match->found[i] != NULL && match->found[i]->dtype == ONEFOLD_DTYPE_F64) {
            of_build_notice(match->build, &match->wide, ONEFOLD_LEVEL_NOTE, "dtype-f64",
                            "tensor \"%s\" is F64 and is computed in F32 like the rest",
                            of_str_escape(match->want->name).text);
            return;
        }
    }
}

/* Integers and their like: the base's bytes, else the first input's; the others are compared. */
static void pick_copy(struct of_match *match, struct of_pick *pick)
{
    struct of_build *build = match->build;
    const struct of_tensor *base = match->base;

    pick->kind = OF_STEP_COPY;
    pick->source = build->input_count;
    pick->from_base = true;
    pick->compare = match->present_count > 0;
    if (match->present_count > 0) {
        const uint32_t first = first_present(match);
        const struct of_tensor *other = found_in(match, first);

        if (base == NULL || base->dtype != other->dtype || !fits(base, other)) {
            pick->source = first;
            pick->from_base = false;
            pick->compare = match->present_count > 1;
        }
    }
    of_build_notice(build, &match->copied, ONEFOLD_LEVEL_NOTE, "plan-copied",
                    "tensor \"%s\" is %s: copied from %s, not merged",
                    of_str_escape(match->want->name).text,
                    onefold_dtype_name((onefold_dtype)match->want->dtype),
                    of_str_escape(of_str_from(build->origins[pick->source].label)).text);
}

static void pick_base_only(struct of_match *match, onefold_dtype dtype, struct of_pick *pick)
{
    struct of_build *build = match->build;

    pick->source = build->input_count;
    pick->from_base = true;
    /* In another type the base's own values pass through the arithmetic with nothing added. */
    pick->kind = dtype == match->base->dtype ? OF_STEP_COPY : OF_STEP_MERGE;
    pick->delta = pick->kind == OF_STEP_MERGE;
    of_build_notice(build, &match->base_only, ONEFOLD_LEVEL_NOTE, "plan-copied",
                    "tensor \"%s\" is only in the base and is copied from there",
                    of_str_escape(match->want->name).text);
}

static void pick_one(struct of_match *match, onefold_dtype *ret_dtype, struct of_pick *pick)
{
    const struct of_build *build = match->build;
    const bool by_base = needs_base(match) || match->present_count == 0;
    const struct of_tensor *model = by_base ? match->base : found_in(match, first_present(match));

    of_assert(model != NULL); /* a wanted name is somebody's */
    *pick = (struct of_pick){0};
    *ret_dtype = (onefold_dtype)model->dtype;
    if (!is_numeric(model)) {
        pick_copy(match, pick);
        return;
    }
    note_f64(match);
    *ret_dtype = result_dtype(match);
    if (match->present_count == 0) {
        pick_base_only(match, *ret_dtype, pick);
        return;
    }
    pick->kind = OF_STEP_MERGE;
    pick->delta = build->method->frame == OF_FRAME_DELTA;
    pick->source = first_present(match);
}

/* ---- Tied heads ---- */

/* Every source says that it is tied: a stored copy of the embedding is not a second tensor. */
static bool all_tied(const struct of_build *build)
{
    for (uint32_t i = 0; i < build->input_count; i++) {
        if (!build->origins[i].config.tied) {
            return false;
        }
    }
    return build->base_variant == OF_VARIANT_NONE || build->origins[build->input_count].config.tied;
}

static bool drop_tied(struct of_match *match)
{
    if (!match->all_tied || !of_head_is(match->want->name)) {
        return false;
    }
    of_build_notice(match->build, &match->tied, ONEFOLD_LEVEL_NOTE, "mismatch-tied",
                    "tensor \"%s\" is not written: all inputs tie it to the input embedding",
                    of_str_escape(match->want->name).text);
    return true;
}

static void note_lent(struct of_match *match)
{
    struct of_build *build = match->build;

    if (!of_head_is(match->want->name)) {
        return;
    }
    match->has_head = true;
    for (uint32_t i = 0; i < build->variant_count; i++) {
        const struct of_tensor *found = match->found[i];

        if (found != NULL && !of_str_equal(found->name, match->want->name)) {
            of_build_notice(build, &match->tied, ONEFOLD_LEVEL_NOTE, "mismatch-tied",
                            "%s is tied: its \"%s\" stands in for \"%s\"",
                            of_str_escape(of_str_from(label_of_variant(build, i))).text,
                            of_str_escape(found->name).text, of_str_escape(match->want->name).text);
        }
    }
}

/* ---- The walk over all names ---- */

void of_match_judge(struct of_match *match, const struct of_tensor *want, uint32_t order_index)
{
    struct of_plan *plan = match->build->plan;
    struct of_tensor *tensor = &plan->tensors[plan->step_count];
    onefold_dtype dtype;

    look_up(match, want, order_index);
    if (drop_tied(match) || leave_out(match) || refuse_missing(match) || refuse_unlike(match) ||
        refuse_codes(match)) {
        return;
    }
    note_lent(match);
    pick_one(match, &dtype, &match->picks[plan->step_count]);
    match->picks[plan->step_count].order_index = order_index;
    *tensor = (struct of_tensor){.name = want->name,
                                 .shape = want->shape,
                                 .rank = want->rank,
                                 .elem_count = want->elem_count,
                                 .dtype = (uint8_t)dtype};
    if (!of_dtype_bytes(dtype, want->elem_count, &tensor->byte_count)) {
        of_build_error_tally(match->build, &match->shapes, "plan-limit", NULL,
                             "tensor \"%s\" is too large in the type of the output",
                             of_str_escape(want->name).text);
        return;
    }
    plan->step_count++;
}

void of_match_begin(struct of_match *match)
{
    match->all_tied = all_tied(match->build);
}

void of_match_end(struct of_match *match)
{
    struct of_build *build = match->build;

    of_build_tally_close(build, &match->missing, "mismatch-missing", "missing tensors");
    of_build_tally_close(build, &match->shapes, "mismatch-shape", "tensors of other shapes");
    of_build_tally_close(build, &match->dtypes, "mismatch-dtype", "tensors of other types");
    of_build_tally_close(build, &match->codes, "unsupported-quantised", "tensors with codes");
    of_build_notice_close(build, &match->left_out, "plan-left-out", "tensors are left out");
    of_build_notice_close(build, &match->partial, "plan-extra", "tensors come from some inputs");
    of_build_notice_close(build, &match->copied, "plan-copied", "tensors are copied, not merged");
    of_build_notice_close(build, &match->base_only, "plan-copied", "tensors are only in the base");
    of_build_notice_close(build, &match->wide, "dtype-f64", "tensors are F64");
}
