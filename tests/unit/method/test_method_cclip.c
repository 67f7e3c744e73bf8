/* SPDX-License-Identifier: Apache-2.0 */
#include "toy.h"

enum { BASE, MEAN, MEDIAN };

static void test_golden(void **state)
{
    const double coefs[] = {0.673905388, 1.0, 0.656913442, 0.389362939};
    const double v[] = {3.5744437, -2.70791404, 0.642271224, 0.0668876256, 4.28235774, -1.03336758};
    struct toy *toy = toy_make_golden("cclip", 4);

    (void)state;
    toy_set(toy, "radius", 2.54950976);
    toy_good(toy);
    toy_expect_coefs(toy, coefs);
    toy_expect(toy, v);
    assert_true(toy->radius == 2.54950976);
    assert_int_equal(of_method_need(toy->method, &toy->given.params), OF_GRAM_NORMS);
    free(toy);
}

static void test_ends(void **state)
{
    const double ones[] = {1.0, 1.0, 1.0, 1.0};
    struct toy *toy = toy_make_golden("cclip", 4);
    struct toy *sum = toy_make_golden("task_arithmetic", 4);
    double norms[4];

    (void)state;
    toy_row(sum, "weight", ones);
    toy_good(sum);
    toy_set(toy, "radius", 6.6);
    toy_good(toy);
    toy_same_v(toy, sum);
    assert_true(toy_heard(toy, "method-inert: cclip: radius 6.6 clips nothing"));
    /* A radius below all norms only scales: one half gives one half. */
    toy_set(toy, "radius", 2.0);
    toy_good(toy);
    assert_true(toy_heard(toy, "clips every input to the same length"));
    for (uint32_t t = 0; t < 4; t++) {
        norms[t] = toy->coefs[t];
    }
    toy_set(toy, "radius", 1.0);
    toy_good(toy);
    for (uint32_t t = 0; t < 4; t++) {
        toy_near(toy->coefs[t], norms[t] / 2.0);
    }
    toy_set(toy, "radius", 4.0);
    toy_good(toy);
    assert_false(toy_heard(toy, "method-inert"));
    free(sum);
    free(toy);
}

static void test_equal_norms_and_zero(void **state)
{
    struct toy *toy = toy_make("cclip", 3, 2);

    (void)state;
    toy->tau[0][0] = 2.0F;
    toy->tau[1][1] = 2.0F;
    toy->tau[2][1] = -2.0F;
    toy_set(toy, "radius", 1.0);
    toy_good(toy);
    assert_true(toy_heard(toy, "method-inert: cclip: all task vectors are equally long (2)"));
    toy->tau[2][1] = 0.0F;
    toy_good(toy);
    assert_true(toy->coefs[2] == 1.0); /* n = 0 is not divided by */
    assert_true(toy_heard(toy, "method-zero: input 3 equals the base"));
    free(toy);
}

/* The published iteration on the vectors themselves. */
static void naive(const struct toy *toy, double radius, uint32_t rounds, double *v)
{
    for (uint32_t l = 0; l < rounds; l++) {
        double next[TOY_LENGTH_MAX];

        memcpy(next, v, toy->length * sizeof(v[0]));
        for (uint32_t t = 0; t < toy->count; t++) {
            double square = 0.0;

            for (size_t i = 0; i < toy->length; i++) {
                square += ((double)toy->tau[t][i] - v[i]) * ((double)toy->tau[t][i] - v[i]);
            }
            for (size_t i = 0; i < toy->length; i++) {
                next[i] += ((double)toy->tau[t][i] - v[i]) *
                           fmin(1.0, radius / fmax(sqrt(square), 1e-300)) / toy->count;
            }
        }
        memcpy(v, next, toy->length * sizeof(v[0]));
    }
}

static void check(const struct toy *from, double radius, uint32_t rounds, int start)
{
    struct toy *toy = toy_make("cclip", from->count, from->length);
    double v[TOY_LENGTH_MAX] = {0.0};

    toy_copy(toy, from);
    toy_set(toy, "radius", radius);
    toy_set(toy, "iterations", rounds);
    toy_set(toy, "start", start);
    toy_good(toy);
    for (uint32_t t = 0; start == MEAN && t < toy->count; t++) {
        for (size_t i = 0; i < toy->length; i++) {
            v[i] += (double)toy->tau[t][i] / toy->count;
        }
    }
    naive(toy, radius, rounds, v);
    for (size_t i = 0; i < toy->length; i++) {
        /* The rule's own form is the sum. */
        assert_true(fabs((double)toy->v[i] / toy->count - v[i]) < 1e-5);
    }
    free(toy);
}

static void test_iterated(void **state)
{
    struct prng prng = prng_make(prng_seed(10));

    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        struct toy *toy = toy_make("cclip", (uint32_t)prng_between(&prng, 1, 12), 40);

        toy_fill(toy, &prng);
        check(toy, 1.0 + 6.0 * prng_unit(&prng), 1 + i % 7, i % 2 == 0 ? BASE : MEAN);
        free(toy);
    }
}

static void test_many_rounds_reach_the_mean(void **state)
{
    struct toy *toy = toy_make_golden("cclip", 4);

    (void)state;
    toy_set(toy, "radius", 100.0);
    toy_set(toy, "iterations", 100000.0);
    toy_good(toy);
    for (uint32_t t = 0; t < 4; t++) {
        toy_near(toy->coefs[t], 1.0);
    }
    free(toy);
}

static void test_one_input(void **state)
{
    struct toy *toy = toy_make_golden("cclip", 1);

    (void)state;
    toy_set(toy, "radius", 100.0);
    toy_good(toy);
    assert_memory_equal(toy->v, toy->tau[0], 6 * sizeof(float));
    free(toy);
}

static void test_needs_and_refusals(void **state)
{
    struct toy *toy = toy_make_golden("cclip", 3);
    onefold_error err;

    (void)state;
    toy_set(toy, "radius", 1.0);
    toy_set(toy, "start", MEAN);
    assert_int_equal(of_method_need(toy->method, &toy->given.params), OF_GRAM_FULL);
    toy_set(toy, "start", BASE);
    toy_set(toy, "iterations", 2.0);
    assert_int_equal(of_method_need(toy->method, &toy->given.params), OF_GRAM_FULL);
    toy_set(toy, "start", MEDIAN);
    assert_int_equal(toy_run(toy), ONEFOLD_E_RECIPE);
    assert_string_equal(toy->given.err.id, "recipe-unsupported");
    assert_non_null(strstr(toy->given.err.message, "start: median is not offered"));
    assert_int_equal(of_param_check(of_method_param(toy->method, "radius"), 0.0, &err),
                     ONEFOLD_E_RECIPE);
    assert_non_null(strstr(err.message, "it must be above 0"));
    free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_equal_norms_and_zero),
        cmocka_unit_test(test_iterated),
        cmocka_unit_test(test_many_rounds_reach_the_mean),
        cmocka_unit_test(test_one_input),
        cmocka_unit_test(test_needs_and_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
