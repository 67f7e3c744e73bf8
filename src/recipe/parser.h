/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the parser share: memory, findings, fields of a mapping, plain values. Internal
 * to recipe. Findings are kept and handed over in the order of the file at the end, whatever the
 * order in which the parts look at it. Nothing here stops at an error: the rest of the file is read
 * as well.
 */
#ifndef OF_RECIPE_PARSER_H
#define OF_RECIPE_PARSER_H

#include "fmt/yaml.h"
#include "recipe/keys.h"
#include "recipe/recipe.h"

struct of_parser_finding {
    struct of_parser_finding *next;
    onefold_level level;
    const char *id;
    struct of_mark mark;
    const char *hint;
    const char *message;
};

struct of_parser {
    struct of_arena *arena;
    struct of_recipe *recipe;
    struct of_parser_finding *findings; /* newest first */
    uint32_t finding_count;
    uint32_t error_count;
    bool no_memory; /* an allocation failed; what was read is not complete */
};

/* Memory of the recipe, zeroed. On failure NULL, and no_memory is set. count 0 gives NULL too. */
#define OF_PARSER_NEW(parser, type, count) \
    ((type *)of_parser_get((parser), of_mem_array_bytes((count), sizeof(type)), _Alignof(type)))
void *of_parser_get(struct of_parser *parser, size_t bytes, size_t align);
/* A terminated text; "" when there is no memory. */
const char *of_parser_copy(struct of_parser *parser, struct of_str text);
const char *of_parser_print(struct of_parser *parser, const char *format, ...) OF_PRINTF(2, 3);

/* Notes a finding. `hint` may be NULL (then the id's row speaks) and must be static. */
void of_parser_error(struct of_parser *parser, const char *id, struct of_mark mark,
                     const char *hint, const char *format, ...) OF_PRINTF(5, 6);
void of_parser_warning(struct of_parser *parser, const char *id, struct of_mark mark,
                       const char *format, ...) OF_PRINTF(4, 5);
/* Whether it is still worth looking for a near word. */
bool of_parser_hints(const struct of_parser *parser);
/* Hands the findings to `report`, sorted by place: of each kind the first OF_FINDINGS_SHOWN_MAX,
 * then their number. */
void of_parser_deliver(struct of_parser *parser, struct of_report *report, const char *label);

/* "mapping", "list" or the text of a scalar in quotes, for "X expected, not Y". */
const char *of_parser_describe(struct of_parser *parser, const struct of_yaml_node *node);

/* The values of a mapping by key number (keys.h); null and absent are NULL. Unknown keys are
 * findings. `place` names the mapping in messages ("models[1]"). False when it is no mapping. */
OF_NODISCARD bool of_parser_fields(struct of_parser *parser, const struct of_yaml_node *node,
                                   enum of_keys_level level, const char *place,
                                   const struct of_yaml_node *ret_fields[OF_KEYS_COUNT_MAX]);
/* False and a finding when it is no list, or an empty one. */
OF_NODISCARD bool of_parser_list(struct of_parser *parser, const struct of_yaml_node *node,
                                 const char *place);
/* The following report what is wrong; the answer may be ignored where nothing depends on it. */

/* A scalar that is not null. `what` says what was expected. */
bool of_parser_text(struct of_parser *parser, const struct of_yaml_node *node, const char *what,
                    struct of_str *ret_text);
bool of_parser_number(struct of_parser *parser, const struct of_yaml_node *node, double *ret_value);
bool of_parser_bool(struct of_parser *parser, const struct of_yaml_node *node, bool *ret_value);
bool of_parser_integer(struct of_parser *parser, const struct of_yaml_node *node,
                       double *ret_value);

/* --- reference.c --- */
/* PATH[@REVISION][+LORA[@REVISION]], or the mapping. False after a finding. */
bool of_parser_reference(struct of_parser *parser, const struct of_yaml_node *node,
                         const char *place, struct of_model_ref *ret_ref);
bool of_reference_equal(const struct of_model_ref *a, const struct of_model_ref *b);

/* --- parameters.c --- */
/* node may be NULL: then the settings are empty. */
void of_parser_parameters(struct of_parser *parser, const struct of_yaml_node *node,
                          const char *place, struct of_settings *ret_settings);

/* --- entries.c --- */
void of_parser_inputs(struct of_parser *parser, const struct of_yaml_node *node, const char *place,
                      struct of_recipe_input **ret_inputs, uint32_t *ret_count);
void of_parser_slices(struct of_parser *parser, const struct of_yaml_node *node, const char *place,
                      struct of_recipe_slice **ret_slices, uint32_t *ret_count);
void of_parser_modules(struct of_parser *parser, const struct of_yaml_node *node);

/* --- vocabulary.c --- */
void of_parser_vocabulary(struct of_parser *parser,
                          const struct of_yaml_node *const fields[OF_KEYS_COUNT_MAX]);

#endif
