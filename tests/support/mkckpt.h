/* SPDX-License-Identifier: Apache-2.0 */
/* Builds small checkpoints for tests: written by hand, byte by byte, with nothing of src/. */
#ifndef OF_TESTS_MKCKPT_H
#define OF_TESTS_MKCKPT_H

#include "onefold/dtype.h"

#include <stddef.h>
#include <stdint.h>

struct mk_tensor {
    const char *name;
    onefold_dtype dtype;
    uint32_t rank;
    uint64_t shape[4];
    /* What it holds: raw bytes; or numbers, converted to the type; or, with both NULL, noise from
     * `seed` (numeric types: a bell of width `width`, 0 = 1; other types: random bytes). */
    const void *bytes;
    const double *values;
    uint64_t seed;
    double width;
};

uint64_t mk_elem_count(const struct mk_tensor *tensor);
uint64_t mk_byte_count(const struct mk_tensor *tensor);

/* Writes one safetensors file. `metadata` is the text of an object of strings, or NULL for none. */
void mk_file(const char *path, const struct mk_tensor *tensors, size_t count, const char *metadata);

/* Makes the folder with one model.safetensors. */
void mk_folder(const char *folder, const struct mk_tensor *tensors, size_t count);

/* Makes the folder with shard_count shards and their index; tensors[i] goes to shard
 * i * shard_count / count. Metadata {"format":"pt"}. */
void mk_sharded(const char *folder, const struct mk_tensor *tensors, size_t count,
                uint32_t shard_count);

/* A small config.json of a Llama-shaped model. */
void mk_config(const char *folder, const char *torch_dtype);

/* The tensors of a Llama-shaped model with `layers` layers and width `width`, all of one type,
 * noise from `seed`. Returns their number; at most `capacity` are written. Names live until the
 * program ends. */
size_t mk_llama(struct mk_tensor *tensors, size_t capacity, uint32_t layers, uint64_t width,
                onefold_dtype dtype, uint64_t seed);

#endif
