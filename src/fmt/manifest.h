/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onefold.json (integrity.md section 6): written in pieces, read member by member, so that a
 * hundred thousand tensors cost one at a time. Plain values in, text out; no file.
 */
#ifndef OF_FMT_MANIFEST_H
#define OF_FMT_MANIFEST_H

#include "base/attr.h"
#include "base/err.h"
#include "base/hash.h"
#include "fmt/format.h"
#include "fmt/json.h"

#include <stdbool.h>
#include <stdint.h>

enum { OF_MANIFEST_VERSION = 1 };

struct of_manifest_file {
    struct of_str name;
    uint64_t size_bytes;
    bool has_sha256;
    struct of_sha256_digest sha256;
    bool has_xxh128;
    struct of_digest xxh128;
};

struct of_manifest_input_file {
    struct of_str name;
    uint64_t size_bytes;
    struct of_sha256_digest header_sha256;
};

struct of_manifest_tensor {
    const struct of_tensor *tensor; /* name, dtype, shape; offset in the file */
    struct of_str file;
    struct of_digest digest;
    uint64_t nan_in;
    uint64_t inf_in;
    uint64_t nan_out;
    uint64_t inf_out;
    uint64_t overflow_count; /* finite before narrowing, not after */
};

/* Reading: called per element, in document order; what the pointers name is valid during the call.
 * Any may be NULL. */
struct of_manifest_reader {
    onefold_status (*output)(void *context, const struct of_manifest_file *file,
                             onefold_error *err);
    onefold_status (*tensor)(void *context, const struct of_manifest_tensor *tensor,
                             onefold_error *err);
    void *context;
};
struct of_manifest_head {
    uint64_t version;
    struct of_digest checkpoint;
    struct of_sha256_digest plan_hash;
    uint64_t tensor_count;
    uint64_t output_count;
};
/* Untrusted: names are single components without duplicates (the caller's maps find duplicates),
 * numbers checked. Ids manifest-*. */
OF_NODISCARD onefold_status of_manifest_parse(struct of_str text, struct of_arena *arena,
                                              const struct of_manifest_reader *reader,
                                              struct of_manifest_head *ret_head,
                                              onefold_error *err);

/* One element of a list as a whole object, its keys sorted; of_manifest_emit_digest: a value. The
 * caller may flush writer->text between any two calls. */
void of_manifest_emit_file(struct of_json_writer *writer, const struct of_manifest_file *file);
void of_manifest_emit_input_file(struct of_json_writer *writer,
                                 const struct of_manifest_input_file *file);
void of_manifest_emit_tensor(struct of_json_writer *writer,
                             const struct of_manifest_tensor *recorded);
void of_manifest_emit_digest(struct of_json_writer *writer, const uint8_t *digest, uint32_t length);

#endif
