/* SPDX-License-Identifier: Apache-2.0 */
/* Slices of text, a growing text, escaping of untrusted text, the nearest known word. */
#ifndef OF_BASE_STR_H
#define OF_BASE_STR_H

#include "base/attr.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A run of bytes somebody else owns; not terminated. */
struct of_str {
    const char *data;
    size_t length;
};

#define OF_STR(literal) ((struct of_str){(literal), sizeof(literal) - 1})

struct of_str of_str_from(const char *text);
bool of_str_equal(struct of_str a, struct of_str b);
bool of_str_is(struct of_str text, const char *word);
bool of_str_starts(struct of_str text, const char *prefix);
bool of_str_ends(struct of_str text, const char *suffix);
/* Like memcmp over the shorter length, then the shorter first. */
int of_str_compare(struct of_str a, struct of_str b);
/* True when `part` occurs in `text`; an empty part occurs everywhere. */
bool of_str_contains(struct of_str text, struct of_str part);

/* Escaped form of untrusted text: backslash, control characters, bytes that are not UTF-8 and
 * bidirectional controls become \xNN or \u{...}; cut at OF_TEXT_SHOWN_MAX bytes with "...". */
enum { OF_TEXT_SHOWN_MAX = 200, OF_TEXT_BUFFER = 224 };
struct of_shown {
    char text[OF_TEXT_BUFFER];
};
struct of_shown of_str_escape(struct of_str text);

/* Where the first byte at or behind `at` stands that is not plain: plain are the printable ASCII
 * characters without '"' and '\\'. The length of the text when all are. */
size_t of_str_skip_plain(struct of_str text, size_t at);

/* True when every byte sequence is well-formed UTF-8 (no overlong forms, no surrogates). */
bool of_str_is_utf8(struct of_str text);

/* Length of the well-formed UTF-8 sequence at the start of the text (not empty) and its code point;
 * 0 when it is malformed. */
size_t of_str_decode(struct of_str text, uint32_t *ret_code);

/* True when the text holds U+0000-001F, 007F-009F, 202A-202E or 2066-2069. Text must be UTF-8. */
bool of_str_has_control(struct of_str text);

/* The candidate nearest to `word` (edit distance with transpositions), or NULL when none is near
 * enough to be meant: at most a third of the word's length, at least 1. NULL candidates are
 * skipped. */
const char *of_str_nearest(struct of_str word, const char *const *candidates, size_t count);

/* Decimal grammar of recipes: [+-] digits [. digits] [e [+-] digits], also ".5" and "5.". False for
 * anything else, for overflow and for inf and nan. Independent of the locale. */
OF_NODISCARD bool of_str_to_double(struct of_str text, double *ret_value);
/* Plain digits only. False on overflow of 64 bits. */
OF_NODISCARD bool of_str_to_u64(struct of_str text, uint64_t *ret_value);

/* A growing text on the heap (through base/mem). A failed allocation sets `failed` and turns later
 * calls into nothing; check it once at the end. Zero-initialised is empty. Always terminated when
 * data is not NULL. */
struct of_text {
    char *data;
    size_t length;
    size_t capacity;
    bool failed;
    /* The number added last: tensors of a layer have the same one, and the fewest digits take as
     * long as all else of a line. Precision 0 = none yet. */
    double number;
    int number_precision;
    char number_digits[32];
};

/* What of_text_add does when the part does not fit, or an earlier one did not. */
void of_text_add_slow(struct of_text *text, struct of_str part);

/* Headers and manifests are made of millions of small parts. */
static inline void of_text_add(struct of_text *text, struct of_str part)
{
    if (OF_UNLIKELY(text->failed || text->data == NULL ||
                    part.length >= text->capacity - text->length)) {
        of_text_add_slow(text, part);
        return;
    }
    if (part.length > 0) {
        memcpy(text->data + text->length, part.data, part.length);
    }
    text->length += part.length;
    text->data[text->length] = '\0';
}

static inline void of_text_add_char(struct of_text *text, char c)
{
    of_text_add(text, (struct of_str){&c, 1});
}

void of_text_add_u64(struct of_text *text, uint64_t value);

/* Small parts of which it is known how many bytes they take at most: room is made for all of them
 * at once, and nothing is looked at any more until they are taken into the text. */
enum { OF_PEN_U64_BYTES = 20 };
struct of_pen {
    struct of_text *text;
    char *at;
};

/* False when the text has failed; then there is nothing to write to. */
OF_NODISCARD bool of_pen_begin(struct of_pen *pen, struct of_text *text, size_t bytes_max);

static inline void of_pen_add(struct of_pen *pen, struct of_str part)
{
    memcpy(pen->at, part.data, part.length);
    pen->at += part.length;
}

/* OF_PEN_U64_BYTES at most. */
void of_pen_add_u64(struct of_pen *pen, uint64_t value);

static inline void of_pen_end(const struct of_pen *pen)
{
    *pen->at = '\0';
    pen->text->length = (size_t)(pen->at - pen->text->data);
}

void of_text_print(struct of_text *text, const char *format, ...) OF_PRINTF(2, 3);
/* Adds the shortest decimal form that reads back as the same double; "0.4", "1e-05", "-3". */
void of_text_add_double(struct of_text *text, double value);
/* The same for a float: 0.4, not 0.400000006. */
void of_text_add_float(struct of_text *text, float value);
/* At most 12 digits, for people: the last bits of a computed number mean nothing to a reader. */
void of_text_add_rounded(struct of_text *text, double value);
void of_text_finish(struct of_text *text);

#endif
