/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The factor in its two forms. For T inputs the sum form of a rule is T times its mean form, so
 * beta = T lambda; whichever was written is taken as it is, the other follows.
 */
#include "plan/build.h"

#include "base/check.h"

static bool find_value(const struct of_build *build, const char *key,
                       const struct of_factor_place *place, double *ret_value)
{
    const struct of_settings *levels[] = {&build->recipe->parameters};
    struct of_value value;

    if (!of_setting_find(levels, 1, key, place->name, place->t, &value)) {
        return false;
    }
    *ret_value = value.number;
    return true;
}

/* The form that lambda is meant in: as `scale` says; else of the mean for federated rules, whatever
 * their native form, and native for the rest. */
static bool is_mean(const struct of_build *build, const struct of_method *method, bool native_mean)
{
    if (build->recipe->scale != OF_SCALE_DEFAULT) {
        return build->recipe->scale == OF_SCALE_MEAN;
    }
    return native_mean || method->is_federated;
}

struct of_factor of_factor_find(const struct of_build *build, const struct of_method *method,
                                bool normalised, const struct of_factor_place *place)
{
    const bool native_mean = method->scale == OF_SCALE_OF_MEAN || normalised;
    const double count = place->input_count;
    double given = method->beta_standard;
    struct of_factor factor;
    bool mean;

    if (find_value(build, "beta", place, &given)) {
        mean = true;
    } else {
        (void)find_value(build, "lambda", place, &given);
        mean = is_mean(build, method, native_mean);
    }
    factor.beta = mean ? given : given * count;
    factor.lambda = mean ? given / count : given;
    factor.native = native_mean ? factor.beta : factor.lambda;
    return factor;
}

void of_factor_set(const struct of_method *method, const struct of_linear *linear,
                   uint32_t input_count, struct of_factor *ret_factor)
{
    *ret_factor = (struct of_factor){OF_PARAM_NOT_GIVEN, OF_PARAM_NOT_GIVEN, 1.0};
    if (!linear->has_factor || method->scale == OF_SCALE_OF_OWN) {
        return;
    }
    ret_factor->native = linear->factor;
    if (method->scale == OF_SCALE_OF_MEAN) {
        ret_factor->beta = linear->factor;
        ret_factor->lambda = linear->factor / input_count;
    } else {
        ret_factor->lambda = linear->factor;
        ret_factor->beta = linear->factor * input_count;
    }
}
