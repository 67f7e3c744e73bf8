/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of the pool loaded by another thread. */
#include "sys/loader.h"

#include "base/limits.h"
#include "support/nowhere.h"
#include "support/skip.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include <cmocka.h>

static void count_up(void *context)
{
    (void)atomic_fetch_add((atomic_uint *)context, 1);
}

/* Is the page in memory? */
static bool is_resident(uint8_t *page)
{
    unsigned char there = 0;

    assert_int_equal(mincore(page, 1, &there), 0);
    return (there & 1) != 0;
}

static onefold_status wait_for(struct of_loader *loader)
{
    onefold_error err;

    while (!of_loader_take(loader, &err)) {
        (void)sched_yield();
    }
    return err.status;
}

/* Each piece that was asked for is in memory once taken, what was not asked for is not; the one who
 * wants to know is told once for each. */
static void test_pieces(void **state)
{
    struct of_nodes nodes = {0};
    struct of_loader loader;
    struct of_pool pool;
    atomic_uint told = 0;
    onefold_error err;

    (void)state;
    assert_int_equal(of_pool_init_parts(&pool, 8 * OF_MIB, 2, &nodes, &err), ONEFOLD_OK);
    of_loader_start(&loader, &pool);
    of_loader_tell(&loader, count_up, &told);
    assert_false(of_loader_take(&loader, &err));
    of_loader_ask(&loader, 0, 0, 2 * OF_MIB);
    assert_int_equal(wait_for(&loader), ONEFOLD_OK);
    assert_false(of_loader_take(&loader, &err));
    of_loader_ask(&loader, 1, 4 * OF_MIB, OF_MIB);
    assert_int_equal(wait_for(&loader), ONEFOLD_OK);
    assert_true(is_resident(pool.data));
    assert_true(is_resident(pool.data + OF_MIB));
    assert_true(is_resident(pool.data + pool.part_bytes + 4 * OF_MIB));
    assert_false(is_resident(pool.data + 4 * OF_MIB));
    assert_false(is_resident(pool.data + pool.part_bytes));
    of_loader_finish(&loader);
    assert_int_equal(told, 2);
    of_pool_finish(&pool);
}

/* A piece underway does not outlive the loader, and a loader that never started can be finished. */
static void test_finish(void **state)
{
    struct of_loader loader = {0};
    struct of_pool pool;
    struct of_nodes nodes = {0};
    onefold_error err;

    (void)state;
    of_loader_finish(&loader);
    assert_int_equal(of_pool_init_parts(&pool, 32 * OF_MIB, 1, &nodes, &err), ONEFOLD_OK);
    of_loader_start(&loader, &pool);
    of_loader_ask(&loader, 0, 0, 32 * OF_MIB);
    of_loader_finish(&loader);
    of_pool_finish(&pool);
    assert_null(pool.data);
}

/* Memory that cannot be had is reported, and the loader goes on. */
static void test_failure(void **state)
{
    struct of_pool missing = {
        .data = nowhere(), .size_bytes = 4 * OF_MIB, .part_bytes = 4 * OF_MIB, .part_count = 1};
    struct of_loader loader;

    (void)state;
    if (!nowhere_is_refused()) {
        SKIP_TEST("memory that cannot be had is not refused here");
    }
    of_loader_start(&loader, &missing);
    for (int i = 0; i < 2; i++) {
        of_loader_ask(&loader, 0, 0, OF_MIB);
        assert_int_equal(wait_for(&loader), ONEFOLD_E_MEMORY);
    }
    of_loader_finish(&loader);
}

/* Without a thread of its own a piece is there when it was asked for. */
static void test_no_thread(void **state)
{
    struct of_loader loader;
    struct of_pool pool;
    struct of_nodes nodes = {0};
    onefold_error err;

    (void)state;
    assert_int_equal(of_pool_init_parts(&pool, 4 * OF_MIB, 1, &nodes, &err), ONEFOLD_OK);
    of_loader_start(&loader, &pool);
    /* As if it had not started. */
    (void)pthread_mutex_lock(&loader.mutex);
    loader.ending = true;
    (void)pthread_cond_signal(&loader.changed);
    (void)pthread_mutex_unlock(&loader.mutex);
    of_thread_join(&loader.thread);
    loader.has_thread = false;
    of_loader_ask(&loader, 0, 0, 2 * OF_MIB);
    assert_true(of_loader_take(&loader, &err));
    assert_int_equal(err.status, ONEFOLD_OK);
    assert_true(is_resident(pool.data));
    of_loader_finish(&loader);
    of_pool_finish(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_finish),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_no_thread),
    };

    return cmocka_run_group_tests_name("sys_loader", tests, NULL, NULL);
}
