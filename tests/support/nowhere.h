/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that cannot be had. */
#ifndef TESTS_SUPPORT_NOWHERE_H
#define TESTS_SUPPORT_NOWHERE_H

#include "base/limits.h"

#include <stdint.h>
#include <string.h>

/* A place where the kernel maps nothing: loading it fails, and nothing else does. */
static inline uint8_t *nowhere(void)
{
    const uintptr_t at = OF_DIRECT_ALIGN_MAX;
    uint8_t *data;

    memcpy((void *)&data, &at, sizeof(data));
    return data;
}

#endif
