/* SPDX-License-Identifier: Apache-2.0 */
#include "toy.h"

enum { ALL, NONZERO };

static void expect(struct toy *toy, double rho, const float *v)
{
    toy_set(toy, "rho", rho);
    toy_good(toy);
    for (size_t i = 0; i < toy->length; i++) {
        assert_true(toy->v[i] == v[i]);
    }
}

static void test_golden(void **state)
{
    const float quarter[] = {6.0F, -5.0F, 0.5F, 0.0F, 9.0F, -1.0F};
    const float half[] = {6.0F, -5.0F, 0.125F, 0.0F, 9.0F, -1.0F};
    const float more[] = {3.0F, -2.5F, 0.125F, 0.0F, 4.5F, -0.5F};
    struct toy *toy = toy_make_golden("fedgma", 4);

    (void)state;
    expect(toy, 0.0, quarter); /* the sum */
    expect(toy, 0.25, quarter);
    expect(toy, 0.5, half);
    expect(toy, 0.6, more);
    expect(toy, 1e30, more); /* a pure soft mask, which no agreement passes */
    free(toy);
}

/* agreement, sum and rule in double; ties by whole numbers. */
static double naive(const struct toy *toy, size_t i, double rho, bool nonzero)
{
    double sum = 0.0;
    int vote = 0;
    int voters = 0;

    for (uint32_t t = 0; t < toy->count; t++) {
        const double d = (double)toy->tau[t][i];

        sum += d;
        vote += d > 0.0 ? 1 : d < 0.0 ? -1 : 0;
        voters += nonzero && d == 0.0 ? 0 : 1;
    }
    vote = abs(vote);
    if (voters == 0) {
        return 0.0;
    }
    return vote >= ceil(rho * voters - 1e-9) ? sum : sum * vote / voters;
}

static void test_naive(void **state)
{
    const uint32_t counts[] = {1, 2, 3, 4, 5, 8, 10, 31, 100, 256};
    const double rhos[] = {0.0, 0.1, 0.2, 0.30000000000000004, 0.6, 0.7, 0.8, 1.0, 1.5};
    struct prng prng = prng_make(prng_seed(7));

    (void)state;
    for (size_t c = 0; c < OF_LENGTH(counts); c++) {
        struct toy *toy = toy_make("fedgma", counts[c], TOY_LENGTH_MAX);

        toy_fill(toy, &prng);
        for (size_t r = 0; r < 2 * OF_LENGTH(rhos); r++) {
            const bool nonzero = r % 2 == 1;

            toy_set(toy, "rho", rhos[r / 2]);
            toy_set(toy, "voters", nonzero ? NONZERO : ALL);
            toy_good(toy);
            for (size_t i = 0; i < toy->length; i++) {
                assert_true(fabs((double)toy->v[i] - naive(toy, i, rhos[r / 2], nonzero)) < 1e-4);
            }
        }
        free(toy);
    }
}

/* At rho 0 the sum of task arithmetic to the last bit. */
static void test_rho_0_is_task_arithmetic(void **state)
{
    struct prng prng = prng_make(prng_seed(8));
    const double ones[] = {1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0};
    struct toy *toy = toy_make("fedgma", 7, TOY_LENGTH_MAX);
    struct toy *sum = toy_make("task_arithmetic", 7, TOY_LENGTH_MAX);

    (void)state;
    toy_fill(toy, &prng);
    toy_copy(sum, toy);
    toy_row(sum, "weight", ones);
    toy_set(toy, "rho", 0.0);
    toy_good(toy);
    toy_good(sum);
    toy_same_v(toy, sum);
    free(sum);
    free(toy);
}

static void test_shares(void **state)
{
    const double equal[] = {3.0, 3.0, 3.0};
    const double samples[] = {100.0, 200.0, 700.0};
    const float tau[3][4] = {
        {1.0F, 1.0F, 0.0F, 2.0F}, {1.0F, 0.0F, 0.0F, 1.0F}, {-1.0F, 1.0F, 0.0F, 1.0F}};
    struct toy *toy = toy_make("fedgma", 3, 4);

    (void)state;
    memcpy(toy->tau[0], tau[0], sizeof(tau[0]));
    memcpy(toy->tau[1], tau[1], sizeof(tau[1]));
    memcpy(toy->tau[2], tau[2], sizeof(tau[2]));
    /* Coordinate 0: .1 + .2 - .7, an agreement of .4; the mean is -.4, the sum form three times it.
     */
    toy_row(toy, "samples", samples);
    toy_set(toy, "rho", 0.4); /* a tie that rounding must not decide */
    toy_good(toy);
    toy_near((double)toy->v[0], 3.0 * -0.4);
    toy_near((double)toy->v[1], 3.0 * 0.8);
    toy_near((double)toy->v[2], 0.0);
    toy_near((double)toy->v[3], 3.0 * 1.1);
    toy_set(toy, "rho", 0.9);
    toy_good(toy);
    toy_near((double)toy->v[0], 3.0 * -0.4 * 0.4);
    toy_near((double)toy->v[1], 3.0 * 0.8 * 0.8);
    toy_near((double)toy->v[3], 3.0 * 1.1); /* all agree */
    toy_set(toy, "voters", NONZERO);
    toy_good(toy);
    toy_near((double)toy->v[1], 3.0 * 0.8); /* both who vote agree */
    toy_near((double)toy->v[2], 0.0);
    /* Equal shares are none. */
    toy_row(toy, "samples", equal);
    toy_set(toy, "rho", 1.0 / 3.0);
    toy_good(toy);
    assert_true(toy->coefs[0] == 1.0 && toy->coefs[1] == 1.0 && toy->coefs[2] == 1.0);
    assert_true(toy->v[0] == 1.0F);
    free(toy);
}

static void test_order_and_scale(void **state)
{
    struct prng prng = prng_make(prng_seed(9));
    struct toy *a = toy_make("fedgma", 9, TOY_LENGTH_MAX);
    struct toy *b = toy_make("fedgma", 9, TOY_LENGTH_MAX);

    (void)state;
    toy_fill(a, &prng);
    toy_permute(b, a, 4, 3);
    toy_set(a, "rho", 0.5);
    toy_set(b, "rho", 0.5);
    toy_good(a);
    toy_good(b);
    for (size_t i = 0; i < a->length; i++) {
        assert_true(fabsf(a->v[i] - b->v[i]) < 1e-5F); /* sums depend on order in the last bits */
    }
    for (uint32_t t = 0; t < 9; t++) {
        for (size_t i = 0; i < b->length; i++) {
            b->tau[t][i] = -8.0F * a->tau[t][i];
        }
    }
    toy_good(b);
    for (size_t i = 0; i < a->length; i++) {
        assert_true(b->v[i] == -8.0F * a->v[i]);
    }
    free(b);
    free(a);
}

static void test_words(void **state)
{
    const double samples[] = {1.0, 2.0};
    struct toy *toy = toy_make_golden("fedgma", 2);

    (void)state;
    toy_set(toy, "rho", 0.3);
    toy_good(toy);
    assert_true(toy_heard(toy, "method-inert: fedgma: with 2 inputs rho has no influence"));
    toy_set(toy, "rho", 0.0);
    toy_good(toy);
    assert_false(toy_heard(toy, "method-inert"));
    toy_set(toy, "rho", 0.3);
    toy_row(toy, "samples", samples);
    toy_good(toy);
    assert_false(toy_heard(toy, "method-inert"));
    free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_naive),
        cmocka_unit_test(test_rho_0_is_task_arithmetic),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_order_and_scale),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
