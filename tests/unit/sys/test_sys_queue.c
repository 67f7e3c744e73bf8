/* SPDX-License-Identifier: Apache-2.0 */
/* The queue: order, wrap, close, and items that cross threads once each. */
#include "sys/queue.h"

#include "base/mem.h"
#include "sys/crew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { CAPACITY = 8, ITEMS = 10000 };

static void test_order_and_wrap(void **state)
{
    static int values[ITEMS];
    struct of_queue queue;
    onefold_error err;
    size_t pushed = 0;
    size_t popped = 0;

    (void)state;
    assert_int_equal(of_queue_init(&queue, CAPACITY, &err), ONEFOLD_OK);
    assert_null(of_queue_try_pop(&queue));
    /* Filled to the brim and emptied by different steps, so that the head stands everywhere. */
    while (popped < 1000) {
        while (queue.count < CAPACITY) {
            of_queue_push(&queue, &values[pushed++]);
        }
        for (int i = 0; i < 3; i++) {
            assert_ptr_equal(i == 0 ? of_queue_pop(&queue) : of_queue_try_pop(&queue),
                             &values[popped]);
            popped++;
        }
    }
    of_queue_finish(&queue);
    of_queue_finish(&queue);
}

/* What was pushed first comes out before the rest, wherever the head stands. */
static void test_push_first(void **state)
{
    int values[CAPACITY];
    struct of_queue queue;
    onefold_error err;

    (void)state;
    assert_int_equal(of_queue_init(&queue, CAPACITY, &err), ONEFOLD_OK);
    for (int round = 0; round < 2 * CAPACITY; round++) {
        assert_true(of_queue_is_empty(&queue));
        for (int i = 1; i < CAPACITY; i++) {
            of_queue_push(&queue, &values[i]);
        }
        of_queue_push_first(&queue, &values[0]);
        for (int i = 0; i < CAPACITY; i++) {
            assert_false(of_queue_is_empty(&queue));
            assert_ptr_equal(of_queue_pop(&queue), &values[i]);
        }
        /* The head moves on by one. */
        of_queue_push_first(&queue, &values[0]);
        of_queue_push(&queue, &values[1]);
        assert_ptr_equal(of_queue_try_pop(&queue), &values[0]);
        assert_ptr_equal(of_queue_try_pop(&queue), &values[1]);
        assert_null(of_queue_try_pop(&queue));
    }
    of_queue_finish(&queue);
}

static void test_close(void **state)
{
    int value = 0;
    struct of_queue queue;
    onefold_error err;

    (void)state;
    assert_int_equal(of_queue_init(&queue, 2, &err), ONEFOLD_OK);
    of_queue_push(&queue, &value);
    of_queue_close(&queue);
    /* What is in it comes out first. */
    assert_ptr_equal(of_queue_pop(&queue), &value);
    assert_null(of_queue_pop(&queue));
    assert_null(of_queue_pop(&queue));
    of_queue_finish(&queue);
}

static void test_zero_initialised(void **state)
{
    struct of_queue queue = {0};

    (void)state;
    of_queue_close(&queue);
    of_queue_finish(&queue);
    assert_null(queue.items);
}

static void test_no_memory(void **state)
{
    struct of_queue queue;
    onefold_error err;

    (void)state;
    of_mem_fail_at(1, false);
    assert_int_equal(of_queue_init(&queue, 4, &err), ONEFOLD_E_MEMORY);
    of_mem_fail_at(0, false);
    of_queue_finish(&queue);
}

struct consumer {
    struct of_thread thread;
    struct of_queue *todo;
    struct of_queue *done;
};

static void pass_on(void *context)
{
    struct consumer *consumer = context;
    void *item;

    while ((item = of_queue_pop(consumer->todo)) != NULL) {
        of_queue_push(consumer->done, item);
    }
}

static void test_threads(void **state)
{
    static int seen[ITEMS];
    struct consumer consumers[3];
    struct of_queue todo;
    struct of_queue done;
    onefold_error err;
    size_t given = 0;
    size_t taken = 0;

    (void)state;
    assert_int_equal(of_queue_init(&todo, CAPACITY, &err), ONEFOLD_OK);
    assert_int_equal(of_queue_init(&done, CAPACITY, &err), ONEFOLD_OK);
    for (size_t i = 0; i < 3; i++) {
        consumers[i].todo = &todo;
        consumers[i].done = &done;
        assert_int_equal(of_thread_start(&consumers[i].thread, pass_on, &consumers[i], &err),
                         ONEFOLD_OK);
    }
    while (taken < ITEMS) {
        while (given < ITEMS && given - taken < CAPACITY) {
            of_queue_push(&todo, &seen[given++]);
        }
        (*(int *)of_queue_pop(&done))++;
        taken++;
    }
    of_queue_close(&todo);
    for (size_t i = 0; i < 3; i++) {
        of_thread_join(&consumers[i].thread);
    }
    for (size_t i = 0; i < ITEMS; i++) {
        assert_int_equal(seen[i], 1);
    }
    of_queue_finish(&todo);
    of_queue_finish(&done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_wrap), cmocka_unit_test(test_push_first),
        cmocka_unit_test(test_close),          cmocka_unit_test(test_zero_initialised),
        cmocka_unit_test(test_no_memory),      cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests_name("sys_queue", tests, NULL, NULL);
}
