/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of parameters: finding one, checking a value against it, and what the values ask for. Used
 * by plan/resolve. */
#include "method/method.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum of_gram_need of_method_need(const struct of_method *method, const struct of_params *given)
{
    return method->need != NULL ? method->need(given) : method->gram;
}

const struct of_param *of_method_param(const struct of_method *method, const char *name)
{
    for (uint32_t i = 0; i < method->param_count; i++) {
        if (strcmp(method->params[i].name, name) == 0) {
            return &method->params[i];
        }
    }
    return NULL;
}

static double word_count(const struct of_param *param)
{
    uint32_t count = 0;

    while (param->words != NULL && param->words[count] != NULL) {
        count++;
    }
    return count;
}

/* "at least 0", "above 0", "from 0 to 1", "at most 1". */
static onefold_status refuse_range(const struct of_param *param, double value, onefold_error *err)
{
    if (param->min_excluded && !(value > param->min)) {
        return of_err_set(err, "recipe-range", "\"%s\" is %.17g; it must be above %g", param->name,
                          value, param->min);
    }
    if (isinf(param->max)) {
        return of_err_set(err, "recipe-range", "\"%s\" is %.17g; it must be at least %g",
                          param->name, value, param->min);
    }
    if (isinf(param->min)) {
        return of_err_set(err, "recipe-range", "\"%s\" is %.17g; it must be at most %g",
                          param->name, value, param->max);
    }
    return of_err_set(err, "recipe-range", "\"%s\" is %.17g; it must be from %g to %g", param->name,
                      value, param->min, param->max);
}

onefold_status of_param_check(const struct of_param *param, double value, onefold_error *err)
{
    if (!isfinite(value)) {
        return of_err_set(err, "recipe-range", "\"%s\" is not finite", param->name);
    }
    if (param->kind == OF_PARAM_BOOL) {
        return value == 0.0 || value == 1.0
                   ? ONEFOLD_OK
                   : of_err_set(err, "recipe-range", "\"%s\" is %.17g; true or false expected",
                                param->name, value);
    }
    if (param->kind != OF_PARAM_REAL && value != trunc(value)) {
        return of_err_set(err, "recipe-range", "\"%s\" is %.17g; a whole number expected",
                          param->name, value);
    }
    if (param->kind == OF_PARAM_WORD) {
        return value >= 0.0 && value < word_count(param)
                   ? ONEFOLD_OK
                   : of_err_set(err, "recipe-range", "\"%s\" is not one of its words", param->name);
    }
    /* A scalar meets elements as f32; past that range it would be an infinity in every element. */
    if (fabs(value) > (double)FLT_MAX) {
        return of_err_set(err, "recipe-range", "\"%s\" is %.17g; no more than %g fits a factor",
                          param->name, value, (double)FLT_MAX);
    }
    if (value < param->min || value > param->max || (param->min_excluded && value == param->min)) {
        return refuse_range(param, value, err);
    }
    return ONEFOLD_OK;
}
