/* SPDX-License-Identifier: Apache-2.0 */
/* How many workers work: no more than keep up with a disk, all where one would not, or where there
 * is no disk. */
#include "run/staff.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { SECOND_NS = 1000000000, TIMES = 100 };

/* Some time after our clock's own start. */
static struct of_staff_note begin(struct of_staff *staff, uint32_t worker_count,
                                  uint32_t group_count)
{
    const struct of_staff_note note = {.now_ns = 7};

    of_staff_init(staff, worker_count, group_count);
    of_staff_begin(staff, &note);
    return note;
}

/* A second in which the workers of a group were busy for so many seconds together. */
static uint32_t read_some(struct of_staff *staff, struct of_staff_note *note, double busy)
{
    note->read_bytes += OF_GIB;
    note->now_ns += SECOND_NS;
    note->busy_ns += (uint64_t)(busy * SECOND_NS * staff->group_count);
    return of_staff_note(staff, note);
}

static uint32_t read_long(struct of_staff *staff, struct of_staff_note *note, double busy)
{
    uint32_t used = 0;

    for (int i = 0; i < TIMES; i++) {
        used = read_some(staff, note, busy);
    }
    return used;
}

static void test_as_few_as_keep_up(void **state)
{
    (void)state;
    for (uint32_t groups = 1; groups <= 3; groups++) {
        struct of_staff staff;
        struct of_staff_note note = begin(&staff, 8 * groups, groups);

        assert_int_equal(staff.used_count, 8);
        assert_int_equal(read_some(&staff, &note, 0.5), 7); /* one at a time */
        assert_int_equal(read_some(&staff, &note, 0.5), 6);
        assert_int_equal(read_long(&staff, &note, 0.5), 1);
        assert_int_equal(read_long(&staff, &note, 0.8), 1);
        assert_int_equal(read_some(&staff, &note, 0.9), 8); /* all at once */
        assert_int_equal(read_long(&staff, &note, 2.5), 4); /* three would be busy for 0.83 */
        assert_int_equal(read_long(&staff, &note, 3.3), 4);
        assert_int_equal(read_some(&staff, &note, 3.5), 8);
        assert_int_equal(read_long(&staff, &note, 7.9), 8);
        assert_int_equal(read_long(&staff, &note, 0.0), 1);
    }
}

static void test_one_stays_one(void **state)
{
    struct of_staff staff;
    struct of_staff_note note = begin(&staff, 1, 1);

    (void)state;
    assert_int_equal(read_long(&staff, &note, 0.1), 1);
    assert_int_equal(read_long(&staff, &note, 1.0), 1);
    of_staff_init(&staff, 2, 3); /* fewer than groups: one serves more than one */
    assert_int_equal(staff.used_count, 1);
}

static void test_all_for_cached_bytes(void **state)
{
    struct of_staff staff;
    struct of_staff_note note = begin(&staff, 4, 1);

    (void)state;
    assert_int_equal(read_long(&staff, &note, 0.5), 1);
    note.cache_bytes++;
    assert_int_equal(of_staff_note(&staff, &note), 4);
    note.cache_bytes++;
    assert_int_equal(read_some(&staff, &note, 0.5), 4);
    assert_int_equal(read_some(&staff, &note, 0.5), 3); /* a disk again */
}

/* Nothing is decided after a few bytes, and nothing by the time between two passes. */
static void test_what_counts(void **state)
{
    struct of_staff staff;
    struct of_staff_note note = begin(&staff, 4, 1);

    (void)state;
    for (int i = 0; i < 63; i++) {
        note.read_bytes += OF_MIB;
        note.now_ns += SECOND_NS;
        assert_int_equal(of_staff_note(&staff, &note), 4);
    }
    note.read_bytes += OF_MIB;
    assert_int_equal(of_staff_note(&staff, &note), 3);

    note.read_bytes += OF_GIB;
    note.now_ns += UINT64_C(100) * SECOND_NS;
    of_staff_begin(&staff, &note);
    assert_int_equal(read_some(&staff, &note, 2.9), 4); /* too busy, all the same */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_few_as_keep_up),
        cmocka_unit_test(test_one_stays_one),
        cmocka_unit_test(test_all_for_cached_bytes),
        cmocka_unit_test(test_what_counts),
    };

    return cmocka_run_group_tests_name("run_staff", tests, NULL, NULL);
}
