/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoint formats: the plain tensor record that parsers fill, the descriptor of a format, and
 * recognising other kinds of file by content.
 */
#ifndef OF_FMT_FORMAT_H
#define OF_FMT_FORMAT_H

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "onefold/dtype.h"

#include <stdbool.h>
#include <stdint.h>

struct of_tensor {
    struct of_str name;    /* in the arena */
    const uint64_t *shape; /* rank entries, in the arena; equal neighbours may share it */
    uint64_t elem_count;
    uint64_t byte_count;
    uint64_t offset; /* from the start of the file, not of its data */
    uint16_t shard_index;
    uint8_t rank;
    uint8_t dtype; /* onefold_dtype */
};

struct of_pair {
    struct of_str key;
    struct of_str value;
};

/* What a header holds. */
struct of_header {
    struct of_tensor *tensors; /* in header order; tensor_count of them */
    uint64_t tensor_count;
    struct of_pair *metadata; /* in header order */
    uint64_t metadata_count;
    bool has_metadata;
    uint64_t data_offset; /* where the data starts in the file */
};

struct of_parse_in {
    struct of_str bytes; /* the whole header region, as of_format.header_need said */
    uint64_t file_bytes; /* size of the file */
    struct of_arena *arena;
    struct of_report *report; /* for warnings */
    const char *file;         /* label for warnings */
    /* May be NULL: called with the offset before which `bytes` is not needed any more. */
    void (*release)(void *context, uint64_t upto_offset);
    void *release_context;
};

struct of_format {
    const char *name;
    const char *suffix;
    /* How many bytes from the start of the file the parser needs, from the first bytes (at least 8,
     * or the whole file when it is shorter). Every problem with the length is an error here. */
    onefold_status (*header_need)(struct of_str first, uint64_t file_bytes, uint64_t *ret_bytes,
                                  onefold_error *err);
    /* Checks everything formats.md asks for, except what needs the data. On return tensors are in
     * order of (offset, end) and cover the data exactly; names are unique. */
    onefold_status (*parse)(const struct of_parse_in *in, struct of_header *ret_header,
                            onefold_error *err);
};

extern const struct of_format of_format_safetensors;

/* Refuses a file that is recognisably something else (zip, pickle, gguf, gzip, zstd, hdf5, html,
 * git-lfs pointer, tar, npy): ids kind-*. ONEFOLD_OK when nothing is recognised. */
OF_NODISCARD onefold_status of_format_recognise(struct of_str first, uint64_t file_bytes,
                                                onefold_error *err);

/* Header bytes of an output shard: 8-byte length, compact JSON with sorted __metadata__ first, then
 * the tensors as given (offset = from the start of the data, in this call), padded with spaces so
 * that the data starts at a multiple of OF_ST_DATA_ALIGN. Appended to *text. */
void of_safetensors_emit(const struct of_tensor *tensors, uint64_t tensor_count,
                         const struct of_pair *metadata, uint64_t metadata_count,
                         struct of_text *text);
/* One member of a header, without commas around it, as of_safetensors_emit writes it. */
void of_safetensors_emit_entry(const struct of_tensor *tensor, struct of_text *text);
/* Upper bound of the JSON bytes that one tensor entry takes in a header. */
uint64_t of_safetensors_entry_bytes(const struct of_tensor *tensor);

#endif
