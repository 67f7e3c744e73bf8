/* SPDX-License-Identifier: Apache-2.0 */
/* One mapping for all tile data: 2 MiB aligned, huge pages where the system gives them (the largest
 * single effect on cold speed after direct I/O itself), touched at start so that nothing faults or
 * fails later. */
#ifndef OF_SYS_POOL_H
#define OF_SYS_POOL_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct of_pool {
    uint8_t *data;
    uint64_t size_bytes; /* as asked for, rounded up to 2 MiB */
    bool huge;           /* huge pages were advised and accepted */
};

/* Ids: memory. */
OF_NODISCARD onefold_status of_pool_init(struct of_pool *pool, uint64_t size_bytes,
                                         onefold_error *err);
void of_pool_finish(struct of_pool *pool);

#endif
