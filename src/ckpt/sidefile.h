/* SPDX-License-Identifier: Apache-2.0 */
/* config.json, tokenizer and the other small files that travel with a model (recipes.md section
 * 10), and what config.json says about it. */
#ifndef OF_CKPT_SIDEFILE_H
#define OF_CKPT_SIDEFILE_H

#include "base/attr.h"
#include "base/err.h"
#include "ckpt/checkpoint.h"

#include <stdbool.h>
#include <stdint.h>

/* Facts of config.json that planning needs. All optional. */
struct of_config {
    bool present;           /* there is a config.json */
    bool strict;            /* ... and it is strict JSON, an object, within OF_CONFIG_BYTES_MAX */
    bool tied;              /* tie_word_embeddings is true (top level or text_config) */
    const char *problem_id; /* why it cannot even be copied; else NULL */
    bool has_quantization;
    struct of_str quantization; /* quant_method or "quantization_config" */
    bool has_vocab_size;
    uint64_t vocab_size; /* vocab_size or text_config.vocab_size */
    struct of_str dtype; /* torch_dtype or dtype, e.g. "bfloat16"; empty when absent */
};
/* Reads the checkpoint's config.json; a missing or odd one is not an error (warnings are reported).
 */
OF_NODISCARD onefold_status of_config_read(const struct of_checkpoint *checkpoint,
                                           struct of_arena *arena, struct of_report *report,
                                           struct of_config *ret_config, onefold_error *err);

/* Changes to the donor's config.json; everything else keeps its bytes. */
struct of_config_patch {
    const char *dtype; /* new value of torch_dtype / dtype, or NULL to keep */
    bool set_tied;     /* tie_word_embeddings = tied */
    bool tied;
    bool drop_quantization;
};
/* New text of config.json, appended to *ret_text. When the donor's is not strict JSON it is taken
 * as it is and *ret_untouched says so. Ids as of_file_slurp. */
OF_NODISCARD onefold_status of_config_patch_text(struct of_str donor_text,
                                                 const struct of_config_patch *patch,
                                                 struct of_text *ret_text, bool *ret_untouched,
                                                 onefold_error *err);

enum of_side_kind { OF_SIDE_TOKENIZER, OF_SIDE_COMPANION };
struct of_side_file {
    const char *name;
    uint64_t size_bytes;
    enum of_side_kind kind;
};
struct of_side_list {
    struct of_side_file *files; /* to copy, in order of names */
    uint32_t count;
    const char **left_out; /* other files of the donor that are not weights, by name */
    uint32_t left_out_count;
};
/* What the donor has of the known names (not config.json, not weights). A donor that is one file
 * has none unless `checkpoint->is_file` folder semantics say otherwise: a single-file reference
 * takes no side files along. */
OF_NODISCARD onefold_status of_side_list_make(const struct of_checkpoint *donor,
                                              bool copy_tokenizer, struct of_arena *arena,
                                              struct of_report *report,
                                              struct of_side_list *ret_list, onefold_error *err);

/* Model card: front matter, the models, the recipe. Deterministic, no date. */
struct of_card_input {
    struct of_str label; /* as the recipe names it */
    bool is_base;
};
void of_card_emit(struct of_str method, const struct of_card_input *inputs, uint32_t input_count,
                  struct of_str recipe_text, struct of_text *text);

#endif
