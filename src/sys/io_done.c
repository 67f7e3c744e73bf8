/* SPDX-License-Identifier: Apache-2.0 */
/* Where I/O threads put finished attempts and the control thread waits for them. */
#include "sys/io_backend.h"

#include "base/check.h"
#include "sys/clock.h"

#include <time.h>

void of_io_list_clear(struct of_io_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

void of_io_list_append(struct of_io_list *list, struct of_io_req *reqs)
{
    *list->last = reqs;
    while (*list->last != NULL) {
        list->last = &(*list->last)->next;
    }
}

struct of_io_req *of_io_list_take(struct of_io_list *list)
{
    struct of_io_req *first = list->first;

    of_io_list_clear(list);
    return first;
}

void of_io_done_init(struct of_io_done *done)
{
    pthread_condattr_t attributes;

    of_io_list_clear(&done->list);
    done->woken = false;
    of_assert(pthread_mutex_init(&done->mutex, NULL) == 0);
    of_assert(pthread_condattr_init(&attributes) == 0);
    of_assert(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    of_assert(pthread_cond_init(&done->changed, &attributes) == 0);
    (void)pthread_condattr_destroy(&attributes);
}

void of_io_done_finish(struct of_io_done *done)
{
    (void)pthread_cond_destroy(&done->changed);
    (void)pthread_mutex_destroy(&done->mutex);
}

void of_io_done_put(struct of_io_done *done, struct of_io_req *reqs)
{
    of_assert(pthread_mutex_lock(&done->mutex) == 0);
    of_io_list_append(&done->list, reqs);
    (void)pthread_cond_signal(&done->changed);
    of_assert(pthread_mutex_unlock(&done->mutex) == 0);
}

/* With the mutex held. */
static void wait_for_change(struct of_io_done *done)
{
    const uint64_t end_ns = of_clock_ns() + OF_IO_TICK_NS;
    const struct timespec end = {.tv_sec = (time_t)(end_ns / 1000000000),
                                 .tv_nsec = (long)(end_ns % 1000000000)};

    while (done->list.first == NULL && !done->woken) {
        if (pthread_cond_timedwait(&done->changed, &done->mutex, &end) != 0) {
            return;
        }
    }
}

struct of_io_req *of_io_done_take(struct of_io_done *done, bool wait)
{
    struct of_io_req *first;

    of_assert(pthread_mutex_lock(&done->mutex) == 0);
    if (wait) {
        wait_for_change(done);
    }
    first = of_io_list_take(&done->list);
    done->woken = false;
    of_assert(pthread_mutex_unlock(&done->mutex) == 0);
    return first;
}

void of_io_done_wake(struct of_io_done *done)
{
    of_assert(pthread_mutex_lock(&done->mutex) == 0);
    done->woken = true;
    (void)pthread_cond_signal(&done->changed);
    of_assert(pthread_mutex_unlock(&done->mutex) == 0);
}
