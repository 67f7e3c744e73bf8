/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tied LM heads: a model whose config says tie_word_embeddings uses its input embedding as head and
 * usually stores no head. Where other inputs store one, the embedding stands in for it.
 */
#include "plan/build.h"

#include <string.h>

bool of_head_is(struct of_str name)
{
    static const char *const heads[] = {"lm_head.weight", "embed_out.weight"};

    for (size_t i = 0; i < OF_LENGTH(heads); i++) {
        const size_t length = strlen(heads[i]);

        if (of_str_ends(name, heads[i]) &&
            (name.length == length || name.data[name.length - length - 1] == '.')) {
            return true;
        }
    }
    return false;
}

static bool same_shape(const struct of_tensor *a, const struct of_tensor *b)
{
    return a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof(a->shape[0])) == 0;
}

/* Positions and types of tokens are on the input side, too, but no head is tied to them. */
static bool is_token_embedding(struct of_str name)
{
    return of_name_is_input_side(name) && !of_str_contains(name, OF_STR("position")) &&
           !of_str_contains(name, OF_STR("wpe")) && !of_str_contains(name, OF_STR("token_type")) &&
           !of_name_split(name).is_layer;
}

const struct of_tensor *of_head_embedding(const struct of_table *table,
                                          const struct of_tensor *head)
{
    for (uint32_t i = 0; i < table->tensor_count; i++) {
        const struct of_tensor *tensor = &table->tensors[i];

        if (tensor->rank == 2 && same_shape(tensor, head) && is_token_embedding(tensor->name)) {
            return tensor;
        }
    }
    return NULL;
}
