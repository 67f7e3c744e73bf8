/* SPDX-License-Identifier: Apache-2.0 */
#include "toy.h"

static struct toy *run(const float (*tau)[4], uint32_t count)
{
    struct toy *toy = toy_make("fedexp", count, 4);

    for (uint32_t t = 0; t < count; t++) {
        memcpy(toy->tau[t], tau[t], sizeof(tau[t]));
    }
    toy_good(toy);
    assert_true(toy->has_factor);
    return toy;
}

static void test_orthogonal(void **state)
{
    const float tau[3][4] = {{1.0F}, {0.0F, 3.0F}, {0.0F, 0.0F, -2.0F}};
    struct toy *toy = run(tau, 3);

    (void)state;
    toy_near(toy->factor, 0.5);
    assert_true(toy->v[0] == 1.0F && toy->v[1] == 3.0F && toy->v[2] == -2.0F);
    assert_true(toy_heard(toy, "method-step: fedexp: lambda 0.5, beta 1.5"));
    free(toy);
}

static void test_identical(void **state)
{
    const float tau[3][4] = {{1.0F, 2.0F}, {1.0F, 2.0F}, {1.0F, 2.0F}};
    struct toy *toy = run(tau, 3);

    (void)state;
    toy_near(toy->factor, 1.0 / 3.0);
    assert_true(toy_heard(toy, "method-alike"));
    free(toy);
}

/* Two of equal norm with cosine c: 0.5 / (1 + c). */
static void test_cosine(void **state)
{
    const float tau[2][4] = {{5.0F, 0.0F}, {-3.0F, 4.0F}};
    struct toy *toy = run(tau, 2);

    (void)state;
    toy_near(toy->factor, 0.5 / (1.0 - 0.6));
    free(toy);
}

static void test_nothing_left(void **state)
{
    const float opposite[2][4] = {{1.0F, 2.0F}, {-1.0F, -2.0F}};
    const float none[2][4] = {{0.0F}, {0.0F}};
    struct toy *toy = run(opposite, 2);

    (void)state;
    assert_true(toy->factor == 0.5); /* beta = 1 */
    assert_true(toy_heard(toy, "method-cancelled"));
    free(toy);
    toy = run(none, 2);
    assert_true(toy->factor == 0.5);
    assert_true(toy_heard(toy, "method-zero: input 1 equals the base: it adds nothing, and counts "
                               "as an input all the same (2 of 2"));
    free(toy);
}

static void test_golden_set(void **state)
{
    struct toy *toy = toy_make_golden("fedexp", 4);

    (void)state;
    toy_good(toy);
    /* SUM(n^2) = 78.75; ||S||^2 = 36 + 25 + .25 + 81 + 1 = 143.25 */
    toy_near(toy->factor, 0.5 * 78.75 / 143.25);
    assert_false(toy->method->takes_lambda);
    free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orthogonal), cmocka_unit_test(test_identical),
        cmocka_unit_test(test_cosine),     cmocka_unit_test(test_nothing_left),
        cmocka_unit_test(test_golden_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
