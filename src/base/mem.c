/* SPDX-License-Identifier: Apache-2.0 */
/* The only malloc of the project, arenas on top of it, and the switches tests use to make it fail.
 */
#include "base/mem.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

/* Large enough that a header of a hundred thousand tensors takes some dozens of chunks, small
 * enough that an arena with a handful of strings stays small. */
#define CHUNK_BYTES (256 * OF_KIB)
enum { FIRST_CHUNK_BYTES = 4096, ALIGN_MAX = 64 };

struct of_arena_chunk {
    struct of_arena_chunk *next;
    size_t capacity; /* bytes after this struct */
    size_t used;
};

static atomic_uint_fast64_t call_count;
/* Call number at which allocation fails; 0 = never. */
static atomic_uint_fast64_t fail_at;
static atomic_bool fail_onwards;

static _Thread_local uint32_t frozen_depth;

/* Counts one allocation. False when a test wants it to fail. */
static bool may_allocate(void)
{
    uint64_t number = atomic_fetch_add_explicit(&call_count, 1, memory_order_relaxed) + 1;
    uint64_t at = atomic_load_explicit(&fail_at, memory_order_relaxed);

    of_assert(frozen_depth == 0);
    if (OF_LIKELY(at == 0)) {
        return true;
    }
    return number != at &&
           (number < at || !atomic_load_explicit(&fail_onwards, memory_order_relaxed));
}

void *of_mem_get(size_t bytes)
{
    if (!may_allocate() || bytes > PTRDIFF_MAX) {
        return NULL;
    }
    return calloc(1, bytes > 0 ? bytes : 1);
}

void *of_mem_resize(void *old, size_t bytes)
{
    if (!may_allocate() || bytes > PTRDIFF_MAX) {
        return NULL;
    }
    return realloc(old, bytes > 0 ? bytes : 1);
}

void of_mem_free(void *block)
{
    free(block);
}

void of_mem_trim(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

void of_mem_freeze(void)
{
    frozen_depth++;
}

void of_mem_thaw(void)
{
    of_assert(frozen_depth > 0);
    frozen_depth--;
}

void of_mem_fail_at(uint64_t nth, bool from_then_on)
{
    uint64_t now = atomic_load_explicit(&call_count, memory_order_relaxed);

    atomic_store_explicit(&fail_onwards, from_then_on, memory_order_relaxed);
    atomic_store_explicit(&fail_at, nth == 0 ? 0 : now + nth, memory_order_relaxed);
}

uint64_t of_mem_count(void)
{
    return atomic_load_explicit(&call_count, memory_order_relaxed);
}

size_t of_mem_array_bytes(uint64_t count, size_t size)
{
    uint64_t bytes;

    return of_num_mul(count, size, &bytes) ? (size_t)bytes : SIZE_MAX;
}

void of_arena_init(struct of_arena *arena, uint64_t limit_bytes)
{
    memset(arena, 0, sizeof(*arena));
    arena->limit_bytes = limit_bytes;
}

/* Where the next block of that alignment starts in the chunk, from the chunk's own address. */
static size_t place_in(const struct of_arena_chunk *chunk, size_t align)
{
    uintptr_t at = (uintptr_t)(chunk + 1) + chunk->used;

    return chunk->used + (size_t)((align - at % align) % align);
}

/* A chunk with room for `bytes` at any alignment, put in front of the list. NULL on failure. */
static struct of_arena_chunk *add_chunk(struct of_arena *arena, size_t bytes)
{
    size_t standard = arena->chunks == NULL ? FIRST_CHUNK_BYTES : CHUNK_BYTES;
    size_t capacity = bytes + ALIGN_MAX;
    uint64_t total;
    struct of_arena_chunk *chunk;
    uint64_t left = arena->limit_bytes - arena->used_bytes;

    if (capacity < standard) {
        capacity = standard;
    }
    if (arena->limit_bytes != 0 && capacity + sizeof(*chunk) > left) {
        /* The last chunk may be smaller than usual, so that the limit means what it says. */
        capacity = bytes + ALIGN_MAX;
        if (capacity + sizeof(*chunk) > left) {
            arena->limit_hit = true;
            return NULL;
        }
    }
    total = capacity + sizeof(*chunk);
    chunk = of_mem_get((size_t)total);
    if (chunk == NULL) {
        arena->limit_hit = false;
        return NULL;
    }
    arena->used_bytes += total;
    chunk->capacity = capacity;
    /* A block that fills its own chunk goes behind the current one, whose rest stays usable. */
    if (arena->chunks != NULL && bytes + ALIGN_MAX >= CHUNK_BYTES) {
        chunk->next = arena->chunks->next;
        arena->chunks->next = chunk;
    } else {
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    return chunk;
}

void *of_arena_get(struct of_arena *arena, size_t bytes, size_t align)
{
    struct of_arena_chunk *chunk = arena->chunks;
    size_t place;

    of_assert(align > 0 && align <= ALIGN_MAX && (align & (align - 1)) == 0);
    if (bytes > PTRDIFF_MAX - CHUNK_BYTES) {
        arena->limit_hit = arena->limit_bytes != 0;
        return NULL;
    }
    if (chunk != NULL) {
        place = place_in(chunk, align);
        if (place <= chunk->capacity && bytes <= chunk->capacity - place) {
            chunk->used = place + bytes;
            return (char *)(chunk + 1) + place;
        }
    }
    chunk = add_chunk(arena, bytes);
    if (chunk == NULL) {
        return NULL;
    }
    place = place_in(chunk, align);
    chunk->used = place + bytes;
    return (char *)(chunk + 1) + place;
}

char *of_arena_copy(struct of_arena *arena, const char *data, size_t length)
{
    char *copy = of_arena_get(arena, length + 1, 1);

    if (copy == NULL) {
        return NULL;
    }
    if (length > 0) {
        memcpy(copy, data, length);
    }
    copy[length] = '\0';
    return copy;
}

void of_arena_finish(struct of_arena *arena)
{
    struct of_arena_chunk *chunk = arena->chunks;

    while (chunk != NULL) {
        struct of_arena_chunk *next = chunk->next;

        of_mem_free(chunk);
        chunk = next;
    }
    of_arena_init(arena, arena->limit_bytes);
}
