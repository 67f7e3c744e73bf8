/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON as all our files mean it. A scanner without recursion finds where a value ends and bounds
 * the nesting; jansson, the only place that includes it, judges and parses values; strings and
 * whole numbers, which a header has by the million, are read here when they are written plainly.
 */
#include "fmt/json.h"

#include "base/check.h"
#include "base/limits.h"

#include <jansson.h>
#include <string.h>

/* How much of a document is walked between two calls of the release function. */
#define RELEASE_STEP_BYTES (1 * OF_MIB)

/* A place in a document, and what is wrong there. */
struct scan {
    struct of_str document;
    uint64_t base_offset;
    const char *id_syntax;
    const char *id_depth;
};

/* `at` counts from the start of the document. */
static onefold_status scan_error(const struct scan *scan, const char *id, size_t at,
                                 const char *what, onefold_error *err)
{
    uint64_t offset = scan->base_offset + at;
    onefold_status status = of_err_set(err, id, "byte %llu: %s", (unsigned long long)offset, what);

    err->offset = offset;
    return status;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static size_t skip_space(struct of_str text, size_t at)
{
    while (at < text.length && is_space(text.data[at])) {
        at++;
    }
    return at;
}

/* From the opening quote to behind the closing one. */
static onefold_status scan_string(const struct scan *scan, size_t at, size_t *ret_end,
                                  onefold_error *err)
{
    const char *data = scan->document.data;
    size_t length = scan->document.length;

    for (at++; (at = of_str_skip_plain(scan->document, at)) < length; at++) {
        unsigned char c = (unsigned char)data[at];

        if (c == '"') {
            *ret_end = at + 1;
            return ONEFOLD_OK;
        }
        if (c < 0x20) {
            return scan_error(scan, scan->id_syntax, at, "a control byte inside a string", err);
        }
        if (c == '\\') {
            at++; /* what may follow is judged when the string is read */
            if (at == length) {
                break;
            }
        }
    }
    return scan_error(scan, scan->id_syntax, length, "the text ends inside a string", err);
}

/* From the opening bracket to behind the matching one, by count: jansson sees to their kinds. The
 * object or array around it is level 1. */
static onefold_status scan_container(const struct scan *scan, size_t at, size_t *ret_end,
                                     onefold_error *err)
{
    const char *data = scan->document.data;
    size_t length = scan->document.length;
    uint32_t depth = 1;

    while (at < length) {
        switch (data[at]) {
        case '"':
            OF_TRY(scan_string(scan, at, &at, err));
            continue;
        case '{':
        case '[':
            depth++;
            if (depth > OF_JSON_DEPTH_MAX) {
                return scan_error(scan, scan->id_depth, at, "nesting of more than 2048 levels",
                                  err);
            }
            break;
        case '}':
        case ']':
            depth--;
            if (depth == 1) {
                *ret_end = at + 1;
                return ONEFOLD_OK;
            }
            break;
        default:
            break;
        }
        at++;
    }
    return scan_error(scan, scan->id_syntax, length, "the text ends inside an object or array",
                      err);
}

/* A number or a word: up to what may follow a value. */
static onefold_status scan_plain(const struct scan *scan, size_t at, size_t *ret_end,
                                 onefold_error *err)
{
    size_t start = at;

    while (at < scan->document.length) {
        char c = scan->document.data[at];

        if (c == ',' || c == '}' || c == ']' || is_space(c)) {
            break;
        }
        if (c == '"' || c == '{' || c == '[' || c == ':') {
            return scan_error(scan, scan->id_syntax, at, "a value is expected", err);
        }
        at++;
    }
    if (at == start) {
        return scan_error(scan, scan->id_syntax, at,
                          at == scan->document.length ? "the text ends where a value is expected"
                                                      : "a value is expected",
                          err);
    }
    *ret_end = at;
    return ONEFOLD_OK;
}

static enum of_json_kind kind_of(char first)
{
    switch (first) {
    case '{':
        return OF_JSON_OBJECT;
    case '[':
        return OF_JSON_ARRAY;
    case '"':
        return OF_JSON_STRING;
    case 't':
    case 'f':
        return OF_JSON_BOOL;
    case 'n':
        return OF_JSON_NULL;
    default:
        return OF_JSON_INTEGER;
    }
}

/* The value at `at` without a scan, where the visitor knows it. */
static size_t take_value(const struct of_json_walk *walk, struct of_str document, size_t at)
{
    return walk->take == NULL ? 0
                              : walk->take(walk->context, (struct of_str){document.data + at,
                                                                          document.length - at});
}

static onefold_status scan_value(const struct scan *scan, const struct of_json_walk *walk,
                                 size_t at, struct of_json_member *member, size_t *ret_end,
                                 onefold_error *err)
{
    size_t end = at + take_value(walk, scan->document, at);
    char first = at < scan->document.length ? scan->document.data[at] : '\0';

    member->taken = end > at;
    if (member->taken) {
        of_assert(end <= scan->document.length);
    } else if (first == '"') {
        OF_TRY(scan_string(scan, at, &end, err));
    } else if (first == '{' || first == '[') {
        OF_TRY(scan_container(scan, at, &end, err));
    } else {
        OF_TRY(scan_plain(scan, at, &end, err));
    }
    member->text = (struct of_str){scan->document.data + at, end - at};
    member->value_offset = scan->base_offset + at;
    member->kind = kind_of(first);
    *ret_end = end;
    return ONEFOLD_OK;
}

/* Why jansson refused. Its own words quote the file, ours do not. */
static const char *why(enum json_error_code code)
{
    switch (code) {
    case json_error_stack_overflow:
        return "nesting of more than 2048 levels";
    case json_error_premature_end_of_input:
        return "the text ends early";
    case json_error_end_of_input_expected:
        return "text follows the value";
    case json_error_invalid_utf8:
        return "text that is not UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a NUL character in a string";
    case json_error_duplicate_key:
        return "a key stands twice in an object";
    case json_error_numeric_overflow:
        return "a number is too large";
    case json_error_unknown:
    case json_error_out_of_memory:
    case json_error_cannot_open_file:
    case json_error_invalid_argument:
    case json_error_invalid_syntax:
    case json_error_invalid_format:
    case json_error_wrong_type:
    case json_error_null_value:
    case json_error_item_not_found:
    case json_error_index_out_of_range:
    default:
        return "this is not strict JSON";
    }
}

static onefold_status jansson_parse(struct of_str text, size_t flags, const char *id,
                                    json_t **ret_value, onefold_error *err)
{
    json_error_t why_not;
    json_t *value;

    if (text.length == 0) {
        return of_err_set(err, id, "there is no JSON value");
    }
    value = json_loadb(text.data, text.length, flags | JSON_DECODE_ANY | JSON_REJECT_DUPLICATES,
                       &why_not);
    if (value != NULL) {
        *ret_value = value;
        return ONEFOLD_OK;
    }
    if (json_error_code(&why_not) == json_error_out_of_memory) {
        return of_err_set(err, "memory", "no memory for a JSON value");
    }
    return of_err_set(err, id, "%s", why(json_error_code(&why_not)));
}

/* As of_json_decode_string, with NUL let through when `allow_nul`. */
static onefold_status decode_string(struct of_str text, const char *id, bool allow_nul,
                                    struct of_text *scratch, struct of_str *ret_text,
                                    onefold_error *err)
{
    struct of_str inner;
    json_t *value = NULL;

    if (text.length < 2 || text.data[0] != '"' || text.data[text.length - 1] != '"') {
        return of_err_set(err, id, "a string is expected");
    }
    inner = (struct of_str){text.data + 1, text.length - 2};
    if (inner.length == 0 || memchr(inner.data, '\\', inner.length) == NULL) {
        if (!of_str_is_utf8(inner)) {
            return of_err_set(err, id, "text that is not UTF-8");
        }
        *ret_text = inner;
        return ONEFOLD_OK;
    }
    OF_TRY(jansson_parse(text, allow_nul ? JSON_ALLOW_NUL : 0, id, &value, err));
    scratch->length = 0;
    of_text_add(scratch, (struct of_str){json_string_value(value), json_string_length(value)});
    json_decref(value);
    if (scratch->failed) {
        return of_err_set(err, "memory", "no memory for a string");
    }
    *ret_text = (struct of_str){scratch->data, scratch->length};
    return ONEFOLD_OK;
}

onefold_status of_json_decode_string(struct of_str text, const char *id, struct of_text *scratch,
                                     struct of_str *ret_text, onefold_error *err)
{
    return decode_string(text, id, false, scratch, ret_text, err);
}

static size_t skip_digits(struct of_str text, size_t at)
{
    while (at < text.length && text.data[at] >= '0' && text.data[at] <= '9') {
        at++;
    }
    return at;
}

bool of_json_is_number(struct of_str text)
{
    size_t start = text.length > 0 && text.data[0] == '-' ? 1 : 0;
    size_t at = skip_digits(text, start);

    if (at == start || (at - start > 1 && text.data[start] == '0')) {
        return false;
    }
    if (at < text.length && text.data[at] == '.') {
        start = at + 1;
        at = skip_digits(text, start);
        if (at == start) {
            return false;
        }
    }
    if (at < text.length && (text.data[at] == 'e' || text.data[at] == 'E')) {
        at++;
        if (at < text.length && (text.data[at] == '+' || text.data[at] == '-')) {
            at++;
        }
        start = at;
        at = skip_digits(text, start);
        if (at == start) {
            return false;
        }
    }
    return at == text.length;
}

onefold_status of_json_decode_u63(struct of_str text, const char *id_syntax, const char *id_number,
                                  uint64_t *ret_value, onefold_error *err)
{
    uint64_t value;

    if (of_json_is_number(text)) {
        if (of_str_is(text, "-0")) {
            *ret_value = 0;
            return ONEFOLD_OK;
        }
        if (text.data[0] == '-') {
            return of_err_set(err, id_number, "a number is negative");
        }
        if (skip_digits(text, 0) != text.length) {
            return of_err_set(err, id_number, "a number is not written as a whole number");
        }
        if (!of_str_to_u64(text, &value) || value > (uint64_t)INT64_MAX) {
            return of_err_set(err, id_number, "a number is not below 2^63");
        }
        *ret_value = value;
        return ONEFOLD_OK;
    }
    OF_TRY(of_json_check(text, id_syntax, err));
    return of_err_set(err, id_number, "a whole number is expected");
}

/* One walk: the scanner's view of the document, and the caller's wishes. */
struct walking {
    struct scan scan;
    const struct of_json_walk *walk;
    bool keyed;
    struct of_text scratch;
};

/* A key in all its forms: *at goes from its opening quote to behind the closing one. */
static onefold_status decode_key(struct walking *walking, size_t *at, struct of_json_member *member,
                                 onefold_error *err)
{
    const struct scan *scan = &walking->scan;
    const struct of_json_walk *walk = walking->walk;
    const size_t start = *at;

    OF_TRY(scan_string(scan, start, at, err));
    if (decode_string((struct of_str){scan->document.data + start, *at - start}, walk->id_syntax,
                      true, &walking->scratch, &member->key, err) != ONEFOLD_OK) {
        err->offset = member->key_offset;
        return of_err_prefix(err, "key at byte %llu", (unsigned long long)member->key_offset);
    }
    if (member->key.length > 0 && memchr(member->key.data, '\0', member->key.length) != NULL) {
        return scan_error(scan, walk->id_nul != NULL ? walk->id_nul : walk->id_syntax, start,
                          "a key holds a NUL character", err);
    }
    return ONEFOLD_OK;
}

static onefold_status read_key(struct walking *walking, size_t *at, struct of_json_member *member,
                               onefold_error *err)
{
    const struct scan *scan = &walking->scan;
    const struct of_json_walk *walk = walking->walk;
    struct of_str document = scan->document;
    size_t plain_end;

    if (*at >= document.length || document.data[*at] != '"') {
        return scan_error(scan, walk->id_syntax, *at, "a key in double quotes is expected", err);
    }
    member->key_offset = scan->base_offset + *at;
    plain_end = of_str_skip_plain(document, *at + 1);
    if (plain_end < document.length && document.data[plain_end] == '"') {
        /* Nothing in it that would have to be looked at. */
        member->key = (struct of_str){document.data + *at + 1, plain_end - *at - 1};
        *at = plain_end + 1;
    } else {
        OF_TRY(decode_key(walking, at, member, err));
    }
    *at = skip_space(document, *at);
    if (*at >= document.length || document.data[*at] != ':') {
        return scan_error(scan, walk->id_syntax, *at, "':' is expected", err);
    }
    *at = skip_space(document, *at + 1);
    return ONEFOLD_OK;
}

/* One member or element: from its first byte to behind its value. */
static onefold_status walk_one(struct walking *walking, size_t *at, onefold_error *err)
{
    const struct scan *scan = &walking->scan;
    const struct of_json_walk *walk = walking->walk;
    struct of_json_member member = {.key_offset = scan->base_offset + *at};
    size_t start = *at;
    size_t end = 0;
    onefold_status status;

    if (walking->keyed) {
        OF_TRY(read_key(walking, at, &member, err));
    }
    OF_TRY(scan_value(scan, walk, *at, &member, &end, err));
    if (walk->member_bytes_max != 0 && end - start > walk->member_bytes_max) {
        return scan_error(scan, walk->id_syntax, start, "an entry is too long", err);
    }
    *at = end;
    status = walk->member(walk->context, &member, err);
    if (status != ONEFOLD_OK && err->offset == UINT64_MAX) {
        err->offset = member.value_offset;
    }
    return status;
}

/* From behind the opening bracket to behind the closing one. */
static onefold_status walk_entries(struct walking *walking, size_t *at, onefold_error *err)
{
    const struct scan *scan = &walking->scan;
    const struct of_json_walk *walk = walking->walk;
    struct of_str document = scan->document;
    char close = walking->keyed ? '}' : ']';
    size_t released = 0;

    *at = skip_space(document, *at);
    if (*at < document.length && document.data[*at] == close) {
        (*at)++;
        return ONEFOLD_OK;
    }
    for (;;) {
        OF_TRY(walk_one(walking, at, err));
        if (walk->release != NULL && *at - released >= RELEASE_STEP_BYTES) {
            walk->release(walk->context, scan->base_offset + *at);
            released = *at;
        }
        *at = skip_space(document, *at);
        if (*at >= document.length) {
            return scan_error(scan, walk->id_syntax, *at, "the text ends early", err);
        }
        if (document.data[*at] == close) {
            (*at)++;
            return ONEFOLD_OK;
        }
        if (document.data[*at] != ',') {
            return scan_error(scan, walk->id_syntax, *at,
                              walking->keyed ? "',' or '}' is expected" : "',' or ']' is expected",
                              err);
        }
        *at = skip_space(document, *at + 1);
    }
}

/* The document begins with something else: another kind of value, or no JSON at all. */
static onefold_status wrong_start(const struct walking *walking, size_t at, onefold_error *err)
{
    const struct scan *scan = &walking->scan;
    const struct of_json_walk *walk = walking->walk;
    struct of_str rest = {scan->document.data + at, scan->document.length - at};
    static const char value_starts[] = {'[', '{', '"', '-', '0', '1', '2', '3', '4',
                                        '5', '6', '7', '8', '9', 't', 'f', 'n'};

    if (rest.length == 0) {
        return scan_error(scan, walk->id_syntax, at, "there is no JSON value", err);
    }
    if (of_str_starts(rest, "\xef\xbb\xbf")) {
        return scan_error(scan, walk->id_syntax, at, "a byte order mark", err);
    }
    if (memchr(value_starts, rest.data[0], sizeof(value_starts)) == NULL) {
        return scan_error(scan, walk->id_syntax, at,
                          walking->keyed ? "'{' is expected" : "'[' is expected", err);
    }
    /* A word that only begins like a value is not JSON. Large documents are not worth the look. */
    if (rest.data[0] != '[' && rest.data[0] != '{' && rest.length <= OF_ST_MEMBER_BYTES_MAX &&
        of_json_check(rest, walk->id_syntax, err) != ONEFOLD_OK) {
        err->offset = scan->base_offset + at;
        return err->status;
    }
    return scan_error(scan, walk->id_top, at,
                      walking->keyed ? "this is not an object" : "this is not an array", err);
}

static onefold_status walk_document(struct of_str document, const struct of_json_walk *walk,
                                    bool keyed, onefold_error *err)
{
    struct walking walking = {
        .scan = {.document = document,
                 .base_offset = walk->base_offset,
                 .id_syntax = walk->id_syntax,
                 .id_depth = walk->id_depth != NULL ? walk->id_depth : walk->id_syntax},
        .walk = walk,
        .keyed = keyed};
    size_t at = skip_space(document, 0);
    onefold_status status;

    if (at == document.length || document.data[at] != (keyed ? '{' : '[')) {
        return wrong_start(&walking, at, err);
    }
    at++;
    status = walk_entries(&walking, &at, err);
    of_text_finish(&walking.scratch);
    OF_TRY(status);
    at = skip_space(document, at);
    if (at != document.length) {
        return scan_error(&walking.scan, walk->id_syntax, at, "something follows the JSON value",
                          err);
    }
    return ONEFOLD_OK;
}

onefold_status of_json_walk(struct of_str document, const struct of_json_walk *walk,
                            onefold_error *err)
{
    return walk_document(document, walk, true, err);
}

onefold_status of_json_walk_array(struct of_str array, const struct of_json_walk *walk,
                                  onefold_error *err)
{
    return walk_document(array, walk, false, err);
}

/* Our type is only a name for jansson's. */
static const json_t *unwrap(const struct of_json *value)
{
    return (const json_t *)(const void *)value;
}

static const struct of_json *wrap(const json_t *value)
{
    return (const struct of_json *)(const void *)value;
}

onefold_status of_json_parse(struct of_str text, const char *id, struct of_json **ret_value,
                             onefold_error *err)
{
    json_t *value = NULL;

    OF_TRY(jansson_parse(text, 0, id, &value, err));
    *ret_value = (struct of_json *)(void *)value;
    return ONEFOLD_OK;
}

void of_json_free(struct of_json *value)
{
    json_decref((json_t *)(void *)value);
}

onefold_status of_json_check(struct of_str text, const char *id, onefold_error *err)
{
    json_t *value = NULL;

    OF_TRY(jansson_parse(text, 0, id, &value, err));
    json_decref(value);
    return ONEFOLD_OK;
}

enum of_json_kind of_json_kind(const struct of_json *value)
{
    switch (json_typeof(unwrap(value))) {
    case JSON_OBJECT:
        return OF_JSON_OBJECT;
    case JSON_ARRAY:
        return OF_JSON_ARRAY;
    case JSON_STRING:
        return OF_JSON_STRING;
    case JSON_INTEGER:
        return OF_JSON_INTEGER;
    case JSON_REAL:
        return OF_JSON_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return OF_JSON_BOOL;
    case JSON_NULL:
    default:
        return OF_JSON_NULL;
    }
}

const struct of_json *of_json_get(const struct of_json *object, const char *key)
{
    return wrap(json_object_get(unwrap(object), key));
}

uint64_t of_json_size(const struct of_json *value)
{
    if (json_is_object(unwrap(value))) {
        return json_object_size(unwrap(value));
    }
    return json_array_size(unwrap(value));
}

const struct of_json *of_json_at(const struct of_json *array, uint64_t index)
{
    return wrap(json_array_get(unwrap(array), (size_t)index));
}

const struct of_json *of_json_member_at(const struct of_json *object, uint64_t index,
                                        struct of_str *ret_key)
{
    union {
        const struct of_json *ours;
        json_t *theirs; /* iterating does not change the object, but jansson's type says it might */
    } view = {object};
    void *at = json_object_iter(view.theirs);

    for (uint64_t i = 0; at != NULL && i < index; i++) {
        at = json_object_iter_next(view.theirs, at);
    }
    if (at == NULL) {
        return NULL;
    }
    *ret_key = of_str_from(json_object_iter_key(at));
    return wrap(json_object_iter_value(at));
}

bool of_json_string(const struct of_json *value, struct of_str *ret_text)
{
    if (!json_is_string(unwrap(value))) {
        return false;
    }
    *ret_text =
        (struct of_str){json_string_value(unwrap(value)), json_string_length(unwrap(value))};
    return true;
}

bool of_json_integer(const struct of_json *value, int64_t *ret_integer)
{
    if (!json_is_integer(unwrap(value))) {
        return false;
    }
    *ret_integer = json_integer_value(unwrap(value));
    return true;
}

bool of_json_number(const struct of_json *value, double *ret_number)
{
    if (!json_is_number(unwrap(value))) {
        return false;
    }
    *ret_number = json_number_value(unwrap(value));
    return true;
}

bool of_json_bool(const struct of_json *value, bool *ret_bool)
{
    if (!json_is_boolean(unwrap(value))) {
        return false;
    }
    *ret_bool = json_is_true(unwrap(value));
    return true;
}
