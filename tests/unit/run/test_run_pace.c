/* SPDX-License-Identifier: Apache-2.0 */
/* The pace of reads: parts of tiles where they are faster, whole tiles where those are, and from
 * the page cache; and never more underway than was planned. */
#include "run/pace.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Base and three of 2 GB. */
static const struct of_plan plan = {.read_bytes = 8 * OF_GIB,
                                    .how = {.flight_bytes = 20 * OF_MIB,
                                            .area_count = 3,
                                            .area_bytes = OF_MIB,
                                            .base_area_bytes = OF_MIB}};

/* A run so far. */
struct run {
    struct of_pace pace;
    uint64_t read_bytes;
    uint64_t cache_bytes;
    uint64_t now_ns;
};

static void begin_with(struct run *run, const struct of_plan *of, enum of_split split)
{
    *run = (struct run){.now_ns = 1};
    of_pace_init(&run->pace, of, split);
    of_pace_begin(&run->pace);
}

static void begin(struct run *run, enum of_split split)
{
    begin_with(run, &plan, split);
}

/* Tiles of 4 MiB from a disk on which each takes so many ns in whole, and in halves; returns how
 * many were split. */
static uint32_t read_tiles(struct run *run, uint32_t count, uint64_t whole_ns, uint64_t halves_ns)
{
    uint32_t split = 0;

    for (uint32_t i = 0; i < count; i++) {
        const bool halves = of_pace_parts(&run->pace) == 2;

        assert_true(of_pace_flight_bytes(&run->pace) <= plan.how.flight_bytes);
        assert_int_equal(of_pace_flight_bytes(&run->pace) < plan.how.flight_bytes, halves);
        split += halves;
        run->read_bytes += 4 * OF_MIB;
        run->now_ns += halves ? halves_ns : whole_ns;
        of_pace_note(&run->pace, run->read_bytes, run->cache_bytes, true, run->now_ns);
    }
    return split;
}

static void test_the_faster_pace_is_kept(void **state)
{
    struct run run;

    (void)state;
    begin(&run, OF_SPLIT_FOUND_OUT);
    assert_int_equal(of_pace_parts(&run.pace), 2);
    assert_in_range(read_tiles(&run, 1000, 2000, 1900), 930, 950);
    /* Whole tiles that are much slower are left early. */
    begin(&run, OF_SPLIT_FOUND_OUT);
    assert_in_range(read_tiles(&run, 1000, 2000, 1800), 978, 988);
    begin(&run, OF_SPLIT_FOUND_OUT);
    assert_in_range(read_tiles(&run, 1000, 1800, 2000), 105, 120);
}

static void test_cached_tiles_are_whole(void **state)
{
    struct run run;

    (void)state;
    begin(&run, OF_SPLIT_FOUND_OUT);
    (void)read_tiles(&run, 300, 2000, 1000);
    assert_int_equal(of_pace_parts(&run.pace), 2);
    for (uint32_t i = 0; i < 1000; i++) {
        run.cache_bytes += 4 * OF_MIB;
        run.now_ns += 1000;
        of_pace_note(&run.pace, run.read_bytes, run.cache_bytes, true, run.now_ns);
        assert_int_equal(of_pace_parts(&run.pace), 1);
        assert_int_equal(of_pace_flight_bytes(&run.pace), plan.how.flight_bytes);
    }
    /* Begins anew, with what comes from the disk. */
    run.read_bytes += 4 * OF_MIB;
    of_pace_note(&run.pace, run.read_bytes, run.cache_bytes, true, run.now_ns);
    assert_in_range(read_tiles(&run, 1000, 1800, 2000), 105, 120);
}

/* What lies between two passes is no disk's time. */
static void test_time_between_passes_does_not_count(void **state)
{
    struct run run;

    (void)state;
    begin(&run, OF_SPLIT_FOUND_OUT);
    /* In the middle of what counts of the first parts. */
    (void)read_tiles(&run, 40, 2000, 1900);
    assert_int_equal(of_pace_parts(&run.pace), 2);
    run.now_ns += UINT64_C(1000000000);
    of_pace_begin(&run.pace);
    assert_in_range(read_tiles(&run, 1000, 2000, 1900), 930, 950);
}

/* As long as buffers are still loaded parts are read, and nothing is held against them. */
static void test_loading_does_not_count(void **state)
{
    struct run run;

    (void)state;
    begin(&run, OF_SPLIT_FOUND_OUT);
    for (uint32_t i = 0; i < 500; i++) {
        assert_int_equal(of_pace_parts(&run.pace), 2);
        run.read_bytes += 4 * OF_MIB;
        run.now_ns += 100000;
        of_pace_note(&run.pace, run.read_bytes, run.cache_bytes, false, run.now_ns);
    }
    assert_in_range(read_tiles(&run, 1000, 2000, 1900), 930, 950);
    begin(&run, OF_SPLIT_FOUND_OUT);
    run.read_bytes = 200 * OF_MIB;
    of_pace_note(&run.pace, run.read_bytes, run.cache_bytes, false, 1);
    assert_in_range(read_tiles(&run, 1000, 1800, 2000), 105, 120);
}

/* Of a small merge less is timed, but not less than 64 MiB behind the 96 that settle. */
static void test_trials_are_short_in_small_merges(void **state)
{
    static const struct {
        uint64_t read_bytes;
        uint32_t first_parts; /* tiles until whole ones are tried */
    } rows[] = {{0, 40}, {4 * OF_GIB, 40}, {6 * OF_GIB, 48}, {8 * OF_GIB, 56}, {80 * OF_GIB, 56}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct of_plan other = plan;
        struct run run;
        uint32_t count = 0;

        other.read_bytes = rows[i].read_bytes;
        begin_with(&run, &other, OF_SPLIT_FOUND_OUT);
        run.read_bytes = 1;
        of_pace_note(&run.pace, run.read_bytes, 0, true, run.now_ns);
        while (of_pace_parts(&run.pace) == 2) {
            (void)read_tiles(&run, 1, 2000, 2000);
            count++;
        }
        assert_int_equal(count, rows[i].first_parts);
    }
}

static void test_tests_say_how(void **state)
{
    struct run run;
    uint32_t split = 0;

    (void)state;
    begin(&run, OF_SPLIT_NEVER);
    assert_int_equal(read_tiles(&run, 1000, 2000, 1000), 0);
    begin(&run, OF_SPLIT_ALWAYS);
    assert_int_equal(read_tiles(&run, 1000, 1000, 2000), 1000);
    begin(&run, OF_SPLIT_MIXED);
    for (uint32_t i = 0; i < 100; i++) {
        split += of_pace_parts(&run.pace) > 1;
    }
    assert_in_range(split, 30, 99);
}

/* Of many inputs less is read of each. */
static void test_large_tiles_have_quarters(void **state)
{
    const struct of_plan large = {
        .how = {.area_count = 8, .area_bytes = OF_MIB, .base_area_bytes = OF_MIB}};
    const struct of_plan small = {.how = {.area_count = 2, .area_bytes = OF_MIB}};
    struct of_pace pace;

    (void)state;
    of_pace_init(&pace, &large, OF_SPLIT_ALWAYS);
    assert_int_equal(of_pace_parts(&pace), 4);
    of_pace_init(&pace, &small, OF_SPLIT_ALWAYS);
    assert_int_equal(of_pace_parts(&pace), 2);
}

static void test_tiles_are_counted_once(void **state)
{
    struct of_visit visit = {0};
    struct run run;

    (void)state;
    begin(&run, OF_SPLIT_MIXED);
    of_pace_fed(&run.pace, &visit, true);
    visit.is_part = true;
    of_pace_fed(&run.pace, &visit, false);
    of_pace_fed(&run.pace, &visit, false);
    of_pace_fed(&run.pace, &visit, true);
    assert_int_equal(run.pace.tile_count, 2);
    assert_int_equal(run.pace.split_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_faster_pace_is_kept),
        cmocka_unit_test(test_cached_tiles_are_whole),
        cmocka_unit_test(test_time_between_passes_does_not_count),
        cmocka_unit_test(test_loading_does_not_count),
        cmocka_unit_test(test_trials_are_short_in_small_merges),
        cmocka_unit_test(test_tests_say_how),
        cmocka_unit_test(test_large_tiles_have_quarters),
        cmocka_unit_test(test_tiles_are_counted_once),
    };

    return cmocka_run_group_tests_name("run_pace", tests, NULL, NULL);
}
