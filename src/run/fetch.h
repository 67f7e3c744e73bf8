/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that the page cache holds, for the worker that needs them. With few workers and memory left
 * it maps those of all inputs together, a tile at a time
 * (docs/decisions/019-windows-of-a-worker.md). Else it copies them, a part at a time, to a place of
 * its own that stays in its cache: the slot's areas, a dozen MiB of them in turn, would be written
 * to memory and read again. Worker side.
 */
#ifndef OF_RUN_FETCH_H
#define OF_RUN_FETCH_H

#include "run/view.h"

#include <stdbool.h>
#include <stdint.h>

/* Begins a round of a slot: nothing is fetched yet. */
void of_fetch_begin(const struct of_plan *plan, struct of_slot *slot,
                    struct of_job_scratch *scratch);
/* Elements of the view's step that can be fetched together, of all areas of the round: a multiple
 * of eight, OF_GRAIN_ELEMS at most. */
uint64_t of_fetch_elems(const struct of_view *view);
/* When this returns true, all elements of the view, of_fetch_elems at most, are at hand in every
 * area of the round that has them, until the next call. False: the slot has an error now (ids:
 * input-changed, input-io). */
bool of_fetch(const struct of_view *view);
/* Ends the round; sets the slot's error if a page could not be had (ids: as above). */
void of_fetch_end(const struct of_plan *plan, struct of_slot *slot, struct of_job_scratch *scratch);

#endif
