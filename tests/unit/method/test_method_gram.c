/* SPDX-License-Identifier: Apache-2.0 */
#include "toy.h"

#include "method/gram.h"
#include "method/shares.h"

static void test_golden_matrix(void **state)
{
    const double rows[4][4] = {{14.3125, -2.625, 11.25, 20.5625},
                               {-2.625, 6.5, -6.5, 1.375},
                               {11.25, -6.5, 15.0625, 8.1875},
                               {20.5625, 1.375, 8.1875, 42.875}};
    const double norms[4] = {3.78318649, 2.54950976, 3.88104367, 6.54790043};
    const double ones[4] = {1.0, 1.0, 1.0, 1.0};
    const struct of_gram gram = {.count = 4, .need = OF_GRAM_FULL, .entries = &rows[0][0]};
    struct toy *toy = toy_make_golden("krum", 4);
    double products[4];

    (void)state;
    toy_measure(toy, OF_GRAM_FULL);
    assert_memory_equal(toy->gram, rows, sizeof(rows));
    for (uint32_t t = 0; t < 4; t++) {
        toy_near(of_gram_norm(&gram, t), norms[t]);
    }
    assert_true(of_gram_project(&gram, ones, products) == 143.25);
    assert_true(products[1] == -2.625 + 6.5 - 6.5 + 1.375);
    assert_true(of_gram_distance2(&gram, 0, 1) == 14.3125 + 6.5 + 5.25);
    assert_true(of_gram_distance2(&gram, 2, 2) == 0.0);
    free(toy);
}

/* Rounding may leave a negative square; no root of it is taken. */
static void test_never_below_zero(void **state)
{
    const double entries[4] = {1.0, 1.0 + 1e-12, 1.0 + 1e-12, 1.0};
    const double opposite[2] = {1.0, -1.0};
    const struct of_gram gram = {.count = 2, .need = OF_GRAM_FULL, .entries = entries};
    double products[2];

    (void)state;
    assert_true(of_gram_distance2(&gram, 0, 1) == 0.0);
    assert_true(of_gram_project(&gram, opposite, products) == 0.0);
}

/* A solution has no memory: every rule says so, and leaves it at that. */
static void test_no_memory(void **state)
{
    static const char *const names[] = {"cclip",  "geometric_median", "krum", "multi_krum",
                                        "bulyan", "fedexp",           "arc"};

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(names); i++) {
        struct toy *toy = toy_make_golden(names[i], 4);
        struct of_arena arena;
        uint32_t failures = 0;

        for (uint32_t p = 0; p < toy->method->param_count; p++) {
            if (isnan(toy->given.global[p])) {
                toy->given.global[p] = 1.0;
            }
        }
        if (of_method_param(toy->method, "iterations") != NULL) {
            toy_set(toy, "iterations", 2.0);
        }
        if (of_method_param(toy->method, "f") != NULL) {
            toy_set(toy, "f", 0.0);
        }
        of_arena_init(&arena, 1);
        failures += toy_solve(toy, &arena) == ONEFOLD_E_MEMORY ? 1 : 0;
        assert_string_equal(toy->given.err.id, "memory");
        of_arena_finish(&arena);
        for (uint64_t nth = 1; nth <= 8; nth++) {
            of_arena_init(&arena, 0);
            of_mem_fail_at(nth, false);
            failures += toy_solve(toy, &arena) == ONEFOLD_E_MEMORY ? 1 : 0;
            of_mem_fail_at(0, false);
            of_arena_finish(&arena);
        }
        assert_true(failures >= 2);
        free(toy);
    }
}

static void test_shares(void **state)
{
    const double some[] = {1.0, OF_PARAM_NOT_GIVEN, 3.0};
    const double all[] = {1.0, 2.0, 5.0};
    const double nothing[] = {0.0, 0.0, 0.0};
    const double none[] = {OF_PARAM_NOT_GIVEN, OF_PARAM_NOT_GIVEN, OF_PARAM_NOT_GIVEN};
    struct toy *toy = toy_make_golden("fedgma", 3);
    struct of_params *given = &toy->given.params;
    onefold_error err;
    double shares[3];

    (void)state;
    assert_int_equal(of_shares_find(given, none, none, 3.0, shares, &err), ONEFOLD_OK);
    assert_true(shares[0] == 1.0 && shares[1] == 1.0 && shares[2] == 1.0);
    assert_int_equal(of_shares_find(given, none, all, 1.0, shares, &err), ONEFOLD_OK);
    assert_true(shares[0] == 0.125 && shares[1] == 0.25 && shares[2] == 0.625);
    assert_int_equal(of_shares_find(given, all, none, 8.0, shares, &err), ONEFOLD_OK);
    assert_true(shares[0] == 1.0 && shares[1] == 2.0 && shares[2] == 5.0);
    assert_int_equal(of_shares_find(given, all, all, 1.0, shares, &err), ONEFOLD_E_RECIPE);
    assert_int_equal(of_shares_find(given, some, none, 1.0, shares, &err), ONEFOLD_E_RECIPE);
    assert_int_equal(of_shares_find(given, none, nothing, 1.0, shares, &err), ONEFOLD_E_RECIPE);
    assert_string_equal(err.id, "recipe-zero");
    toy->given.present[1] = false;
    of_shares_equal(given, 1.0, shares);
    assert_true(shares[0] == 0.5 && shares[1] == 0.0 && shares[2] == 0.5);
    free(toy);
}

/* Only ties are broken by the order of inputs. */
static void test_properties_of_all(void **state)
{
    struct prng prng = prng_make(21); /* fixed: a tie would be no failure */

    (void)state;
    for (uint64_t m = 0; m < of_method_count(); m++) {
        const struct of_method *method = of_method_at(m);
        struct toy *a;
        struct toy *b;

        if (!method->is_federated) {
            continue;
        }
        a = toy_make(method->name, 7, 100);
        b = toy_make(method->name, 7, 100);
        toy_fill_smooth(a, &prng);
        toy_permute(b, a, 3, 1);
        for (uint32_t p = 0; p < method->param_count; p++) {
            for (uint32_t t = 0; t < 7 && method->params[p].is_fact; t++) {
                a->given.values[p][t] = 10.0;
                b->given.values[p][t] = 10.0;
            }
            if (method->params[p].required && !method->params[p].per_input) {
                a->given.global[p] = 1.0;
                b->given.global[p] = 1.0;
            }
        }
        toy_good(a);
        toy_good(b);
        for (size_t i = 0; i < a->length; i++) {
            if (!(fabsf(a->v[i] - b->v[i]) < 1e-5F)) {
                fail_msg("%s depends on the order of inputs", method->name);
            }
        }
        if (a->has_factor) {
            toy_near(a->factor, b->factor);
        }
        /* Task vectors -4 times as long: what has no length in it gives -4 times the result. */
        if (of_method_param(method, "radius") == NULL && of_method_param(method, "eps") == NULL) {
            for (uint32_t t = 0; t < 7; t++) {
                for (size_t i = 0; i < b->length; i++) {
                    b->tau[t][i] = -4.0F * a->tau[t][i];
                }
            }
            toy_good(b);
            for (size_t i = 0; i < a->length; i++) {
                assert_true(fabsf(b->v[i] + 4.0F * a->v[i]) < 1e-4F);
            }
        }
        free(b);
        free(a);
    }
}

/* Where all inputs are the same, the mean form of every rule is that input. */
static void test_mean_form_of_equal_inputs(void **state)
{
    struct prng prng = prng_make(prng_seed(22));

    (void)state;
    for (uint64_t m = 0; m < of_method_count(); m++) {
        const struct of_method *method = of_method_at(m);
        const uint32_t count = 7;
        struct toy *toy;

        if (!method->is_federated) {
            continue;
        }
        toy = toy_make(method->name, count, 100);
        toy_fill(toy, &prng);
        for (uint32_t t = 1; t < count; t++) {
            memcpy(toy->tau[t], toy->tau[0], sizeof(toy->tau[0]));
        }
        for (uint32_t p = 0; p < method->param_count; p++) {
            for (uint32_t t = 0; t < count && method->params[p].is_fact; t++) {
                toy->given.values[p][t] = 10.0;
            }
            if (method->params[p].required && !method->params[p].per_input) {
                toy->given.global[p] = strcmp(method->params[p].name, "radius") == 0 ? 1e6 : 1.0;
            }
        }
        toy_good(toy);
        for (size_t i = 0; i < toy->length; i++) {
            const double scale = method->scale == OF_SCALE_OF_SUM ? count : 1.0;

            toy_near((double)toy->v[i] / scale, (double)toy->tau[0][i]);
        }
        free(toy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_matrix),     cmocka_unit_test(test_never_below_zero),
        cmocka_unit_test(test_no_memory),         cmocka_unit_test(test_shares),
        cmocka_unit_test(test_properties_of_all), cmocka_unit_test(test_mean_form_of_equal_inputs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
