/* SPDX-License-Identifier: Apache-2.0 */
/* Names to indices: open addressing over keys that stay where the caller keeps them. */
#ifndef OF_BASE_MAP_H
#define OF_BASE_MAP_H

#include "base/mem.h"
#include "base/str.h"

/* The key of an index the caller once put in. */
typedef struct of_str of_map_key_fn(const void *context, uint32_t index);

enum { OF_MAP_NONE = 0xffffffffu };

struct of_map {
    uint8_t *tags;   /* some bits of the key's hash, 0 = the slot is free */
    uint32_t *slots; /* indices; capacity is a power of two above count * 4/3 */
    uint64_t mask;
    uint64_t count;
    of_map_key_fn *key;
    const void *context;
};

/* Room for `count` entries, from the arena. False when there is no memory. */
OF_NODISCARD bool of_map_init(struct of_map *map, struct of_arena *arena, uint64_t count,
                              of_map_key_fn *key, const void *context);
/* Puts `index` in under its key. Returns OF_MAP_NONE, or the index that already has that key (and
 * then changes nothing). The hash is keyed per process, so names cannot be made to collide. */
uint32_t of_map_put(struct of_map *map, uint32_t index);
/* The index with that key, or OF_MAP_NONE. */
uint32_t of_map_find(const struct of_map *map, struct of_str key);

#endif
