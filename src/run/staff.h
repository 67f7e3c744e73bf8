/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many workers work. While inputs come from a disk, as few as keep up with it: the more of
 * them look at the buffers at the same time, the longer the disk of a virtual machine takes to fill
 * others (docs/decisions/021-as-few-workers-as-keep-up.md). The output has the same bytes. Control
 * thread.
 */
#ifndef OF_RUN_STAFF_H
#define OF_RUN_STAFF_H

#include <stdint.h>

/* Bytes and times are all since the start of the run. */
struct of_staff_note {
    uint64_t read_bytes;  /* from disks */
    uint64_t cache_bytes; /* from the page cache */
    uint64_t busy_ns;     /* of all workers */
    uint64_t now_ns;      /* of our clock */
};

struct of_staff {
    uint32_t worker_count; /* of a group */
    uint32_t group_count;
    uint32_t used_count; /* of each group; changes */
    struct of_staff_note since;
};

/* Workers and groups of a crew (sys/crew.h), one at least. */
void of_staff_init(struct of_staff *staff, uint32_t worker_count, uint32_t group_count);
/* At the start of a pass: the time since the last one counts for nothing. */
void of_staff_begin(struct of_staff *staff, const struct of_staff_note *note);
/* Returns how many workers of each group shall work from now on. */
uint32_t of_staff_note(struct of_staff *staff, const struct of_staff_note *note);

#endif
