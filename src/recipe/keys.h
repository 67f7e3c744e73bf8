/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys may stand where. Internal to recipe. */
#ifndef OF_RECIPE_KEYS_H
#define OF_RECIPE_KEYS_H

#include "base/str.h"

#include <stdint.h>

/* Kinds of mapping. Every kind has its own list of keys, and its own numbering of them below. */
enum of_keys_level {
    OF_KEYS_TOP,
    OF_KEYS_INPUT,
    OF_KEYS_SLICE,
    OF_KEYS_SOURCE,
    OF_KEYS_MODULE,
    OF_KEYS_REFERENCE,
    OF_KEYS_PATH,
    OF_KEYS_CASE,
    OF_KEYS_TOKENIZER,
    OF_KEYS_TOKEN,
    OF_KEYS_TOKEN_SOURCE,
    OF_KEYS_LEVEL_COUNT
};

enum {
    TOP_METHOD,
    TOP_MODELS,
    TOP_SLICES,
    TOP_MODULES,
    TOP_BASE,
    TOP_DTYPE,
    TOP_OUT_DTYPE,
    TOP_PARAMETERS,
    TOP_TOKENIZER,
    TOP_TOKENIZER_SOURCE,
    TOP_CHAT_TEMPLATE,
    TOP_SCALE,
    TOP_SCOPE,
    TOP_SEED,
    TOP_COUNT
};
enum {
    INPUT_MODEL,
    INPUT_PARAMETERS,
    INPUT_NAME,
    INPUT_SAMPLES,
    INPUT_STEPS,
    INPUT_LR_SUM,
    INPUT_COUNT
};
enum { SLICE_SOURCES, SLICE_BASE, SLICE_PARAMETERS, SLICE_RESIDUAL_WEIGHT, SLICE_COUNT };
enum { SOURCE_MODEL, SOURCE_LAYER_RANGE, SOURCE_PARAMETERS, SOURCE_COUNT };
enum { MODULE_MODELS, MODULE_SLICES, MODULE_PARAMETERS, MODULE_COUNT };
enum { REFERENCE_MODEL, REFERENCE_LORA, REFERENCE_ARCHITECTURE, REFERENCE_COUNT };
enum { PATH_PATH, PATH_REVISION, PATH_COUNT };
enum { CASE_VALUE, CASE_FILTER, CASE_COUNT };
enum { TOKENIZER_SOURCE, TOKENIZER_TOKENS, TOKENIZER_PAD, TOKENIZER_COUNT };
enum { TOKEN_SOURCE, TOKEN_FORCE, TOKEN_COUNT };
enum {
    TOKEN_SOURCE_KIND,
    TOKEN_SOURCE_MODEL,
    TOKEN_SOURCE_TOKEN,
    TOKEN_SOURCE_ID,
    TOKEN_SOURCE_COUNT
};

enum { OF_KEYS_COUNT_MAX = 16 };

/* The keys of a level by number; find says UINT32_MAX when `key` is not one of them. */
uint32_t of_keys_count(enum of_keys_level level);
const char *of_keys_at(enum of_keys_level level, uint32_t index);
uint32_t of_keys_find(enum of_keys_level level, struct of_str key);

/* Advice for a key that is not allowed at that level; static text, or NULL. */
const char *of_keys_hint(enum of_keys_level level, struct of_str key);
/* The same for a parameter name no method knows. */
const char *of_keys_param_hint(struct of_str name);

#endif
