/* SPDX-License-Identifier: Apache-2.0 */
/* Looking tensors up, comparing tables, and reading names. */
#include "ckpt/table.h"

#include <string.h>

/* Nine digits fit 32 bits, and no model has a billion layers: longer runs are not layer numbers. */
enum { LAYER_DIGITS_MAX = 9 };

/* Components that stand on the input side of a model (recipes.md section 5). */
static const char *const input_side_words[] = {
    "embed_tokens",   "embeddings",          "embedding",  "embed_in", "word_embeddings",
    "tok_embeddings", "position_embeddings", "wte",        "wpe",      "embd",
    "shared",         "rotary_pos_emb",      "relative_pe"};

uint32_t of_table_find(const struct of_table *table, struct of_str name)
{
    uint32_t index;

    if (table->within == NULL) {
        return of_map_find(&table->names, name);
    }
    index = of_map_find(&table->within->names, name);
    return index != OF_MAP_NONE ? table->counterparts[index] : OF_MAP_NONE;
}

static bool tensors_equal(const struct of_tensor *a, const struct of_tensor *b)
{
    return a->shard_index == b->shard_index && a->offset == b->offset && a->dtype == b->dtype &&
           a->rank == b->rank && of_str_equal(a->name, b->name) &&
           (a->shape == b->shape || a->rank == 0 ||
            memcmp(a->shape, b->shape, a->rank * sizeof(*a->shape)) == 0);
}

bool of_table_equal(const struct of_table *a, const struct of_table *b)
{
    if (a == b) {
        return true;
    }
    if (a->tensor_count != b->tensor_count || a->byte_count != b->byte_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->tensor_count; i++) {
        if (!tensors_equal(&a->tensors[i], &b->tensors[i])) {
            return false;
        }
    }
    return true;
}

/* The component of `name` that starts at `at`. */
static struct of_str component_at(struct of_str name, size_t at)
{
    const char *dot = memchr(name.data + at, '.', name.length - at);

    return (struct of_str){name.data + at,
                           dot != NULL ? (size_t)(dot - (name.data + at)) : name.length - at};
}

/* True for a run of digits; *ret_number is its value. */
static bool is_layer_number(struct of_str part, uint32_t *ret_number)
{
    uint32_t number = 0;

    if (part.length == 0 || part.length > LAYER_DIGITS_MAX) {
        return false;
    }
    for (size_t i = 0; i < part.length; i++) {
        if (part.data[i] < '0' || part.data[i] > '9') {
            return false;
        }
        number = number * 10 + (uint32_t)(part.data[i] - '0');
    }
    *ret_number = number;
    return true;
}

struct of_name_parts of_name_split(struct of_str name)
{
    struct of_name_parts parts = {0};
    struct of_str part;

    for (size_t at = 0; at < name.length; at += part.length + 1) {
        size_t end;

        part = component_at(name, at);
        end = at + part.length;
        /* The first component has none before it, the last has none after it. */
        if (at == 0 || end >= name.length || !is_layer_number(part, &parts.layer)) {
            continue;
        }
        parts.is_layer = true;
        parts.stack = (struct of_str){name.data, at - 1};
        parts.role = (struct of_str){name.data + end + 1, name.length - end - 1};
        return parts;
    }
    return parts;
}

bool of_name_is_input_side(struct of_str name)
{
    struct of_str part;

    for (size_t at = 0; at < name.length; at += part.length + 1) {
        part = component_at(name, at);
        for (size_t i = 0; i < OF_LENGTH(input_side_words); i++) {
            if (of_str_is(part, input_side_words[i])) {
                return true;
            }
        }
    }
    return false;
}
