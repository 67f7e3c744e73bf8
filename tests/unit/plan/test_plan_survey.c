/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of a survey: every sum and count has one place, in the order that is documented. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan/plan.h"

static void pairs_stand_row_by_row(void **state)
{
    (void)state;
    for (uint32_t count = 1; count <= 40; count++) {
        struct of_survey_shape shape;
        uint32_t next = 0;

        of_survey_shape_make(OF_GRAM_FULL, false, count, &shape);
        for (uint32_t s = 0; s < count; s++) {
            for (uint32_t t = s; t < count; t++) {
                assert_int_equal(of_survey_pair(&shape, s, t), next);
                assert_int_equal(of_survey_pair(&shape, t, s), next);
                next++;
            }
        }
        assert_int_equal(shape.sum_count, next);
        assert_int_equal(shape.count_count, 0);
    }
}

static void norms_are_one_each(void **state)
{
    struct of_survey_shape shape;

    (void)state;
    of_survey_shape_make(OF_GRAM_NORMS, false, 200, &shape);
    assert_int_equal(shape.sum_count, 200);
    assert_int_equal(shape.count_count, 0);
    assert_int_equal(of_survey_pair(&shape, 0, 0), 0);
    assert_int_equal(of_survey_pair(&shape, 199, 199), 199);
}

static void nothing_is_needed_of_a_linear_rule(void **state)
{
    struct of_survey_shape shape;

    (void)state;
    of_survey_shape_make(OF_GRAM_NONE, false, 7, &shape);
    assert_int_equal(shape.sum_count, 0);
    assert_int_equal(shape.count_count, 0);
    assert_int_equal(shape.input_count, 7);
}

static void groups_of_counts_follow_one_another(void **state)
{
    struct of_survey_shape shape;

    (void)state;
    of_survey_shape_make(OF_GRAM_FULL, true, 3, &shape);
    assert_int_equal(shape.sum_count, 6 + 2);
    assert_int_equal(of_survey_overlap(&shape), 6);
    assert_int_equal(of_survey_counts(&shape, OF_SURVEY_ZEROS), 0);
    assert_int_equal(of_survey_counts(&shape, OF_SURVEY_AGREEMENT), 3);
    assert_int_equal(of_survey_counts(&shape, OF_SURVEY_IN_OVERLAP), 7);
    assert_int_equal(of_survey_counts(&shape, OF_SURVEY_IN_TAIL), 8);
    assert_int_equal(of_survey_counts(&shape, OF_SURVEY_NAN), 9);
    assert_int_equal(of_survey_counts(&shape, OF_SURVEY_INF), 13);
    assert_int_equal(shape.count_count, 17);
}

static void as_many_inputs_as_a_recipe_may_have(void **state)
{
    struct of_survey_shape shape;

    (void)state;
    of_survey_shape_make(OF_GRAM_FULL, true, OF_INPUTS_MAX, &shape);
    assert_int_equal(of_survey_pair(&shape, OF_INPUTS_MAX - 1, OF_INPUTS_MAX - 1),
                     shape.sum_count - 3);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_stand_row_by_row),
        cmocka_unit_test(norms_are_one_each),
        cmocka_unit_test(nothing_is_needed_of_a_linear_rule),
        cmocka_unit_test(groups_of_counts_follow_one_another),
        cmocka_unit_test(as_many_inputs_as_a_recipe_may_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
