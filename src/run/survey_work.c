/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums over the task vectors d_t of a grain, chunk by chunk while the chunks of all inputs are in
 * the nearer caches. Every sum has eight lanes per grain: element i belongs to lane i mod 8,
 * elements are added in ascending order, and at the end of the grain lanes 0 to 7 are added in this
 * order to +0. So a grain's sums depend on nothing but its elements.
 *
 * Element by element, in double, sums over inputs in recipe order:
 *   overlap  max |d_t| / sum |d_t|                       where the sum is not 0
 *   tail     T * sum r_t^4 / (sum r_t^2)^2, r_t = d_t - (sum d_t) / T, where sum r_t^2 is not 0
 *   sign     |sum sgn(d_t)|, and zeros of each d_t
 * An element with a value that is not finite, in any input or the base, takes part in none of this;
 * what compare counts of such values it counts in the inputs themselves.
 */
#include "run/survey_work.h"

#include "base/check.h"
#include "base/dtype.h"
#include "base/limits.h"
#include "base/num.h"
#include "run/fetch.h"
#include "run/view.h"

#include <math.h>
#include <string.h>

enum { LANES = 8 };

/* One step of the visit under work. */
struct work {
    struct of_view view; /* the part */
    const struct of_survey_shape *shape;
    struct of_chunks chunks;
    uint64_t *counts; /* of the step; NULL without element-wise statistics */
};

static uint64_t *counts_of(const struct work *work, enum of_survey_group group)
{
    return work->counts + of_survey_counts(work->shape, group);
}

/* ---- Products ---- */

static void add_products(const struct work *work, size_t length)
{
    const struct of_kern *kern = work->view.job->kern;
    const struct of_chunks *chunks = &work->chunks;
    double(*lanes)[LANES] = chunks->lanes;

    if (work->shape->need == OF_GRAM_NORMS) {
        for (uint32_t i = 0; i < chunks->count; i++) {
            kern->add_products(lanes[chunks->areas[i]->input], chunks->d[i], chunks->d[i], length);
        }
        return;
    }
    kern->add_gram(chunks->lanes, (const float *const *)chunks->d, work->shape->input_count,
                   length);
}

/* ---- Element-wise statistics ---- */

/* `left_out` of the first `length` elements were made zero because they are not finite. */
static void count_elems(const struct work *work, size_t length, uint32_t left_out)
{
    const struct of_chunks *chunks = &work->chunks;
    double(*lanes)[LANES] = chunks->lanes + of_survey_overlap(work->shape);
    struct of_kern_stats stats = {.overlap = lanes[0],
                                  .tail = lanes[1],
                                  .zeros = counts_of(work, OF_SURVEY_ZEROS),
                                  .agreement = counts_of(work, OF_SURVEY_AGREEMENT)};

    of_assert(chunks->count == work->shape->input_count);
    work->view.job->kern->add_stats(&stats, (const float *const *)chunks->d, chunks->count, length);
    *counts_of(work, OF_SURVEY_IN_OVERLAP) += stats.in_overlap;
    *counts_of(work, OF_SURVEY_IN_TAIL) += stats.in_tail;
    for (uint32_t t = 0; t < chunks->count; t++) {
        stats.zeros[t] -= left_out;
    }
    stats.agreement[0] -= left_out;
}

/* ---- Values that are not finite ---- */

static bool is_finite(const struct work *work, size_t length)
{
    uint64_t bad = 0;

    for (uint32_t i = 0; i < work->chunks.count; i++) {
        uint64_t nan = 0;
        uint64_t inf = 0;

        work->view.job->kern->count_nonfinite(work->chunks.d[i], length, &nan, &inf);
        bad += nan + inf;
    }
    return bad == 0;
}

/* Counts in one input, or the base, itself. */
static void count_source(const struct work *work, const struct of_area *area, uint64_t at,
                         size_t length, uint32_t index)
{
    const struct of_view *view = &work->view;
    const uint8_t *data = of_view_data(view, area);
    uint64_t nan = 0;
    uint64_t inf = 0;

    if (data == NULL) {
        return; /* plain frame: there is no base */
    }
    const onefold_dtype dtype = of_view_dtype(view, area);

    view->job->kern->unpack[dtype](view->scratch->x, data + at * of_dtype_size(dtype), length);
    view->job->kern->count_nonfinite(view->scratch->x, length, &nan, &inf);
    counts_of(work, OF_SURVEY_NAN)[index] += nan;
    counts_of(work, OF_SURVEY_INF)[index] += inf;
}

/* Takes elements with a difference that is not finite out of the chunk; returns how many. A value
 * that is not finite makes the difference so, too. Slow; seldom. */
static uint32_t leave_out(const struct work *work, uint64_t at, size_t length)
{
    const struct of_chunks *chunks = &work->chunks;
    uint32_t left_out = 0;

    for (uint32_t t = 0; t < chunks->count; t++) {
        count_source(work, chunks->areas[t], at, length, t);
    }
    count_source(work, of_view_base_area(&work->view), at, length, chunks->count);
    for (size_t i = 0; i < length; i++) {
        bool bad = false;

        for (uint32_t t = 0; t < chunks->count; t++) {
            bad = bad || !isfinite(chunks->d[t][i]);
        }
        for (uint32_t t = 0; bad && t < chunks->count; t++) {
            chunks->d[t][i] = 0.0F;
        }
        left_out += bad ? 1 : 0;
    }
    return left_out;
}

/* The squares of a part tell whether all its values are finite: f32 squared cannot overflow in
 * double. */
static bool has_finite_norms(const struct work *work)
{
    double(*lanes)[LANES] = work->chunks.lanes;
    bool finite = true;

    for (uint32_t i = 0; i < work->chunks.count; i++) {
        const uint32_t own = work->chunks.areas[i]->input;
        const uint32_t at = of_survey_pair(work->shape, own, own);

        for (uint32_t lane = 0; lane < LANES; lane++) {
            finite = finite && isfinite(lanes[at][lane]);
        }
    }
    return finite;
}

/* Finds the first value of a part that is not finite and makes it the error of the slot. */
static void blame_part(const struct work *work)
{
    const struct of_view *view = &work->view;

    for (uint64_t at = 0; at < view->elem_count && view->slot->error.status == ONEFOLD_OK;
         at += OF_BLOCK_CHUNK) {
        const size_t length = of_num_min(OF_BLOCK_CHUNK, view->elem_count - at);

        if (view->step->delta) {
            of_view_unpack_base(view, at, length);
        }
        of_chunks_load(view, &work->chunks, at, 0, length);
        if (!is_finite(work, length)) {
            of_chunks_blame(view, &work->chunks, at, length);
        }
    }
    of_assert(view->slot->error.status != ONEFOLD_OK);
}

/* ---- Grains ---- */

static void survey_block(const struct work *work, uint64_t at, size_t count)
{
    const struct of_view *view = &work->view;

    if (view->step->delta) {
        of_view_unpack_base(view, at, count);
    }
    for (size_t first = 0; first < count; first += OF_BLOCK_CHUNK) {
        const size_t length = of_num_min(OF_BLOCK_CHUNK, count - first);

        of_chunks_load(view, &work->chunks, at, first, length);
        if (work->counts != NULL) {
            const bool finite = is_finite(work, length);

            count_elems(work, length, finite ? 0 : leave_out(work, at + first, length));
        }
        if (view->job->plan->extra != NULL) {
            of_chunks_make_extra(view, &work->chunks, length);
        }
        add_products(work, length);
    }
}

/* False: an error. */
static bool survey_part(struct work *work, const struct of_view *part)
{
    work->view = *part;
    if (!of_fetch(part)) {
        return false;
    }
    for (uint64_t at = 0; at < part->elem_count; at += OF_BLOCK_ELEMS) {
        survey_block(work, at, of_num_min(OF_BLOCK_ELEMS, part->elem_count - at));
    }
    if (OF_UNLIKELY(work->counts == NULL && !has_finite_norms(work))) {
        blame_part(work);
        return false;
    }
    return true;
}

static void survey_grain(struct work *work, const struct of_view *grain, uint64_t part_elems,
                         double *sums)
{
    double(*lanes)[LANES] = work->chunks.lanes;
    const uint32_t sum_count = work->shape->sum_count;

    memset(lanes, 0, sum_count * sizeof(*lanes));
    for (uint64_t at = 0; at < grain->elem_count; at += part_elems) {
        const struct of_view part =
            of_view_part(grain, at, of_num_min(part_elems, grain->elem_count - at));

        if (!survey_part(work, &part)) {
            return;
        }
    }
    for (uint32_t i = 0; i < sum_count; i++) {
        double sum = 0.0;

        for (uint32_t lane = 0; lane < LANES; lane++) {
            sum += lanes[i][lane];
        }
        /* Of norms, a round knows its own inputs; those of other rounds stay. */
        sums[i] += sum;
    }
}

static void survey_step(struct work *work, const struct of_view *step, double *sums)
{
    const uint64_t part_elems = of_fetch_elems(step);

    of_chunks_begin(step, NULL, &work->chunks);
    of_assert(work->shape->need == OF_GRAM_NORMS ||
              work->chunks.count == step->job->plan->input_count);
    for (uint64_t at = 0; at < step->elem_count && step->slot->error.status == ONEFOLD_OK;
         at += OF_GRAIN_ELEMS) {
        const struct of_view grain =
            of_view_part(step, at, of_num_min(OF_GRAIN_ELEMS, step->elem_count - at));

        survey_grain(work, &grain, part_elems, sums);
        sums += work->shape->sum_count;
    }
}

/* +0 + x is x to the bit for every sum a grain can have: none is -0, as its own sum starts at +0.
 */
static void clear(const struct of_survey_shape *shape, struct of_slot *slot)
{
    const struct of_visit *visit = &slot->visit;

    memset(slot->sums, 0, visit->grain_count * shape->sum_count * sizeof(*slot->sums));
    memset(slot->survey_counts, 0,
           (size_t)visit->step_count * shape->count_count * sizeof(*slot->survey_counts));
}

void of_survey_work(const struct of_job_context *job, struct of_slot *slot, void *scratch)
{
    const struct of_plan *plan = job->plan;
    const struct of_survey_shape *shape = &plan->survey;
    const struct of_visit *visit = &slot->visit;
    double *sums = slot->sums;

    of_fetch_begin(plan, slot, scratch);
    if (slot->is_first_round) {
        clear(shape, slot);
    }
    for (uint32_t i = 0; i < visit->step_count && slot->error.status == ONEFOLD_OK; i++) {
        struct of_view view = {.job = job, .slot = slot, .scratch = scratch};
        struct work work = {.shape = shape};

        view.step_index = visit->first_step + i;
        view.step = &plan->steps[view.step_index];
        view.tensor = &plan->tensors[view.step_index];
        view.count = &slot->counts[i];
        view.first_elem = visit->step_count == 1 ? visit->first_elem : 0;
        view.elem_count = visit->step_count == 1 ? visit->elem_count : view.tensor->elem_count;
        if (shape->elementwise) {
            work.counts = slot->survey_counts + (size_t)i * shape->count_count;
        }
        if (of_plan_is_surveyed(plan, view.step_index)) {
            survey_step(&work, &view, sums);
        }
        sums += of_num_div_ceil(view.elem_count, OF_GRAIN_ELEMS) * shape->sum_count;
    }
    of_fetch_end(plan, slot, scratch);
}
