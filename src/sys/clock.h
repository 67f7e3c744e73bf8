/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time, for statistics, progress and which way of reading is faster (run/trial.h):
 * nothing that comes out depends on it. */
#ifndef OF_SYS_CLOCK_H
#define OF_SYS_CLOCK_H

#include <stdint.h>

uint64_t of_clock_ns(void);
void of_clock_sleep_ns(uint64_t duration_ns);

/* "2026-01-31 12:00:00 UTC" of seconds since 1970, for messages; "?" when there is no such year. */
struct of_clock_text {
    char text[48];
};
struct of_clock_text of_clock_utc(int64_t seconds);

#endif
