/* SPDX-License-Identifier: Apache-2.0 */
#include "toy.h"

#include "method/network.h"

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a;
    const float y = *(const float *)b;

    return x < y ? -1 : x > y ? 1 : 0;
}

enum { LENGTH = 16 };

static void check(const struct of_kern *kern, struct prng *prng, uint32_t count, uint32_t first,
                  uint32_t last)
{
    static _Alignas(64) float rows[OF_NETWORK_WIRES_MAX][LENGTH];
    static float sorted[LENGTH][OF_NETWORK_WIRES_MAX];
    float *wires[OF_NETWORK_WIRES_MAX];
    const uint64_t levels = prng_between(prng, 2, 1000); /* with few levels there are many ties */

    for (uint32_t t = 0; t < count; t++) {
        wires[t] = rows[t];
        for (size_t i = 0; i < LENGTH; i++) {
            rows[t][i] = (float)prng_below(prng, levels) - 100.0F;
            sorted[i][t] = rows[t][i];
        }
    }
    of_network_order(kern, wires, count, first, last, LENGTH);
    for (size_t i = 0; i < LENGTH; i++) {
        qsort(sorted[i], count, sizeof(sorted[i][0]), compare);
        for (uint32_t t = first; t <= last; t++) {
            assert_true(rows[t][i] == sorted[i][t]);
        }
    }
}

static void test_every_count_in_full(void **state)
{
    struct prng prng = prng_make(prng_seed(1));
    struct of_kern kern;

    (void)state;
    assert_non_null(of_kern_init(&kern, NULL));
    for (uint32_t count = 1; count <= OF_NETWORK_WIRES_MAX; count++) {
        check(&kern, &prng, count, 0, count - 1);
    }
}

static void test_parts(void **state)
{
    struct prng prng = prng_make(prng_seed(2));
    struct of_kern kern;

    (void)state;
    assert_non_null(of_kern_init(&kern, NULL));
    for (uint32_t i = 0; i < 400; i++) {
        const uint32_t count = (uint32_t)prng_between(&prng, 1, i % 20 == 0 ? 256 : 24);
        const uint32_t first = (uint32_t)prng_below(&prng, count);
        const uint32_t last = (uint32_t)prng_between(&prng, first, count - 1);

        check(&kern, &prng, count, first, last);
        check(&kern, &prng, count, (count - 1) / 2, count / 2);
    }
}

/* A network that orders all strings of zeros and ones orders everything. */
static void test_zeros_and_ones(void **state)
{
    struct of_kern kern;

    (void)state;
    assert_non_null(of_kern_init(&kern, NULL));
    for (uint32_t count = 1; count <= 12; count++) {
        for (uint32_t bits = 0; bits < 1U << count; bits++) {
            _Alignas(64) float rows[12][8];
            float *wires[12];
            uint32_t ones = 0;

            for (uint32_t t = 0; t < count; t++) {
                wires[t] = rows[t];
                rows[t][0] = (float)(bits >> t & 1);
                ones += bits >> t & 1;
            }
            of_network_order(&kern, wires, count, 0, count - 1, 1);
            for (uint32_t t = 0; t < count; t++) {
                assert_true(rows[t][0] == (t < count - ones ? 0.0F : 1.0F));
            }
        }
    }
}

static uint32_t step_count;

static void count_pair(float *low, float *high, size_t count)
{
    (void)low;
    (void)high;
    (void)count;
    step_count++;
}

static uint32_t count_steps(uint32_t wire_count, uint32_t first, uint32_t last)
{
    const struct of_kern kern = {.order_pair = count_pair};
    float *wires[OF_NETWORK_WIRES_MAX] = {NULL};

    step_count = 0;
    of_network_order(&kern, wires, wire_count, first, last, 1);
    return step_count;
}

static void test_size(void **state)
{
    (void)state;
    assert_int_equal(count_steps(1, 0, 0), 0);
    assert_int_equal(count_steps(2, 0, 1), 1);
    assert_int_equal(count_steps(3, 0, 2), 3);
    assert_int_equal(count_steps(4, 0, 3), 5);
    assert_int_equal(count_steps(8, 0, 7), 19);
    assert_int_equal(count_steps(16, 0, 15), 63);
    assert_int_equal(count_steps(256, 0, 255), OF_NETWORK_STEPS_MAX);
    /* The smallest value needs one step for each value but itself. */
    assert_int_equal(count_steps(8, 0, 0), 7);
    assert_true(count_steps(16, 7, 8) < 63);
    assert_true(count_steps(9, 4, 4) < count_steps(9, 0, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_count_in_full),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_zeros_and_ones),
        cmocka_unit_test(test_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
