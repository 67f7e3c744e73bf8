/* SPDX-License-Identifier: Apache-2.0 */
/* CPU features, compared with what the compiler's own test says about the same CPU, real or
 * emulated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kern/cpu.h"

static void test_known_bits_only(void **state)
{
    uint32_t known = OF_CPU_AVX2 | OF_CPU_F16C | OF_CPU_NEON | OF_CPU_AVX512;

    (void)state;
    assert_int_equal(of_cpu_bits() & ~known, 0);
    assert_int_equal(of_cpu_bits(), of_cpu_bits());
}

static void test_one_family(void **state)
{
    uint32_t bits = of_cpu_bits();

    (void)state;
#ifdef __aarch64__
    assert_int_equal(bits, OF_CPU_NEON);
#else
    assert_int_equal(bits & OF_CPU_NEON, 0);
    /* No CPU has AVX2 without F16C, or AVX-512 without AVX2: a wrong bit number would show here. */
    assert_true((bits & OF_CPU_AVX2) == 0 || (bits & OF_CPU_F16C) != 0);
    assert_true((bits & OF_CPU_AVX512) == 0 || (bits & OF_CPU_AVX2) != 0);
#endif
}

#ifdef __x86_64__
static void test_as_the_compiler_says(void **state)
{
    uint32_t bits = of_cpu_bits();

    (void)state;
    __builtin_cpu_init();
    assert_int_equal(__builtin_cpu_supports("avx2") != 0, (bits & OF_CPU_AVX2) != 0);
    assert_int_equal(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"),
                     (bits & OF_CPU_AVX512) != 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_bits_only),
        cmocka_unit_test(test_one_family),
#ifdef __x86_64__
        cmocka_unit_test(test_as_the_compiler_says),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
