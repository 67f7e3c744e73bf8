/* SPDX-License-Identifier: Apache-2.0 */
/* One mapping for all tile data: 2 MiB aligned, huge pages where the system gives them (the largest
 * single effect on cold speed after direct I/O itself), loaded before use so that nothing faults or
 * fails later. */
#ifndef OF_SYS_POOL_H
#define OF_SYS_POOL_H

#include "base/attr.h"
#include "base/err.h"
#include "sys/node.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct of_pool {
    uint8_t *data;
    uint64_t size_bytes; /* of all parts */
    uint64_t part_bytes; /* from one part to the next, a multiple of 2 MiB */
    uint32_t part_count;
    uint32_t loader_count; /* threads that load a large piece */
    bool huge;             /* huge pages were advised and accepted */
    atomic_bool loaded;    /* all that will be used; set by whoever loads the last of it */
};

/* One part, loaded. Ids: memory. */
OF_NODISCARD onefold_status of_pool_init(struct of_pool *pool, uint64_t size_bytes,
                                         onefold_error *err);
/* `part_count` parts one behind the other, size_bytes or a little more each; part i lies on node i
 * of these. Nothing is loaded yet. Ids: memory. */
OF_NODISCARD onefold_status of_pool_init_parts(struct of_pool *pool, uint64_t size_bytes,
                                               uint32_t part_count, const struct of_nodes *nodes,
                                               onefold_error *err);
/* Makes the system give the memory of these bytes of a part. Ids: memory. */
OF_NODISCARD onefold_status of_pool_load(const struct of_pool *pool, uint32_t part, uint64_t offset,
                                         uint64_t size_bytes, onefold_error *err);
void of_pool_finish(struct of_pool *pool);

#endif
