/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that cannot be had. */
#ifndef TESTS_SUPPORT_NOWHERE_H
#define TESTS_SUPPORT_NOWHERE_H

#include "base/limits.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* Older headers lack it. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* A place where the kernel maps nothing: loading it fails, and nothing else does. */
static inline uint8_t *nowhere(void)
{
    const uintptr_t at = OF_DIRECT_ALIGN_MAX;
    uint8_t *data;

    memcpy((void *)&data, &at, sizeof(data));
    return data;
}

/* Older kernels do not know the advice, and an emulator takes any. */
static inline bool nowhere_is_refused(void)
{
    return madvise(nowhere(), OF_DIRECT_ALIGN_MAX, MADV_POPULATE_WRITE) != 0 && errno == ENOMEM;
}

#endif
