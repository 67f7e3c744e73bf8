/* SPDX-License-Identifier: Apache-2.0 */
/* Where a slot keeps its parts: nothing overlaps that must not, and blocks start on blocks. */
#include "run/slot.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { AREA = 8192, BASE = 4096, OUT = 40960, SLOTS = 3 };

static const struct of_how how = {.slot_count = SLOTS,
                                  .pool_count = 1,
                                  .area_count = 2,
                                  .area_bytes = AREA,
                                  .base_area_bytes = BASE,
                                  .out_area_bytes = OUT,
                                  .slot_bytes = 2 * AREA + BASE + OUT};

/* Slots of one part of the pool lie one behind the other, those of the next one in the next part.
 */
static void test_parts_do_not_overlap(void **state)
{
    const uint64_t each = how.slot_bytes;

    (void)state;
    for (uint32_t parts = 1; parts <= SLOTS + 1; parts++) {
        struct of_how split = how;
        const struct of_slot_sizes sizes = {
            .how = &split, .leaf_count_max = 3, .step_count_max = 2};
        struct of_pool pool = {0};
        struct of_arena arena;
        onefold_error err;

        split.pool_count = parts;
        assert_int_equal(of_slots_part_bytes(&sizes), (SLOTS + parts - 1) / parts * each);
        pool.part_bytes = of_slots_part_bytes(&sizes) + OF_DIRECT_ALIGN_MAX;
        pool.data = aligned_alloc(OF_DIRECT_ALIGN_MAX, parts * pool.part_bytes);
        assert_non_null(pool.data);
        of_arena_init(&arena, 0);
        for (uint32_t i = 0; i < SLOTS; i++) {
            uint8_t *const start = pool.data + i % parts * pool.part_bytes + i / parts * each;
            struct of_slot slot;

            assert_int_equal(of_slot_init(&slot, i, &sizes, &pool, &arena, &err), ONEFOLD_OK);
            assert_int_equal(slot.state, OF_SLOT_FREE);
            assert_int_equal(slot.pool, i % parts);
            assert_ptr_equal(slot.areas[0].buffer, start);
            assert_ptr_equal(slot.areas[1].buffer, start + AREA);
            assert_ptr_equal(of_slot_base_area(&slot)->buffer, start + 2 * AREA);
            assert_ptr_equal(slot.out_area, start + each - OUT);
        }
        of_arena_finish(&arena);
        free(pool.data);
    }
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
        cmocka_unit_test(test_parts_do_not_overlap),
        cmocka_unit_test(test_output_and_plane),
    };

    return cmocka_run_group_tests_name("run_slot", tests, NULL, NULL);
}
