/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of instruction sets, and how a kernel table is filled: row after row, weakest first,
 * each overwriting what it does faster. OF_KERN_AVX2, OF_KERN_AVX512 and OF_KERN_NEON come from
 * the build and say which rows were compiled.
 */
#include "kern/kern.h"

#include "base/attr.h"
#include "kern/cpu.h"
#include "kern/kern_fill.h"

#include <string.h>

static const struct of_kern_isa isas[] = {
    {.name = "scalar", .cpu_bits = 0, .fill = of_kern_fill_scalar},
#ifdef OF_KERN_AVX2
    {.name = "avx2", .cpu_bits = OF_CPU_AVX2 | OF_CPU_F16C, .fill = of_kern_fill_avx2},
#endif
#ifdef OF_KERN_AVX512
    {.name = "avx512",
     .cpu_bits = OF_CPU_AVX2 | OF_CPU_F16C | OF_CPU_AVX512,
     .fill = of_kern_fill_avx512},
#endif
#ifdef OF_KERN_NEON
    {.name = "neon", .cpu_bits = OF_CPU_NEON, .fill = of_kern_fill_neon},
#endif
};

uint64_t of_kern_isa_count(void)
{
    return OF_LENGTH(isas);
}

const struct of_kern_isa *of_kern_isa_at(uint64_t index)
{
    return &isas[index];
}

const char *of_kern_init(struct of_kern *kern, const char *cap)
{
    size_t last = OF_LENGTH(isas) - 1;
    const char *strongest = NULL;
    uint32_t cpu_bits = of_cpu_bits();

    if (cap != NULL) {
        while (strcmp(isas[last].name, cap) != 0) {
            if (last == 0) {
                return NULL;
            }
            last--;
        }
    }
    memset(kern, 0, sizeof(*kern));
    for (size_t i = 0; i <= last; i++) {
        if ((isas[i].cpu_bits & ~cpu_bits) == 0) {
            isas[i].fill(kern);
            strongest = isas[i].name;
        }
    }
    return strongest;
}
