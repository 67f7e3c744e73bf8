/* SPDX-License-Identifier: Apache-2.0 */
#include "method/network.h"
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

/* Coordinate by coordinate; by counting, not by sorting. */
static double naive_median(const struct toy *toy, size_t i)
{
    double middle[2] = {0.0, 0.0};

    for (uint32_t t = 0; t < toy->count; t++) {
        uint32_t below = 0;
        uint32_t equal = 0;

        for (uint32_t s = 0; s < toy->count; s++) {
            below += toy->tau[s][i] < toy->tau[t][i] ? 1 : 0;
            equal += toy->tau[s][i] == toy->tau[t][i] ? 1 : 0;
        }
        for (uint32_t k = 0; k < 2; k++) {
            const uint32_t rank = (toy->count - 1 + k) / 2;

            if (rank >= below && rank < below + equal) {
                middle[k] = (double)toy->tau[t][i];
            }
        }
    }
    return 0.5 * (middle[0] + middle[1]);
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
    for (size_t i = 0; start == MEDIAN && i < toy->length; i++) {
        v[i] = naive_median(toy, i);
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
    for (uint32_t i = 0; i < 60; i++) {
        struct toy *toy = toy_make("cclip", (uint32_t)prng_between(&prng, 1, 12), 40);

        toy_fill(toy, &prng);
        check(toy, 1.0 + 6.0 * prng_unit(&prng), 1 + i % 7, (int)(i % 3));
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

/* A first round that cuts nothing ends at the mean; one that cuts nearly all stays at the median.
 */
static void test_ends_of_the_median(void **state)
{
    const double mean[] = {6.0, -5.0, 0.5, 0.0, 9.0, -1.0};
    const double median[] = {6.0, -6.0, 1.0, 0.0, 10.0, -1.5};
    struct toy *toy = toy_make_golden("cclip", 4);

    (void)state;
    toy_set(toy, "start", MEDIAN);
    toy_set(toy, "radius", 100.0);
    toy_good(toy);
    toy_expect(toy, mean);
    assert_true(toy->coefs[4] == 0.0);
    toy_set(toy, "radius", 1e-9);
    toy_good(toy);
    toy_expect(toy, median);
    toy_near(toy->coefs[4], 4.0);
    assert_false(toy_heard(toy, "input 5"));
    free(toy);
}

/* As many as are taken: the rule's sorting works in the narrowest strips. */
static void test_median_of_many(void **state)
{
    struct prng prng = prng_make(prng_seed(11));
    struct toy *toy = toy_make("cclip", TOY_INPUTS_MAX - 1, TOY_LENGTH_MAX);

    (void)state;
    toy_fill(toy, &prng);
    toy_set(toy, "start", MEDIAN);
    toy_make_extra(toy);
    for (size_t i = 0; i < toy->length; i++) {
        assert_true((double)toy->tau[toy->count][i] == (double)(float)naive_median(toy, i));
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
    toy_set(toy, "iterations", 1.0);
    assert_int_equal(of_method_need(toy->method, &toy->given.params), OF_GRAM_FULL);
    toy->given.params.input_count = OF_NETWORK_WIRES_MAX + 1;
    toy_refused(toy, "recipe-count", "start: median takes at most 256 models, not 257");
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
        cmocka_unit_test(test_ends_of_the_median),
        cmocka_unit_test(test_median_of_many),
        cmocka_unit_test(test_one_input),
        cmocka_unit_test(test_needs_and_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
