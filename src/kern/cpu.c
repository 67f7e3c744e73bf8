/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU features. On x86 a feature counts only when the CPU has it and the operating system saves the
 * registers it uses (XGETBV): a CPU with AVX2 under a kernel without it must take the scalar row.
 * The CPU is asked directly because the compilers we support disagree on which names their own
 * built-in test knows.
 */
#include "kern/cpu.h"

#ifdef __x86_64__

#include <cpuid.h>

/* CPUID leaf 1, ECX. */
enum { LEAF1_OSXSAVE = 1 << 27, LEAF1_AVX = 1 << 28, LEAF1_F16C = 1 << 29 };
/* CPUID leaf 7, EBX. */
enum {
    LEAF7_AVX2 = 1 << 5,
    LEAF7_AVX512F = 1 << 16,
    LEAF7_AVX512DQ = 1 << 17,
    LEAF7_AVX512BW = 1 << 30
};
#define LEAF7_AVX512VL (UINT32_C(1) << 31)
/* XCR0: SSE and AVX registers; the three parts of AVX-512 state. */
enum { XCR0_AVX = 0x06, XCR0_AVX512 = 0xe6 };

static uint32_t enabled_state(void)
{
    uint32_t low;
    uint32_t high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

uint32_t of_cpu_bits(void)
{
    const uint32_t all512 = LEAF7_AVX512F | LEAF7_AVX512DQ | LEAF7_AVX512BW | LEAF7_AVX512VL;
    uint32_t a;
    uint32_t b;
    uint32_t c;
    uint32_t d;
    uint32_t state;
    uint32_t bits = 0;

    if (!__get_cpuid(1, &a, &b, &c, &d)) {
        return 0;
    }
    if ((c & LEAF1_OSXSAVE) == 0 || (c & LEAF1_AVX) == 0) {
        return 0;
    }
    state = enabled_state();
    if ((state & XCR0_AVX) != XCR0_AVX) {
        return 0;
    }
    if ((c & LEAF1_F16C) != 0) {
        bits |= OF_CPU_F16C;
    }
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        return bits;
    }
    if ((b & LEAF7_AVX2) != 0) {
        bits |= OF_CPU_AVX2;
    }
    if ((b & all512) == all512 && (state & XCR0_AVX512) == XCR0_AVX512) {
        bits |= OF_CPU_AVX512;
    }
    return bits;
}

#elif defined(__aarch64__)

/* Advanced SIMD belongs to the base of the architecture. */
uint32_t of_cpu_bits(void)
{
    return OF_CPU_NEON;
}

#else

uint32_t of_cpu_bits(void)
{
    return 0;
}

#endif
