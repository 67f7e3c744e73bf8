/* SPDX-License-Identifier: Apache-2.0 */
/* CLOCK_MONOTONIC, so that a clock set back or a suspend in between changes no statistic. */
#include "sys/clock.h"

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
