/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time: never backwards, and a sleep is not cut short by a signal. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_sleep),
    };

    return cmocka_run_group_tests_name("sys_clock", tests, NULL, NULL);
}
