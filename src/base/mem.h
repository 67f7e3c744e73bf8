/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only malloc of the project. Everything planned lives in an arena with a limit, so a hostile
 * file meets the memory bound and not the machine's; after of_mem_freeze() this thread may not
 * allocate at all.
 */
#ifndef OF_BASE_MEM_H
#define OF_BASE_MEM_H

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL when there is none. Zeroed. Freed with of_mem_free (NULL is fine). */
OF_NODISCARD void *of_mem_get(size_t bytes);
/* Like realloc; the old block stays valid on failure. New bytes are not zeroed. */
OF_NODISCARD void *of_mem_resize(void *old, size_t bytes);
void of_mem_free(void *block);

/* Gives memory that was freed back to the system, where the C library keeps it. */
void of_mem_trim(void);

/* While frozen, of_mem_get on this thread is an internal error. Calls nest. */
void of_mem_freeze(void);
void of_mem_thaw(void);

/* Tests: the n-th next of_mem_get or of_mem_resize of the process fails (1 = the next), and all
 * after it when `from_then_on`; 0 turns it off. Returns nothing of the old setting. */
void of_mem_fail_at(uint64_t nth, bool from_then_on);
/* Tests: allocations made so far by the process. */
uint64_t of_mem_count(void);

/* Memory of one owner, freed at once. limit_bytes counts what was asked of the system. */
struct of_arena {
    struct of_arena_chunk *chunks;
    uint64_t used_bytes;
    uint64_t limit_bytes; /* 0 = none */
    bool limit_hit;       /* the last NULL came from the limit, not from the system */
};

void of_arena_init(struct of_arena *arena, uint64_t limit_bytes);
/* Zeroed, aligned to `align` (a power of two up to 64). NULL when the limit or the system says no.
 */
OF_NODISCARD void *of_arena_get(struct of_arena *arena, size_t bytes, size_t align);
/* A terminated copy. NULL on failure. */
OF_NODISCARD char *of_arena_copy(struct of_arena *arena, const char *data, size_t length);
void of_arena_finish(struct of_arena *arena);

#define OF_ARENA_NEW(arena, type, count) \
    ((type *)of_arena_get((arena), of_mem_array_bytes((count), sizeof(type)), _Alignof(type)))

/* count * size, or SIZE_MAX when that overflows (which no allocation can serve). */
size_t of_mem_array_bytes(uint64_t count, size_t size);

#endif
