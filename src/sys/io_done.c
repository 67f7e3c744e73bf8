/* SPDX-License-Identifier: Apache-2.0 */
/* Where I/O threads put finished attempts and the control thread waits for them. */
#include "sys/io_backend.h"

#include "base/check.h"
#include "sys/clock.h"

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
    of_io_list_clear(&done->list);
    done->woken = false;
    of_assert(pthread_mutex_init(&done->mutex, NULL) == 0);
    of_clock_init_cond(&done->changed);
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

    while (done->list.first == NULL && !done->woken &&
           of_clock_wait_cond(&done->changed, &done->mutex, end_ns)) {
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
