/* SPDX-License-Identifier: Apache-2.0 */
/* One entry of a safetensors header: its name, and what dtype, shape and data_offsets say. */
#include "fmt/safetensors_parts.h"

#include "base/dtype.h"
#include "base/num.h"

#include <string.h>

enum { SEEN_DTYPE = 1, SEEN_SHAPE = 2, SEEN_OFFSETS = 4 };
/* No type has a longer name. */
enum { DTYPE_BYTES_MAX = 16 };

/* An entry while its fields are walked. */
struct reading {
    struct of_st_entry *entry;
    struct of_text *scratch;
    unsigned seen;
    uint32_t rank;         /* of the shape so far */
    uint32_t offset_count; /* of data_offsets so far */
};

onefold_status of_st_name_check(struct of_str name, onefold_error *err)
{
    size_t at = 0;

    if (name.length == 0) {
        return of_err_set(err, "st-name-empty", "a tensor has an empty name");
    }
    if (name.length > OF_TENSOR_NAME_BYTES_MAX) {
        return of_err_set(err, "st-name-long", "a tensor name has %zu bytes, more than %d: \"%s\"",
                          name.length, OF_TENSOR_NAME_BYTES_MAX, of_str_escape(name).text);
    }
    if (!of_str_has_control(name)) {
        return ONEFOLD_OK;
    }
    while (at < name.length) {
        uint32_t code = 0;

        at += of_str_decode((struct of_str){name.data + at, name.length - at}, &code);
        if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)) {
            return of_err_set(err, "st-name-bidi",
                              "tensor name \"%s\" holds a control of the writing direction",
                              of_str_escape(name).text);
        }
        if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
            break;
        }
    }
    return of_err_set(err, "st-name-control", "tensor name \"%s\" holds a control character",
                      of_str_escape(name).text);
}

static onefold_status unknown_dtype(struct of_str name, onefold_error *err)
{
    char known[256];
    size_t used = 0;

    for (int i = 0; i < ONEFOLD_DTYPE_COUNT; i++) {
        const char *word = onefold_dtype_name((onefold_dtype)i);
        size_t length = strlen(word);

        if (used + length + 2 > sizeof(known)) {
            break;
        }
        known[used++] = ' ';
        memcpy(known + used, word, length);
        used += length;
    }
    known[used] = '\0';
    return of_err_set(err, "st-dtype", "dtype \"%s\" is unknown; known are%s",
                      of_str_escape(name).text, known);
}

static onefold_status read_dtype(struct reading *reading, const struct of_json_member *member,
                                 onefold_error *err)
{
    struct of_str name;

    if (member->kind != OF_JSON_STRING) {
        OF_TRY(of_json_check(member->text, "st-json", err));
        return of_err_set(err, "st-field", "dtype is not a string");
    }
    OF_TRY(of_json_decode_string(member->text, "st-json", reading->scratch, &name, err));
    if (!of_dtype_parse(name, &reading->entry->dtype)) {
        return unknown_dtype(name, err);
    }
    return ONEFOLD_OK;
}

static onefold_status read_dimension(void *context, const struct of_json_member *member,
                                     onefold_error *err)
{
    struct reading *reading = context;
    uint64_t value;

    OF_TRY(of_json_decode_u63(member->text, "st-json", "st-number", &value, err));
    if (value > OF_TENSOR_DIM_MAX) {
        return of_err_set(err, "st-dim", "dimension %llu is above 2^48-1",
                          (unsigned long long)value);
    }
    if (reading->rank == OF_TENSOR_RANK_MAX) {
        return of_err_set(err, "st-rank", "more than %d dimensions", OF_TENSOR_RANK_MAX);
    }
    reading->entry->shape[reading->rank++] = value;
    return ONEFOLD_OK;
}

static onefold_status read_offset(void *context, const struct of_json_member *member,
                                  onefold_error *err)
{
    struct reading *reading = context;
    uint64_t value;

    OF_TRY(of_json_decode_u63(member->text, "st-json", "st-number", &value, err));
    if (reading->offset_count == 0) {
        reading->entry->begin = value;
    } else if (reading->offset_count == 1) {
        reading->entry->end = value;
    } else {
        return of_err_set(err, "st-offsets", "more than two numbers");
    }
    reading->offset_count++;
    return ONEFOLD_OK;
}

static onefold_status read_shape(struct reading *reading, const struct of_json_member *member,
                                 onefold_error *err)
{
    const struct of_json_walk walk = {.id_syntax = "st-json",
                                      .id_top = "st-shape",
                                      .base_offset = member->value_offset,
                                      .member = read_dimension,
                                      .context = reading};

    if (of_json_walk_array(member->text, &walk, err) != ONEFOLD_OK) {
        return of_err_prefix(err, "shape");
    }
    reading->entry->rank = (uint8_t)reading->rank;
    return ONEFOLD_OK;
}

static onefold_status read_offsets(struct reading *reading, const struct of_json_member *member,
                                   onefold_error *err)
{
    const struct of_json_walk walk = {.id_syntax = "st-json",
                                      .id_top = "st-offsets",
                                      .base_offset = member->value_offset,
                                      .member = read_offset,
                                      .context = reading};

    if (of_json_walk_array(member->text, &walk, err) != ONEFOLD_OK) {
        return of_err_prefix(err, "data_offsets");
    }
    if (reading->offset_count != 2) {
        return of_err_set(err, "st-offsets", "data_offsets has %u numbers, not 2",
                          reading->offset_count);
    }
    return ONEFOLD_OK;
}

static onefold_status read_field(void *context, const struct of_json_member *member,
                                 onefold_error *err)
{
    struct reading *reading = context;
    unsigned field = 0;

    if (of_str_is(member->key, "dtype")) {
        field = SEEN_DTYPE;
    } else if (of_str_is(member->key, "shape")) {
        field = SEEN_SHAPE;
    } else if (of_str_is(member->key, "data_offsets")) {
        field = SEEN_OFFSETS;
    } else {
        reading->entry->unknown_field = true;
        return ONEFOLD_OK;
    }
    if ((reading->seen & field) != 0) {
        return of_err_set(err, "st-field-duplicate", "field \"%s\" stands twice",
                          of_str_escape(member->key).text);
    }
    reading->seen |= field;
    if (field == SEEN_DTYPE) {
        return read_dtype(reading, member, err);
    }
    return field == SEEN_SHAPE ? read_shape(reading, member, err)
                               : read_offsets(reading, member, err);
}

/* Counts elements and bytes and compares them with the range. Zeros are left out of the product, so
 * that the order of dimensions does not decide whether it overflows. */
static onefold_status check_size(struct of_st_entry *entry, uint64_t data_bytes, onefold_error *err)
{
    uint64_t product = 1;
    bool is_empty = false;
    uint64_t bytes = 0;
    uint64_t bits;

    for (uint32_t i = 0; i < entry->rank; i++) {
        if (entry->shape[i] == 0) {
            is_empty = true;
        } else if (!of_num_mul(product, entry->shape[i], &product)) {
            return of_err_set(err, "st-elements", "the shape has more than 2^64 elements");
        }
    }
    if (!of_num_mul(product, onefold_dtype_bits(entry->dtype), &bits)) {
        return of_err_set(err, "st-elements", "the shape has %llu elements, too many to count",
                          (unsigned long long)product);
    }
    entry->elem_count = is_empty ? 0 : product;
    if (!of_dtype_bytes(entry->dtype, entry->elem_count, &bytes)) {
        return of_err_set(err, "st-bits", "%llu elements of %u bits do not fill whole bytes",
                          (unsigned long long)entry->elem_count, onefold_dtype_bits(entry->dtype));
    }
    if (entry->begin > entry->end) {
        return of_err_set(err, "st-offset-order", "data_offsets begin %llu is after end %llu",
                          (unsigned long long)entry->begin, (unsigned long long)entry->end);
    }
    if (entry->end - entry->begin != bytes && entry->begin > data_bytes) {
        return of_err_set(err, "st-offset-end",
                          "data_offsets begin %llu is past the data (%llu bytes)",
                          (unsigned long long)entry->begin, (unsigned long long)data_bytes);
    }
    if (entry->end - entry->begin != bytes) {
        return of_err_set(err, "st-size", "data_offsets span %llu bytes, shape and dtype need %llu",
                          (unsigned long long)(entry->end - entry->begin),
                          (unsigned long long)bytes);
    }
    return ONEFOLD_OK;
}

static onefold_status parse_entry(const struct of_json_member *member, struct reading *reading,
                                  onefold_error *err)
{
    const struct of_json_walk walk = {.id_syntax = "st-json",
                                      .id_top = "st-entry",
                                      .base_offset = member->value_offset,
                                      .member = read_field,
                                      .context = reading};

    if (member->text.length > OF_ST_MEMBER_BYTES_MAX) {
        return of_err_set(err, "st-entry-size", "an entry of %zu bytes", member->text.length);
    }
    if (member->kind != OF_JSON_OBJECT) {
        OF_TRY(of_json_check(member->text, "st-json", err));
        return of_err_set(err, "st-entry", "the entry is not an object");
    }
    OF_TRY(of_json_walk(member->text, &walk, err));
    if (reading->entry->unknown_field) {
        /* Nobody has looked into those fields, nor whether one stands twice. */
        OF_TRY(of_json_check(member->text, "st-json", err));
    }
    if ((reading->seen & SEEN_DTYPE) == 0) {
        return of_err_set(err, "st-field", "dtype is missing");
    }
    if ((reading->seen & SEEN_SHAPE) == 0) {
        return of_err_set(err, "st-field", "shape is missing");
    }
    if ((reading->seen & SEEN_OFFSETS) == 0) {
        return of_err_set(err, "st-field", "data_offsets is missing");
    }
    return ONEFOLD_OK;
}

/* ---- Entries as nearly all writers write them ---- */

/* Steps over `word`. */
static inline bool take_word(struct of_str *rest, struct of_str word)
{
    if (rest->length < word.length || memcmp(rest->data, word.data, word.length) != 0) {
        return false;
    }
    *rest = (struct of_str){rest->data + word.length, rest->length - word.length};
    return true;
}

/* A whole number of at most 18 digits, as JSON has it: without leading zeros. */
static bool take_number(struct of_str *rest, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t at = 0;

    while (at < rest->length && at < 19 && rest->data[at] >= '0' && rest->data[at] <= '9') {
        value = value * 10 + (uint64_t)(rest->data[at] - '0');
        at++;
    }
    if (at == 0 || at == 19 || (at > 1 && rest->data[0] == '0')) {
        return false;
    }
    *rest = (struct of_str){rest->data + at, rest->length - at};
    *ret_value = value;
    return true;
}

static bool take_dtype(struct of_str *rest, onefold_dtype *ret_dtype)
{
    size_t length = 0;

    while (length < rest->length && length < DTYPE_BYTES_MAX && rest->data[length] != '"') {
        length++;
    }
    if (!of_dtype_parse((struct of_str){rest->data, length}, ret_dtype)) {
        return false;
    }
    *rest = (struct of_str){rest->data + length, rest->length - length};
    return true;
}

static bool take_shape(struct of_str *rest, struct of_st_entry *entry)
{
    while (!take_word(rest, OF_STR("]"))) {
        if ((entry->rank > 0 && !take_word(rest, OF_STR(","))) ||
            entry->rank == OF_TENSOR_RANK_MAX || !take_number(rest, &entry->shape[entry->rank]) ||
            entry->shape[entry->rank] > OF_TENSOR_DIM_MAX) {
            return false;
        }
        entry->rank++;
    }
    return true;
}

size_t of_st_entry_take(struct of_str text, struct of_st_entry *ret_entry)
{
    struct of_st_entry *entry = ret_entry;
    struct of_str rest = text;

    entry->rank = 0;
    entry->unknown_field = false;
    if (take_word(&rest, OF_STR("{\"dtype\":\"")) && take_dtype(&rest, &entry->dtype) &&
        take_word(&rest, OF_STR("\",\"shape\":[")) && take_shape(&rest, entry) &&
        take_word(&rest, OF_STR(",\"data_offsets\":[")) && take_number(&rest, &entry->begin) &&
        take_word(&rest, OF_STR(",")) && take_number(&rest, &entry->end) &&
        take_word(&rest, OF_STR("]}"))) {
        return text.length - rest.length;
    }
    return 0;
}

onefold_status of_st_entry_parse(const struct of_json_member *member, uint64_t data_bytes,
                                 struct of_text *scratch, struct of_st_entry *ret_entry,
                                 onefold_error *err)
{
    struct reading reading = {.entry = ret_entry, .scratch = scratch};
    onefold_status status = ONEFOLD_OK;

    if (!member->taken) {
        memset(ret_entry, 0, sizeof(*ret_entry));
        status = parse_entry(member, &reading, err);
    }
    if (status == ONEFOLD_OK) {
        status = check_size(ret_entry, data_bytes, err);
    }
    if (status != ONEFOLD_OK) {
        return of_err_prefix(err, "tensor \"%s\"", of_str_escape(member->key).text);
    }
    return ONEFOLD_OK;
}
