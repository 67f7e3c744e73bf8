/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order_pair: a pair is swapped when the second is smaller, else left alone, to the bit: zeros of
 * either sign and NaNs, which are neither smaller nor larger, stay where they are.
 */
#include "check.h"

#include <math.h>
#include <string.h>

/* All pairs of values that an instruction for minimum or maximum might treat in its own way. */
static void edge_pairs(struct check *check)
{
    static const uint32_t edges[] = {0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x3f800000,
                                     0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000,
                                     0x7f7fffff, 0xff7fffff, 0x00800000, 0x80800000};
    enum { EDGES = sizeof(edges) / sizeof(edges[0]), COUNT = EDGES * EDGES };
    float *low = check->values[0];
    float *high = check->values[1];

    for (size_t i = 0; i < COUNT; i++) {
        low[i] = check_float(edges[i / EDGES]);
        high[i] = check_float(edges[i % EDGES]);
    }
    check->kern->order_pair(low, high, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        const float a = check_float(edges[i / EDGES]);
        const float b = check_float(edges[i % EDGES]);
        const bool swap = !isnan(a) && !isnan(b) && (double)b < (double)a;

        /* The bits, also of NaNs: nothing is computed here. */
        if (check_bits(low[i]) != check_bits(swap ? b : a) ||
            check_bits(high[i]) != check_bits(swap ? a : b)) {
            check_fail(check, "order_pair: %a and %a became %a and %a", (double)a, (double)b,
                       (double)low[i], (double)high[i]);
        }
    }
}

static void one_case(struct check *check, size_t length, size_t place, void *context)
{
    const size_t even = place == CHECK_AT_END ? place : (place * 4) & 60;
    const size_t bytes = length * sizeof(float);
    float *low = (float *)(void *)check_put(&check->area[0], bytes, even);
    float *high = (float *)(void *)check_put(&check->area[1], bytes, even);

    (void)context;
    check_values(&check->prng, low, length);
    check_values(&check->prng, high, length);
    if (length > 0) {
        memcpy(check->values[0], low, bytes);
        memcpy(check->values[1], high, bytes);
    }
    check->law->order_pair(check->values[0], check->values[1], length);
    check_doing("order_pair", length, place);
    check->kern->order_pair(low, high, length);
    if (length > 0 &&
        (memcmp(low, check->values[0], bytes) != 0 || memcmp(high, check->values[1], bytes) != 0)) {
        check_fail(check, "order_pair: %zu elements, placement %zu: differs from scalar", length,
                   place);
    }
    if (!check_around(&check->area[0], low, bytes) || !check_around(&check->area[1], high, bytes)) {
        check_fail(check, "order_pair: %zu elements, placement %zu: wrote outside", length, place);
    }
}

void check_order(struct check *check)
{
    edge_pairs(check);
    check_each(check, one_case, NULL);
}
