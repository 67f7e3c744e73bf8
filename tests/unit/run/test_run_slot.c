/* SPDX-License-Identifier: Apache-2.0 */
/* Where a slot keeps output and plane: nothing overlaps that must not, and blocks start on blocks.
 */
#include "run/slot.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { OUT = 40960 };

static const struct of_how how = {.slot_count = 1, .pool_count = 1, .area_count = 2};

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
    uint8_t *out_area = aligned_alloc(OF_DIRECT_ALIGN_MAX, OUT);
    const struct of_slot_sizes sizes = {.how = &how, .leaf_count_max = 1, .step_count_max = 1};

    (void)state;
    assert_non_null(out_area);
    of_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct of_step step = {.kind = OF_STEP_MERGE};
        struct of_tensor tensor = {.dtype = (uint8_t)cases[i].dtype};
        const struct of_plan plan = plan_of(&step, &tensor);
        struct of_slot slot;

        for (uint64_t offset = 4096; offset < 3 * 4096; offset += 8 * 13) {
            const uint64_t elems = 1000;
            const uint8_t *plane;

            assert_int_equal(of_slot_init(&slot, 0, &sizes, &arena, &err), ONEFOLD_OK);
            slot.out_area = out_area;
            slot.out_area_bytes = OUT;
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
    free(out_area);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_and_plane),
    };

    return cmocka_run_group_tests_name("run_slot", tests, NULL, NULL);
}
