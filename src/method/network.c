/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batcher's merge exchange (Knuth 5.2.2, algorithm M), for any number of wires. Steps that nobody
 * wants the result of are left out: a median needs one wire, not the order of all. Used by median,
 * trimmed_mean and bulyan.
 */
#include "method/network.h"

#include "base/check.h"

#include <stdbool.h>
#include <string.h>

struct step {
    uint8_t low;
    uint8_t high;
};

struct network {
    uint32_t wire_count; /* 0: nothing here yet */
    uint32_t first;
    uint32_t last;
    uint32_t step_count;
    struct step steps[OF_NETWORK_STEPS_MAX];
};

/* Each thread keeps the last two networks it used: a merge asks for one or two, for every chunk,
 * and making one costs about as much as using it. Nothing is shared, so there is nothing to lock.
 */
enum { KEPT = 2 };
static _Thread_local struct network kept[KEPT];
static _Thread_local uint32_t next_kept;

static void add_steps(struct network *network, uint32_t p, uint32_t r, uint32_t distance)
{
    for (uint32_t i = 0; i + distance < network->wire_count; i++) {
        if ((i & p) == r) {
            of_assert(network->step_count < OF_NETWORK_STEPS_MAX);
            network->steps[network->step_count++] =
                (struct step){.low = (uint8_t)i, .high = (uint8_t)(i + distance)};
        }
    }
}

static void make_all(struct network *network)
{
    uint32_t top = 1;

    while (2 * top < network->wire_count) {
        top *= 2;
    }
    for (uint32_t p = top; p > 0; p /= 2) {
        add_steps(network, p, 0, p);
        for (uint32_t q = top; q > p; q /= 2) {
            add_steps(network, p, p, q - p);
        }
    }
}

/* Backwards: a step is wanted when one of its wires is, and then both are before it. */
static void leave_out(struct network *network)
{
    bool wanted[OF_NETWORK_WIRES_MAX] = {false};
    uint32_t kept_from = network->step_count;

    for (uint32_t i = network->first; i <= network->last; i++) {
        wanted[i] = true;
    }
    for (uint32_t i = network->step_count; i-- > 0;) {
        const struct step step = network->steps[i];

        if (wanted[step.low] || wanted[step.high]) {
            wanted[step.low] = true;
            wanted[step.high] = true;
            network->steps[--kept_from] = step;
        }
    }
    network->step_count -= kept_from;
    for (uint32_t i = 0; i < network->step_count; i++) {
        network->steps[i] = network->steps[kept_from + i];
    }
}

static const struct network *find(uint32_t wire_count, uint32_t first, uint32_t last)
{
    struct network *network;

    for (uint32_t i = 0; i < KEPT; i++) {
        network = &kept[i];
        if (network->wire_count == wire_count && network->first == first && network->last == last) {
            return network;
        }
    }
    network = &kept[next_kept];
    next_kept = (next_kept + 1) % KEPT;
    network->wire_count = wire_count;
    network->first = first;
    network->last = last;
    network->step_count = 0;
    make_all(network);
    leave_out(network);
    return network;
}

void of_network_order(const struct of_kern *kern, float *const *rows, uint32_t wire_count,
                      uint32_t first, uint32_t last, size_t count)
{
    const struct network *network;

    of_assert(wire_count > 0 && wire_count <= OF_NETWORK_WIRES_MAX && first <= last &&
              last < wire_count);
    network = find(wire_count, first, last);
    for (uint32_t i = 0; i < network->step_count; i++) {
        kern->order_pair(rows[network->steps[i].low], rows[network->steps[i].high], count);
    }
}

void of_network_copy_init(struct of_network_copy *copy, uint32_t wire_count)
{
    of_assert(wire_count > 0 && wire_count <= OF_NETWORK_WIRES_MAX);
    copy->elems = OF_BLOCK_CHUNK;
    while (copy->elems * wire_count > OF_NETWORK_COPY_ELEMS) {
        copy->elems /= 2;
    }
    for (uint32_t i = 0; i < wire_count; i++) {
        copy->rows[i] = copy->space + i * copy->elems;
    }
}

void of_network_copy_order(struct of_network_copy *copy, const struct of_block *block, size_t at,
                           uint32_t first, uint32_t last)
{
    for (uint32_t i = 0; i < block->count; i++) {
        memcpy(copy->rows[i], block->d[i] + at, copy->elems * sizeof(float));
    }
    of_network_order(block->kern, copy->rows, block->count, first, last, copy->elems);
}
