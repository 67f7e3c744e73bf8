/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan that only looks: all task vectors count alike, whatever the recipe's rule would make of
 * them, and what the rule still lacks is no obstacle.
 */
#include "plan/build.h"

#include <string.h>

static onefold_status prepare(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err)
{
    (void)err;
    for (uint32_t i = 0; i < given->input_count; i++) {
        ret_linear->coefs[i] = 1.0;
    }
    return ONEFOLD_OK;
}

const struct of_method of_compare_method = {
    .name = "compare",
    .summary = "looks at the task vectors and writes nothing",
    .class = OF_CLASS_LINEAR,
    .frame = OF_FRAME_DELTA,
    .scale = OF_SCALE_OF_SUM,
    .base = OF_BASE_REQUIRED,
    .is_federated = true,
    .takes_lambda = true,
    .beta_standard = 1.0,
    .input_count_min = 1,
    .input_count_max = OF_INPUTS_MAX,
    .gram = OF_GRAM_FULL,
    .prepare = prepare,
};

static const struct of_method *own_method(const struct of_recipe *recipe)
{
    char name[64];

    if (recipe->method.length >= sizeof(name)) {
        return NULL;
    }
    memcpy(name, recipe->method.data, recipe->method.length);
    name[recipe->method.length] = '\0';
    return of_method_find(name);
}

static bool is_normalised(const struct of_build *build, const struct of_method *method)
{
    const struct of_settings *levels[] = {&build->recipe->parameters};
    const struct of_param *param = of_method_param(method, "normalize");
    struct of_value value;

    if (param == NULL) {
        return false;
    }
    return of_setting_find(levels, 1, "normalize", OF_STR(""), 0.0, &value)
               ? value.number != 0.0
               : param->standard != 0.0;
}

struct of_factor of_compare_factor(const struct of_build *build)
{
    const struct of_factor_place place = {OF_STR(""), 0.0, build->input_count};
    const struct of_method *own = own_method(build->recipe);

    /* Without a factor of the recipe's rule: plain averaging. */
    if (own == NULL || !own->takes_lambda) {
        const double count = build->input_count;

        return (struct of_factor){1.0 / count, 1.0, 1.0 / count};
    }
    return of_factor_find(build, own, is_normalised(build, own), &place);
}
