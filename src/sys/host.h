/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine really allows: CPUs (affinity, cgroup), memory (cgroup, limits), descriptors.
 */
#ifndef OF_SYS_HOST_H
#define OF_SYS_HOST_H

#include <stdint.h>

/* Usable CPUs: affinity mask and cgroup cpu.max or cpu.cfs_quota_us, at least 1. */
uint32_t of_host_cpu_count(void);
/* What the cgroups of this process (v2 memory.max, v1 memory.limit_in_bytes) leave; UINT64_MAX when
 * there is no limit. */
uint64_t of_host_memory_limit(void);
/* Peak resident memory of this process so far (VmHWM), and now (VmRSS). 0 when unknown. */
uint64_t of_host_memory_peak(void);
uint64_t of_host_memory_now(void);
/* Raises the soft descriptor limit to the hard one; returns the soft limit then in force. */
uint64_t of_host_raise_descriptors(void);
/* Seconds of user and system CPU time of this process. */
double of_host_cpu_seconds(void);

#endif
