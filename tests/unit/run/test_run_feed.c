/* SPDX-License-Identifier: Apache-2.0 */
/* How far visits are fed ahead of the reads. */
#include "run/feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SLOTS = 18, AHEAD = 4 };

/* A slot in its first round, of whose reads so many are not issued. */
static struct of_slot reading(uint32_t unissued_count)
{
    return (struct of_slot){.state = OF_SLOT_READING,
                            .is_first_round = true,
                            .pending_count = 2,
                            .unissued_count = unissued_count};
}

/* While the disk takes no read, four of eighteen free slots are fed, and no more. */
static void test_few_wait(void **state)
{
    struct of_slot slots[SLOTS] = {0};

    (void)state;
    for (uint32_t fed = 0; fed < AHEAD; fed++) {
        assert_int_equal(of_feed_room(slots, SLOTS), AHEAD - fed);
        slots[SLOTS - 1 - 3 * fed] = reading(1 + fed);
    }
    assert_int_equal(of_feed_room(slots, SLOTS), 0);
    slots[0] = reading(4);
    assert_int_equal(of_feed_room(slots, SLOTS), 0);
}

/* Whatever is read already, worked on or written takes no room, and neither does a later round,
 * whose tile was cut long ago. */
static void test_others_take_no_room(void **state)
{
    struct of_slot slots[SLOTS] = {0};

    (void)state;
    for (uint32_t i = 0; i < SLOTS; i++) {
        slots[i] = reading(0);
    }
    assert_int_equal(of_feed_room(slots, SLOTS), AHEAD);
    for (uint32_t i = 0; i < SLOTS; i++) {
        slots[i] = reading(3);
        slots[i].is_first_round = false;
    }
    assert_int_equal(of_feed_room(slots, SLOTS), AHEAD);
    for (uint32_t i = 0; i < SLOTS; i++) {
        slots[i] = reading(3);
        slots[i].state = i % 2 == 0 ? OF_SLOT_WORKING : OF_SLOT_LEAVING;
    }
    assert_int_equal(of_feed_room(slots, SLOTS), AHEAD);
    slots[7] = reading(1);
    assert_int_equal(of_feed_room(slots, SLOTS), AHEAD - 1);
    slots[7] = reading(0);
    assert_int_equal(of_feed_room(slots, SLOTS), AHEAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_wait),
        cmocka_unit_test(test_others_take_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
