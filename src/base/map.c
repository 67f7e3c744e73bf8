/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to indices with linear probing. Names come from files, so the hash is SipHash-1-3 under a
 * key drawn once per process: nobody can prepare names that fall into one run of slots. A look at a
 * slot's tag, of which many are in a cache line, spares most looks at names, which lie anywhere.
 */
#include "base/map.h"

#include "base/bytes.h"
#include "base/check.h"

#include <stdatomic.h>
#include <unistd.h>

struct sip {
    uint64_t v0, v1, v2, v3;
};

static _Atomic uint64_t process_key[2]; /* 0 = not drawn yet */

/* A key word, drawn by whoever comes first. Without a random source (no kernel this old, or a
 * filter) the address space layout stands in. */
static uint64_t key_word(int which)
{
    uint64_t word = atomic_load_explicit(&process_key[which], memory_order_relaxed);
    uint64_t fresh = 0;

    if (OF_LIKELY(word != 0)) {
        return word;
    }
    if (getentropy(&fresh, sizeof(fresh)) != 0) {
        fresh = (uint64_t)(uintptr_t)&fresh * UINT64_C(0x9e3779b97f4a7c15);
        fresh ^= (uint64_t)(uintptr_t)&getentropy;
    }
    fresh |= 1;
    if (atomic_compare_exchange_strong(&process_key[which], &word, fresh)) {
        return fresh;
    }
    return word;
}

static inline uint64_t rotate(uint64_t value, int by)
{
    return (value << by) | (value >> (64 - by));
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static uint64_t hash_of(struct of_str text)
{
    uint64_t k0 = key_word(0);
    uint64_t k1 = key_word(1);
    struct sip s = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                    k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    size_t at = 0;
    uint64_t last = (uint64_t)text.length << 56;

    for (; text.length - at >= 8; at += 8) {
        uint64_t word = of_bytes_load64(text.data + at);

        s.v3 ^= word;
        sip_round(&s);
        s.v0 ^= word;
    }
    for (int shift = 0; at < text.length; at++, shift += 8) {
        last |= (uint64_t)(unsigned char)text.data[at] << shift;
    }
    s.v3 ^= last;
    sip_round(&s);
    s.v0 ^= last;
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

bool of_map_init(struct of_map *map, struct of_arena *arena, uint64_t count, of_map_key_fn *key,
                 const void *context)
{
    uint64_t capacity = 8;
    uint32_t *slots;
    uint8_t *tags;

    if (count > UINT32_MAX - 1) {
        return false;
    }
    while (capacity * 3 / 4 <= count) {
        capacity *= 2;
    }
    slots = OF_ARENA_NEW(arena, uint32_t, capacity);
    tags = OF_ARENA_NEW(arena, uint8_t, capacity);
    if (slots == NULL || tags == NULL) {
        return false;
    }
    *map = (struct of_map){.tags = tags,
                           .slots = slots,
                           .mask = capacity - 1,
                           .count = 0,
                           .key = key,
                           .context = context};
    return true;
}

/* Of the bits that say nothing about the slot. */
static uint8_t tag_of(uint64_t hash)
{
    const uint8_t tag = (uint8_t)(hash >> 56);

    return tag != 0 ? tag : 1;
}

/* The slot that holds `key`, or the free one where it belongs. */
static uint64_t slot_of(const struct of_map *map, struct of_str key, uint64_t hash)
{
    const uint8_t tag = tag_of(hash);
    uint64_t at = hash & map->mask;

    while (map->tags[at] != 0 &&
           (map->tags[at] != tag || !of_str_equal(map->key(map->context, map->slots[at]), key))) {
        at = (at + 1) & map->mask;
    }
    return at;
}

uint32_t of_map_put(struct of_map *map, uint32_t index)
{
    const struct of_str key = map->key(map->context, index);
    const uint64_t hash = hash_of(key);
    const uint64_t at = slot_of(map, key, hash);

    if (map->tags[at] != 0) {
        return map->slots[at];
    }
    /* One slot always stays free, or a search for an absent name would never end. */
    of_assert(map->count < map->mask);
    map->tags[at] = tag_of(hash);
    map->slots[at] = index;
    map->count++;
    return OF_MAP_NONE;
}

uint32_t of_map_find(const struct of_map *map, struct of_str key)
{
    uint64_t at;

    if (map->tags == NULL) {
        return OF_MAP_NONE;
    }
    at = slot_of(map, key, hash_of(key));
    return map->tags[at] != 0 ? map->slots[at] : OF_MAP_NONE;
}
