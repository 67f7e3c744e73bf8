/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind a parameter name: scalar, gradient over layers, or filters (recipes.md 6). */
#ifndef OF_RECIPE_SETTING_H
#define OF_RECIPE_SETTING_H

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum of_value_kind { OF_VALUE_REAL, OF_VALUE_BOOL, OF_VALUE_WORD, OF_VALUE_INTEGER };

struct of_value {
    enum of_value_kind kind;
    double number;      /* real, integer; 0 or 1 for bool */
    struct of_str word; /* as written */
    struct of_mark mark;
};

/* filter empty = always matches. values: one, or a gradient of several (real kinds only). */
struct of_case {
    struct of_str filter;
    struct of_value *values;
    uint32_t value_count;
};

struct of_setting {
    const char *name;
    struct of_mark mark;
    struct of_case *cases; /* a scalar or a gradient is one case without filter */
    uint32_t case_count;
};

struct of_settings {
    struct of_mark mark;
    struct of_setting *settings;
    uint32_t count;
};

/* A parameter name of the dialect or ours: which type its values have. NULL for a name no method
 * knows. */
struct of_known_param {
    const char *name;
    enum of_value_kind kind;
    bool per_input;
};
const struct of_known_param *of_known_param_find(struct of_str name);
uint64_t of_known_param_count(void);
const struct of_known_param *of_known_param_at(uint64_t index);

/* The setting of that name in one level, or NULL. */
const struct of_setting *of_setting_get(const struct of_settings *settings, const char *name);

/* First hit over `levels` (NULL entries are skipped), nearest first: the first case whose filter
 * occurs in `tensor_name`, its gradient evaluated at t in [0, 1]. False when no level has a value.
 */
OF_NODISCARD bool of_setting_find(const struct of_settings *const *levels, uint32_t level_count,
                                  const char *name, struct of_str tensor_name, double t,
                                  struct of_value *ret_value);

/* value = (1-f) v[i] + f v[j] with s = t (m-1), i = trunc(s), j = min(m-1, i+1), f = s - i. */
double of_gradient_at(const struct of_value *values, uint32_t count, double t);

#endif
