/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that the page cache holds. The worker that needs them copies them into the area, a little
 * ahead of where it reads, so that they are still in its own cache when it folds them: nothing is
 * mapped, no page table is filled and emptied, and a file that shrinks is a short read. Worker
 * side.
 */
#ifndef OF_RUN_FETCH_H
#define OF_RUN_FETCH_H

#include "run/view.h"

#include <stdbool.h>
#include <stdint.h>

/* Elements [0, end) of the view are in every area of the round that has them when this returns
 * true. `end` is a multiple of OF_GRAIN_ELEMS or the view's elem_count. False: the slot has an
 * error now (ids: input-changed, input-io). */
bool of_fetch(const struct of_view *view, uint64_t end);

#endif
