/* SPDX-License-Identifier: Apache-2.0 */
/* CLOCK_MONOTONIC, so that a clock set back or a suspend in between changes no statistic. */
#include "sys/clock.h"

#include "base/check.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define NS_PER_SEC UINT64_C(1000000000)

uint64_t of_clock_ns(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

void of_clock_sleep_ns(uint64_t duration_ns)
{
    struct timespec left = {.tv_sec = (time_t)(duration_ns / NS_PER_SEC),
                            .tv_nsec = (long)(duration_ns % NS_PER_SEC)};

    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
    }
}

void of_clock_init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;

    /* These calls cannot fail on Linux with what they are given. */
    of_assert(pthread_condattr_init(&attributes) == 0);
    of_assert(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    of_assert(pthread_cond_init(cond, &attributes) == 0);
    (void)pthread_condattr_destroy(&attributes);
}

bool of_clock_wait_cond(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t end_ns)
{
    const struct timespec end = {.tv_sec = (time_t)(end_ns / NS_PER_SEC),
                                 .tv_nsec = (long)(end_ns % NS_PER_SEC)};

    return pthread_cond_timedwait(cond, mutex, &end) == 0;
}

void of_sleeper_init(struct of_sleeper *sleeper)
{
    sleeper->is_woken = false;
    of_assert(pthread_mutex_init(&sleeper->mutex, NULL) == 0);
    of_clock_init_cond(&sleeper->woken);
}

bool of_sleeper_sleep_ns(struct of_sleeper *sleeper, uint64_t duration_ns)
{
    const uint64_t end_ns = of_clock_ns() + duration_ns;
    bool is_woken;

    of_assert(pthread_mutex_lock(&sleeper->mutex) == 0);
    while (!sleeper->is_woken && of_clock_wait_cond(&sleeper->woken, &sleeper->mutex, end_ns)) {
    }
    is_woken = sleeper->is_woken;
    of_assert(pthread_mutex_unlock(&sleeper->mutex) == 0);
    return !is_woken;
}

void of_sleeper_wake(struct of_sleeper *sleeper)
{
    of_assert(pthread_mutex_lock(&sleeper->mutex) == 0);
    sleeper->is_woken = true;
    (void)pthread_cond_signal(&sleeper->woken);
    of_assert(pthread_mutex_unlock(&sleeper->mutex) == 0);
}

void of_sleeper_finish(struct of_sleeper *sleeper)
{
    (void)pthread_cond_destroy(&sleeper->woken);
    (void)pthread_mutex_destroy(&sleeper->mutex);
}

struct of_clock_text of_clock_utc(int64_t seconds)
{
    struct of_clock_text result = {"?"};
    const time_t when = (time_t)seconds;
    struct tm parts;

    if (gmtime_r(&when, &parts) != NULL) {
        (void)snprintf(result.text, sizeof(result.text), "%04d-%02d-%02d %02d:%02d:%02d UTC",
                       parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                       parts.tm_min, parts.tm_sec);
    }
    return result;
}
