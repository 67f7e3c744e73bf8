/* SPDX-License-Identifier: Apache-2.0 */
/* What the worker's loops share. */
#include "run/view.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/dtype.h"
#include "base/limits.h"
#include "base/num.h"

#include <string.h>

/* Of the f32 arrays that kernels work on. */
enum { CHUNK_ALIGN = 64 };

static uint64_t bytes_of(onefold_dtype dtype, uint64_t elem_count)
{
    const uint64_t size = of_dtype_size(dtype);
    uint64_t byte_count = 0;

    if (size > 0) {
        return elem_count * size;
    }
    /* Types below 8 bits fill whole bytes: checked when they were read. */
    of_assert(of_dtype_bytes(dtype, elem_count, &byte_count));
    return byte_count;
}

struct of_view of_view_part(const struct of_view *view, uint64_t at, uint64_t count)
{
    struct of_view part = *view;

    part.first_elem += at;
    part.skip_elems += at;
    part.elem_count = count;
    part.out =
        view->out == NULL ? NULL : view->out + bytes_of((onefold_dtype)view->tensor->dtype, at);
    part.plane = view->plane == NULL ? NULL : view->plane + at;
    return part;
}

uint64_t of_view_out_bytes(const struct of_view *view)
{
    return bytes_of((onefold_dtype)view->tensor->dtype, view->elem_count);
}

/* Where the step's bytes begin among those of the area. */
static uint64_t step_at(const struct of_view *view, const struct of_area *area,
                        const struct of_layout *layout)
{
    const uint32_t first_step = view->slot->visit.first_step;
    const uint64_t offset = layout->offsets[view->step_index];

    if (area->place_bytes == 0) {
        return offset - layout->offsets[first_step];
    }
    /* What lies in the page cache is not widened to whole blocks. */
    return (view->step_index - first_step) * area->place_bytes +
           (area->cache_fd >= 0 ? 0 : offset % area->align);
}

static bool find_start(const struct of_view *view, const struct of_area *area, uint64_t *ret_at)
{
    const struct of_layout *layout;

    /* An empty area may name an input that is not there (the base of a plan without one). */
    if (area->data == NULL) {
        return false;
    }
    layout = view->job->plan->inputs[area->input].layout;
    if (layout->shards[view->step_index] == OF_PLACE_ABSENT) {
        return false;
    }
    *ret_at = step_at(view, area, layout);
    if (view->skip_elems > 0) {
        *ret_at += bytes_of((onefold_dtype)layout->dtypes[view->step_index], view->skip_elems);
    }
    return true;
}

bool of_view_find(const struct of_view *view, const struct of_area *area, uint64_t *ret_at,
                  uint64_t *ret_bytes)
{
    if (!find_start(view, area, ret_at)) {
        return false;
    }
    *ret_bytes = bytes_of(of_view_dtype(view, area), view->elem_count);
    return true;
}

const uint8_t *of_view_data(const struct of_view *view, const struct of_area *area)
{
    uint64_t at;

    return find_start(view, area, &at) ? area->data + (at - area->data_at) : NULL;
}

onefold_dtype of_view_dtype(const struct of_view *view, const struct of_area *area)
{
    return (onefold_dtype)view->job->plan->inputs[area->input].layout->dtypes[view->step_index];
}

void of_view_unpack_base(const struct of_view *view, uint64_t at, size_t count)
{
    const struct of_area *area = of_view_base_area(view);
    const uint8_t *data = of_view_data(view, area);
    const onefold_dtype dtype = of_view_dtype(view, area);

    of_assert(data != NULL);
    view->job->kern->unpack[dtype](view->scratch->base, data + at * of_dtype_size(dtype), count);
}

/* ---- Values that are not finite ---- */

size_t of_view_find_nonfinite(const float *x, size_t count)
{
    size_t i = 0;

    while (i < count && __builtin_isfinite(x[i])) {
        i++;
    }
    return i;
}

static const char repair_hint[] = "repair the input or leave it out: its values decide the result";

void of_view_settle_hint(const struct of_view *view, const char *hint)
{
    const struct of_plan *plan = view->job->plan;

    if (plan->method->class == OF_CLASS_ELEMENT || plan->method->class == OF_CLASS_GRAM ||
        view->job->survey) {
        view->slot->error.hint = hint;
    }
}

void of_view_blame(const struct of_view *view, uint32_t input, uint64_t elem)
{
    const char *label = view->job->plan->inputs[input].label;
    const unsigned long long at = view->first_elem + elem;

    of_err_set(&view->slot->error, "value-input",
               "%s: tensor \"%s\": element %llu is not finite (NaN or infinity)",
               of_str_escape(of_str_from(label)).text, of_str_escape(view->tensor->name).text, at);
    of_view_settle_hint(view, repair_hint);
}

const struct of_area *of_view_find_guilty(const struct of_view *view, uint64_t at, size_t count,
                                          uint64_t *ret_elem)
{
    const struct of_slot *slot = view->slot;
    const struct of_area *guilty = NULL;
    size_t first = count;

    for (uint32_t i = 0; i <= slot->round_count; i++) {
        const struct of_area *area =
            i < slot->round_count ? &slot->areas[i] : of_view_base_area(view);
        const uint8_t *data = of_view_data(view, area);
        size_t found = count;

        if (data != NULL) {
            const onefold_dtype dtype = of_view_dtype(view, area);

            view->job->kern->unpack[dtype](view->scratch->x, data + at * of_dtype_size(dtype),
                                           count);
            found = of_view_find_nonfinite(view->scratch->x, count);
        }
        if (found < first) {
            first = found;
            guilty = area;
        }
    }
    *ret_elem = at + first;
    return guilty;
}

/* ---- Chunks ---- */

static bool has_chunks(const struct of_plan *plan)
{
    return plan->method->class == OF_CLASS_ELEMENT || plan->survey.need != OF_GRAM_NONE;
}

/* In a worker's scratch. */
static uint64_t chunks_at(const struct of_plan *plan)
{
    return of_num_align_up(sizeof(struct of_job_scratch) + plan->how.fetch_bytes, CHUNK_ALIGN);
}

uint64_t of_chunks_scratch_bytes(const struct of_plan *plan)
{
    const uint64_t chunks =
        has_chunks(plan) ? of_chunk_scratch_bytes(&plan->survey, of_plan_vector_count(plan)) : 0;

    return chunks_at(plan) + chunks;
}

/* Carves the worker's scratch; the widest alignment first, so that all parts are aligned. */
static void carve(const struct of_view *view, struct of_chunks *chunks)
{
    const struct of_plan *plan = view->job->plan;
    const uint32_t vector_count = of_plan_vector_count(plan);
    uint8_t *const start = (uint8_t *)view->scratch;
    uint8_t *at = start + chunks_at(plan);
    float *d = (float *)(void *)at;

    at += (uint64_t)vector_count * OF_BLOCK_CHUNK * sizeof(float);
    chunks->lanes = (double(*)[8])(void *)at;
    at += plan->survey.sum_count * sizeof(*chunks->lanes);
    chunks->d = (float **)(void *)at;
    at += vector_count * sizeof(void *);
    chunks->areas = (const struct of_area **)(void *)at;
    at += plan->input_count * sizeof(void *);
    chunks->coefs = (float *)(void *)at;
    at += plan->input_count * sizeof(*chunks->coefs);
    of_assert((uint64_t)(at - start) <= of_chunks_scratch_bytes(plan));
    for (uint32_t i = 0; i < vector_count; i++) {
        chunks->d[i] = d + (uint64_t)i * OF_BLOCK_CHUNK;
    }
}

void of_chunks_begin(const struct of_view *view, const bool *selected, struct of_chunks *chunks)
{
    const struct of_slot *slot = view->slot;

    carve(view, chunks);
    chunks->count = 0;
    for (uint32_t i = 0; i < slot->round_count; i++) {
        const struct of_area *area = &slot->areas[i];

        if (of_view_data(view, area) == NULL || (selected != NULL && !selected[area->input])) {
            continue;
        }
        chunks->areas[chunks->count] = area;
        chunks->coefs[chunks->count] = view->row != NULL ? view->row->coefs[area->input] : 0.0F;
        chunks->count++;
    }
}

void of_chunks_load(const struct of_view *view, const struct of_chunks *chunks, uint64_t at,
                    size_t first, size_t count)
{
    const struct of_kern *kern = view->job->kern;
    const float *base = view->scratch->base + first;

    for (uint32_t i = 0; i < chunks->count; i++) {
        const struct of_area *area = chunks->areas[i];
        const onefold_dtype dtype = of_view_dtype(view, area);
        const uint8_t *data = of_view_data(view, area) + (at + first) * of_dtype_size(dtype);
        const uint64_t chunk_bytes = (uint64_t)OF_BLOCK_CHUNK * of_dtype_size(dtype);
        float *d = chunks->d[i];

        /* The chunk after next: of many inputs in turn a CPU does not see what comes. */
        of_bytes_ask_ahead(data + 2 * chunk_bytes, chunk_bytes);
        if (!view->step->delta) {
            kern->unpack[dtype](d, data, count);
        } else if (dtype == ONEFOLD_DTYPE_BF16) {
            kern->subtract_bf16(d, data, base, count);
        } else {
            kern->unpack[dtype](view->scratch->x, data, count);
            kern->subtract(d, view->scratch->x, base, count);
        }
        if (count < OF_BLOCK_CHUNK) {
            memset(d + count, 0, (OF_BLOCK_CHUNK - count) * sizeof(*d));
        }
    }
}

void of_chunks_make_extra(const struct of_view *view, const struct of_chunks *chunks, size_t count)
{
    const struct of_plan *plan = view->job->plan;
    const struct of_block block = {.kern = view->job->kern,
                                   .params = &plan->params,
                                   .count = chunks->count,
                                   .d = chunks->d,
                                   .coefs = chunks->coefs,
                                   .v = chunks->d[chunks->count],
                                   .length = count};

    of_assert(chunks->count == plan->input_count);
    plan->extra->make(&block);
}

void of_chunks_blame(const struct of_view *view, const struct of_chunks *chunks, uint64_t at,
                     size_t count)
{
    struct of_slot *slot = view->slot;
    const struct of_area *guilty;
    size_t first = count;
    uint32_t which = 0;
    uint64_t elem;

    if (slot->error.status != ONEFOLD_OK) {
        return;
    }
    guilty = of_view_find_guilty(view, at, count, &elem);
    if (guilty != NULL) {
        of_view_blame(view, guilty->input, elem);
        return;
    }
    for (uint32_t i = 0; i < chunks->count; i++) {
        const size_t found = of_view_find_nonfinite(chunks->d[i], count);

        if (found < first) {
            first = found;
            which = i;
        }
    }
    of_err_set(
        &slot->error, "value-narrow",
        "%s: tensor \"%s\": element %llu less the base's is past the range of F32",
        of_str_escape(of_str_from(view->job->plan->inputs[chunks->areas[which]->input].label)).text,
        of_str_escape(view->tensor->name).text,
        (unsigned long long)(view->first_elem + at + first));
    of_view_settle_hint(view, repair_hint);
}
