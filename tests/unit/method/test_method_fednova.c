/* SPDX-License-Identifier: Apache-2.0 */
#include "toy.h"

static struct toy *make(uint32_t count, const double *steps)
{
    struct toy *toy = toy_make_golden("fednova", count);

    toy_row(toy, "steps", steps);
    return toy;
}

static void test_golden(void **state)
{
    const double steps[] = {100.0, 200.0, 400.0, 100.0};
    const double coefs[] = {0.5, 0.25, 0.125, 0.5};
    const double v[] = {2.875, -1.625, 0.125, -0.09375, 4.0, 0.0};
    struct toy *toy = make(4, steps);

    (void)state;
    toy_good(toy);
    for (uint32_t t = 0; t < 4; t++) {
        assert_true((float)toy->coefs[t] == (float)coefs[t]);
    }
    for (size_t i = 0; i < 6; i++) {
        assert_true(toy->v[i] == (float)v[i]);
    }
    assert_true(toy_heard(toy, "method-inconsistency: fednova: training differs by a factor of up "
                               "to 4"));
    /* SUM(p a) SUM(p / a) - 1 = 200 * (0.25 * (2/100 + 1/200 + 1/400)) - 1 = 0.375 */
    assert_true(toy_heard(toy, "is 0.375"));
    assert_false(toy_heard(toy, "method-inert"));
    free(toy);
}

static void test_equal_steps_are_averaging(void **state)
{
    const double steps[] = {2068.0, 2068.0, 2068.0, 2068.0};
    const double near[] = {2030.0, 2052.0, 2028.0, 2068.0};
    const double samples[] = {10.0, 20.0, 30.0, 40.0};
    struct toy *toy = make(4, steps);
    struct toy *mean = toy_make_golden("fedavg", 4);

    (void)state;
    toy_row(toy, "samples", samples);
    toy_row(mean, "samples", samples);
    toy_good(toy);
    toy_good(mean);
    toy_expect_coefs(toy, mean->coefs);
    assert_true(
        toy_heard(toy, "method-inert: fednova: all inputs trained the same amount within 5"));
    toy_row(toy, "steps", near);
    toy_good(toy);
    assert_true(toy_heard(toy, "method-inert"));
    free(mean);
    free(toy);
}

static void test_only_ratios_matter(void **state)
{
    const double steps[] = {100.0, 250.0, 4000.0};
    const double tokens[] = {1e9, 2.5e9, 4e10};
    const double weights[] = {1.0, 0.0, 3.0};
    struct toy *a = make(3, steps);
    struct toy *b = make(3, tokens);

    (void)state;
    toy_row(a, "weight", weights);
    toy_row(b, "weight", weights);
    toy_good(a);
    toy_good(b);
    toy_expect_coefs(a, b->coefs);
    assert_true(a->coefs[1] == 0.0);
    /* tau_eff = .25 * 100 + .75 * 4000 */
    toy_near(a->coefs[0], 3025.0 * 0.25 / 100.0);
    toy_near(a->coefs[2], 3025.0 * 0.75 / 4000.0);
    toy_set(b, "mode", 1.0);
    toy_row(b, "lr_sum", steps);
    toy_good(b);
    toy_expect_coefs(b, a->coefs);
    free(b);
    free(a);
}

/* The recursions as the table of normalisers gives them, one step after the other. */
static double slow_momentum(double mu, uint32_t steps)
{
    double c = 0.0;
    double sum = 0.0;

    for (uint32_t k = 0; k < steps; k++) {
        c = mu * c + 1.0;
        sum += c;
    }
    return sum;
}

static double slow_proximal(double alpha, uint32_t steps)
{
    double a = 0.0;

    for (uint32_t k = 0; k < steps; k++) {
        a = a * (1.0 - alpha) + 1.0;
    }
    return a;
}

static void test_momentum(void **state)
{
    const double steps[] = {1.0, 7.0, 1000.0};
    const double rates[] = {0.0, 0.5, 0.9, 0.999999, 1.0};
    struct toy *toy = make(3, steps);

    (void)state;
    for (size_t r = 0; r < OF_LENGTH(rates); r++) {
        const double momenta[] = {rates[r], rates[r], rates[r]};
        double a[3];
        double mean = 0.0;

        toy_row(toy, "momentum", momenta);
        toy_good(toy);
        for (uint32_t t = 0; t < 3; t++) {
            a[t] = slow_momentum(rates[r], (uint32_t)steps[t]);
            mean += a[t] / 3.0;
        }
        for (uint32_t t = 0; t < 3; t++) {
            toy_near(toy->coefs[t] * (3.0 * a[t] / mean), 1.0);
        }
    }
    /* The closed form, where it does not cancel. */
    toy_near(slow_momentum(0.5, 7), (7.0 - 0.5 * (1.0 - pow(0.5, 7.0)) / 0.5) / 0.5);
    free(toy);
}

static void test_proximal(void **state)
{
    const double steps[] = {3.0, 64.0, 5000.0};
    const double alphas[] = {1e-9, 0.01, 1.0};
    struct toy *toy = make(3, steps);

    (void)state;
    toy_row(toy, "proximal", alphas);
    toy_good(toy);
    for (uint32_t t = 0; t < 3; t++) {
        const double a = slow_proximal(alphas[t], (uint32_t)steps[t]);

        /* tau_eff is the mean of the steps themselves. */
        toy_near(toy->coefs[t] * 3.0 * a / ((3.0 + 64.0 + 5000.0) / 3.0), 1.0);
    }
    toy_near(slow_proximal(0.01, 64), (1.0 - pow(0.99, 64.0)) / 0.01);
    free(toy);
}

static void test_huge_steps_end(void **state)
{
    const double steps[] = {0x1p53, 0x1p53 - 1.0};
    const double momenta[] = {0.9, 0.0};
    struct toy *toy = make(2, steps);

    (void)state;
    toy_row(toy, "momentum", momenta);
    toy_good(toy);
    toy_near(toy->coefs[1] / toy->coefs[0], 10.0); /* momentum .9 is a rate ten times as large */
    free(toy);
}

static void test_refusals(void **state)
{
    const double steps[] = {1.0, 2.0, 3.5};
    const double missing[] = {1.0, OF_PARAM_NOT_GIVEN, 3.0};
    const double none[] = {OF_PARAM_NOT_GIVEN, OF_PARAM_NOT_GIVEN, OF_PARAM_NOT_GIVEN};
    const double rates[] = {0.0, 0.0, 0.9};
    struct toy *toy = make(3, missing);

    (void)state;
    toy_refused(toy, "recipe-fact", "\"steps\" of input 2 is not known, and is never assumed");
    toy_row(toy, "steps", none);
    toy_row(toy, "lr_sum", steps);
    toy_refused(toy, "recipe-fact", "write mode: lr_sum");
    toy_set(toy, "mode", 1.0);
    toy_good(toy);
    toy_row(toy, "momentum", rates);
    toy_refused(toy, "recipe-value", "mode: steps");
    toy_set(toy, "mode", 0.0);
    toy_row(toy, "steps", steps);
    toy_refused(toy, "recipe-value", "\"momentum\" needs whole numbers of steps");
    toy_row(toy, "proximal", rates);
    toy_refused(toy, "recipe-value", "both together");
    free(toy);
}

/* Quadratics with gradient descent: tau = P (c - theta_0), P = I - (I - rate H)^K. */
static void test_quadratic_model(void **state)
{
    const double h[3][2] = {{1.0, 0.1}, {0.5, 0.2}, {2.0, 0.05}};
    const double c[3][2] = {{1.0, 2.0}, {-1.0, 1.0}, {0.5, -3.0}};
    const double steps[] = {5.0, 20.0, 80.0};
    struct toy *toy = toy_make("fednova", 3, 2);
    double across = 0.0;
    double along = 0.0;
    double loss = 0.0;
    double v[2] = {0.0, 0.0};
    double factor;

    (void)state;
    toy_row(toy, "steps", steps);
    assert_int_equal(given_prepare(&toy->given, toy->method), ONEFOLD_OK);
    for (uint32_t t = 0; t < 3; t++) {
        for (uint32_t j = 0; j < 2; j++) {
            const double tau = (1.0 - pow(1.0 - 0.01 * h[t][j], steps[t])) * c[t][j];

            v[j] += 3.0 * toy->given.coefs[t] * tau; /* sum form */
        }
    }
    toy_near(v[0], 0.351434);
    toy_near(v[1], 0.087069);
    for (uint32_t t = 0; t < 3; t++) {
        for (uint32_t j = 0; j < 2; j++) {
            across += h[t][j] * c[t][j] * v[j];
            along += h[t][j] * v[j] * v[j];
        }
    }
    factor = across / along; /* the best step in this direction */
    for (uint32_t t = 0; t < 3; t++) {
        for (uint32_t j = 0; j < 2; j++) {
            const double rest = factor * v[j] - c[t][j];

            loss += h[t][j] * rest * rest / 6.0;
        }
    }
    assert_true(fabs(factor - 1.2621) < 5e-5);
    assert_true(fabs(loss - 0.392868) < 5e-7); /* task arithmetic reaches 0.408351 */
    free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_equal_steps_are_averaging),
        cmocka_unit_test(test_only_ratios_matter),
        cmocka_unit_test(test_momentum),
        cmocka_unit_test(test_proximal),
        cmocka_unit_test(test_huge_steps_end),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_quadratic_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
