/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A part of one step of a visit, a grain or less, as a worker's inner loops see it, and chunks of
 * all its inputs. Worker side; shared by job.c (the blend), element.c (its element-wise rules) and
 * survey_work.c.
 */
#ifndef OF_RUN_VIEW_H
#define OF_RUN_VIEW_H

#include "run/job.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct of_view {
    const struct of_job_context *job;
    struct of_slot *slot;
    struct of_job_scratch *scratch;
    struct of_step_count *count;
    const struct of_step *step;
    const struct of_tensor *tensor;
    const struct of_row *row; /* NULL for copies and in a survey */
    uint32_t step_index;
    uint64_t first_elem; /* in the tensor */
    uint64_t elem_count;
    uint64_t skip_elems; /* of this step in this visit, in front of the view's */
    uint8_t *out;
    float *plane; /* NULL with one round */
};

/* Elements [at, at + count) of a view, as a view. Where they are less than a byte each, `at` is a
 * multiple of eight. */
struct of_view of_view_part(const struct of_view *view, uint64_t at, uint64_t count);

/* Bytes of the output. */
uint64_t of_view_out_bytes(const struct of_view *view);

/* Which of the bytes of an area are the view's: *ret_bytes from *ret_at on. In a bundle the steps
 * of an input lie one behind the other, or each at a place of its own, in a tile there is one step.
 * False: nothing of the step is there. */
bool of_view_find(const struct of_view *view, const struct of_area *area, uint64_t *ret_at,
                  uint64_t *ret_bytes);
/* The view's elements, fetched before (run/fetch.h); NULL: nothing of the step is there. */
const uint8_t *of_view_data(const struct of_view *view, const struct of_area *area);
onefold_dtype of_view_dtype(const struct of_view *view, const struct of_area *area);
static inline struct of_area *of_view_base_area(const struct of_view *view)
{
    return of_slot_base_area(view->slot);
}
/* The base's elements [at, at + count) of the view into scratch->base. */
void of_view_unpack_base(const struct of_view *view, uint64_t at, size_t count);

/* ---- Values that are not finite ---- */

/* Index of the first NaN or infinity, or `count`. */
size_t of_view_find_nonfinite(const float *x, size_t count);
/* Rules that look at values refuse --nonfinite keep: the slot's error shall not advise it. */
void of_view_settle_hint(const struct of_view *view, const char *hint);
/* The error of one element of an input. */
void of_view_blame(const struct of_view *view, uint32_t input, uint64_t elem);
/* The input (areas of this round, then the base) with the first value that is not finite among
 * elements [at, at + count) of the view, count <= OF_BLOCK_ELEMS; *ret_elem is its place. NULL
 * when all are finite. Slow, but it runs once. */
const struct of_area *of_view_find_guilty(const struct of_view *view, uint64_t at, size_t count,
                                          uint64_t *ret_elem);

/* ---- Chunks ---- */

/* What lies behind the blocks in a worker's scratch (of_chunk_scratch_bytes). */
struct of_chunks {
    uint32_t count;               /* inputs here */
    const struct of_area **areas; /* [count] */
    float **d;                    /* [count][OF_BLOCK_CHUNK], 64-byte aligned; then the extra */
    float *coefs;                 /* [count] */
    double (*lanes)[8];           /* [sum_count] of the survey's shape */
};

/* Bytes of one worker's scratch. */
uint64_t of_chunks_scratch_bytes(const struct of_plan *plan);
/* Takes all inputs of the round that have the step; with `selected` only those marked there. */
void of_chunks_begin(const struct of_view *view, const bool *selected, struct of_chunks *chunks);
/* Task vectors (plain frame: values) of elements [at + first, at + first + count) of the view,
 * count <= OF_BLOCK_CHUNK; scratch->base holds the base from `at` on. The rest of each chunk is
 * zero. */
void of_chunks_load(const struct of_view *view, const struct of_chunks *chunks, uint64_t at,
                    size_t first, size_t count);
/* The rule's extra vector (plan->extra, not NULL) from the first `count` elements of all inputs. */
void of_chunks_make_extra(const struct of_view *view, const struct of_chunks *chunks, size_t count);
/* The error for a chunk with a value that is not finite: that of the first such element, an input's
 * or, when all inputs are finite, that of a difference. Keeps an error that is already there. */
void of_chunks_blame(const struct of_view *view, const struct of_chunks *chunks, uint64_t at,
                     size_t count);

#endif
