/* SPDX-License-Identifier: Apache-2.0 */
#include "toy.h"

/* Scores in the plainest way. */
static double score(const struct toy *toy, uint32_t s, uint32_t neighbour_count)
{
    double distances[TOY_INPUTS_MAX];
    double sum = 0.0;
    uint32_t count = 0;

    for (uint32_t t = 0; t < toy->count; t++) {
        double square = 0.0;

        for (size_t i = 0; i < toy->length && t != s; i++) {
            square += ((double)toy->tau[s][i] - (double)toy->tau[t][i]) *
                      ((double)toy->tau[s][i] - (double)toy->tau[t][i]);
        }
        if (t != s) {
            distances[count++] = square;
        }
    }
    for (uint32_t k = 0; k < neighbour_count; k++) {
        uint32_t least = k;

        for (uint32_t t = k + 1; t < count; t++) {
            least = distances[t] < distances[least] ? t : least;
        }
        sum += distances[least];
        distances[least] = distances[k];
    }
    return sum;
}

static void test_naive(void **state)
{
    struct prng prng = prng_make(prng_seed(14));

    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        const uint32_t count = (uint32_t)prng_between(&prng, 3, 20);
        const uint32_t f = (uint32_t)prng_below(&prng, (count - 3) / 2 + 1);
        const uint32_t m = (uint32_t)prng_between(&prng, 1, count - f - 2);
        struct toy *one = toy_make("krum", count, 60);
        struct toy *many = toy_make("multi_krum", count, 60);
        uint32_t best = 0;
        uint32_t taken = 0;

        toy_fill(one, &prng);
        toy_copy(many, one);
        toy_set(one, "f", f);
        toy_set(many, "f", f);
        toy_set(many, "m", m);
        toy_good(one);
        toy_good(many);
        for (uint32_t t = 0; t < count; t++) {
            const double own = score(one, t, count - f - 2);
            uint32_t better = 0;

            best = own < score(one, best, count - f - 2) ? t : best;
            for (uint32_t s = 0; s < count; s++) {
                better += score(one, s, count - f - 2) < own ? 1 : 0;
            }
            assert_true((many->coefs[t] > 0.0) == (better < m));
            taken += many->coefs[t] == 1.0 / m ? 1 : 0;
        }
        assert_int_equal(taken, m);
        for (uint32_t t = 0; t < count; t++) {
            assert_true(one->coefs[t] == (t == best ? 1.0 : 0.0));
        }
        assert_memory_equal(one->v, one->tau[best], 60 * sizeof(float));
        free(many);
        free(one);
    }
}

static void test_outlier_is_left_out(void **state)
{
    struct toy *toy = toy_make("multi_krum", 5, 4);

    (void)state;
    for (uint32_t t = 0; t < 5; t++) {
        toy->tau[t][0] = t == 1 ? -50.0F : 1.0F + 0.125F * (float)t;
    }
    toy_set(toy, "f", 1.0);
    toy_set(toy, "m", 2.0);
    toy_good(toy);
    assert_true(toy->coefs[1] == 0.0);
    toy_near(toy->coefs[0] + toy->coefs[2] + toy->coefs[3] + toy->coefs[4], 1.0);
    free(toy);
}

/* All alike: the lowest numbers win. */
static void test_ties(void **state)
{
    struct toy *toy = toy_make("multi_krum", 5, 4);

    (void)state;
    for (uint32_t t = 0; t < 5; t++) {
        toy->tau[t][0] = 1.0F;
    }
    toy_set(toy, "f", 0.0);
    toy_set(toy, "m", 2.0);
    toy_good(toy);
    assert_true(toy->coefs[0] == 0.5 && toy->coefs[1] == 0.5 && toy->coefs[2] == 0.0);
    free(toy);
}

static void test_refusals(void **state)
{
    struct toy *toy = toy_make_golden("krum", 4);

    (void)state;
    toy_set(toy, "f", 1.0);
    toy_refused(toy, "recipe-count", "f = 1 needs at least 5 inputs (2 f + 3); there are 4");
    free(toy);
    toy = toy_make_golden("multi_krum", 5);
    toy_set(toy, "f", 1.0);
    toy_set(toy, "m", 3.0);
    toy_refused(toy, "recipe-range", "\"m\" is 3; with 5 inputs and f = 1 it is at most 2");
    toy_set(toy, "m", 2.0);
    toy_good(toy);
    assert_null(of_method_param(of_method_find("krum"), "m"));
    free(toy);
}

static void test_orthogonal_tasks_are_named(void **state)
{
    struct toy *toy = toy_make("krum", 4, 4);

    (void)state;
    for (uint32_t t = 0; t < 4; t++) {
        toy->tau[t][t] = t == 2 ? 0.5F : 1.0F;
    }
    toy_set(toy, "f", 0.0);
    toy_good(toy);
    assert_true(toy_heard(toy, "method-orthogonal: the task vectors are close to orthogonal (mean "
                               "cosine 0.000)"));
    assert_true(toy->coefs[2] == 1.0); /* the shortest, as the words say */
    free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_naive),
        cmocka_unit_test(test_outlier_is_left_out),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_orthogonal_tasks_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
