/* SPDX-License-Identifier: Apache-2.0 */
/* A thin layer over libyaml's events: a bounded tree of nodes, each with its line and column. */
#ifndef OF_FMT_YAML_H
#define OF_FMT_YAML_H

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum of_yaml_kind { OF_YAML_SCALAR, OF_YAML_LIST, OF_YAML_MAPPING };

/* Aliases are expanded (within OF_RECIPE_NODES_MAX), merge keys resolved, duplicates refused. */
struct of_yaml_node {
    enum of_yaml_kind kind;
    bool quoted; /* scalar in quotes, or block scalar: never null, bool by accident */
    struct of_mark mark;
    struct of_str text;           /* scalar */
    uint32_t count;               /* entries of a list or a mapping */
    struct of_yaml_node **keys;   /* mapping: scalars */
    struct of_yaml_node **values; /* list and mapping */
};

/* Parses one document. All memory from the arena. Findings (id recipe-syntax, recipe-limit,
 * recipe-duplicate, recipe-tag, recipe-encoding) are reported with `label`; returns the status of
 * the first. *ret_root is NULL for an empty document. */
OF_NODISCARD onefold_status of_yaml_parse(struct of_str text, const char *label,
                                          struct of_arena *arena, struct of_report *report,
                                          struct of_yaml_node **ret_root, onefold_error *err);

/* NULL, "~", "null", "Null", "NULL" or empty, unquoted. */
bool of_yaml_is_null(const struct of_yaml_node *node);

#endif
