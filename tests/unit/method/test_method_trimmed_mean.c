/* SPDX-License-Identifier: Apache-2.0 */
#include "toy.h"

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a;
    const float y = *(const float *)b;

    return x < y ? -1 : x > y ? 1 : 0;
}

static void test_golden(void **state)
{
    const float v[] = {1.5F, -1.5F, 0.25F, 0.0F, 2.5F, -0.375F};
    struct toy *toy = toy_make_golden("trimmed_mean", 4);

    (void)state;
    toy_set(toy, "trim", 1.0);
    toy_good(toy);
    for (size_t i = 0; i < 6; i++) {
        assert_true(toy->v[i] == v[i]);
    }
    free(toy);
}

static void check(uint32_t count, uint32_t trim, struct prng *prng)
{
    struct toy *toy = toy_make("trimmed_mean", count, TOY_LENGTH_MAX);

    toy_fill(toy, prng);
    toy_set(toy, "trim", trim);
    toy_good(toy);
    for (size_t i = 0; i < toy->length; i++) {
        float z[TOY_INPUTS_MAX];
        float sum = 0.0F;

        for (uint32_t t = 0; t < count; t++) {
            z[t] = toy->tau[t][i];
        }
        qsort(z, count, sizeof(z[0]), compare);
        for (uint32_t t = trim; t < count - trim; t++) {
            sum = sum + z[t];
        }
        assert_true(toy->v[i] == sum / (float)(count - 2 * trim));
    }
    free(toy);
}

static void test_naive(void **state)
{
    struct prng prng = prng_make(prng_seed(5));

    (void)state;
    for (uint32_t count = 1; count <= 12; count++) {
        for (uint32_t trim = 0; 2 * trim < count; trim++) {
            check(count, trim, &prng);
        }
    }
    check(64, 9, &prng);
    check(255, 127, &prng);
    check(256, 0, &prng);
    check(256, 127, &prng);
}

/* trim 0 is the mean, the largest trim the median. */
static void test_ends(void **state)
{
    struct prng prng = prng_make(prng_seed(6));

    (void)state;
    for (uint32_t count = 2; count <= 9; count++) {
        struct toy *toy = toy_make("trimmed_mean", count, TOY_LENGTH_MAX);
        struct toy *median = toy_make("median", count, TOY_LENGTH_MAX);

        toy_fill(toy, &prng);
        toy_copy(median, toy);
        toy_set(toy, "trim", (count - 1) / 2);
        toy_good(toy);
        toy_good(median);
        for (size_t i = 0; i < toy->length; i++) {
            assert_true(toy->v[i] == median->v[i]);
        }
        toy_set(toy, "trim", 0.0);
        toy_good(toy);
        for (size_t i = 0; i < toy->length; i++) {
            double sum = 0.0;

            for (uint32_t t = 0; t < count; t++) {
                sum += (double)toy->tau[t][i];
            }
            assert_true(fabs((double)toy->v[i] - sum / count) < 1e-5);
        }
        free(median);
        free(toy);
    }
}

static void test_refusal(void **state)
{
    struct toy *toy = toy_make_golden("trimmed_mean", 4);

    (void)state;
    toy_set(toy, "trim", 2.0);
    toy_refused(toy, "recipe-range", "\"trim\" is 2 at both ends; that leaves none of 4 inputs");
    free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_naive),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
