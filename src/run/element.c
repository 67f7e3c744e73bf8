/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Element-wise rules. A block is cut into chunks, the task vectors of all inputs are made for each,
 * the rule makes v of them; factor, base and rounding follow as for every other rule. An order
 * statistic can hide a value that is not finite, so that every task vector is looked at. A Gram
 * rule's extra vector is made in the same way, and v is its weighted sum with the task vectors.
 */
#include "run/element.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"

#include <string.h>

bool of_element_begin(const struct of_view *view, struct of_element *element)
{
    const struct of_plan *plan = view->job->plan;
    const bool has_extra = plan->extra != NULL && !view->row->is_alone;

    if (view->row->global == NULL && !has_extra) {
        return false;
    }
    of_assert(view->slot->is_first_round && view->slot->is_last_round);
    of_chunks_begin(view, view->job->selected, &element->chunks);
    element->params =
        (struct of_params){.input_count = plan->input_count, .global = view->row->global};
    return true;
}

static bool is_finite(const struct of_view *view, const struct of_chunks *chunks, size_t count)
{
    uint64_t bad = 0;

    for (uint32_t i = 0; i < chunks->count; i++) {
        uint64_t nan = 0;
        uint64_t inf = 0;

        view->job->kern->count_nonfinite(chunks->d[i], count, &nan, &inf);
        bad += nan + inf;
    }
    return bad == 0;
}

/* v = sum coefs[t] * d[t] + coef * extra, in this order. */
static void sum_with_extra(const struct of_view *view, const struct of_chunks *chunks,
                           const struct of_block *block)
{
    memset(block->v, 0, OF_BLOCK_CHUNK * sizeof(block->v[0]));
    for (uint32_t i = 0; i < chunks->count; i++) {
        block->kern->fold_plain(block->v, chunks->d[i], chunks->coefs[i], OF_BLOCK_CHUNK);
    }
    of_chunks_make_extra(view, chunks, block->length);
    block->kern->fold_plain(block->v, chunks->d[chunks->count],
                            view->row->coefs[view->job->plan->input_count], OF_BLOCK_CHUNK);
}

void of_element_block(const struct of_view *view, struct of_element *element, uint64_t at,
                      size_t count)
{
    const struct of_chunks *chunks = &element->chunks;
    float *acc = view->scratch->acc;
    struct of_block block = {.kern = view->job->kern,
                             .params = &element->params,
                             .count = chunks->count,
                             .d = chunks->d,
                             .coefs = chunks->coefs};

    if (view->step->delta) {
        of_view_unpack_base(view, at, count);
    }
    for (size_t first = 0; first < count; first += OF_BLOCK_CHUNK) {
        const size_t length = of_num_min(OF_BLOCK_CHUNK, count - first);

        of_chunks_load(view, chunks, at, first, length);
        if (OF_UNLIKELY(!is_finite(view, chunks, length))) {
            of_chunks_blame(view, chunks, at + first, length);
        }
        block.v = acc + first;
        block.length = length;
        if (view->job->plan->extra != NULL) {
            sum_with_extra(view, chunks, &block);
        } else {
            view->job->plan->method->blend(&block);
        }
    }
    of_job_finish_block(view, at, acc, count);
}
_Static_assert(OF_BLOCK_ELEMS % OF_BLOCK_CHUNK == 0, "a block is whole chunks");
