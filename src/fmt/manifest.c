/* SPDX-License-Identifier: Apache-2.0 */
/* onefold.json. Read as what it is, a file from elsewhere: walked element by element, every name
 * and number checked, everything that is not read still judged to be strict JSON. */
#include "fmt/manifest.h"

#include "base/check.h"
#include "base/dtype.h"
#include "base/limits.h"
#include "base/num.h"
#include "fmt/key_set.h"

#include <string.h>

/* How far below the top level a part may be larger than one member: the files of an input, the
 * coefficients of a row. */
enum { LARGE_LEVELS_MAX = 4 };

enum {
    SEEN_VERSION = 1,
    SEEN_CHECKPOINT = 2,
    SEEN_PLAN_HASH = 4,
    SEEN_OUTPUTS = 8,
    SEEN_TENSORS = 16
};

struct reading {
    struct of_arena *arena;
    const struct of_manifest_reader *reader;
    struct of_manifest_head head;
    struct of_key_set keys;
    unsigned seen;
    uint64_t shape[OF_TENSOR_RANK_MAX];
};

/* A large part that nobody reads. */
struct unread {
    struct of_arena *arena;
    struct of_key_set keys;
    bool keyed;
    uint32_t level;
};

static onefold_status field_error(const char *key, const char *what, onefold_error *err)
{
    return of_err_set(err, "manifest-field", "\"%s\" %s", key, what);
}

static onefold_status get_string(const struct of_json *object, const char *key,
                                 struct of_str *ret_text, onefold_error *err)
{
    const struct of_json *value = of_json_get(object, key);

    if (value == NULL || !of_json_string(value, ret_text)) {
        return field_error(key, "is missing or not a string", err);
    }
    return ONEFOLD_OK;
}

static onefold_status get_u64(const struct of_json *object, const char *key, uint64_t *ret_value,
                              onefold_error *err)
{
    const struct of_json *value = of_json_get(object, key);
    int64_t integer;

    if (value == NULL || !of_json_integer(value, &integer)) {
        return field_error(key, "is missing or not a whole number", err);
    }
    if (integer < 0) {
        return of_err_set(err, "manifest-number", "\"%s\" is negative", key);
    }
    *ret_value = (uint64_t)integer;
    return ONEFOLD_OK;
}

static onefold_status take_digest(struct of_str hex, const char *key, uint8_t *ret_digest,
                                  uint32_t length, onefold_error *err)
{
    if (hex.length != 2 * (size_t)length || !of_hash_from_hex(hex.data, length, ret_digest)) {
        return of_err_set(err, "manifest-digest", "\"%s\" is not %u hex digits", key, 2 * length);
    }
    return ONEFOLD_OK;
}

static onefold_status get_digest(const struct of_json *object, const char *key, uint8_t *ret_digest,
                                 uint32_t length, onefold_error *err)
{
    struct of_str hex = {0};

    OF_TRY(get_string(object, key, &hex, err));
    return take_digest(hex, key, ret_digest, length, err);
}

/* One file name in the manifest's own folder. */
static onefold_status get_file_name(const struct of_json *object, const char *key,
                                    struct of_str *ret_name, onefold_error *err)
{
    struct of_str name = {0};

    OF_TRY(get_string(object, key, &name, err));
    if (name.length == 0 || name.length > OF_FILE_NAME_BYTES_MAX || of_str_is(name, ".") ||
        of_str_is(name, "..") || memchr(name.data, '/', name.length) != NULL ||
        memchr(name.data, '\\', name.length) != NULL || of_str_has_control(name)) {
        return of_err_set(err, "manifest-name", "\"%s\" is \"%s\", not a plain file name", key,
                          of_str_escape(name).text);
    }
    *ret_name = name;
    return ONEFOLD_OK;
}

static onefold_status read_output(struct reading *reading, const struct of_json *object,
                                  onefold_error *err)
{
    struct of_manifest_file file = {0};

    OF_TRY(get_file_name(object, "name", &file.name, err));
    OF_TRY(get_u64(object, "size", &file.size_bytes, err));
    file.has_sha256 = of_json_get(object, "sha256") != NULL;
    if (file.has_sha256) {
        OF_TRY(get_digest(object, "sha256", file.sha256.bytes, sizeof(file.sha256.bytes), err));
    }
    file.has_xxh128 = of_json_get(object, "xxh128") != NULL;
    if (file.has_xxh128) {
        OF_TRY(get_digest(object, "xxh128", file.xxh128.bytes, sizeof(file.xxh128.bytes), err));
    }
    reading->head.output_count++;
    if (reading->reader->output != NULL) {
        return reading->reader->output(reading->reader->context, &file, err);
    }
    return ONEFOLD_OK;
}

static onefold_status read_shape(struct reading *reading, const struct of_json *object,
                                 struct of_tensor *tensor, onefold_error *err)
{
    const struct of_json *shape = of_json_get(object, "shape");
    uint64_t rank;

    if (shape == NULL || of_json_kind(shape) != OF_JSON_ARRAY) {
        return field_error("shape", "is missing or not a list", err);
    }
    rank = of_json_size(shape);
    if (rank > OF_TENSOR_RANK_MAX) {
        return of_err_set(err, "manifest-number", "\"shape\" has more than %d dimensions",
                          OF_TENSOR_RANK_MAX);
    }
    tensor->elem_count = 1;
    for (uint64_t i = 0; i < rank; i++) {
        int64_t dimension;

        if (!of_json_integer(of_json_at(shape, i), &dimension) || dimension < 0 ||
            (uint64_t)dimension > OF_TENSOR_DIM_MAX ||
            !of_num_mul(tensor->elem_count, (uint64_t)dimension, &tensor->elem_count)) {
            return of_err_set(err, "manifest-number", "\"shape\" holds an impossible dimension");
        }
        reading->shape[i] = (uint64_t)dimension;
    }
    tensor->rank = (uint8_t)rank;
    tensor->shape = reading->shape;
    if (!of_dtype_bytes((onefold_dtype)tensor->dtype, tensor->elem_count, &tensor->byte_count)) {
        return of_err_set(err, "manifest-number", "\"shape\" does not fill whole bytes");
    }
    return ONEFOLD_OK;
}

static onefold_status read_tensor_fields(struct reading *reading, const struct of_json *object,
                                         struct of_manifest_tensor *recorded,
                                         struct of_tensor *tensor, onefold_error *err)
{
    struct of_str dtype_name = {0};
    onefold_dtype dtype;

    if (tensor->name.length == 0 || tensor->name.length > OF_TENSOR_NAME_BYTES_MAX ||
        of_str_has_control(tensor->name)) {
        return of_err_set(err, "manifest-name", "not a name of a tensor");
    }
    OF_TRY(get_string(object, "dtype", &dtype_name, err));
    if (!of_dtype_parse(dtype_name, &dtype)) {
        return of_err_set(err, "manifest-field", "dtype \"%s\" is unknown",
                          of_str_escape(dtype_name).text);
    }
    tensor->dtype = (uint8_t)dtype;
    OF_TRY(read_shape(reading, object, tensor, err));
    OF_TRY(get_u64(object, "offset", &tensor->offset, err));
    OF_TRY(get_file_name(object, "file", &recorded->file, err));
    OF_TRY(
        get_digest(object, "digest", recorded->digest.bytes, sizeof(recorded->digest.bytes), err));
    OF_TRY(get_u64(object, "nan_in", &recorded->nan_in, err));
    OF_TRY(get_u64(object, "inf_in", &recorded->inf_in, err));
    OF_TRY(get_u64(object, "nan_out", &recorded->nan_out, err));
    OF_TRY(get_u64(object, "inf_out", &recorded->inf_out, err));
    return get_u64(object, "overflow", &recorded->overflow_count, err);
}

static onefold_status read_tensor(struct reading *reading, const struct of_json *object,
                                  onefold_error *err)
{
    struct of_tensor tensor = {0};
    struct of_manifest_tensor recorded = {.tensor = &tensor};

    OF_TRY(get_string(object, "name", &tensor.name, err));
    if (read_tensor_fields(reading, object, &recorded, &tensor, err) != ONEFOLD_OK) {
        return of_err_prefix(err, "tensor \"%s\"", of_str_escape(tensor.name).text);
    }
    reading->head.tensor_count++;
    if (reading->reader->tensor != NULL) {
        return reading->reader->tensor(reading->reader->context, &recorded, err);
    }
    return ONEFOLD_OK;
}

static onefold_status read_element(struct reading *reading, const struct of_json_member *member,
                                   bool is_output, onefold_error *err)
{
    struct of_json *object = NULL;
    onefold_status status;

    OF_TRY(of_json_parse(member->text, "manifest-json", &object, err));
    if (of_json_kind(object) != OF_JSON_OBJECT) {
        status = of_err_set(err, "manifest-field", "an element is not an object");
    } else {
        status = is_output ? read_output(reading, object, err) : read_tensor(reading, object, err);
    }
    of_json_free(object);
    return status;
}

static onefold_status visit_output(void *context, const struct of_json_member *member,
                                   onefold_error *err)
{
    return read_element(context, member, true, err);
}

static onefold_status visit_tensor(void *context, const struct of_json_member *member,
                                   onefold_error *err)
{
    return read_element(context, member, false, err);
}

static onefold_status read_list(struct reading *reading, const struct of_json_member *member,
                                of_json_member_fn *visit, onefold_error *err)
{
    const struct of_json_walk walk = {.id_syntax = "manifest-json",
                                      .id_top = "manifest-field",
                                      .id_depth = "manifest-depth",
                                      .member_bytes_max = OF_ST_MEMBER_BYTES_MAX,
                                      .base_offset = member->value_offset,
                                      .member = visit,
                                      .context = reading};

    if (of_json_walk_array(member->text, &walk, err) != ONEFOLD_OK) {
        return of_err_prefix(err, "%s", of_str_escape(member->key).text);
    }
    return ONEFOLD_OK;
}

static onefold_status check_unread(const struct of_json_member *member, uint32_t level,
                                   onefold_error *err);

static onefold_status visit_unread(void *context, const struct of_json_member *member,
                                   onefold_error *err)
{
    struct unread *unread = context;

    if (unread->keyed) {
        OF_TRY(of_key_set_add(&unread->keys, unread->arena, member->key, "manifest-duplicate",
                              "manifest-limit", err));
    }
    return check_unread(member, unread->level + 1, err);
}

/* Judges a part without keeping it. What is small is parsed at once; what is large, member by
 * member, at most LARGE_LEVELS_MAX deep. */
static onefold_status check_unread(const struct of_json_member *member, uint32_t level,
                                   onefold_error *err)
{
    struct of_arena scratch;
    struct unread unread = {.arena = &scratch, .level = level};
    const struct of_json_walk walk = {.id_syntax = "manifest-json",
                                      .id_top = "manifest-json",
                                      .id_depth = "manifest-depth",
                                      .base_offset = member->value_offset,
                                      .member = visit_unread,
                                      .context = &unread};
    onefold_status status;

    if (member->text.length <= OF_ST_MEMBER_BYTES_MAX) {
        return of_json_check(member->text, "manifest-json", err);
    }
    if (level == LARGE_LEVELS_MAX ||
        (member->kind != OF_JSON_OBJECT && member->kind != OF_JSON_ARRAY)) {
        return of_err_set(err, "manifest-limit", "a value of %zu bytes", member->text.length);
    }
    of_arena_init(&scratch, 0);
    unread.keyed = member->kind == OF_JSON_OBJECT;
    status = unread.keyed ? of_json_walk(member->text, &walk, err)
                          : of_json_walk_array(member->text, &walk, err);
    of_arena_finish(&scratch);
    return status;
}

static onefold_status read_head_digest(const struct of_json_member *member, uint8_t *ret_digest,
                                       uint32_t length, onefold_error *err)
{
    struct of_text scratch = {0};
    struct of_str hex = {0};
    onefold_status status;

    if (member->kind != OF_JSON_STRING) {
        OF_TRY(of_json_check(member->text, "manifest-json", err));
        return field_error(of_str_escape(member->key).text, "is not a string", err);
    }
    status = of_json_decode_string(member->text, "manifest-json", &scratch, &hex, err);
    if (status == ONEFOLD_OK) {
        status = take_digest(hex, of_str_escape(member->key).text, ret_digest, length, err);
    }
    of_text_finish(&scratch);
    return status;
}

static onefold_status read_top(void *context, const struct of_json_member *member,
                               onefold_error *err)
{
    struct reading *reading = context;
    struct of_manifest_head *head = &reading->head;

    OF_TRY(of_key_set_add(&reading->keys, reading->arena, member->key, "manifest-duplicate",
                          "manifest-limit", err));
    if (of_str_is(member->key, "manifest_version")) {
        reading->seen |= SEEN_VERSION;
        OF_TRY(of_json_decode_u63(member->text, "manifest-json", "manifest-number", &head->version,
                                  err));
        if (head->version != OF_MANIFEST_VERSION) {
            return of_err_set(err, "manifest-version", "manifest_version is %llu, %d is known",
                              (unsigned long long)head->version, OF_MANIFEST_VERSION);
        }
        return ONEFOLD_OK;
    }
    if (of_str_is(member->key, "checkpoint")) {
        reading->seen |= SEEN_CHECKPOINT;
        return read_head_digest(member, head->checkpoint.bytes, sizeof(head->checkpoint.bytes),
                                err);
    }
    if (of_str_is(member->key, "plan_hash")) {
        reading->seen |= SEEN_PLAN_HASH;
        return read_head_digest(member, head->plan_hash.bytes, sizeof(head->plan_hash.bytes), err);
    }
    if (of_str_is(member->key, "outputs")) {
        reading->seen |= SEEN_OUTPUTS;
        return read_list(reading, member, visit_output, err);
    }
    if (of_str_is(member->key, "tensors")) {
        reading->seen |= SEEN_TENSORS;
        return read_list(reading, member, visit_tensor, err);
    }
    return check_unread(member, 0, err);
}

onefold_status of_manifest_parse(struct of_str text, struct of_arena *arena,
                                 const struct of_manifest_reader *reader,
                                 struct of_manifest_head *ret_head, onefold_error *err)
{
    static const char *const required[] = {"manifest_version", "checkpoint", "plan_hash", "outputs",
                                           "tensors"};
    struct reading *reading = OF_ARENA_NEW(arena, struct reading, 1);
    const struct of_json_walk walk = {.id_syntax = "manifest-json",
                                      .id_top = "manifest-top",
                                      .id_depth = "manifest-depth",
                                      .member = read_top,
                                      .context = reading};

    if (reading == NULL) {
        return of_err_set(err, "memory", "no memory for the manifest");
    }
    if (text.length > OF_MANIFEST_BYTES_MAX) {
        return of_err_set(err, "manifest-limit", "the manifest has %zu bytes, more than 512 MiB",
                          text.length);
    }
    reading->arena = arena;
    reading->reader = reader;
    OF_TRY(of_json_walk(text, &walk, err));
    for (unsigned i = 0; i < OF_LENGTH(required); i++) {
        if ((reading->seen & (1u << i)) == 0) {
            return field_error(required[i], "is missing", err);
        }
    }
    *ret_head = reading->head;
    return ONEFOLD_OK;
}

void of_manifest_emit_digest(struct of_json_writer *writer, const uint8_t *digest, uint32_t length)
{
    char hex[2 * sizeof(struct of_sha256_digest) + 1];

    of_assert(length <= sizeof(struct of_sha256_digest));
    of_hash_hex(digest, length, hex);
    of_json_add_string(writer, hex);
}

void of_manifest_emit_file(struct of_json_writer *writer, const struct of_manifest_file *file)
{
    of_json_begin_object(writer);
    of_json_key(writer, "name");
    of_json_add_str(writer, file->name);
    if (file->has_sha256) {
        of_json_key(writer, "sha256");
        of_manifest_emit_digest(writer, file->sha256.bytes, sizeof(file->sha256.bytes));
    }
    of_json_key(writer, "size");
    of_json_add_u64(writer, file->size_bytes);
    if (file->has_xxh128) {
        of_json_key(writer, "xxh128");
        of_manifest_emit_digest(writer, file->xxh128.bytes, sizeof(file->xxh128.bytes));
    }
    of_json_end_object(writer);
}

void of_manifest_emit_input_file(struct of_json_writer *writer,
                                 const struct of_manifest_input_file *file)
{
    of_json_begin_object(writer);
    of_json_key(writer, "header_sha256");
    of_manifest_emit_digest(writer, file->header_sha256.bytes, sizeof(file->header_sha256.bytes));
    of_json_key(writer, "name");
    of_json_add_str(writer, file->name);
    of_json_key(writer, "size");
    of_json_add_u64(writer, file->size_bytes);
    of_json_end_object(writer);
}

/* Of a tensor, in front of its file, between file and name, and behind the name. */
enum { HEAD_BYTES_MAX = 96, MIDDLE_BYTES_MAX = 80, TAIL_BYTES_MAX = 160 };
/* Of each dimension: a comma and a number. */
enum { DIMENSION_BYTES_MAX = 1 + OF_PEN_U64_BYTES };

static void add_count(struct of_pen *pen, struct of_str key, uint64_t count)
{
    of_pen_add(pen, key);
    of_pen_add_u64(pen, count);
}

static void emit_head(struct of_text *text, const struct of_manifest_tensor *recorded)
{
    const char *dtype = onefold_dtype_name((onefold_dtype)recorded->tensor->dtype);
    struct of_pen pen;

    if (!of_pen_begin(&pen, text, HEAD_BYTES_MAX)) {
        return;
    }
    of_pen_add(&pen, OF_STR("{\"digest\":\""));
    of_hash_hex(recorded->digest.bytes, sizeof(recorded->digest.bytes), pen.at);
    pen.at += 2 * sizeof(recorded->digest.bytes);
    of_pen_add(&pen, OF_STR("\",\"dtype\":\""));
    of_pen_add(&pen, of_str_from(dtype));
    of_pen_add(&pen, OF_STR("\",\"file\":"));
    of_pen_end(&pen);
}

static void emit_middle(struct of_text *text, const struct of_manifest_tensor *recorded)
{
    struct of_pen pen;

    if (!of_pen_begin(&pen, text, MIDDLE_BYTES_MAX)) {
        return;
    }
    add_count(&pen, OF_STR(",\"inf_in\":"), recorded->inf_in);
    add_count(&pen, OF_STR(",\"inf_out\":"), recorded->inf_out);
    of_pen_add(&pen, OF_STR(",\"name\":"));
    of_pen_end(&pen);
}

static void emit_tail(struct of_text *text, const struct of_manifest_tensor *recorded)
{
    const struct of_tensor *tensor = recorded->tensor;
    struct of_pen pen;

    if (!of_pen_begin(&pen, text, TAIL_BYTES_MAX + (size_t)tensor->rank * DIMENSION_BYTES_MAX)) {
        return;
    }
    add_count(&pen, OF_STR(",\"nan_in\":"), recorded->nan_in);
    add_count(&pen, OF_STR(",\"nan_out\":"), recorded->nan_out);
    add_count(&pen, OF_STR(",\"offset\":"), tensor->offset);
    add_count(&pen, OF_STR(",\"overflow\":"), recorded->overflow_count);
    of_pen_add(&pen, OF_STR(",\"shape\":["));
    for (uint32_t i = 0; i < tensor->rank; i++) {
        if (i > 0) {
            of_pen_add(&pen, OF_STR(","));
        }
        of_pen_add_u64(&pen, tensor->shape[i]);
    }
    of_pen_add(&pen, OF_STR("]}"));
    of_pen_end(&pen);
}

/* Keys are added as they stand in the file, with what is around them: there may be a hundred
 * thousand tensors. */
void of_manifest_emit_tensor(struct of_json_writer *writer,
                             const struct of_manifest_tensor *recorded)
{
    struct of_text *text = &writer->text;

    of_assert(writer->indent == 0);
    of_json_add_raw(writer, OF_STR(""));
    emit_head(text, recorded);
    of_json_quote(text, recorded->file);
    emit_middle(text, recorded);
    of_json_quote(text, recorded->tensor->name);
    emit_tail(text, recorded);
}
