/* SPDX-License-Identifier: Apache-2.0 */
/* Names to indices, with many names and with names that look alike. */
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NAME_COUNT = 20000 };
static char names[NAME_COUNT][16];

static struct of_str name_of(const void *context, uint32_t index)
{
    (void)context;
    return of_str_from(names[index]);
}

static void test_many(void **state)
{
    struct of_arena arena;
    struct of_map map;

    (void)state;
    of_arena_init(&arena, 0);
    assert_true(of_map_init(&map, &arena, NAME_COUNT, name_of, NULL));
    for (uint32_t i = 0; i < NAME_COUNT; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "n%u", i);
        assert_int_equal(of_map_put(&map, i), OF_MAP_NONE);
    }
    assert_int_equal(map.count, NAME_COUNT);
    for (uint32_t i = 0; i < NAME_COUNT; i++) {
        assert_int_equal(of_map_find(&map, of_str_from(names[i])), i);
        assert_int_equal(of_map_put(&map, i), i);
    }
    assert_int_equal(map.count, NAME_COUNT);
    assert_int_equal(of_map_find(&map, OF_STR("n")), OF_MAP_NONE);
    assert_int_equal(of_map_find(&map, OF_STR("n20000")), OF_MAP_NONE);
    assert_int_equal(of_map_find(&map, OF_STR("")), OF_MAP_NONE);
    of_arena_finish(&arena);
}

static void test_duplicate_keeps_the_first(void **state)
{
    struct of_arena arena;
    struct of_map map;

    (void)state;
    (void)strcpy(names[0], "same");
    (void)strcpy(names[1], "other");
    (void)strcpy(names[2], "same");
    of_arena_init(&arena, 0);
    assert_true(of_map_init(&map, &arena, 3, name_of, NULL));
    assert_int_equal(of_map_put(&map, 0), OF_MAP_NONE);
    assert_int_equal(of_map_put(&map, 1), OF_MAP_NONE);
    assert_int_equal(of_map_put(&map, 2), 0);
    assert_int_equal(of_map_find(&map, OF_STR("same")), 0);
    assert_int_equal(map.count, 2);
    of_arena_finish(&arena);
}

static void test_full(void **state)
{
    struct of_arena arena;

    (void)state;
    of_arena_init(&arena, 0);
    for (uint32_t count = 0; count < 40; count++) {
        struct of_map map;

        assert_true(of_map_init(&map, &arena, count, name_of, NULL));
        for (uint32_t i = 0; i < count; i++) {
            (void)snprintf(names[i], sizeof(names[i]), "k%u", i);
            assert_int_equal(of_map_put(&map, i), OF_MAP_NONE);
        }
        assert_int_equal(of_map_find(&map, OF_STR("absent")), OF_MAP_NONE);
        assert_true(map.mask + 1 > map.count * 4 / 3);
    }
    of_arena_finish(&arena);
}

static void test_limits(void **state)
{
    struct of_arena arena;
    struct of_map map = {0};

    (void)state;
    of_arena_init(&arena, 64 * 1024);
    assert_false(of_map_init(&map, &arena, 1000000, name_of, NULL));
    assert_true(arena.limit_hit);
    assert_false(of_map_init(&map, &arena, UINT64_MAX, name_of, NULL));
    assert_int_equal(of_map_find(&map, OF_STR("x")), OF_MAP_NONE);
    of_arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_duplicate_keeps_the_first),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
