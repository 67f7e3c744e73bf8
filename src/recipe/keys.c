/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Known words: the keys of every kind of mapping, the parameters of every method of the dialect and
 * of ours, and what to say about words that are none of them. Used by the parser.
 */
#include "recipe/keys.h"
#include "recipe/setting.h"

#include <string.h>

/* A word and, behind its terminator, the hint that names it: so a hint needs no memory, and cannot
 * be gone when somebody keeps it. */
#define WORD(word) word "\0did you mean \"" word "\"?"

static const char *const top_keys[] = {
    [TOP_METHOD] = WORD("merge_method"),
    [TOP_MODELS] = WORD("models"),
    [TOP_SLICES] = WORD("slices"),
    [TOP_MODULES] = WORD("modules"),
    [TOP_BASE] = WORD("base_model"),
    [TOP_DTYPE] = WORD("dtype"),
    [TOP_OUT_DTYPE] = WORD("out_dtype"),
    [TOP_PARAMETERS] = WORD("parameters"),
    [TOP_TOKENIZER] = WORD("tokenizer"),
    [TOP_TOKENIZER_SOURCE] = WORD("tokenizer_source"),
    [TOP_CHAT_TEMPLATE] = WORD("chat_template"),
    [TOP_SCALE] = WORD("scale"),
    [TOP_SCOPE] = WORD("scope"),
    [TOP_SEED] = WORD("seed"),
};
static const char *const input_keys[] = {
    [INPUT_MODEL] = WORD("model"), [INPUT_PARAMETERS] = WORD("parameters"),
    [INPUT_NAME] = WORD("name"),   [INPUT_SAMPLES] = WORD("samples"),
    [INPUT_STEPS] = WORD("steps"), [INPUT_LR_SUM] = WORD("lr_sum"),
};
static const char *const slice_keys[] = {
    [SLICE_SOURCES] = WORD("sources"),
    [SLICE_BASE] = WORD("base_model"),
    [SLICE_PARAMETERS] = WORD("parameters"),
    [SLICE_RESIDUAL_WEIGHT] = WORD("residual_weight"),
};
static const char *const source_keys[] = {
    [SOURCE_MODEL] = WORD("model"),
    [SOURCE_LAYER_RANGE] = WORD("layer_range"),
    [SOURCE_PARAMETERS] = WORD("parameters"),
};
static const char *const module_keys[] = {
    [MODULE_MODELS] = WORD("models"),
    [MODULE_SLICES] = WORD("slices"),
    [MODULE_PARAMETERS] = WORD("parameters"),
};
static const char *const reference_keys[] = {
    [REFERENCE_MODEL] = WORD("model"),
    [REFERENCE_LORA] = WORD("lora"),
    [REFERENCE_ARCHITECTURE] = WORD("override_architecture"),
};
static const char *const path_keys[] = {
    [PATH_PATH] = WORD("path"),
    [PATH_REVISION] = WORD("revision"),
};
static const char *const case_keys[] = {
    [CASE_VALUE] = WORD("value"),
    [CASE_FILTER] = WORD("filter"),
};
static const char *const tokenizer_keys[] = {
    [TOKENIZER_SOURCE] = WORD("source"),
    [TOKENIZER_TOKENS] = WORD("tokens"),
    [TOKENIZER_PAD] = WORD("pad_to_multiple_of"),
};
static const char *const token_keys[] = {
    [TOKEN_SOURCE] = WORD("source"),
    [TOKEN_FORCE] = WORD("force"),
};
static const char *const token_source_keys[] = {
    [TOKEN_SOURCE_KIND] = WORD("kind"),
    [TOKEN_SOURCE_MODEL] = WORD("model"),
    [TOKEN_SOURCE_TOKEN] = WORD("token"),
    [TOKEN_SOURCE_ID] = WORD("token_id"),
};

static const struct {
    const char *const *keys;
    uint32_t count;
} levels[OF_KEYS_LEVEL_COUNT] = {
    [OF_KEYS_TOP] = {top_keys, TOP_COUNT},
    [OF_KEYS_INPUT] = {input_keys, INPUT_COUNT},
    [OF_KEYS_SLICE] = {slice_keys, SLICE_COUNT},
    [OF_KEYS_SOURCE] = {source_keys, SOURCE_COUNT},
    [OF_KEYS_MODULE] = {module_keys, MODULE_COUNT},
    [OF_KEYS_REFERENCE] = {reference_keys, REFERENCE_COUNT},
    [OF_KEYS_PATH] = {path_keys, PATH_COUNT},
    [OF_KEYS_CASE] = {case_keys, CASE_COUNT},
    [OF_KEYS_TOKENIZER] = {tokenizer_keys, TOKENIZER_COUNT},
    [OF_KEYS_TOKEN] = {token_keys, TOKEN_COUNT},
    [OF_KEYS_TOKEN_SOURCE] = {token_source_keys, TOKEN_SOURCE_COUNT},
};
_Static_assert((int)TOP_COUNT <= (int)OF_KEYS_COUNT_MAX, "fields of the largest mapping have room");

/* Documents of other programs, told by a key of theirs. */
static const struct {
    const char *key;
    const char *hint;
} foreign[] = {
    {"experts", "this is a recipe of mergekit-moe; building experts is not a merge onefold does"},
    {"gate_mode", "this is a recipe of mergekit-moe; building experts is not a merge onefold does"},
    {"genome", "this is a search of mergekit-evolve; a search can call \"onefold merge\""},
    {"name", "this is one stage of mergekit-multi; run the stages one after the other, each with "
             "its own recipe and output"},
};

/* Every parameter some method reads. The type is the name's, whatever the method. */
#define PARAM(word, kind, per_input) \
    {                                \
        WORD(word), kind, per_input  \
    }
static const struct of_known_param known_params[] = {
    PARAM("weight", OF_VALUE_REAL, true),
    PARAM("density", OF_VALUE_REAL, true),
    PARAM("gamma", OF_VALUE_REAL, true),
    PARAM("epsilon", OF_VALUE_REAL, true),
    PARAM("scale", OF_VALUE_REAL, true),
    PARAM("normalize", OF_VALUE_BOOL, false),
    PARAM("rescale", OF_VALUE_BOOL, false),
    PARAM("int8_mask", OF_VALUE_BOOL, false),
    PARAM("lambda", OF_VALUE_REAL, false),
    PARAM("beta", OF_VALUE_REAL, false),
    PARAM("t", OF_VALUE_REAL, false),
    PARAM("nuslerp_flatten", OF_VALUE_BOOL, false),
    PARAM("nuslerp_row_wise", OF_VALUE_BOOL, false),
    PARAM("normalize_weights", OF_VALUE_BOOL, false),
    PARAM("eps", OF_VALUE_REAL, false),
    PARAM("max_iter", OF_VALUE_INTEGER, false),
    PARAM("tol", OF_VALUE_REAL, false),
    PARAM("filter_wise", OF_VALUE_BOOL, false),
    PARAM("select_topk", OF_VALUE_REAL, false),
    PARAM("r", OF_VALUE_REAL, false),
    PARAM("alpha", OF_VALUE_REAL, false),
    PARAM("rho", OF_VALUE_REAL, false),
    PARAM("voters", OF_VALUE_WORD, false),
    PARAM("mode", OF_VALUE_WORD, false),
    PARAM("trim", OF_VALUE_INTEGER, false),
    PARAM("radius", OF_VALUE_REAL, false),
    PARAM("start", OF_VALUE_WORD, false),
    PARAM("iterations", OF_VALUE_INTEGER, false),
    PARAM("f", OF_VALUE_INTEGER, false),
    PARAM("m", OF_VALUE_INTEGER, false),
    PARAM("momentum", OF_VALUE_REAL, true),
    PARAM("proximal", OF_VALUE_REAL, true),
    PARAM("rescale_by", OF_VALUE_WORD, false),
};

/* Parameters that once existed: recipes that carry them are old, not misspelt. */
static const struct {
    const char *name;
    const char *hint;
} gone_params[] = {
    {"consensus_method", "mergekit no longer reads it; leave it out"},
    {"embed_slerp", "mergekit no longer reads it; leave it out"},
    {"swapping", "mergekit no longer reads it; leave it out"},
    {"input_model_parameters", "write the parameters under each entry of \"models\""},
};

static const char *hint_behind(const char *word)
{
    return word == NULL ? NULL : word + strlen(word) + 1;
}

uint32_t of_keys_count(enum of_keys_level level)
{
    return levels[level].count;
}

const char *of_keys_at(enum of_keys_level level, uint32_t index)
{
    return index < levels[level].count ? levels[level].keys[index] : NULL;
}

uint32_t of_keys_find(enum of_keys_level level, struct of_str key)
{
    for (uint32_t i = 0; i < levels[level].count; i++) {
        if (of_str_is(key, levels[level].keys[i])) {
            return i;
        }
    }
    return UINT32_MAX;
}

const char *of_keys_hint(enum of_keys_level level, struct of_str key)
{
    const char *near;

    for (size_t i = 0; level == OF_KEYS_TOP && i < OF_LENGTH(foreign); i++) {
        if (of_str_is(key, foreign[i].key)) {
            return foreign[i].hint;
        }
    }
    near = of_str_nearest(key, levels[level].keys, levels[level].count);
    if (near != NULL) {
        return hint_behind(near);
    }
    if (of_keys_find(level, OF_STR("parameters")) != UINT32_MAX &&
        of_known_param_find(key) != NULL) {
        return "it belongs under \"parameters\"";
    }
    if (level != OF_KEYS_TOP && of_keys_find(OF_KEYS_TOP, key) != UINT32_MAX) {
        return "it belongs at the top of the recipe";
    }
    return NULL;
}

const char *of_keys_param_hint(struct of_str name)
{
    const char *words[OF_LENGTH(known_params)];
    const char *near;

    for (size_t i = 0; i < OF_LENGTH(gone_params); i++) {
        if (of_str_is(name, gone_params[i].name)) {
            return gone_params[i].hint;
        }
    }
    if (of_str_is(name, "samples") || of_str_is(name, "steps") || of_str_is(name, "lr_sum")) {
        return "it stands on the entry of \"models\", beside \"model\"";
    }
    for (size_t i = 0; i < OF_LENGTH(known_params); i++) {
        words[i] = known_params[i].name;
    }
    /* Some names are one letter long: every word of one or two letters would be near to one. */
    near = name.length < 3 ? NULL : of_str_nearest(name, words, OF_LENGTH(words));
    if (near != NULL) {
        return hint_behind(near);
    }
    return of_keys_find(OF_KEYS_TOP, name) != UINT32_MAX ? "it belongs at the top of the recipe"
                                                         : NULL;
}

const struct of_known_param *of_known_param_find(struct of_str name)
{
    for (size_t i = 0; i < OF_LENGTH(known_params); i++) {
        if (of_str_is(name, known_params[i].name)) {
            return &known_params[i];
        }
    }
    return NULL;
}

uint64_t of_known_param_count(void)
{
    return OF_LENGTH(known_params);
}

const struct of_known_param *of_known_param_at(uint64_t index)
{
    return index < OF_LENGTH(known_params) ? &known_params[index] : NULL;
}
