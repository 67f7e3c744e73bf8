/* SPDX-License-Identifier: Apache-2.0 */
/* Which instruction sets this CPU has and the operating system lets us use. */
#ifndef OF_KERN_CPU_H
#define OF_KERN_CPU_H

#include <stdint.h>

enum of_cpu {
    OF_CPU_AVX2 = 1 << 0,
    OF_CPU_F16C = 1 << 1,
    OF_CPU_NEON = 1 << 2,
    OF_CPU_AVX512 = 1 << 3 /* F, BW, VL and DQ */
};

/* The bits above that hold here. Any thread. */
uint32_t of_cpu_bits(void);

#endif
