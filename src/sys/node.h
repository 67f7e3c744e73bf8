/* SPDX-License-Identifier: Apache-2.0 */
/* Memory nodes (NUMA): which of them this process may use, and how threads and pages get there.
 * All of it is advice; where the kernel refuses, things stay where they are. */
#ifndef OF_SYS_NODE_H
#define OF_SYS_NODE_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct of_nodes {
    const char *folder; /* of the system's description; owned by the caller */
    uint32_t count;     /* 0 where the system describes none */
    uint32_t ids[OF_NODES_MAX];
};

/* Nodes with CPUs that the calling thread may run on. `folder` NULL: that of the system; tests
 * bring another. */
void of_nodes_find(struct of_nodes *nodes, const char *folder);
/* Of the two below: `nodes` may be NULL. */
/* From now on the calling thread runs on the CPUs of node `index` modulo count only, those that it
 * may use. Nothing happens where there are not two nodes. Returns whether it was done. */
bool of_node_enter(const struct of_nodes *nodes, uint32_t index);
/* Pages of this memory, none of which was touched yet, come from that node while it has some. Whole
 * pages. Nothing happens where there are not two nodes. Returns whether it was done. */
bool of_node_place(const struct of_nodes *nodes, uint32_t index, void *memory, uint64_t size_bytes);

#endif
