/* SPDX-License-Identifier: Apache-2.0 */
/* Bottom-up merge sort over indices. The C library's qsort may allocate, and may be quadratic. */
#include "base/sort.h"

#include <string.h>

struct order {
    of_sort_less_fn *less;
    const void *context;
};

/* Merges from[low, middle) and from[middle, high) into `to`. */
static void merge(const uint32_t *from, uint32_t *to, uint64_t low, uint64_t middle, uint64_t high,
                  const struct order *order)
{
    uint64_t left = low;
    uint64_t right = middle;

    for (uint64_t at = low; at < high; at++) {
        bool take_right = left == middle ||
                          (right < high && order->less(order->context, from[right], from[left]));

        to[at] = take_right ? from[right++] : from[left++];
    }
}

void of_sort_indices(uint32_t *indices, uint32_t *scratch, uint64_t count, of_sort_less_fn *less,
                     const void *context)
{
    const struct order order = {less, context};
    uint32_t *from = indices;
    uint32_t *to = scratch;

    for (uint64_t width = 1; width < count; width *= 2) {
        uint32_t *old = from;

        for (uint64_t low = 0; low < count; low += 2 * width) {
            uint64_t middle = count - low < width ? count : low + width;
            uint64_t high = count - low < 2 * width ? count : low + 2 * width;

            if (middle == high || !less(context, from[middle], from[middle - 1])) {
                memcpy(to + low, from + low, (high - low) * sizeof(*to));
            } else {
                merge(from, to, low, middle, high, &order);
            }
        }
        from = to;
        to = old;
    }
    if (from != indices) {
        memcpy(indices, from, count * sizeof(*indices));
    }
}
