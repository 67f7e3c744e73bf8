/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints for tests. The header is printed in the order given, compact, padded to 8 bytes. */
#include "support/mkckpt.h"

#include "support/oracle.h"
#include "support/prng.h"
#include "support/tmpdir.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what, const char *path)
{
    printf("Bail out! %s %s: %s\n", what, path, strerror(errno));
    fflush(stdout);
    exit(99);
}

uint64_t mk_elem_count(const struct mk_tensor *tensor)
{
    uint64_t count = 1;

    for (uint32_t i = 0; i < tensor->rank; i++) {
        count *= tensor->shape[i];
    }
    return count;
}

uint64_t mk_byte_count(const struct mk_tensor *tensor)
{
    return mk_elem_count(tensor) * oracle_dtype_bits(tensor->dtype) / 8;
}

static void print_entry(FILE *file, const struct mk_tensor *tensor, uint64_t begin)
{
    fprintf(file, "\"%s\":{\"dtype\":\"%s\",\"shape\":[", tensor->name,
            oracle_dtype_name(tensor->dtype));
    for (uint32_t i = 0; i < tensor->rank; i++) {
        fprintf(file, "%s%" PRIu64, i > 0 ? "," : "", tensor->shape[i]);
    }
    fprintf(file, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin,
            begin + mk_byte_count(tensor));
}

static char *header_text(const struct mk_tensor *tensors, size_t count, const char *metadata,
                         size_t *ret_length)
{
    char *text = NULL;
    size_t length = 0;
    uint64_t begin = 0;
    FILE *file = open_memstream(&text, &length);

    if (file == NULL) {
        die("open_memstream", "");
    }
    fputc('{', file);
    if (metadata != NULL) {
        fprintf(file, "\"__metadata__\":%s", metadata);
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0 || metadata != NULL) {
            fputc(',', file);
        }
        print_entry(file, &tensors[i], begin);
        begin += mk_byte_count(&tensors[i]);
    }
    fputc('}', file);
    fflush(file);
    while (length % 8 != 0) {
        fputc(' ', file);
        fflush(file);
    }
    fclose(file);
    *ret_length = length;
    return text;
}

static void write_noise(FILE *file, const struct mk_tensor *tensor)
{
    struct prng prng = prng_make(tensor->seed);
    double width = tensor->width != 0.0 ? tensor->width : 1.0;
    uint64_t elem_bytes = oracle_dtype_bits(tensor->dtype) / 8;
    uint8_t value[8] = {0};

    if (!oracle_dtype_is_numeric(tensor->dtype)) {
        for (uint64_t i = 0; i < mk_byte_count(tensor); i++) {
            fputc((int)(prng_next(&prng) & 0xff), file);
        }
        return;
    }
    for (uint64_t i = 0; i < mk_elem_count(tensor); i++) {
        oracle_encode(tensor->dtype, prng_bell(&prng) * width, value);
        fwrite(value, 1, elem_bytes, file);
    }
}

static void write_data(FILE *file, const struct mk_tensor *tensor)
{
    uint8_t value[8] = {0};

    if (tensor->bytes != NULL) {
        fwrite(tensor->bytes, 1, mk_byte_count(tensor), file);
        return;
    }
    if (tensor->values == NULL) {
        write_noise(file, tensor);
        return;
    }
    for (uint64_t i = 0; i < mk_elem_count(tensor); i++) {
        oracle_encode(tensor->dtype, tensor->values[i], value);
        fwrite(value, 1, oracle_dtype_bits(tensor->dtype) / 8, file);
    }
}

void mk_file(const char *path, const struct mk_tensor *tensors, size_t count, const char *metadata)
{
    size_t length;
    char *header = header_text(tensors, count, metadata, &length);
    FILE *file = fopen(path, "we");
    uint64_t prefix = length;

    if (file == NULL) {
        die("create", path);
    }
    fwrite(&prefix, 1, sizeof(prefix), file);
    fwrite(header, 1, length, file);
    for (size_t i = 0; i < count; i++) {
        write_data(file, &tensors[i]);
    }
    if (ferror(file) != 0 || fclose(file) != 0) {
        die("write", path);
    }
    free(header);
}

void mk_folder(const char *folder, const struct mk_tensor *tensors, size_t count)
{
    tmpdir_folder(folder);
    mk_file(tmpdir_join(folder, "model.safetensors").text, tensors, count, "{\"format\":\"pt\"}");
}

static size_t first_of_shard(size_t count, uint32_t shard, uint32_t shard_count)
{
    size_t first = 0;

    while (first < count && first * shard_count / count < shard) {
        first++;
    }
    return first;
}

void mk_sharded(const char *folder, const struct mk_tensor *tensors, size_t count,
                uint32_t shard_count)
{
    FILE *index;
    uint64_t total = 0;
    char name[64];

    tmpdir_folder(folder);
    for (uint32_t shard = 0; shard < shard_count; shard++) {
        size_t first = first_of_shard(count, shard, shard_count);
        size_t last = first_of_shard(count, shard + 1, shard_count);

        snprintf(name, sizeof(name), "model-%05u-of-%05u.safetensors", shard + 1, shard_count);
        mk_file(tmpdir_join(folder, name).text, tensors + first, last - first,
                "{\"format\":\"pt\"}");
    }
    index = fopen(tmpdir_join(folder, "model.safetensors.index.json").text, "we");
    if (index == NULL) {
        die("create index in", folder);
    }
    for (size_t i = 0; i < count; i++) {
        total += mk_byte_count(&tensors[i]);
    }
    fprintf(index, "{\n  \"metadata\": {\n    \"total_size\": %" PRIu64 "\n  },\n", total);
    fprintf(index, "  \"weight_map\": {");
    for (size_t i = 0; i < count; i++) {
        fprintf(index, "%s\n    \"%s\": \"model-%05u-of-%05u.safetensors\"", i > 0 ? "," : "",
                tensors[i].name, (unsigned)(i * shard_count / count) + 1, shard_count);
    }
    fprintf(index, "\n  }\n}\n");
    if (ferror(index) != 0 || fclose(index) != 0) {
        die("write index in", folder);
    }
}

void mk_config(const char *folder, const char *torch_dtype)
{
    char text[512];

    snprintf(text, sizeof(text),
             "{\n  \"architectures\": [\n    \"LlamaForCausalLM\"\n  ],\n"
             "  \"model_type\": \"llama\",\n  \"num_hidden_layers\": 2,\n"
             "  \"tie_word_embeddings\": false,\n  \"torch_dtype\": \"%s\",\n"
             "  \"vocab_size\": 16\n}\n",
             torch_dtype);
    tmpdir_write_text(tmpdir_join(folder, "config.json").text, text);
}

/* Names outlive the caller's array; they hang in a list of the program, which leak checkers accept.
 */
struct kept_name {
    struct kept_name *next;
    char text[96];
};
static struct kept_name *kept_names;

static const char *layer_name(uint32_t layer, const char *role)
{
    struct kept_name *name = calloc(1, sizeof(*name));

    if (name == NULL) {
        die("calloc", role);
    }
    snprintf(name->text, sizeof(name->text), "model.layers.%u.%s", layer, role);
    name->next = kept_names;
    kept_names = name;
    return name->text;
}

size_t mk_llama(struct mk_tensor *tensors, size_t capacity, uint32_t layers, uint64_t width,
                onefold_dtype dtype, uint64_t seed)
{
    static const struct {
        const char *role;
        uint32_t rank;
        uint32_t rows;
        uint32_t columns; /* both in widths */
    } roles[] = {
        {"input_layernorm.weight", 1, 1, 1},
        {"mlp.down_proj.weight", 2, 1, 2},
        {"mlp.gate_proj.weight", 2, 2, 1},
        {"mlp.up_proj.weight", 2, 2, 1},
        {"post_attention_layernorm.weight", 1, 1, 1},
        {"self_attn.k_proj.weight", 2, 1, 1},
        {"self_attn.o_proj.weight", 2, 1, 1},
        {"self_attn.q_proj.weight", 2, 1, 1},
        {"self_attn.v_proj.weight", 2, 1, 1},
    };
    size_t count = 0;
    struct mk_tensor tensor = {.dtype = dtype, .rank = 2};
    size_t role_count = sizeof(roles) / sizeof(roles[0]);

    for (size_t i = 0; i < layers * role_count + 3; i++) {
        tensor.seed = seed * UINT64_C(1000003) + i;
        tensor.rank = 2;
        tensor.shape[0] = 4 * width;
        tensor.shape[1] = width;
        if (i == 0) {
            tensor.name = "lm_head.weight";
        } else if (i == 1) {
            tensor.name = "model.embed_tokens.weight";
        } else if (i == layers * role_count + 2) {
            tensor.name = "model.norm.weight";
            tensor.rank = 1;
            tensor.shape[0] = width;
        } else {
            size_t role = (i - 2) % role_count;

            tensor.name = layer_name((uint32_t)((i - 2) / role_count), roles[role].role);
            tensor.rank = roles[role].rank;
            tensor.shape[0] = roles[role].rows * width;
            tensor.shape[1] = roles[role].columns * width;
        }
        if (count < capacity) {
            tensors[count++] = tensor;
        }
    }
    return count;
}
