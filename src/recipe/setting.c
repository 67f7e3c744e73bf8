/* SPDX-License-Identifier: Apache-2.0 */
/* Looking settings up: nearest level first, first filter that matches, gradients over layers. Used
 * by plan/resolve for every parameter of every tensor. */
#include "recipe/setting.h"

#include <string.h>

double of_gradient_at(const struct of_value *values, uint32_t count, double t)
{
    const double s = t * (count - 1);
    const uint32_t i = (uint32_t)s;
    const uint32_t j = i + 1 < count ? i + 1 : count - 1;
    const double f = s - i;

    return (1.0 - f) * values[i].number + f * values[j].number;
}

const struct of_setting *of_setting_get(const struct of_settings *settings, const char *name)
{
    for (uint32_t i = 0; i < settings->count; i++) {
        if (strcmp(settings->settings[i].name, name) == 0) {
            return &settings->settings[i];
        }
    }
    return NULL;
}

static const struct of_case *find_case(const struct of_setting *setting, struct of_str tensor_name)
{
    for (uint32_t i = 0; i < setting->case_count; i++) {
        if (of_str_contains(tensor_name, setting->cases[i].filter)) {
            return &setting->cases[i];
        }
    }
    return NULL;
}

bool of_setting_find(const struct of_settings *const *levels, uint32_t level_count,
                     const char *name, struct of_str tensor_name, double t,
                     struct of_value *ret_value)
{
    for (uint32_t i = 0; i < level_count; i++) {
        const struct of_setting *setting =
            levels[i] == NULL ? NULL : of_setting_get(levels[i], name);
        const struct of_case *hit = setting == NULL ? NULL : find_case(setting, tensor_name);

        if (hit == NULL) {
            continue;
        }
        *ret_value = hit->values[0];
        if (hit->value_count > 1) {
            ret_value->number = of_gradient_at(hit->values, hit->value_count, t);
        }
        return true;
    }
    return false;
}
