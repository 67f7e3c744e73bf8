/* SPDX-License-Identifier: Apache-2.0 */
/* Sorting networks: the T values of many elements at once in ascending order, by the same compare
 * and exchange steps for all of them, so that every step is a vector operation. */
#ifndef OF_METHOD_NETWORK_H
#define OF_METHOD_NETWORK_H

#include "base/attr.h"
#include "kern/kern.h"
#include "method/method.h"

#include <stddef.h>
#include <stdint.h>

/* Inputs of element-wise rules. At this number a chunk of all inputs is 256 KiB, a cache's size,
 * and a network has the steps below; far more inputs would want another algorithm. */
enum { OF_NETWORK_WIRES_MAX = 256, OF_NETWORK_STEPS_MAX = 3839 };

/* After the network rows[first .. last] hold what stands there in ascending order; the other rows
 * hold the rest of the values in any order. `count` elements of each row. */
void of_network_order(const struct of_kern *kern, float *const *rows, uint32_t wire_count,
                      uint32_t first, uint32_t last, size_t count);

/* Rows that are sorted in a copy, because their own order is needed too: of so many elements at a
 * time, a quarter of the nearest cache, on a stack. */
enum { OF_NETWORK_COPY_ELEMS = 4096 };
struct of_network_copy {
    OF_ALIGNED(64) float space[OF_NETWORK_COPY_ELEMS];
    float *rows[OF_NETWORK_WIRES_MAX]; /* of `elems` elements each */
    size_t elems;
};
/* As many elements of all inputs as there is room for; a chunk is a whole number of such pieces. */
void of_network_copy_init(struct of_network_copy *copy, uint32_t wire_count);
/* Copies elements [at, at + elems) of the block's inputs; then as of_network_order. */
void of_network_copy_order(struct of_network_copy *copy, const struct of_block *block, size_t at,
                           uint32_t first, uint32_t last);

#endif
