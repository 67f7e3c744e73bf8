/* SPDX-License-Identifier: Apache-2.0 */
/* Sorting without recursion and without memory of its own, in bounded time whatever the input. */
#ifndef OF_BASE_SORT_H
#define OF_BASE_SORT_H

#include <stdbool.h>
#include <stdint.h>

/* True when what `a` stands for comes before what `b` stands for. */
typedef bool of_sort_less_fn(const void *context, uint32_t a, uint32_t b);

/* Stable merge sort. `scratch` has as many entries as `indices`; what is sorted already costs one
 * comparison an entry. */
void of_sort_indices(uint32_t *indices, uint32_t *scratch, uint64_t count, of_sort_less_fn *less,
                     const void *context);

#endif
