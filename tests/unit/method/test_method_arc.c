/* SPDX-License-Identifier: Apache-2.0 */
#include "toy.h"

static void test_radius(void **state)
{
    struct toy *toy = toy_make_golden("arc", 4);

    (void)state;
    /* k = floor(2 * (1 / 4) * 3) = 1: the longest, t4, is cut to the next, t3. */
    toy_set(toy, "f", 1.0);
    toy_good(toy);
    toy_near(toy->radius, 3.88104367);
    toy_near(toy->coefs[3], 3.88104367 / 6.54790043);
    assert_true(toy->coefs[0] == 1.0 && toy->coefs[1] == 1.0 && toy->coefs[2] == 1.0);
    assert_false(toy_heard(toy, "method-majority"));
    /* k = floor(2 * (2 / 4) * 2) = 2 */
    toy_set(toy, "f", 2.0);
    toy_good(toy);
    toy_near(toy->radius, 3.78318649);
    assert_true(toy_heard(toy, "method-majority: arc: f = 2 of 4 inputs"));
    free(toy);
}

/* As cclip with that radius; with f = 0 nothing is clipped. */
static void test_is_cclip(void **state)
{
    struct prng prng = prng_make(prng_seed(20));

    (void)state;
    for (uint32_t count = 1; count <= 12; count++) {
        struct toy *toy = toy_make("arc", count, 50);
        struct toy *clip = toy_make("cclip", count, 50);

        toy_fill(toy, &prng);
        toy_copy(clip, toy);
        toy_set(toy, "f", (count - 1) / 2);
        toy_good(toy);
        toy_set(clip, "radius", toy->radius);
        toy_good(clip);
        toy_same_v(toy, clip);
        toy_set(toy, "f", 0.0);
        toy_good(toy);
        for (uint32_t t = 0; t < count; t++) {
            assert_true(toy->coefs[t] == 1.0);
        }
        free(clip);
        free(toy);
    }
}

static void test_equal_norms(void **state)
{
    struct toy *toy = toy_make("arc", 3, 3);

    (void)state;
    for (uint32_t t = 0; t < 3; t++) {
        toy->tau[t][t] = 2.0F;
    }
    toy_set(toy, "f", 1.0);
    toy_good(toy);
    assert_true(toy->radius == 2.0 && toy->coefs[0] == 1.0);
    free(toy);
}

static void test_refusal(void **state)
{
    struct toy *toy = toy_make_golden("arc", 4);

    (void)state;
    toy_set(toy, "f", 4.0);
    toy_refused(toy, "recipe-range", "\"f\" is 4; of 4 inputs fewer may be bad");
    free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_radius),
        cmocka_unit_test(test_is_cclip),
        cmocka_unit_test(test_equal_norms),
        cmocka_unit_test(test_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
