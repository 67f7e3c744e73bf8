/* SPDX-License-Identifier: Apache-2.0 */
#include "toy.h"

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a;
    const float y = *(const float *)b;

    return x < y ? -1 : x > y ? 1 : 0;
}

/* Picks as the rule is written: Krum on what is left, the winner goes. */
static void naive_picks(const struct toy *toy, uint32_t f, bool *picked)
{
    uint32_t left = toy->count;

    memset(picked, 0, TOY_INPUTS_MAX * sizeof(picked[0]));
    for (; left > 2 * f; left--) {
        const uint32_t neighbours = left > f + 2 ? left - f - 2 : 0;
        uint32_t best = UINT32_MAX;
        double best_score = 0.0;

        for (uint32_t s = 0; s < toy->count; s++) {
            float distances[TOY_INPUTS_MAX];
            uint32_t count = 0;
            double score = 0.0;

            for (uint32_t t = 0; t < toy->count && !picked[s]; t++) {
                double square = 0.0;

                for (size_t i = 0; i < toy->length; i++) {
                    square += ((double)toy->tau[s][i] - (double)toy->tau[t][i]) *
                              ((double)toy->tau[s][i] - (double)toy->tau[t][i]);
                }
                if (!picked[t] && t != s) {
                    distances[count++] = (float)square;
                }
            }
            qsort(distances, count, sizeof(distances[0]), compare);
            for (uint32_t k = 0; k < neighbours && k < count; k++) {
                score += (double)distances[k];
            }
            if (!picked[s] && (best == UINT32_MAX || score < best_score)) {
                best = s;
                best_score = score;
            }
        }
        picked[best] = true;
    }
}

/* One coordinate: the kept values nearest to the median, taken one by one. */
static float naive_value(const struct toy *toy, const bool *picked, uint32_t f, size_t i)
{
    float x[TOY_INPUTS_MAX] = {0.0F};
    float z[TOY_INPUTS_MAX];
    bool taken[TOY_INPUTS_MAX] = {false};
    float sum = 0.0F;
    float median;
    uint32_t q = 0;

    for (uint32_t t = 0; t < toy->count; t++) {
        if (picked[t]) {
            x[q++] = toy->tau[t][i];
        }
    }
    memcpy(z, x, sizeof(z));
    qsort(z, q, sizeof(z[0]), compare);
    median = q % 2 == 1 ? z[q / 2] : 0.5F * (z[q / 2 - 1] + z[q / 2]);
    for (uint32_t k = 0; k < q - 2 * f; k++) {
        uint32_t best = UINT32_MAX;

        for (uint32_t t = 0; t < q; t++) {
            if (!taken[t] &&
                (best == UINT32_MAX || fabsf(x[t] - median) < fabsf(x[best] - median))) {
                best = t;
            }
        }
        taken[best] = true;
    }
    for (uint32_t t = 0; t < q; t++) {
        sum = taken[t] ? sum + x[t] : sum;
    }
    return sum / (float)(q - 2 * f);
}

static void check(uint32_t count, uint32_t f, struct prng *prng)
{
    struct toy *toy = toy_make("bulyan", count, TOY_LENGTH_MAX);
    bool picked[TOY_INPUTS_MAX];

    toy_fill(toy, prng);
    toy_set(toy, "f", f);
    toy_good(toy);
    naive_picks(toy, f, picked);
    for (uint32_t t = 0; t < count; t++) {
        assert_true(toy->coefs[t] == (picked[t] ? 1.0 : 0.0));
    }
    for (size_t i = 0; i < toy->length; i++) {
        assert_true(toy->v[i] == naive_value(toy, picked, f, i));
    }
    free(toy);
}

static void test_naive(void **state)
{
    struct prng prng = prng_make(prng_seed(15));

    (void)state;
    for (uint32_t count = 3; count <= 16; count++) {
        for (uint32_t f = 0; 4 * f + 3 <= count; f++) {
            check(count, f, &prng);
        }
    }
    check(40, 9, &prng);
    check(67, 1, &prng);
}

/* The largest number of inputs; picks by an oracle would take too long. */
static void test_largest(void **state)
{
    struct prng prng = prng_make(prng_seed(16));
    struct toy *toy = toy_make("bulyan", 256, 32);
    bool picked[TOY_INPUTS_MAX];
    uint32_t count = 0;

    (void)state;
    toy_fill(toy, &prng);
    toy_set(toy, "f", 63.0);
    toy_good(toy);
    for (uint32_t t = 0; t < 256; t++) {
        picked[t] = toy->coefs[t] == 1.0;
        count += picked[t] ? 1 : 0;
    }
    assert_int_equal(count, 256 - 2 * 63);
    for (size_t i = 0; i < toy->length; i++) {
        assert_true(toy->v[i] == naive_value(toy, picked, 63, i));
    }
    free(toy);
}

/* f = 0 is the mean of all: everything is picked, and everything is near enough. */
static void test_f_0_is_the_mean(void **state)
{
    struct prng prng = prng_make(prng_seed(17));
    struct toy *toy = toy_make("bulyan", 5, TOY_LENGTH_MAX);
    struct toy *mean = toy_make("fedavg", 5, TOY_LENGTH_MAX);

    (void)state;
    toy_fill(toy, &prng);
    toy_copy(mean, toy);
    toy_set(toy, "f", 0.0);
    toy_good(toy);
    toy_good(mean);
    for (size_t i = 0; i < toy->length; i++) {
        assert_true(fabsf(toy->v[i] - mean->v[i]) < 1e-6F);
    }
    free(mean);
    free(toy);
}

/* A bad coordinate that is too small for whole-model distances does not pass. */
static void test_one_bad_coordinate(void **state)
{
    struct prng prng = prng_make(prng_seed(18));
    struct toy *toy = toy_make("bulyan", 7, TOY_LENGTH_MAX);

    (void)state;
    for (uint32_t t = 0; t < 7; t++) {
        for (size_t i = 0; i < toy->length; i++) {
            toy->tau[t][i] = 1.0F + 0.25F * (float)prng_bell(&prng);
        }
    }
    toy->tau[2][11] = 1e3F;
    toy_set(toy, "f", 1.0);
    toy_good(toy);
    assert_true(fabsf(toy->v[11] - 1.0F) < 1.0F);
    free(toy);
}

static void test_refusal(void **state)
{
    struct toy *toy = toy_make("bulyan", 6, 4);

    (void)state;
    toy_set(toy, "f", 1.0);
    toy_refused(toy, "recipe-count", "f = 1 needs at least 7 inputs (4 f + 3); there are 6");
    free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_naive),           cmocka_unit_test(test_largest),
        cmocka_unit_test(test_f_0_is_the_mean), cmocka_unit_test(test_one_bad_coordinate),
        cmocka_unit_test(test_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
