/* SPDX-License-Identifier: Apache-2.0 */
/* The pace of reads: halves where they are faster, whole tiles where they are, and from the page
 * cache; and never more underway than was planned. */
#include "run/pace.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct of_how how = {.flight_bytes = 20 * OF_MIB};

/* A run so far. */
struct run {
    struct of_pace pace;
    uint64_t read_bytes;
    uint64_t cache_bytes;
    uint64_t now_ns;
};

static void begin(struct run *run, enum of_halves halves)
{
    *run = (struct run){.now_ns = 1};
    of_pace_init(&run->pace, &how, halves);
    of_pace_begin(&run->pace);
}

/* Tiles of 4 MiB from a disk on which each takes so many ns in whole, and in halves; returns how
 * many were halved. */
static uint32_t read_tiles(struct run *run, uint32_t count, uint64_t whole_ns, uint64_t halves_ns)
{
    uint32_t halved = 0;

    for (uint32_t i = 0; i < count; i++) {
        const bool halves = of_pace_halves(&run->pace);

        assert_true(of_pace_flight_bytes(&run->pace) <= how.flight_bytes);
        assert_int_equal(of_pace_flight_bytes(&run->pace) < how.flight_bytes, halves);
        halved += halves;
        run->read_bytes += 4 * OF_MIB;
        run->now_ns += halves ? halves_ns : whole_ns;
        of_pace_note(&run->pace, run->read_bytes, run->cache_bytes, run->now_ns);
    }
    return halved;
}

static void test_the_faster_pace_is_kept(void **state)
{
    struct run run;

    (void)state;
    begin(&run, OF_HALVES_FOUND_OUT);
    assert_false(of_pace_halves(&run.pace));
    assert_in_range(read_tiles(&run, 1000, 2000, 1800), 800, 900);
    begin(&run, OF_HALVES_FOUND_OUT);
    assert_in_range(read_tiles(&run, 1000, 1800, 2000), 100, 150);
}

static void test_cached_tiles_are_whole(void **state)
{
    struct run run;

    (void)state;
    begin(&run, OF_HALVES_FOUND_OUT);
    (void)read_tiles(&run, 300, 2000, 1000);
    assert_true(of_pace_halves(&run.pace));
    for (uint32_t i = 0; i < 1000; i++) {
        run.cache_bytes += 4 * OF_MIB;
        run.now_ns += 1000;
        of_pace_note(&run.pace, run.read_bytes, run.cache_bytes, run.now_ns);
        assert_false(of_pace_halves(&run.pace));
    }
    /* Begins anew. */
    assert_in_range(read_tiles(&run, 1000, 2000, 1800), 800, 900);
}

/* What lies between two passes is no disk's time. */
static void test_time_between_passes_does_not_count(void **state)
{
    struct run run;

    (void)state;
    begin(&run, OF_HALVES_FOUND_OUT);
    /* In the middle of what counts of the first halves. */
    (void)read_tiles(&run, 64 + 48, 2000, 1800);
    assert_true(of_pace_halves(&run.pace));
    run.now_ns += UINT64_C(1000000000);
    of_pace_begin(&run.pace);
    assert_in_range(read_tiles(&run, 1000, 2000, 1800), 800, 950);
}

static void test_tests_say_how(void **state)
{
    struct run run;
    uint32_t halved = 0;

    (void)state;
    begin(&run, OF_HALVES_NEVER);
    assert_int_equal(read_tiles(&run, 1000, 2000, 1000), 0);
    begin(&run, OF_HALVES_ALWAYS);
    assert_int_equal(read_tiles(&run, 1000, 1000, 2000), 1000);
    begin(&run, OF_HALVES_MIXED);
    for (uint32_t i = 0; i < 100; i++) {
        halved += of_pace_halves(&run.pace);
    }
    assert_in_range(halved, 30, 60);
}

static void test_tiles_are_counted_once(void **state)
{
    struct of_visit visit = {0};
    struct run run;

    (void)state;
    begin(&run, OF_HALVES_MIXED);
    of_pace_fed(&run.pace, &visit);
    visit.part = OF_VISIT_FIRST_HALF;
    of_pace_fed(&run.pace, &visit);
    visit.part = OF_VISIT_SECOND_HALF;
    of_pace_fed(&run.pace, &visit);
    assert_int_equal(run.pace.tile_count, 2);
    assert_int_equal(run.pace.halved_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_faster_pace_is_kept),
        cmocka_unit_test(test_cached_tiles_are_whole),
        cmocka_unit_test(test_time_between_passes_does_not_count),
        cmocka_unit_test(test_tests_say_how),
        cmocka_unit_test(test_tiles_are_counted_once),
    };

    return cmocka_run_group_tests_name("run_pace", tests, NULL, NULL);
}
