/* SPDX-License-Identifier: Apache-2.0 */
/* The small set of keys: repeated keys, and its limit. */
#include "fmt/key_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static onefold_status add(struct of_key_set *set, struct of_arena *arena, const char *key,
                          onefold_error *err)
{
    return of_key_set_add(set, arena, of_str_from(key), "index-duplicate", "index-limit", err);
}

static void test_repeated(void **state)
{
    struct of_key_set set = {0};
    struct of_arena arena;
    onefold_error err;

    (void)state;
    of_arena_init(&arena, 0);
    assert_int_equal(add(&set, &arena, "a", &err), ONEFOLD_OK);
    assert_int_equal(add(&set, &arena, "", &err), ONEFOLD_OK);
    assert_int_equal(add(&set, &arena, "A", &err), ONEFOLD_OK);
    assert_int_equal(add(&set, &arena, "a", &err), ONEFOLD_E_FORMAT);
    assert_string_equal(err.id, "index-duplicate");
    of_arena_finish(&arena);
}

static void test_limit(void **state)
{
    struct of_key_set set = {0};
    struct of_arena arena;
    onefold_error err;
    char key[16];

    (void)state;
    of_arena_init(&arena, 0);
    for (int i = 0; i < OF_KEY_SET_MAX; i++) {
        (void)snprintf(key, sizeof(key), "k%d", i);
        assert_int_equal(add(&set, &arena, key, &err), ONEFOLD_OK);
    }
    assert_int_equal(add(&set, &arena, "more", &err), ONEFOLD_E_UNSUPPORTED);
    assert_string_equal(err.id, "index-limit");
    of_arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
