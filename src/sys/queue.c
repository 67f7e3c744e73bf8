/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of pointers under one mutex. Its capacity is the number of slots, so it never fills. */
#include "sys/queue.h"

#include "base/check.h"
#include "base/mem.h"

onefold_status of_queue_init(struct of_queue *queue, uint32_t capacity, onefold_error *err)
{
    *queue = (struct of_queue){.capacity = capacity > 0 ? capacity : 1};
    queue->items = of_mem_get(of_mem_array_bytes(queue->capacity, sizeof(void *)));
    if (queue->items == NULL) {
        return of_err_set(err, "memory", "no memory for a queue of %u items", capacity);
    }
    /* Default attributes: these calls cannot fail on Linux. */
    of_assert(pthread_mutex_init(&queue->mutex, NULL) == 0);
    of_assert(pthread_cond_init(&queue->filled, NULL) == 0);
    return ONEFOLD_OK;
}

static void lock(struct of_queue *queue)
{
    of_assert(pthread_mutex_lock(&queue->mutex) == 0);
}

static void unlock(struct of_queue *queue)
{
    of_assert(pthread_mutex_unlock(&queue->mutex) == 0);
}

void of_queue_push(struct of_queue *queue, void *item)
{
    of_assert(item != NULL); /* NULL means "nothing" to those who take */
    lock(queue);
    of_assert(!queue->closed && queue->count < queue->capacity);
    queue->items[(queue->head + queue->count) % queue->capacity] = item;
    queue->count++;
    (void)pthread_cond_signal(&queue->filled);
    unlock(queue);
}

void of_queue_push_first(struct of_queue *queue, void *item)
{
    of_assert(item != NULL);
    lock(queue);
    of_assert(!queue->closed && queue->count < queue->capacity);
    queue->head = (queue->head + queue->capacity - 1) % queue->capacity;
    queue->items[queue->head] = item;
    queue->count++;
    (void)pthread_cond_signal(&queue->filled);
    unlock(queue);
}

bool of_queue_is_empty(struct of_queue *queue)
{
    bool is_empty;

    lock(queue);
    is_empty = queue->count == 0;
    unlock(queue);
    return is_empty;
}

/* With the mutex held. */
static void *take(struct of_queue *queue)
{
    void *item;

    if (queue->count == 0) {
        return NULL;
    }
    item = queue->items[queue->head];
    queue->head = (queue->head + 1) % queue->capacity;
    queue->count--;
    return item;
}

void *of_queue_pop(struct of_queue *queue)
{
    void *item;

    lock(queue);
    while (queue->count == 0 && !queue->closed) {
        (void)pthread_cond_wait(&queue->filled, &queue->mutex);
    }
    item = take(queue);
    unlock(queue);
    return item;
}

void *of_queue_try_pop(struct of_queue *queue)
{
    void *item;

    lock(queue);
    item = take(queue);
    unlock(queue);
    return item;
}

void of_queue_close(struct of_queue *queue)
{
    if (queue->items == NULL) {
        return;
    }
    lock(queue);
    queue->closed = true;
    (void)pthread_cond_broadcast(&queue->filled);
    unlock(queue);
}

void of_queue_finish(struct of_queue *queue)
{
    if (queue->items == NULL) {
        return;
    }
    (void)pthread_cond_destroy(&queue->filled);
    (void)pthread_mutex_destroy(&queue->mutex);
    of_mem_free(queue->items);
    *queue = (struct of_queue){0};
}
