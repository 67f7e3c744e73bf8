/* SPDX-License-Identifier: Apache-2.0 */
/* The sort of indices: order, stability, all lengths. */
#include "base/sort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { COUNT_MAX = 300 };

struct keys {
    uint32_t values[COUNT_MAX];
    uint64_t comparisons;
};

static struct keys keys;

static bool less(const void *context, uint32_t a, uint32_t b)
{
    assert_ptr_equal(context, &keys);
    keys.comparisons++;
    return keys.values[a] < keys.values[b];
}

static void sort_and_check(uint64_t count)
{
    uint32_t indices[COUNT_MAX];
    uint32_t scratch[COUNT_MAX];

    for (uint32_t i = 0; i < count; i++) {
        indices[i] = i;
    }
    of_sort_indices(indices, scratch, count, less, &keys);
    for (uint64_t i = 1; i < count; i++) {
        uint32_t a = indices[i - 1];
        uint32_t b = indices[i];

        assert_true(keys.values[a] < keys.values[b] || (keys.values[a] == keys.values[b] && a < b));
    }
}

static void test_all_lengths(void **state)
{
    uint32_t random = 12345;

    (void)state;
    for (uint64_t count = 0; count <= COUNT_MAX; count++) {
        for (uint64_t i = 0; i < count; i++) {
            random = random * 1664525u + 1013904223u;
            keys.values[i] = (random >> 16) % (uint32_t)(count / 2 + 1);
        }
        sort_and_check(count);
    }
}

static void test_runs(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < COUNT_MAX; i++) {
        keys.values[i] = COUNT_MAX - i;
    }
    sort_and_check(COUNT_MAX);
    for (uint32_t i = 0; i < COUNT_MAX; i++) {
        keys.values[i] = i % 2;
    }
    sort_and_check(COUNT_MAX);
}

static void test_sorted_input_is_cheap(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < COUNT_MAX; i++) {
        keys.values[i] = i;
    }
    keys.comparisons = 0;
    sort_and_check(COUNT_MAX);
    assert_true(keys.comparisons < COUNT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_lengths),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_sorted_input_is_cheap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
