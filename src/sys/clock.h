/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time, for statistics, progress and which way of reading is faster (run/trial.h):
 * nothing that comes out depends on it. */
#ifndef OF_SYS_CLOCK_H
#define OF_SYS_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

uint64_t of_clock_ns(void);
void of_clock_sleep_ns(uint64_t duration_ns);

/* A condition variable whose deadlines are of this clock. */
void of_clock_init_cond(pthread_cond_t *cond);
/* Waits as pthread_cond_wait does; false once end_ns is past. */
bool of_clock_wait_cond(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t end_ns);

/* A thread that sleeps until its time has come or another one wakes it, for good. */
struct of_sleeper {
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    bool is_woken;
};
void of_sleeper_init(struct of_sleeper *sleeper);
/* True when it slept that long, false once it was woken. */
bool of_sleeper_sleep_ns(struct of_sleeper *sleeper, uint64_t duration_ns);
void of_sleeper_wake(struct of_sleeper *sleeper);
/* Nobody sleeps. */
void of_sleeper_finish(struct of_sleeper *sleeper);

/* "2026-01-31 12:00:00 UTC" of seconds since 1970, for messages; "?" when there is no such year. */
struct of_clock_text {
    char text[48];
};
struct of_clock_text of_clock_utc(int64_t seconds);

#endif
