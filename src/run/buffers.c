/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch, outputs and sets of read areas in the pool, and when their memory is loaded. */
#include "run/buffers.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"

_Static_assert(OF_SLOTS_MAX <= 64, "a bit for every set");

/* ---- Places ---- */

/* How many of `count` lie in one part of the pool. */
static uint64_t part_share(const struct of_how *how, uint32_t count)
{
    return of_num_div_ceil(count, how->pool_count);
}

static uint64_t set_bytes(const struct of_how *how)
{
    return how->slot_bytes - how->out_area_bytes;
}

/* Where output `index` begins in its part of the pool. */
static uint64_t out_offset(const struct of_how *how, uint32_t index)
{
    return part_share(how, how->worker_count) * how->scratch_bytes +
           index / how->pool_count * how->out_area_bytes;
}

/* Where set `index` begins in its part of the pool. */
static uint64_t set_offset(const struct of_how *how, uint32_t index)
{
    return out_offset(how, 0) + part_share(how, how->slot_count) * how->out_area_bytes +
           index / how->pool_count * set_bytes(how);
}

uint64_t of_buffers_part_bytes(const struct of_how *how)
{
    return set_offset(how, 0) + part_share(how, how->set_count) * set_bytes(how);
}

static uint8_t *part_data(const struct of_pool *pool, const struct of_slot *slot)
{
    return pool->data + slot->pool * pool->part_bytes;
}

void of_buffers_place(const struct of_how *how, const struct of_pool *pool, struct of_slot *slot)
{
    /* Direct I/O needs every area to start on a block. */
    of_assert(how->area_bytes % OF_DIRECT_ALIGN_MAX == 0 &&
              how->base_area_bytes % OF_DIRECT_ALIGN_MAX == 0 &&
              how->out_area_bytes % OF_DIRECT_ALIGN_MAX == 0 &&
              how->scratch_bytes % OF_DIRECT_ALIGN_MAX == 0);
    slot->out_area = part_data(pool, slot) + out_offset(how, slot->index);
    slot->out_area_bytes = how->out_area_bytes;
}

static void place_areas(const struct of_buffers *buffers, struct of_slot *slot)
{
    const struct of_how *how = buffers->how;
    uint8_t *at = part_data(buffers->pool, slot) + set_offset(how, (uint32_t)slot->area_set);

    for (uint32_t i = 0; i <= how->area_count; i++) {
        slot->areas[i].buffer = at;
        at += i < how->area_count ? how->area_bytes : how->base_area_bytes;
    }
}

/* ---- Loading ---- */

/* Scratch of a part and the output behind it, in one piece. */
static void begin_part(struct of_buffers *buffers, uint32_t part)
{
    of_loader_ask(&buffers->loader, part, 0,
                  out_offset(buffers->how, 0) + buffers->how->out_area_bytes);
}

void of_buffers_init(struct of_buffers *buffers, const struct of_how *how, struct of_pool *pool,
                     struct of_slot *slots)
{
    *buffers = (struct of_buffers){.how = how, .pool = pool, .slots = slots, .coming_set = -1};
    for (uint32_t i = 0; i < how->set_count; i++) {
        buffers->free_sets |= UINT64_C(1) << i;
    }
    of_loader_start(&buffers->loader, pool);
    begin_part(buffers, 0);
}

void of_buffers_finish(struct of_buffers *buffers)
{
    of_loader_finish(&buffers->loader);
}

static bool all_begun(const struct of_buffers *buffers)
{
    return buffers->begun_part_count == buffers->how->pool_count;
}

static bool loader_is_free(const struct of_buffers *buffers)
{
    return all_begun(buffers) && buffers->coming_set < 0 && buffers->coming_out == NULL;
}

static void note_out(struct of_buffers *buffers, struct of_slot *slot)
{
    slot->out_loaded = true;
    buffers->loaded_out_count++;
}

static void note_set(struct of_buffers *buffers, int32_t set)
{
    buffers->loaded_sets |= UINT64_C(1) << set;
    buffers->loaded_set_count++;
}

/* A part's scratch and first output; on to the next part, or the same one again. */
static void note_begun(struct of_buffers *buffers, const onefold_error *error)
{
    if (error->status == ONEFOLD_OK) {
        const uint32_t part = buffers->begun_part_count++;

        if (part < buffers->how->slot_count) {
            note_out(buffers, &buffers->slots[part]);
        }
    }
    if (!all_begun(buffers)) {
        begin_part(buffers, buffers->begun_part_count);
    }
}

bool of_buffers_take(struct of_buffers *buffers, onefold_error *err)
{
    const struct of_how *how = buffers->how;

    if (!of_loader_take(&buffers->loader, err)) {
        return false;
    }
    if (!all_begun(buffers)) {
        note_begun(buffers, err);
    } else if (err->status == ONEFOLD_OK && buffers->coming_out != NULL) {
        note_out(buffers, buffers->coming_out);
    } else if (err->status == ONEFOLD_OK) {
        note_set(buffers, buffers->coming_set);
    }
    buffers->coming_set = -1;
    buffers->coming_out = NULL;
    if (buffers->loaded_set_count == how->set_count &&
        buffers->loaded_out_count == how->slot_count) {
        buffers->pool->loaded = true;
    }
    return true;
}

bool of_buffers_may_feed(const struct of_buffers *buffers, const struct of_slot *slot)
{
    return all_begun(buffers) && (slot->out_loaded || !buffers->needs_outs);
}

/* ---- Sets, and what is loaded next ---- */

/* The first of these sets in the slot's part of the pool, or -1. Always the first: the less memory
 * is used in turn, the faster a disk that is a thread of the host copies into it
 * (docs/decisions/021-as-few-workers-as-keep-up.md). */
static int32_t find_set(const struct of_buffers *buffers, const struct of_slot *slot,
                        uint64_t which)
{
    const struct of_how *how = buffers->how;

    for (uint32_t set = slot->pool; set < how->set_count; set += how->pool_count) {
        if ((which >> set & 1) != 0) {
            return (int32_t)set;
        }
    }
    return -1;
}

/* Outputs first: a tile needs one for longer than its set. */
static bool may_want_set(const struct of_buffers *buffers)
{
    return loader_is_free(buffers) &&
           (!buffers->needs_outs || buffers->loaded_set_count < buffers->loaded_out_count);
}

static void ask_for_set(struct of_buffers *buffers, uint32_t part, uint32_t set)
{
    const struct of_how *how = buffers->how;

    buffers->coming_set = (int32_t)set;
    of_loader_ask(&buffers->loader, part, set_offset(how, set), set_bytes(how));
}

void of_buffers_want_more(struct of_buffers *buffers)
{
    const struct of_how *how = buffers->how;

    if (buffers->lent_count >= how->set_count && may_want_set(buffers)) {
        for (uint32_t i = 0; i < how->set_count && loader_is_free(buffers); i++) {
            if ((buffers->loaded_sets >> i & 1) == 0) {
                ask_for_set(buffers, i % how->pool_count, i);
            }
        }
    }
    for (uint32_t i = 0; i < how->slot_count && loader_is_free(buffers); i++) {
        struct of_slot *slot = &buffers->slots[i];

        if (!slot->out_loaded) {
            buffers->coming_out = slot;
            of_loader_ask(&buffers->loader, slot->pool, out_offset(how, i), slot->out_area_bytes);
        }
    }
}

void of_buffers_lend(struct of_buffers *buffers, struct of_slot *slot)
{
    int32_t set;

    if (slot->area_set >= 0) {
        return;
    }
    set = find_set(buffers, slot, buffers->free_sets & buffers->loaded_sets);
    if (set >= 0) {
        buffers->free_sets &= ~(UINT64_C(1) << set);
        buffers->lent_count++;
        slot->area_set = set;
        place_areas(buffers, slot);
        return;
    }
    set = find_set(buffers, slot, buffers->free_sets & ~buffers->loaded_sets);
    /* The first set of a part does not wait for outputs: where there is one, it comes back from
     * whoever has it, and nobody waits for ever. */
    if (set >= 0 &&
        (may_want_set(buffers) ||
         (loader_is_free(buffers) && find_set(buffers, slot, buffers->loaded_sets) < 0))) {
        ask_for_set(buffers, slot->pool, (uint32_t)set);
    }
}

void of_buffers_give_back(struct of_buffers *buffers, struct of_slot *slot)
{
    if (slot->area_set >= 0) {
        buffers->free_sets |= UINT64_C(1) << slot->area_set;
        slot->area_set = -1;
    }
}
