/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of a survey's sums and counts. */
#include "plan/plan.h"

#include "base/check.h"

void of_survey_shape_make(enum of_gram_need need, bool elementwise, uint32_t input_count,
                          struct of_survey_shape *ret_shape)
{
    const uint32_t count = input_count;

    /* The triangle of OF_INPUTS_MAX inputs is far below 2^32. */
    of_assert(count <= OF_INPUTS_MAX);
    *ret_shape = (struct of_survey_shape){
        .need = need, .elementwise = elementwise, .input_count = input_count};
    switch (need) {
    case OF_GRAM_NONE:
        break;
    case OF_GRAM_NORMS:
        ret_shape->sum_count = count;
        break;
    case OF_GRAM_FULL:
        ret_shape->sum_count = count * (count + 1) / 2;
        break;
    }
    if (elementwise) {
        ret_shape->sum_count += 2;
        ret_shape->count_count = of_survey_counts(ret_shape, OF_SURVEY_INF) + count + 1;
    }
}

uint32_t of_survey_pair(const struct of_survey_shape *shape, uint32_t s, uint32_t t)
{
    const uint32_t low = s < t ? s : t;
    const uint32_t high = s < t ? t : s;

    of_assert(high < shape->input_count && shape->need != OF_GRAM_NONE);
    if (shape->need == OF_GRAM_NORMS) {
        of_assert(low == high);
        return low;
    }
    /* Rows 0 .. low - 1 have T, T - 1, ... entries. */
    return low * shape->input_count - low * (low + 1) / 2 + high;
}

uint32_t of_survey_overlap(const struct of_survey_shape *shape)
{
    of_assert(shape->elementwise);
    return shape->sum_count - 2;
}

uint32_t of_survey_counts(const struct of_survey_shape *shape, enum of_survey_group group)
{
    const uint32_t count = shape->input_count;

    of_assert(shape->elementwise);
    switch (group) {
    case OF_SURVEY_ZEROS:
        return 0;
    case OF_SURVEY_AGREEMENT:
        return count;
    case OF_SURVEY_IN_OVERLAP:
        return 2 * count + 1;
    case OF_SURVEY_IN_TAIL:
        return 2 * count + 2;
    case OF_SURVEY_NAN:
        return 2 * count + 3;
    case OF_SURVEY_INF:
        break;
    }
    return 3 * count + 4;
}
