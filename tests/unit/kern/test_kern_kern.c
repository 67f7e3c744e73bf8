/* SPDX-License-Identifier: Apache-2.0 */
/* The table of instruction sets and how a kernel table is filled. The kernels themselves:
 * tests/kern. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kern/cpu.h"
#include "kern/kern.h"

static void test_rows(void **state)
{
    (void)state;
    assert_true(of_kern_isa_count() >= 1);
    assert_string_equal(of_kern_isa_at(0)->name, "scalar");
    assert_int_equal(of_kern_isa_at(0)->cpu_bits, 0);
    for (uint64_t i = 1; i < of_kern_isa_count(); i++) {
        assert_int_not_equal(of_kern_isa_at(i)->cpu_bits, 0);
        assert_string_not_equal(of_kern_isa_at(i)->name, of_kern_isa_at(i - 1)->name);
    }
}

/* Every entry of a numeric type and every operation is there, and nothing for copied types. */
static void assert_complete(const struct of_kern *kern)
{
    for (int dtype = 0; dtype < ONEFOLD_DTYPE_COUNT; dtype++) {
        int numeric = dtype == ONEFOLD_DTYPE_F64 || dtype == ONEFOLD_DTYPE_F32 ||
                      dtype == ONEFOLD_DTYPE_F16 || dtype == ONEFOLD_DTYPE_BF16 ||
                      dtype == ONEFOLD_DTYPE_F8_E4M3 || dtype == ONEFOLD_DTYPE_F8_E5M2;

        assert_int_equal(kern->unpack[dtype] != NULL, numeric);
        assert_int_equal(kern->pack[dtype] != NULL, numeric);
        assert_int_equal(kern->sum[dtype] != NULL, dtype == ONEFOLD_DTYPE_F32 ||
                                                       dtype == ONEFOLD_DTYPE_F16 ||
                                                       dtype == ONEFOLD_DTYPE_BF16);
    }
    assert_non_null(kern->fold_plain);
    assert_non_null(kern->fold_delta);
    assert_non_null(kern->fold_plain_bf16);
    assert_non_null(kern->fold_delta_bf16);
    assert_non_null(kern->subtract);
    assert_non_null(kern->subtract_bf16);
    assert_non_null(kern->order_pair);
    assert_non_null(kern->add_products);
    assert_non_null(kern->add_gram);
    assert_non_null(kern->add_stats);
    assert_non_null(kern->add_votes);
    assert_non_null(kern->damp);
    assert_non_null(kern->average_near);
    assert_non_null(kern->divide);
    assert_non_null(kern->scale);
    assert_non_null(kern->finish_delta);
    assert_non_null(kern->count_nonfinite);
    assert_non_null(kern->hash);
    assert_non_null(kern->hash_start);
    assert_non_null(kern->hash_more);
    assert_non_null(kern->hash_end);
}

static void test_every_cap(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < of_kern_isa_count(); i++) {
        const struct of_kern_isa *isa = of_kern_isa_at(i);
        struct of_kern kern;
        const char *used;

        memset(&kern, 0x5a, sizeof(kern)); /* leftovers must not survive */
        used = of_kern_init(&kern, isa->name);
        assert_non_null(used);
        assert_complete(&kern);
        if ((isa->cpu_bits & ~of_cpu_bits()) == 0) {
            assert_string_equal(used, isa->name);
        } else {
            assert_string_not_equal(used, isa->name);
        }
    }
}

static void test_no_cap_is_strongest(void **state)
{
    struct of_kern kern;
    const char *expected = NULL;

    (void)state;
    for (uint64_t i = 0; i < of_kern_isa_count(); i++) {
        if ((of_kern_isa_at(i)->cpu_bits & ~of_cpu_bits()) == 0) {
            expected = of_kern_isa_at(i)->name;
        }
    }
    assert_string_equal(of_kern_init(&kern, NULL), expected);
    assert_complete(&kern);
}

static void test_scalar_cap_is_scalar(void **state)
{
    struct of_kern capped;
    struct of_kern filled;

    (void)state;
    memset(&filled, 0, sizeof(filled));
    of_kern_isa_at(0)->fill(&filled);
    assert_string_equal(of_kern_init(&capped, "scalar"), "scalar");
    assert_memory_equal(&capped, &filled, sizeof(capped));
}

static void test_unknown_cap(void **state)
{
    struct of_kern kern;

    (void)state;
    assert_null(of_kern_init(&kern, "sse9"));
    assert_null(of_kern_init(&kern, ""));
    assert_null(of_kern_init(&kern, "SCALAR"));
#ifdef __aarch64__
    assert_null(of_kern_init(&kern, "avx2"));
    assert_null(of_kern_init(&kern, "avx512"));
#else
    assert_null(of_kern_init(&kern, "neon"));
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_every_cap),
        cmocka_unit_test(test_no_cap_is_strongest),
        cmocka_unit_test(test_scalar_cap_is_scalar),
        cmocka_unit_test(test_unknown_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
