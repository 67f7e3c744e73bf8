/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded first-in first-out queue of pointers; mutex and condition variable. Tiles are megabytes
 * and queues see some thousands of items a second: nothing finer pays. */
#ifndef OF_SYS_QUEUE_H
#define OF_SYS_QUEUE_H

#include "base/attr.h"
#include "base/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct of_queue {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    void **items;
    uint32_t capacity;
    uint32_t count;
    uint32_t head;
    bool closed;
};

OF_NODISCARD onefold_status of_queue_init(struct of_queue *queue, uint32_t capacity,
                                          onefold_error *err);
/* A full queue is an internal error: the number of slots bounds what can be in it. */
void of_queue_push(struct of_queue *queue, void *item);
/* Before all others. */
void of_queue_push_first(struct of_queue *queue, void *item);
bool of_queue_is_empty(struct of_queue *queue);
/* Blocks; NULL once the queue is closed and empty. */
void *of_queue_pop(struct of_queue *queue);
/* NULL when empty. */
void *of_queue_try_pop(struct of_queue *queue);
void of_queue_close(struct of_queue *queue);
void of_queue_finish(struct of_queue *queue);

#endif
