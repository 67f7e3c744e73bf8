/* SPDX-License-Identifier: Apache-2.0 */
/* Trials: both ways are tried, the better one is kept for long, and one that becomes the better one
 * is found. */
#include "run/trial.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SETTLE_BYTES (88 * OF_MIB)
#define TIMED_BYTES  (40 * OF_MIB)

enum { CHUNKS = 64 * 1024, WAYS = 2 };

/* Reads chunks of 1 MiB of which each takes so many ns in each way; returns how many were read in
 * way 1. */
static uint32_t read_chunks(struct of_trial *trial, uint32_t count, const uint64_t *ways_ns)
{
    uint32_t ones = 0;

    for (uint32_t i = 0; i < count; i++) {
        const uint32_t way = of_trial_way(trial);

        assert_true(way < WAYS);
        ones += way;
        of_trial_note(trial, OF_MIB, ways_ns[way]);
    }
    return ones;
}

static void test_the_better_way_is_kept(void **state)
{
    static const uint64_t first_better[WAYS] = {400000, 420000};
    static const uint64_t second_better[WAYS] = {500000, 400000};
    static const uint64_t alike[WAYS] = {500000, 496000};
    struct of_trial trial;

    (void)state;
    of_trial_init(&trial, SETTLE_BYTES, TIMED_BYTES);
    assert_int_equal(of_trial_way(&trial), 0);
    /* One stretch of 35. */
    assert_in_range(read_chunks(&trial, CHUNKS, first_better), CHUNKS / 40, CHUNKS / 30);
    /* After the trial that is next. */
    (void)read_chunks(&trial, CHUNKS / 8, second_better);
    assert_in_range(read_chunks(&trial, CHUNKS, second_better), CHUNKS - CHUNKS / 16,
                    CHUNKS - CHUNKS / 20);
    (void)read_chunks(&trial, CHUNKS / 8, alike);
    assert_in_range(read_chunks(&trial, CHUNKS, alike), CHUNKS / 40, CHUNKS / 30);
}

/* A disk that gets faster or slower at any time while both ways are tried. */
static void test_a_change_favours_none(void **state)
{
    static const uint64_t slow[WAYS] = {500000, 500000};
    static const uint64_t fast[WAYS] = {400000, 400000};
    const uint32_t all = 3 * (SETTLE_BYTES + TIMED_BYTES) / OF_MIB;

    (void)state;
    for (uint32_t at = 0; at <= all; at++) {
        for (uint32_t faster = 0; faster < 2; faster++) {
            struct of_trial trial;

            of_trial_init(&trial, SETTLE_BYTES, TIMED_BYTES);
            (void)read_chunks(&trial, at, faster == 1 ? slow : fast);
            (void)read_chunks(&trial, all - at, faster == 1 ? fast : slow);
            assert_int_equal(trial.better_way, 0);
            assert_int_equal(of_trial_way(&trial), 0);
        }
    }
}

/* A way still has the effects of the other one at first: that time does not count. */
static void test_settling_does_not_count(void **state)
{
    struct of_trial trial;

    (void)state;
    of_trial_init(&trial, SETTLE_BYTES, TIMED_BYTES);
    for (uint32_t stretch = 0; stretch < 3; stretch++) {
        const uint32_t way = of_trial_way(&trial);

        assert_int_equal(way, stretch == 1);
        of_trial_note(&trial, SETTLE_BYTES / 3 + 1, way == 1 ? 900000000 : 100000000);
        of_trial_note(&trial, SETTLE_BYTES - SETTLE_BYTES / 3 - 1, 100000000);
        of_trial_note(&trial, TIMED_BYTES, way == 1 ? 90000000 : 100000000);
    }
    assert_int_equal(of_trial_way(&trial), 1);
}

/* Where the second way is much worse it is left before it has settled, and tried again as late as
 * after a whole trial. */
static void test_a_much_worse_way_is_given_up(void **state)
{
    static const uint64_t worse[WAYS] = {400000, 426000};
    static const uint64_t second_better[WAYS] = {500000, 400000};
    const uint32_t stretch = (SETTLE_BYTES + TIMED_BYTES) / OF_MIB;
    struct of_trial trial;

    (void)state;
    of_trial_init(&trial, SETTLE_BYTES, TIMED_BYTES);
    assert_int_equal(read_chunks(&trial, stretch, worse), 0);
    assert_int_equal(of_trial_way(&trial), 1);
    assert_in_range(read_chunks(&trial, stretch, worse), SETTLE_BYTES / OF_MIB / 2,
                    SETTLE_BYTES / OF_MIB * 3 / 4);
    assert_int_equal(of_trial_way(&trial), 0);
    assert_int_equal(read_chunks(&trial, 32 * stretch, worse), 0);
    /* A way that is better then is found. */
    assert_in_range(read_chunks(&trial, 4 * stretch, second_better), stretch, 3 * stretch);
    assert_int_equal(of_trial_way(&trial), 1);
}

/* Short and long notes, and times that no disk takes. */
static void test_odd_notes(void **state)
{
    struct of_trial trial;

    (void)state;
    of_trial_init(&trial, SETTLE_BYTES, TIMED_BYTES);
    of_trial_note(&trial, 0, 0);
    of_trial_note(&trial, 1, UINT64_C(1) << 60);
    assert_int_equal(of_trial_way(&trial), 0);
    for (uint32_t i = 0; i < 3; i++) {
        of_trial_note(&trial, OF_GIB + 7, i != 1 ? UINT64_C(1) << 60 : 1);
    }
    assert_int_equal(of_trial_way(&trial), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_better_way_is_kept),
        cmocka_unit_test(test_a_change_favours_none),
        cmocka_unit_test(test_settling_does_not_count),
        cmocka_unit_test(test_a_much_worse_way_is_given_up),
        cmocka_unit_test(test_odd_notes),
    };

    return cmocka_run_group_tests_name("run_trial", tests, NULL, NULL);
}
