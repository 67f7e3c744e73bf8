/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floor 1, `fmt`: bytes to structures and back; never touches a file, includes only `base`. This
 * file: a thin layer over jansson. A document is walked member by member: a small scanner finds
 * where a value ends, jansson judges it (strict: UTF-8, no duplicate keys, no NUL, integers below
 * 2^63), so a document of any size costs one member at a time.
 */
#ifndef OF_FMT_JSON_H
#define OF_FMT_JSON_H

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum of_json_kind {
    OF_JSON_OBJECT,
    OF_JSON_ARRAY,
    OF_JSON_STRING,
    OF_JSON_INTEGER,
    OF_JSON_REAL,
    OF_JSON_BOOL,
    OF_JSON_NULL
};

/* One member of an object while it is visited. */
struct of_json_member {
    struct of_str key;   /* unescaped; valid during the visit */
    struct of_str text;  /* the value's bytes in the document */
    uint64_t key_offset; /* in the document, of the opening quote */
    uint64_t value_offset;
    enum of_json_kind kind; /* by the first byte; number kinds are settled by the typed readers */
    bool taken;             /* the walk's take function has read the value */
};

/* Returns ONEFOLD_OK to go on. */
typedef onefold_status of_json_member_fn(void *context, const struct of_json_member *member,
                                         onefold_error *err);
/* Reads the value at the start of `rest` if it is, to the letter, what the visitor mostly meets:
 * returns its length, which must be that of one whole JSON value. 0: it has to be scanned. */
typedef size_t of_json_take_fn(void *context, struct of_str rest);
/* Called now and then with the offset before which the document is not needed any more. */
typedef void of_json_release_fn(void *context, uint64_t upto_offset);

struct of_json_walk {
    const char *id_syntax;     /* error id for everything that is not strict JSON, e.g. "st-json" */
    const char *id_top;        /* id when the document is not an object, e.g. "st-top" */
    uint64_t member_bytes_max; /* a larger member is id_syntax; 0 = no limit */
    const char *id_depth;      /* id for nesting above OF_JSON_DEPTH_MAX; NULL = id_syntax */
    const char *id_nul;        /* id for NUL in a key; NULL = id_syntax */
    uint64_t base_offset;      /* where the document lies; counted into every offset given out */
    of_json_take_fn *take;     /* may be NULL */
    of_json_member_fn *member;
    of_json_release_fn *release; /* may be NULL */
    void *context;
};

/* Walks the one object of the document; only JSON white space may stand around it. Duplicate keys
 * are the visitor's to find (of_map): a document may hold millions. The values are checked by
 * whoever reads them through of_json_value_* below; a visitor that skips one calls of_json_check.
 * An error carries its offset; one of a visitor that has none gets that of the value. */
OF_NODISCARD onefold_status of_json_walk(struct of_str document, const struct of_json_walk *walk,
                                         onefold_error *err);

/* The same over the elements of one array (key empty, key_offset = value_offset): for the long
 * lists of a manifest. `array` is a value's text, e.g. member->text; offsets count from its start.
 */
OF_NODISCARD onefold_status of_json_walk_array(struct of_str array, const struct of_json_walk *walk,
                                               onefold_error *err);

/* What a string's text (quotes included) says. `scratch` is used when it holds escapes and may be
 * used again for the next one; *ret_text is valid until then and holds no NUL. */
OF_NODISCARD onefold_status of_json_decode_string(struct of_str text, const char *id,
                                                  struct of_text *scratch, struct of_str *ret_text,
                                                  onefold_error *err);

/* Reads the text of a plain whole number from 0 to 2^63-1 ("-0" is 0). Otherwise the error is
 * id_syntax for what is not JSON at all and id_number for any other value. */
OF_NODISCARD onefold_status of_json_decode_u63(struct of_str text, const char *id_syntax,
                                               const char *id_number, uint64_t *ret_value,
                                               onefold_error *err);

/* True when the text is a JSON number, of any size. */
bool of_json_is_number(struct of_str text);

/* A parsed value (jansson behind it). create: strict parse of one value with its inner duplicates
 * refused; id for failures. */
struct of_json;
OF_NODISCARD onefold_status of_json_parse(struct of_str text, const char *id,
                                          struct of_json **ret_value, onefold_error *err);
void of_json_free(struct of_json *value);
/* Strict check without keeping anything. */
OF_NODISCARD onefold_status of_json_check(struct of_str text, const char *id, onefold_error *err);

enum of_json_kind of_json_kind(const struct of_json *value);
/* Borrowed; NULL when absent or not an object. */
const struct of_json *of_json_get(const struct of_json *object, const char *key);
uint64_t of_json_size(const struct of_json *value); /* elements or members; 0 for the rest */
const struct of_json *of_json_at(const struct of_json *array, uint64_t index);
/* The index-th member in document order; counts up to it, so use a walk for objects of any size. */
const struct of_json *of_json_member_at(const struct of_json *object, uint64_t index,
                                        struct of_str *ret_key);
OF_NODISCARD bool of_json_string(const struct of_json *value, struct of_str *ret_text);
OF_NODISCARD bool of_json_integer(const struct of_json *value, int64_t *ret_integer);
OF_NODISCARD bool of_json_number(const struct of_json *value, double *ret_number);
OF_NODISCARD bool of_json_bool(const struct of_json *value, bool *ret_bool);

/* Ordered writer. The caller gives members in the order they shall stand in (canonical documents:
 * sorted by bytes). Strings are escaped minimally; text that is not UTF-8 becomes U+FFFD. */
struct of_json_writer {
    struct of_text text;
    uint32_t indent; /* 0 = compact without spaces */
    uint32_t depth;
    bool first; /* nothing yet in the innermost container */
    bool after_key;
};

void of_json_begin_object(struct of_json_writer *writer);
void of_json_end_object(struct of_json_writer *writer);
void of_json_begin_array(struct of_json_writer *writer);
void of_json_end_array(struct of_json_writer *writer);
void of_json_key(struct of_json_writer *writer, const char *key);
void of_json_key_str(struct of_json_writer *writer, struct of_str key);
void of_json_add_str(struct of_json_writer *writer, struct of_str value);
void of_json_add_string(struct of_json_writer *writer, const char *value);
void of_json_add_u64(struct of_json_writer *writer, uint64_t value);
void of_json_add_double(struct of_json_writer *writer, double value);
void of_json_add_bool(struct of_json_writer *writer, bool value);
void of_json_add_null(struct of_json_writer *writer);
/* A value that is JSON already. */
void of_json_add_raw(struct of_json_writer *writer, struct of_str value);
/* Adds a string in its quotes, escaped, to any text. */
void of_json_quote(struct of_text *text, struct of_str value);

#endif
