/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic of a visit, block by block: while a block is in the nearest cache all inputs of
 * the round are folded into it, and on the last round it is finished, packed and, grain by grain,
 * hashed.
 *
 * A value that is not finite stays so through every sum, so that looking at results finds it; which
 * input it came from is looked up only then.
 */
#include "run/job.h"

#include "base/check.h"
#include "base/dtype.h"
#include "base/limits.h"
#include "base/num.h"
#include "ckpt/digest.h"
#include "run/element.h"
#include "run/fetch.h"
#include "run/hasher.h"
#include "run/survey_work.h"
#include "run/view.h"

#include <string.h>

/* Of the f32 arrays that kernels work on. */
enum { OF_PLANE_ALIGN = 64 };

/* ---- Values that are not finite ---- */

static struct of_shown tensor_name(const struct of_view *view)
{
    return of_str_escape(view->tensor->name);
}

/* Names the first value of the block that is not finite: an input's if one is to be found among
 * those of this round, else the result's, which `result` shows. Slow, but it runs once. Keeps an
 * error that is already there. */
static void name_nonfinite(const struct of_view *view, const float *result, uint64_t at,
                           size_t count)
{
    struct of_slot *slot = view->slot;
    const size_t result_first = of_view_find_nonfinite(result, count);
    const unsigned long long result_elem = view->first_elem + at + result_first;
    const struct of_area *guilty;
    uint64_t elem;

    if (slot->error.status != ONEFOLD_OK) {
        return;
    }
    guilty = of_view_find_guilty(view, at, count, &elem);
    if (guilty != NULL) {
        of_view_blame(view, guilty->input, elem);
        return;
    }
    of_err_set(&slot->error, "value-narrow",
               "tensor \"%s\": the result of element %llu is past the range of %s although all "
               "inputs are finite",
               tensor_name(view).text, result_elem,
               onefold_dtype_name((onefold_dtype)view->tensor->dtype));
    of_view_settle_hint(view, "use --out-dtype float32, or a smaller step");
}

static void count_input(const struct of_view *view, const float *x, size_t count)
{
    uint64_t nan = 0;
    uint64_t inf = 0;

    view->job->kern->count_nonfinite(x, count, &nan, &inf);
    view->count->nan_in += nan;
    view->count->inf_in += inf;
}

static void count_output(const struct of_view *view, const float *acc, size_t count, size_t bad)
{
    uint64_t nan = 0;
    uint64_t inf = 0;

    view->job->kern->count_nonfinite(acc, count, &nan, &inf);
    /* What was finite before narrowing and is not after: infinities, but NaN in a type without. */
    const uint64_t lost = bad - nan - inf;
    const bool has_inf = view->tensor->dtype != ONEFOLD_DTYPE_F8_E4M3;

    view->count->overflow_count += lost;
    view->count->nan_out += nan + (has_inf ? 0 : lost + inf);
    view->count->inf_out += has_inf ? lost + inf : 0;
}

/* ---- Merge steps ---- */

static void fold_area(const struct of_view *view, const struct of_area *area, uint64_t at,
                      float *acc, size_t count)
{
    const struct of_kern *kern = view->job->kern;
    const bool keep = view->job->plan->nonfinite == OF_NONFINITE_KEEP;
    const uint8_t *data = of_view_data(view, area);
    const float coef = view->row->coefs[area->input];
    onefold_dtype dtype;

    if (data == NULL) {
        return;
    }
    dtype = of_view_dtype(view, area);
    data += at * of_dtype_size(dtype);
    if (dtype == ONEFOLD_DTYPE_BF16 && !keep) {
        if (view->step->delta) {
            kern->fold_delta_bf16(acc, data, view->scratch->base, coef, count);
        } else {
            kern->fold_plain_bf16(acc, data, coef, count);
        }
        return;
    }
    kern->unpack[dtype](view->scratch->x, data, count);
    if (keep) {
        count_input(view, view->scratch->x, count);
    }
    if (view->step->delta) {
        kern->fold_delta(acc, view->scratch->x, view->scratch->base, coef, count);
    } else {
        kern->fold_plain(acc, view->scratch->x, coef, count);
    }
}

void of_job_finish_block(const struct of_view *view, uint64_t at, float *acc, size_t count)
{
    const struct of_kern *kern = view->job->kern;
    const struct of_row *row = view->row;
    const onefold_dtype dtype = (onefold_dtype)view->tensor->dtype;
    size_t bad;

    if (row->has_divisor) {
        kern->divide(acc, row->divisor, count);
    }
    if (view->step->delta) {
        kern->finish_delta(acc, view->scratch->base, row->has_factor ? row->factor : 1.0F, count);
    } else if (row->has_factor) {
        kern->scale(acc, row->factor, count);
    }
    if (view->job->plan->nonfinite == OF_NONFINITE_KEEP) {
        uint64_t nan = 0;
        uint64_t inf = 0;

        /* Packing may write over acc, so look first; the loss is the difference. */
        kern->count_nonfinite(acc, count, &nan, &inf);
        memcpy(view->scratch->x, acc, count * sizeof(float));
        bad = kern->pack[dtype](view->out + at * of_dtype_size(dtype), acc, count);
        if (bad > 0) {
            count_output(view, view->scratch->x, count, bad);
        }
        return;
    }
    bad = kern->pack[dtype](view->out + at * of_dtype_size(dtype), acc, count);
    if (OF_UNLIKELY(bad > 0)) {
        kern->unpack[dtype](view->scratch->x, view->out + at * of_dtype_size(dtype), count);
        name_nonfinite(view, view->scratch->x, at, count);
    }
}

/* -0 + x is x for every x; +0 + x is not where x is -0. */
static float sum_start(const struct of_view *view)
{
    return view->row->is_alone ? -0.0F : 0.0F;
}

static void start_sum(const struct of_view *view, float *acc, size_t count)
{
    if (!view->row->is_alone) {
        memset(acc, 0, count * sizeof(*acc));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        acc[i] = -0.0F;
    }
}

/* ---- Merge steps whose inputs and result are of one type and lie in the slot together ---- */

/* Inputs one fused call takes; the lists of more would not be worth their stack. */
enum { FUSED_INPUTS_MAX = 64 };

struct fused {
    of_kern_sum_fn *call;
    struct of_kern_sum sum;
    const void *x[FUSED_INPUTS_MAX];
    float coefs[FUSED_INPUTS_MAX];
};

/* Fills *fused when the one call for all inputs may be used. Counting what is not finite needs the
 * values of each input, so it may not then. */
static bool fuse(const struct of_view *view, struct fused *fused)
{
    const struct of_slot *slot = view->slot;
    const struct of_row *row = view->row;
    const onefold_dtype dtype = (onefold_dtype)view->tensor->dtype;

    fused->call = view->job->kern->sum[dtype];
    if (fused->call == NULL || !slot->is_first_round || !slot->is_last_round ||
        slot->round_count > FUSED_INPUTS_MAX || view->job->plan->nonfinite != OF_NONFINITE_FAIL ||
        (view->step->delta && of_view_dtype(view, of_view_base_area(view)) != dtype)) {
        return false;
    }
    fused->sum = (struct of_kern_sum){
        .x = fused->x,
        .coefs = fused->coefs,
        .base = view->step->delta ? of_view_data(view, of_view_base_area(view)) : NULL,
        .start = sum_start(view),
        .has_divisor = row->has_divisor,
        .divisor = row->divisor,
        .has_factor = row->has_factor,
        .factor = row->factor};
    for (uint32_t i = 0; i < slot->round_count; i++) {
        const struct of_area *area = &slot->areas[i];
        const uint8_t *data = of_view_data(view, area);

        if (data == NULL) {
            continue;
        }
        if (of_view_dtype(view, area) != dtype) {
            return false;
        }
        fused->x[fused->sum.input_count] = data;
        fused->coefs[fused->sum.input_count] = row->coefs[area->input];
        fused->sum.input_count++;
    }
    return true;
}

static void fused_block(const struct of_view *view, const struct fused *fused, uint64_t at,
                        size_t count)
{
    const onefold_dtype dtype = (onefold_dtype)view->tensor->dtype;
    uint8_t *out = view->out + at * of_dtype_size(dtype);

    if (OF_UNLIKELY(fused->call(out, &fused->sum, at, count) > 0)) {
        view->job->kern->unpack[dtype](view->scratch->x, out, count);
        name_nonfinite(view, view->scratch->x, at, count);
    }
}

/* ---- All other merge steps ---- */

static void merge_block(const struct of_view *view, uint64_t at, size_t count)
{
    const struct of_slot *slot = view->slot;
    float *plane = view->plane != NULL ? view->plane + at : NULL;
    /* Kernels want aligned f32 arrays. Planes of the later steps of a bundle start anywhere. */
    const bool in_place = plane != NULL && (uintptr_t)plane % OF_PLANE_ALIGN == 0;
    float *acc = in_place ? plane : view->scratch->acc;

    of_assert(plane != NULL || (slot->is_first_round && slot->is_last_round));
    if (slot->is_first_round) {
        start_sum(view, acc, count);
    } else if (!in_place) {
        memcpy(acc, plane, count * sizeof(float));
    }
    if (view->step->delta) {
        of_view_unpack_base(view, at, count);
        if (slot->is_first_round && view->job->plan->nonfinite == OF_NONFINITE_KEEP) {
            count_input(view, view->scratch->base, count);
        }
    }
    for (uint32_t i = 0; i < slot->round_count; i++) {
        fold_area(view, &slot->areas[i], at, acc, count);
    }
    if (slot->is_last_round) {
        of_job_finish_block(view, at, acc, count);
        return;
    }
    if (view->job->plan->nonfinite == OF_NONFINITE_FAIL) {
        uint64_t nan = 0;
        uint64_t inf = 0;

        /* The guilty input is at hand in this round only. */
        view->job->kern->count_nonfinite(acc, count, &nan, &inf);
        if (OF_UNLIKELY(nan + inf > 0)) {
            name_nonfinite(view, acc, at, count);
        }
    }
    if (!in_place) {
        of_assert(plane != NULL);
        memcpy(plane, acc, count * sizeof(float));
    }
}

/* ---- Copy steps ---- */

static bool is_source(const struct of_view *view, const struct of_area *area)
{
    return area->input == view->step->source;
}

static void count_copied(const struct of_view *view, uint64_t at, size_t count)
{
    const onefold_dtype dtype = (onefold_dtype)view->tensor->dtype;
    const struct of_kern *kern = view->job->kern;
    uint64_t nan = 0;
    uint64_t inf = 0;

    kern->unpack[dtype](view->scratch->x, view->out + at * of_dtype_size(dtype), count);
    kern->count_nonfinite(view->scratch->x, count, &nan, &inf);
    if (nan + inf > 0 && view->job->plan->nonfinite == OF_NONFINITE_FAIL &&
        view->slot->error.status == ONEFOLD_OK) {
        of_view_blame(view, view->step->source,
                      at + of_view_find_nonfinite(view->scratch->x, count));
    }
    view->count->nan_in += nan;
    view->count->inf_in += inf;
    view->count->nan_out += nan;
    view->count->inf_out += inf;
}

static void copy_from(const struct of_view *view, const uint8_t *data, uint64_t byte_count)
{
    memcpy(view->out, data, byte_count);
    if (onefold_dtype_is_numeric((onefold_dtype)view->tensor->dtype)) {
        for (uint64_t at = 0; at < view->elem_count; at += OF_BLOCK_ELEMS) {
            count_copied(view, at, of_num_min(OF_BLOCK_ELEMS, view->elem_count - at));
        }
    }
}

/* The source's bytes, when it is one of this round. */
static const uint8_t *source_data(const struct of_view *view)
{
    const struct of_slot *slot = view->slot;

    if (is_source(view, of_view_base_area(view))) {
        return slot->is_first_round ? of_view_data(view, of_view_base_area(view)) : NULL;
    }
    for (uint32_t i = 0; i < slot->round_count; i++) {
        if (is_source(view, &slot->areas[i])) {
            return of_view_data(view, &slot->areas[i]);
        }
    }
    return NULL;
}

static void compare_area(const struct of_view *view, const struct of_area *area,
                         uint64_t byte_count)
{
    const uint8_t *data = of_view_data(view, area);
    struct of_step_count *count = view->count;

    if (data != NULL && (!count->differs || area->input < count->differs_input) &&
        memcmp(data, view->out, byte_count) != 0) {
        count->differs = true;
        count->differs_input = area->input;
    }
}

static void copy_part(const struct of_view *view)
{
    struct of_slot *slot = view->slot;
    const uint64_t byte_count = of_view_out_bytes(view);
    const uint8_t *data = source_data(view);

    /* The plan takes the base or the first input that has the tensor, which stand in the first
     * round; the bytes of the output are there before anything is compared with them. */
    of_assert(data != NULL || !slot->is_first_round);
    if (data != NULL) {
        copy_from(view, data, byte_count);
    }
    for (uint32_t i = 0; i < slot->round_count && view->step->compare; i++) {
        if (!is_source(view, &slot->areas[i])) {
            compare_area(view, &slot->areas[i], byte_count);
        }
    }
}

/* ---- A round of a visit ---- */

static void merge_part(const struct of_view *view)
{
    struct fused fused;
    struct of_element element;
    const bool is_element = of_element_begin(view, &element);
    const bool is_fused = !is_element && fuse(view, &fused);

    for (uint64_t at = 0; at < view->elem_count; at += OF_BLOCK_ELEMS) {
        const size_t count = of_num_min(OF_BLOCK_ELEMS, view->elem_count - at);

        if (is_element) {
            of_element_block(view, &element, at, count);
        } else if (is_fused) {
            fused_block(view, &fused, at, count);
        } else {
            merge_block(view, at, count);
        }
    }
}

/* Part by part, as the inputs are fetched; at the end it is hashed, while it is in the cache. */
static void work_grain(const struct of_view *grain, uint64_t part_elems, struct of_digest *leaf)
{
    for (uint64_t at = 0; at < grain->elem_count; at += part_elems) {
        const struct of_view part =
            of_view_part(grain, at, of_num_min(part_elems, grain->elem_count - at));

        if (!of_fetch(&part)) {
            return;
        }
        if (part.step->kind == OF_STEP_MERGE) {
            merge_part(&part);
        } else {
            copy_part(&part);
        }
    }
    if (grain->slot->is_last_round) {
        *leaf = grain->job->kern->hash(grain->out, of_view_out_bytes(grain));
    }
}

static void work_step(const struct of_view *step, struct of_digest *leaves)
{
    const uint64_t part_elems = of_fetch_elems(step);

    for (uint64_t at = 0; at < step->elem_count && step->slot->error.status == ONEFOLD_OK;
         at += OF_GRAIN_ELEMS) {
        const struct of_view grain =
            of_view_part(step, at, of_num_min(OF_GRAIN_ELEMS, step->elem_count - at));

        work_grain(&grain, part_elems, &leaves[at / OF_GRAIN_ELEMS]);
    }
}

void of_job_work(void *context, void *item, void *scratch)
{
    const struct of_job_context *job = context;
    struct of_slot *slot = item;
    const struct of_visit *visit = &slot->visit;
    struct of_digest *leaves = slot->leaves;
    uint64_t plane_at = 0;
    uint64_t out_at = 0;

    if (job->survey) {
        of_survey_work(job, slot, scratch);
        return;
    }
    of_fetch_begin(job->plan, slot, scratch);
    for (uint32_t i = 0; i < visit->step_count && slot->error.status == ONEFOLD_OK; i++) {
        struct of_view view = {.job = job, .slot = slot, .scratch = scratch};

        view.step_index = visit->first_step + i;
        view.step = &job->plan->steps[view.step_index];
        view.tensor = &job->plan->tensors[view.step_index];
        view.row = view.step->kind == OF_STEP_MERGE ? &job->rows[view.step->row] : NULL;
        view.count = &slot->counts[i];
        view.first_elem = visit->step_count == 1 ? visit->first_elem : 0;
        view.elem_count = visit->step_count == 1 ? visit->elem_count : view.tensor->elem_count;
        view.out = slot->out + out_at;
        view.plane = slot->plane == NULL ? NULL : slot->plane + plane_at;
        work_step(&view, leaves);
        leaves += of_num_div_ceil(view.elem_count, OF_GRAIN_ELEMS);
        plane_at += view.elem_count;
        out_at += of_view_out_bytes(&view);
    }
    of_fetch_end(job->plan, slot, scratch);
    if (job->hasher != NULL && slot->is_last_round && slot->error.status == ONEFOLD_OK) {
        of_hasher_hash_at_once(job->hasher, slot);
    }
}

void of_job_done(void *context)
{
    const struct of_job_context *job = context;

    of_io_wake(job->io);
}
