/* SPDX-License-Identifier: Apache-2.0 */
/* Where a slot keeps its parts: nothing overlaps that must not, and blocks start on blocks. */
#include "run/slot.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { AREA = 8192, BASE = 4096, OUT = 40960, SLOTS = 5, SETS = 3 };

static const struct of_how how = {.slot_count = SLOTS,
                                  .set_count = SETS,
                                  .pool_count = 1,
                                  .area_count = 2,
                                  .area_bytes = AREA,
                                  .base_area_bytes = BASE,
                                  .out_area_bytes = OUT,
                                  .slot_bytes = 2 * AREA + BASE + OUT};

/* A pool of its own, one part more than is split into, so that a wrong part shows. */
static void begin_pool(struct of_pool *pool, const struct of_how *split)
{
    *pool = (struct of_pool){.part_bytes = of_slots_part_bytes(split) + OF_DIRECT_ALIGN_MAX,
                             .part_count = split->pool_count};
    pool->size_bytes = split->pool_count * pool->part_bytes;
    pool->data = aligned_alloc(OF_DIRECT_ALIGN_MAX, pool->size_bytes);
    assert_non_null(pool->data);
    memset(pool->data, 0, pool->size_bytes);
}

/* Takes bytes that nobody has taken before, in the part of the pool that is the slot's. */
static void take(const struct of_pool *pool, const struct of_slot *slot, uint8_t *bytes,
                 uint64_t length)
{
    const uint8_t *part = pool->data + slot->pool * pool->part_bytes;

    assert_true(bytes >= part && bytes + length <= part + pool->part_bytes);
    assert_int_equal((uint64_t)(bytes - part) % OF_DIRECT_ALIGN_MAX, 0);
    for (uint64_t i = 0; i < length; i++) {
        assert_int_equal(bytes[i], 0);
        bytes[i] = 1;
    }
}

static void take_areas(const struct of_pool *pool, const struct of_slot *slot)
{
    take(pool, slot, slot->areas[0].buffer, AREA);
    take(pool, slot, slot->areas[1].buffer, AREA);
    take(pool, slot, of_slot_base_area(slot)->buffer, BASE);
}

/* Every slot has an output of its own, and those that have a set of areas these too, however many
 * parts the pool has; no part has fewer bytes than its slots and sets take. */
static void test_buffers_do_not_overlap(void **state)
{
    (void)state;
    for (uint32_t parts = 1; parts <= SLOTS; parts++) {
        struct of_how split = how;
        const struct of_slot_sizes sizes = {
            .how = &split, .leaf_count_max = 3, .step_count_max = 2};
        struct of_slot slots[SLOTS];
        struct of_area_sets sets;
        struct of_pool pool;
        struct of_arena arena;
        onefold_error err;
        uint32_t borrowed_count = 0;

        split.pool_count = parts;
        begin_pool(&pool, &split);
        assert_true(of_slots_part_bytes(&split) ==
                    (SLOTS + parts - 1) / parts * OUT +
                        (SETS + parts - 1) / parts * (2 * AREA + BASE));
        of_arena_init(&arena, 0);
        of_area_sets_init(&sets, &split, &pool);
        for (uint32_t i = 0; i < SLOTS; i++) {
            assert_int_equal(of_slot_init(&slots[i], i, &sizes, &pool, &arena, &err), ONEFOLD_OK);
            assert_int_equal(slots[i].state, OF_SLOT_FREE);
            assert_int_equal(slots[i].pool, i % parts);
            assert_true(slots[i].area_set < 0);
            of_area_sets_go_on(&sets);
            assert_int_equal(of_slot_load_out(&slots[i], &sets, &err), ONEFOLD_OK);
            take(&pool, &slots[i], slots[i].out_area, OUT);
            assert_int_equal(of_slot_borrow(&slots[i], &sets, &err), ONEFOLD_OK);
            if (slots[i].area_set >= 0) {
                take_areas(&pool, &slots[i]);
                borrowed_count++;
            }
        }
        assert_int_equal(borrowed_count, SETS);
        assert_true(pool.loaded);
        of_arena_finish(&arena);
        free(pool.data);
    }
}

static void begin_slots(struct of_slot *slots, struct of_area_sets *sets, struct of_pool *pool,
                        struct of_arena *arena)
{
    const struct of_slot_sizes sizes = {.how = &how, .leaf_count_max = 3, .step_count_max = 2};
    onefold_error err;

    begin_pool(pool, &how);
    of_arena_init(arena, 0);
    of_area_sets_init(sets, &how, pool);
    for (uint32_t i = 0; i < SLOTS; i++) {
        assert_int_equal(of_slot_init(&slots[i], i, &sizes, pool, arena, &err), ONEFOLD_OK);
    }
}

/* A set goes from slot to slot; who has one takes no other. */
static void test_sets_go_round(void **state)
{
    struct of_slot slots[SLOTS];
    struct of_area_sets sets;
    struct of_pool pool;
    struct of_arena arena;
    onefold_error err;

    (void)state;
    begin_slots(slots, &sets, &pool, &arena);
    for (uint32_t i = 0; i < SETS; i++) {
        of_area_sets_go_on(&sets);
        assert_int_equal(of_slot_borrow(&slots[i], &sets, &err), ONEFOLD_OK);
        assert_int_equal(of_slot_borrow(&slots[i], &sets, &err), ONEFOLD_OK);
        assert_int_equal(slots[i].area_set, i);
    }
    assert_int_equal(of_slot_borrow(&slots[SETS], &sets, &err), ONEFOLD_OK);
    assert_true(slots[SETS].area_set < 0);
    of_slot_give_back(&slots[SETS], &sets); /* has none */
    of_slot_give_back(&slots[1], &sets);
    assert_true(slots[1].area_set < 0);
    assert_int_equal(of_slot_borrow(&slots[SETS], &sets, &err), ONEFOLD_OK);
    assert_int_equal(slots[SETS].area_set, 1);
    assert_ptr_equal(slots[SETS].areas[0].buffer, slots[1].areas[0].buffer);
    of_arena_finish(&arena);
    free(pool.data);
}

/* One output and one set are loaded at a time, what is loaded stays so, and the pool is when the
 * last one is. */
static void test_memory_comes_bit_by_bit(void **state)
{
    struct of_slot slots[SLOTS];
    struct of_area_sets sets;
    struct of_pool pool;
    struct of_arena arena;
    onefold_error err;

    (void)state;
    begin_slots(slots, &sets, &pool, &arena);
    for (uint32_t i = 0; i < SETS; i++) {
        assert_int_equal(of_slot_borrow(&slots[i], &sets, &err), ONEFOLD_OK);
        assert_int_equal(slots[i].area_set, i);
        assert_int_equal(of_slot_borrow(&slots[SETS], &sets, &err), ONEFOLD_OK);
        assert_true(slots[SETS].area_set < 0);
        of_area_sets_go_on(&sets);
    }
    for (uint32_t i = 0; i < SLOTS; i++) {
        assert_false(pool.loaded);
        assert_true(of_slot_may_load_out(&slots[i], &sets));
        assert_int_equal(of_slot_load_out(&slots[i], &sets, &err), ONEFOLD_OK);
        assert_true(of_slot_may_load_out(&slots[i], &sets));
        assert_false(of_slot_may_load_out(&slots[(i + 1) % SLOTS], &sets) && i + 1 < SLOTS);
        of_area_sets_go_on(&sets);
    }
    assert_true(pool.loaded);
    /* A set that was loaded before is there at once. */
    sets.may_load = false;
    of_slot_give_back(&slots[1], &sets);
    assert_int_equal(of_slot_borrow(&slots[SETS], &sets, &err), ONEFOLD_OK);
    assert_int_equal(slots[SETS].area_set, 1);
    of_arena_finish(&arena);
    free(pool.data);
}

static struct of_plan plan_of(struct of_step *steps, struct of_tensor *tensors)
{
    return (struct of_plan){.steps = steps, .tensors = tensors, .step_count = 1};
}

/* The output lies in its block as in the file; the plane follows it, or lies over it only where
 * packing cannot overtake what is still to be read. */
static void test_output_and_plane(void **state)
{
    static const struct {
        onefold_dtype dtype;
        uint32_t size;
        bool overlay;
    } cases[] = {{ONEFOLD_DTYPE_BF16, 2, true},
                 {ONEFOLD_DTYPE_F32, 4, true},
                 {ONEFOLD_DTYPE_F8_E4M3, 1, true},
                 {ONEFOLD_DTYPE_F64, 8, false}};
    struct of_arena arena;
    onefold_error err;
    struct of_pool pool = {.data = aligned_alloc(OF_DIRECT_ALIGN_MAX, how.slot_bytes)};
    const struct of_slot_sizes sizes = {.how = &how, .leaf_count_max = 1, .step_count_max = 1};

    (void)state;
    assert_non_null(pool.data);
    of_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct of_step step = {.kind = OF_STEP_MERGE};
        struct of_tensor tensor = {.dtype = (uint8_t)cases[i].dtype};
        const struct of_plan plan = plan_of(&step, &tensor);
        struct of_slot slot;

        for (uint64_t offset = 4096; offset < 3 * 4096; offset += 8 * 13) {
            const uint64_t elems = 1000;
            const uint8_t *plane;

            assert_int_equal(of_slot_init(&slot, 0, &sizes, &pool, &arena, &err), ONEFOLD_OK);
            slot.visit = (struct of_visit){.step_count = 1,
                                           .elem_count = elems,
                                           .out_offset = offset,
                                           .out_bytes = elems * cases[i].size};
            of_slot_place(&slot, &plan, true);
            plane = (const uint8_t *)slot.plane;
            assert_int_equal((uintptr_t)slot.out % OF_DIRECT_ALIGN_MAX,
                             offset % OF_DIRECT_ALIGN_MAX);
            assert_true(slot.out + slot.visit.out_bytes <= slot.out_area + OUT);
            assert_true(plane + 4 * elems <= slot.out_area + OUT);
            assert_int_equal((uintptr_t)plane % 64, 0);
            if (!cases[i].overlay) {
                assert_true(plane >= slot.out + slot.visit.out_bytes);
                continue;
            }
            for (uint64_t at = 0; at < elems; at++) {
                /* Element `at` is packed before the next one is read. */
                assert_true(slot.out + (at + 1) * cases[i].size <= plane + (at + 1) * 4);
            }
        }
    }
    of_arena_finish(&arena);
    free(pool.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffers_do_not_overlap),
        cmocka_unit_test(test_sets_go_round),
        cmocka_unit_test(test_memory_comes_bit_by_bit),
        cmocka_unit_test(test_output_and_plane),
    };

    return cmocka_run_group_tests_name("run_slot", tests, NULL, NULL);
}
