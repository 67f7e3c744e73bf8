/* SPDX-License-Identifier: Apache-2.0 */
#include "toy.h"

static void test_golden(void **state)
{
    const double coefs[] = {0.497392553, 0.15271351, 0.193488934, 0.156405003};
    struct toy *toy = toy_make_golden("geometric_median", 4);

    (void)state;
    toy_set(toy, "iterations", 1.0);
    toy_good(toy);
    toy_expect_coefs(toy, coefs);
    assert_false(toy_heard(toy, "method-vertex"));
    free(toy);
}

/* In the limit the minimiser is input 1; the steps alone only crawl there. */
static void test_vertex(void **state)
{
    const double samples[] = {1.0, 1.0, 1.0, 1.0};
    const double some[] = {0.0, 1.0, 1.0, 1.0};
    struct toy *toy = toy_make_golden("geometric_median", 4);

    (void)state;
    toy_set(toy, "iterations", 1000.0);
    toy_row(toy, "samples", samples);
    toy_good(toy);
    assert_true(toy_heard(toy, "method-vertex: geometric_median: the minimiser is input 1 itself"));
    assert_memory_equal(toy->v, toy->tau[0], 6 * sizeof(float));
    toy_row(toy, "samples", some);
    toy_good(toy);
    assert_true(toy->coefs[0] == 0.0);
    free(toy);
}

static double objective(const struct toy *toy, const double *shares, const double *z)
{
    double sum = 0.0;

    for (uint32_t t = 0; t < toy->count; t++) {
        double square = 0.0;

        for (size_t i = 0; i < toy->length; i++) {
            square += ((double)toy->tau[t][i] - z[i]) * ((double)toy->tau[t][i] - z[i]);
        }
        sum += shares[t] * sqrt(square);
    }
    return sum;
}

/* Weiszfeld on the vectors themselves. */
static void naive(const struct toy *toy, const double *shares, uint32_t rounds, double *z)
{
    for (uint32_t t = 0; t < toy->count; t++) {
        for (size_t i = 0; i < toy->length; i++) {
            z[i] += shares[t] * (double)toy->tau[t][i];
        }
    }
    for (uint32_t l = 0; l < rounds; l++) {
        double next[TOY_LENGTH_MAX] = {0.0};
        double sum = 0.0;

        for (uint32_t t = 0; t < toy->count; t++) {
            double square = 0.0;
            double weight;

            for (size_t i = 0; i < toy->length; i++) {
                square += ((double)toy->tau[t][i] - z[i]) * ((double)toy->tau[t][i] - z[i]);
            }
            weight = shares[t] / fmax(1e-5, sqrt(square));
            sum += weight;
            for (size_t i = 0; i < toy->length; i++) {
                next[i] += weight * (double)toy->tau[t][i];
            }
        }
        for (size_t i = 0; i < toy->length; i++) {
            z[i] = next[i] / sum;
        }
    }
}

static void test_naive(void **state)
{
    struct prng prng = prng_make(prng_seed(11));

    (void)state;
    for (uint32_t i = 0; i < 30; i++) {
        struct toy *toy = toy_make("geometric_median", (uint32_t)prng_between(&prng, 3, 12), 50);
        double weights[TOY_INPUTS_MAX];
        double z[TOY_LENGTH_MAX] = {0.0};
        double sum = 0.0;

        toy_fill(toy, &prng);
        toy->tau[0][7] = 100.0F; /* far from settled after a step */
        for (uint32_t t = 0; t < toy->count; t++) {
            weights[t] = 0.1 + prng_unit(&prng);
            sum += weights[t];
        }
        toy_row(toy, "weight", weights);
        toy_set(toy, "iterations", 2.0);
        toy_good(toy);
        for (uint32_t t = 0; t < toy->count; t++) {
            weights[t] /= sum;
        }
        naive(toy, weights, 2, z);
        for (size_t j = 0; j < toy->length; j++) {
            assert_true(fabs((double)toy->v[j] - z[j]) < 1e-5);
        }
        free(toy);
    }
}

/* Settled steps are near the best that many more steps find. */
static void test_settled(void **state)
{
    const double shares[] = {0.25, 0.25, 0.25, 0.25};
    struct prng prng = prng_make(prng_seed(12));

    (void)state;
    for (uint32_t i = 0; i < 20; i++) {
        struct toy *toy = toy_make("geometric_median", 4, 30);
        double z[TOY_LENGTH_MAX] = {0.0};
        double v[TOY_LENGTH_MAX];

        toy_fill(toy, &prng);
        toy_set(toy, "iterations", 10000.0);
        toy_good(toy);
        naive(toy, shares, 3000, z);
        for (size_t j = 0; j < toy->length; j++) {
            v[j] = (double)toy->v[j];
        }
        assert_true(objective(toy, shares, v) <= objective(toy, shares, z) * (1.0 + 1e-4));
        free(toy);
    }
}

static void test_one_and_equal_inputs(void **state)
{
    struct toy *toy = toy_make_golden("geometric_median", 1);

    (void)state;
    toy_good(toy);
    assert_memory_equal(toy->v, toy->tau[0], 6 * sizeof(float));
    free(toy);
    toy = toy_make_golden("geometric_median", 4);
    memcpy(toy->tau[1], toy->tau[0], sizeof(toy->tau[0]));
    memcpy(toy->tau[2], toy->tau[0], sizeof(toy->tau[0]));
    toy_set(toy, "iterations", 100.0);
    toy_good(toy); /* three of four are one point, which is the minimiser */
    assert_true(toy_heard(toy, "method-vertex"));
    assert_true(
        toy_heard(toy, "method-alike: inputs 1 and 2 are alike (cosine above 0.95; 3 pairs"));
    toy_near((double)toy->v[0], 1.0);
    free(toy);
}

static void test_outlier_moves_little(void **state)
{
    struct prng prng = prng_make(prng_seed(13));
    struct toy *toy = toy_make("geometric_median", 7, 64);
    struct toy *far = toy_make("geometric_median", 7, 64);

    (void)state;
    toy_fill(toy, &prng);
    toy_copy(far, toy);
    for (size_t i = 0; i < 64; i++) {
        far->tau[3][i] = 1000.0F;
    }
    toy_set(toy, "iterations", 100.0);
    toy_set(far, "iterations", 100.0);
    toy_good(toy);
    toy_good(far);
    for (size_t i = 0; i < 64; i++) {
        /* The mean moves by 1000 / 7. */
        assert_true(fabs((double)far->v[i] - (double)toy->v[i]) < 2.0);
    }
    assert_true(toy_heard(far, "method-dominant: the task vector of input 4"));
    free(far);
    free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_vertex),
        cmocka_unit_test(test_naive),
        cmocka_unit_test(test_settled),
        cmocka_unit_test(test_one_and_equal_inputs),
        cmocka_unit_test(test_outlier_moves_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
