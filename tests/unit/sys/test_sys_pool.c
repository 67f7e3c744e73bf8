/* SPDX-License-Identifier: Apache-2.0 */
/* The pool: aligned, zero, resident, and refused when there is no room. */
#include "sys/pool.h"

#include "base/limits.h"
#include "support/skip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void test_sizes(void **state)
{
    static const uint64_t sizes[] = {1, 4096, 2 * 1024 * 1024, 2 * 1024 * 1024 + 1, 9999999};

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(sizes); i++) {
        struct of_pool pool;
        onefold_error err;

        assert_int_equal(of_pool_init(&pool, sizes[i], &err), ONEFOLD_OK);
        assert_true(pool.size_bytes >= sizes[i] && pool.size_bytes < sizes[i] + 2 * OF_MIB);
        assert_int_equal((uintptr_t)pool.data % (2 * OF_MIB), 0);
        assert_int_equal(pool.size_bytes % (2 * OF_MIB), 0);
        for (uint64_t at = 0; at < pool.size_bytes; at++) {
            assert_true(pool.data[at] == 0);
        }
        memset(pool.data, 0xFF, pool.size_bytes);
        of_pool_finish(&pool);
        assert_null(pool.data);
        of_pool_finish(&pool);
    }
}

/* Parts of whole huge pages, whatever they lie on. */
static void test_parts(void **state)
{
    const struct of_nodes nodes = {.count = 2, .ids = {0, OF_NODES_MAX - 1}};

    (void)state;
    for (uint32_t count = 1; count <= 3; count++) {
        struct of_pool pool;
        onefold_error err;

        assert_int_equal(of_pool_init_parts(&pool, 2 * OF_MIB + 1, count, &nodes, &err),
                         ONEFOLD_OK);
        assert_int_equal(pool.part_bytes, 4 * OF_MIB);
        assert_int_equal(pool.size_bytes, count * pool.part_bytes);
        assert_int_equal((uintptr_t)pool.data % (2 * OF_MIB), 0);
        memset(pool.data, 0xFF, pool.size_bytes);
        of_pool_finish(&pool);
    }
}

static uint64_t resident_count(const struct of_pool *pool)
{
    static unsigned char pages[16 * 1024 * 1024 / 4096];
    uint64_t count = 0;

    assert_true(pool->size_bytes / 4096 <= sizeof(pages));
    assert_int_equal(mincore(pool->data, pool->size_bytes, pages), 0);
    for (size_t i = 0; i < pool->size_bytes / 4096; i++) {
        count += pages[i] & 1;
    }
    return count;
}

/* Nothing is loaded later: all pages are resident at once. */
static void test_resident(void **state)
{
    struct of_pool pool;
    onefold_error err;

    (void)state;
    assert_int_equal(of_pool_init(&pool, 16 * OF_MIB, &err), ONEFOLD_OK);
    if (sysconf(_SC_PAGESIZE) == 4096) {
        assert_int_equal(resident_count(&pool), pool.size_bytes / 4096);
    }
    of_pool_finish(&pool);
}

/* Of parts that are loaded bit by bit, what was asked for is resident, and no more. */
static void test_loaded_in_pieces(void **state)
{
    const struct of_nodes nodes = {.count = 0};
    struct of_pool pool;
    onefold_error err;

    (void)state;
    if (sysconf(_SC_PAGESIZE) != 4096) {
        SKIP_TEST("pages are not 4 KiB");
    }
    assert_int_equal(of_pool_init_parts(&pool, 8 * OF_MIB, 2, &nodes, &err), ONEFOLD_OK);
    assert_int_equal(resident_count(&pool), 0);
    assert_int_equal(of_pool_load(&pool, 1, 2 * OF_MIB, 2 * OF_MIB, &err), ONEFOLD_OK);
    assert_int_equal(of_pool_load(&pool, 1, 8 * OF_MIB, 0, &err), ONEFOLD_OK);
    assert_int_equal(resident_count(&pool), 512);
    assert_int_equal(of_pool_load(&pool, 0, 0, 8 * OF_MIB, &err), ONEFOLD_OK);
    assert_int_equal(of_pool_load(&pool, 0, 0, 8 * OF_MIB, &err), ONEFOLD_OK);
    assert_false(pool.loaded);
    assert_int_equal(resident_count(&pool), 5 * 512);
    of_pool_finish(&pool);
}

/* All pages of a piece are loaded wherever it starts and ends in huge pages, and however many
 * threads share it. */
static void test_pieces_anywhere(void **state)
{
    const struct of_nodes nodes = {.count = 0};

    (void)state;
    if (sysconf(_SC_PAGESIZE) != 4096) {
        SKIP_TEST("pages are not 4 KiB");
    }
    for (uint32_t loaders = 1; loaders <= 4; loaders++) {
        for (uint64_t first = 0; first < 600; first += 119) {
            for (uint64_t count = 1; count <= 2700; count += 257) {
                unsigned char pages[2700];
                struct of_pool pool;
                onefold_error err;

                assert_int_equal(of_pool_init_parts(&pool, 14 * OF_MIB, 1, &nodes, &err),
                                 ONEFOLD_OK);
                pool.loader_count = loaders;
                assert_int_equal(of_pool_load(&pool, 0, first * 4096, count * 4096, &err),
                                 ONEFOLD_OK);
                assert_int_equal(mincore(pool.data + first * 4096, count * 4096, pages), 0);
                for (uint64_t i = 0; i < count; i++) {
                    assert_true(pages[i] & 1);
                }
                of_pool_finish(&pool);
            }
        }
    }
}

static void test_refusals(void **state)
{
    static const uint64_t sizes[] = {0, UINT64_MAX, UINT64_MAX - 4 * 1024 * 1024,
                                     UINT64_C(1) << 60};

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(sizes); i++) {
        struct of_pool pool;
        onefold_error err;

        assert_int_equal(of_pool_init(&pool, sizes[i], &err), ONEFOLD_E_MEMORY);
        assert_string_equal(err.id, "memory");
        of_pool_finish(&pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),           cmocka_unit_test(test_parts),
        cmocka_unit_test(test_resident),        cmocka_unit_test(test_loaded_in_pieces),
        cmocka_unit_test(test_pieces_anywhere), cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests_name("sys_pool", tests, NULL, NULL);
}
