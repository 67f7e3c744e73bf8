/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of an element-wise rule, or of a Gram rule with an extra vector: all inputs of the tile
 * lie in the slot, the rule sees them chunk by chunk. Worker side. */
#ifndef OF_RUN_ELEMENT_H
#define OF_RUN_ELEMENT_H

#include "run/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A step while it is blended. */
struct of_element {
    struct of_chunks chunks;
    struct of_params params;
};

/* False when the step is folded input by input: another class, or the base alone in another type.
 */
bool of_element_begin(const struct of_view *view, struct of_element *element);
/* Elements [at, at + count) of the view, count <= OF_BLOCK_ELEMS. */
void of_element_block(const struct of_view *view, struct of_element *element, uint64_t at,
                      size_t count);

#endif
