/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the page cache ahead. */
#include "run/cached.h"

#include "base/check.h"
#include "base/num.h"
#include "sys/pagecache.h"

/* Units that a reading front to back may leave out, in front of what is known. */
enum { GAP_UNITS = 2 };

void of_cached_init(struct of_cached *cached, int fd, uint64_t size_bytes)
{
    *cached = (struct of_cached){.fd = fd, .size_bytes = size_bytes};
}

static bool ask_unit(const struct of_cached *cached, uint64_t unit)
{
    const uint64_t offset = unit * OF_CACHED_UNIT_BYTES;

    return offset < cached->size_bytes &&
           of_pagecache_holds(cached->fd, offset,
                              of_num_min(OF_CACHED_UNIT_BYTES, cached->size_bytes - offset));
}

static void ask_ahead(struct of_cached *cached, uint64_t first_unit)
{
    const uint64_t file_units = of_num_div_ceil(cached->size_bytes, OF_CACHED_UNIT_BYTES);

    cached->first_unit = first_unit;
    cached->end_unit = of_num_min(first_unit + OF_CACHED_UNITS, file_units);
    cached->units = 0;
    for (uint64_t unit = first_unit; unit < cached->end_unit; unit++) {
        cached->units |= (uint64_t)ask_unit(cached, unit) << (unit - first_unit);
    }
}

bool of_cached_has(struct of_cached *cached, uint64_t offset, uint64_t length)
{
    const uint64_t first = offset / OF_CACHED_UNIT_BYTES;
    const uint64_t end = of_num_div_ceil(offset + length, OF_CACHED_UNIT_BYTES);

    of_assert(length > 0 && offset + length <= cached->size_bytes);
    if (first < cached->first_unit || first > cached->end_unit + GAP_UNITS) {
        /* Read in another order: to ask ahead would be in vain. */
        cached->first_unit = end - 1;
        cached->end_unit = end - 1;
        return of_pagecache_holds(cached->fd, offset, length);
    }
    for (uint64_t unit = first; unit < end; unit++) {
        if (unit >= cached->end_unit) {
            ask_ahead(cached, unit);
        }
        if ((cached->units >> (unit - cached->first_unit) & 1) == 0) {
            return false;
        }
    }
    return true;
}
