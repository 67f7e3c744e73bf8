/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floor 2, `recipe`: what the user wrote; includes base and fmt. Nodes become a recipe in which
 * every value keeps its line and column. Everything the text alone shows is checked here, all
 * errors at once: keys at every level, types, numbers, forms, references. Whether a method exists
 * and reads a parameter is plan's to say (plan/resolve), because recipe does not know methods.
 */
#ifndef OF_RECIPE_RECIPE_H
#define OF_RECIPE_RECIPE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "onefold/dtype.h"
#include "recipe/setting.h"

#include <stdbool.h>
#include <stdint.h>

/* PATH[@REVISION][+LORA[@REVISION]] */
struct of_model_ref {
    struct of_mark mark;
    struct of_str text; /* as written (mapping form: path[@revision][+lora...]) */
    const char *path;
    const char *revision;      /* "" = none */
    const char *lora_path;     /* "" = none */
    const char *lora_revision; /* "" = none */
};

/* A number with its place; given = it was written. */
struct of_fact {
    bool given;
    double value;
    struct of_mark mark;
};

struct of_recipe_input {
    struct of_model_ref model;
    struct of_mark mark;
    const char *name; /* label; default: last component of the path, made unique */
    struct of_fact samples;
    struct of_fact steps;
    struct of_fact lr_sum;
    struct of_settings parameters;
};

struct of_recipe_source {
    struct of_model_ref model;
    struct of_mark mark;
    uint32_t layer_start;
    uint32_t layer_end;
    struct of_settings parameters;
};

struct of_recipe_slice {
    struct of_mark mark;
    struct of_recipe_source *sources;
    uint32_t source_count;
    bool has_base;
    struct of_model_ref base;
    struct of_settings parameters;
};

struct of_recipe_module {
    struct of_mark mark;
    const char *name;
    struct of_recipe_input *inputs; /* either inputs ... */
    uint32_t input_count;
    struct of_recipe_slice *slices; /* ... or slices */
    uint32_t slice_count;
    struct of_settings parameters;
};

enum of_recipe_form { OF_RECIPE_MODELS, OF_RECIPE_SLICES, OF_RECIPE_MODULES };
enum of_recipe_scale { OF_SCALE_DEFAULT, OF_SCALE_SUM, OF_SCALE_MEAN };

/* A key that is there although this version has no use for it yet: plan refuses it by name. */
struct of_wish {
    bool given;
    struct of_mark mark;
    struct of_str text; /* scalar value, or empty */
};

struct of_recipe {
    const char *label;  /* file name for messages */
    struct of_str text; /* the bytes of the file */
    struct of_str method;
    struct of_mark method_mark;
    enum of_recipe_form form;
    struct of_mark form_mark;
    struct of_recipe_input *inputs;
    uint32_t input_count;
    struct of_recipe_slice *slices;
    uint32_t slice_count;
    struct of_recipe_module *modules;
    uint32_t module_count;
    bool has_base;
    struct of_model_ref base;
    bool has_dtype;
    onefold_dtype dtype;
    bool has_out_dtype;
    onefold_dtype out_dtype;
    enum of_recipe_scale scale;
    struct of_mark scale_mark;
    struct of_wish scope; /* row, tensor, model: checked here, used by later rules */
    struct of_wish tokenizer;
    struct of_wish tokenizer_source;
    struct of_wish chat_template;
    bool has_seed;
    uint64_t seed;
    struct of_settings parameters;
};

/* Parses and checks. Everything lives in the arena (the text is copied). Findings go to `report`;
 * fails with E_RECIPE and a count ("3 errors, nothing was written") when there was any. */
OF_NODISCARD onefold_status of_recipe_parse(struct of_str text, const char *label,
                                            struct of_arena *arena, struct of_report *report,
                                            struct of_recipe **ret_recipe, onefold_error *err);

/* "bfloat16" etc. with the hint for near misses such as "bf16"; used for flags too. NULL hint when
 * there is none. */
const char *of_recipe_dtype_hint(struct of_str text);

#endif
