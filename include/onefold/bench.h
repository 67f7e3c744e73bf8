/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel speeds, for `onefold bench`. */
#ifndef ONEFOLD_BENCH_H
#define ONEFOLD_BENCH_H

#include "onefold/status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

typedef struct onefold_bench_row {
    const char *kernel; /* e.g. "fold_delta_bf16" */
    const char *isa;    /* "scalar", "avx2", ... */
    uint64_t bytes;     /* read per call */
    double best_ns;     /* of one call */
} onefold_bench_row;
typedef void onefold_bench_fn(void *context, const onefold_bench_row *row);

/* Measures every kernel under every instruction set of this CPU, `repeats` times each. */
onefold_status onefold_bench_kernels(uint32_t repeats, onefold_bench_fn *fn, void *context,
                                     onefold_error *err);

/* What the library may use here: CPUs (affinity, cgroup) and memory (cgroup; UINT64_MAX = no
 * limit). */
uint32_t onefold_host_cpu_count(void);
uint64_t onefold_host_memory_limit(void);
/* Peak resident bytes of this process. */
uint64_t onefold_host_memory_peak(void);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
