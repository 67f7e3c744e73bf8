/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time: never backwards, and a sleep is not cut short by a signal, but by whoever wakes.
 */
#include "sys/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/time.h>

static void test_forward(void **state)
{
    uint64_t last = of_clock_ns();

    (void)state;
    assert_true(last > 0);
    for (int i = 0; i < 10000; i++) {
        const uint64_t now = of_clock_ns();

        assert_true(now >= last);
        last = now;
    }
}

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

static void test_sleep(void **state)
{
    const struct itimerval often = {.it_interval = {.tv_usec = 1000},
                                    .it_value = {.tv_usec = 1000}};
    const struct itimerval never = {.it_value = {0}};
    struct sigaction action = {.sa_handler = on_alarm};
    const uint64_t start = of_clock_ns();

    (void)state;
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    of_clock_sleep_ns(20000000);
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_true(alarms > 0);
    assert_true(of_clock_ns() - start >= 20000000);
}

static void *sleep_long(void *sleeper)
{
    return of_sleeper_sleep_ns(sleeper, UINT64_C(3600000000000)) ? NULL : sleeper;
}

/* Whether it sleeps already when it is woken or not, and only then. */
static void test_sleeper(void **state)
{
    (void)state;
    for (uint64_t head_start_ns = 0; head_start_ns < 4000000; head_start_ns += 1000000) {
        const uint64_t start = of_clock_ns();
        struct of_sleeper sleeper;
        pthread_t thread;
        void *woken = NULL;

        of_sleeper_init(&sleeper);
        assert_true(of_sleeper_sleep_ns(&sleeper, 1000000));
        assert_true(of_clock_ns() - start >= 1000000);
        assert_int_equal(pthread_create(&thread, NULL, sleep_long, &sleeper), 0);
        of_clock_sleep_ns(head_start_ns);
        of_sleeper_wake(&sleeper);
        assert_int_equal(pthread_join(thread, &woken), 0);
        assert_ptr_equal(woken, &sleeper);
        assert_false(of_sleeper_sleep_ns(&sleeper, UINT64_C(3600000000000)));
        of_sleeper_finish(&sleeper);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_sleep),
        cmocka_unit_test(test_sleeper),
    };

    return cmocka_run_group_tests_name("sys_clock", tests, NULL, NULL);
}
