/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the page cache holds of one input file. It is asked far ahead of the reading: whoever takes
 * the last bytes that were there makes the kernel read ahead what follows, and asked then, those
 * bytes would seem to be there as well, and so on to the end of the file. Control thread.
 */
#ifndef OF_RUN_CACHED_H
#define OF_RUN_CACHED_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

/* One bit of the answer. */
#define OF_CACHED_UNIT_BYTES OF_MIB
/* Asked at once: more than most systems are set to read ahead, twice 128 KiB to twice 16 MiB. */
enum { OF_CACHED_UNITS = 64 };

struct of_cached {
    int fd; /* buffered; not owned */
    uint64_t size_bytes;
    uint64_t first_unit; /* of `units`, bit 0 */
    uint64_t end_unit;   /* answers are known for first_unit up to here */
    uint64_t units;
};

void of_cached_init(struct of_cached *cached, int fd, uint64_t size_bytes);
/* Was the range, length > 0, in the page cache when that was looked up? In a file that is read
 * front to back, whole units count. */
bool of_cached_has(struct of_cached *cached, uint64_t offset, uint64_t length);

#endif
