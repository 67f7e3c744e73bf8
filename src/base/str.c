/* SPDX-License-Identifier: Apache-2.0 */
/* Slices, a growing text, escaping, nearest words, and numbers that do not depend on the locale. */
#include "base/str.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longer words are not misspelt keys, and longer numbers are not numbers anybody means. */
enum { NEAREST_WORD_MAX = 64, NUMBER_TEXT_MAX = 512 };

struct of_str of_str_from(const char *text)
{
    return (struct of_str){text, strlen(text)};
}

bool of_str_equal(struct of_str a, struct of_str b)
{
    return a.length == b.length &&
           (a.data == b.data || a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

bool of_str_is(struct of_str text, const char *word)
{
    return of_str_equal(text, of_str_from(word));
}

bool of_str_starts(struct of_str text, const char *prefix)
{
    size_t length = strlen(prefix);

    return length <= text.length && (length == 0 || memcmp(text.data, prefix, length) == 0);
}

bool of_str_ends(struct of_str text, const char *suffix)
{
    size_t length = strlen(suffix);

    return length <= text.length &&
           (length == 0 || memcmp(text.data + (text.length - length), suffix, length) == 0);
}

int of_str_compare(struct of_str a, struct of_str b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);

    if (order != 0) {
        return order;
    }
    return (a.length > b.length) - (a.length < b.length);
}

bool of_str_contains(struct of_str text, struct of_str part)
{
    if (part.length == 0) {
        return true;
    }
    return text.length > 0 && memmem(text.data, text.length, part.data, part.length) != NULL;
}

/* A bit in the highest place of every byte that is not plain, and perhaps of some behind the first
 * such byte: a carry only runs upwards from one. */
static uint64_t unplain_bytes(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t quotes = word ^ ('"' * ones);
    const uint64_t slashes = word ^ ('\\' * ones);
    const uint64_t below_space = (word - ' ' * ones) & ~word;
    const uint64_t above_tilde = word | (word + ones);

    return (below_space | above_tilde | ((quotes - ones) & ~quotes) |
            ((slashes - ones) & ~slashes)) &
           (0x80 * ones);
}

size_t of_str_skip_plain(struct of_str text, size_t at)
{
    for (; text.length - at >= 8; at += 8) {
        const uint64_t bits = unplain_bytes(of_bytes_load64(text.data + at));

        if (bits != 0) {
            return at + (size_t)__builtin_ctzll(bits) / 8;
        }
    }
    for (; at < text.length; at++) {
        const unsigned char c = (unsigned char)text.data[at];

        if (c < ' ' || c > '~' || c == '"' || c == '\\') {
            break;
        }
    }
    return at;
}

/* The rest of the text from a place on. */
static struct of_str from(struct of_str text, size_t at)
{
    return (struct of_str){text.data + at, text.length - at};
}

size_t of_str_decode(struct of_str text, uint32_t *ret_code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = (unsigned char)text.data[0];
    size_t need = 0;
    uint32_t code = lead;

    if (lead < 0x80) {
        *ret_code = lead;
        return 1;
    }
    if (lead >= 0xc2 && lead < 0xe0) {
        need = 2;
        code = lead & 0x1fu;
    } else if (lead >= 0xe0 && lead < 0xf0) {
        need = 3;
        code = lead & 0x0fu;
    } else if (lead >= 0xf0 && lead < 0xf5) {
        need = 4;
        code = lead & 0x07u;
    }
    if (need == 0 || need > text.length) {
        return 0;
    }
    for (size_t i = 1; i < need; i++) {
        unsigned char next = (unsigned char)text.data[i];

        if ((next & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (next & 0x3fu);
    }
    if (code < smallest[need] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
        return 0;
    }
    *ret_code = code;
    return need;
}

/* What a name may not hold. */
static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

/* What must not reach a terminal as it is: also marks that turn the direction of writing, and the
 * separators some programs take for a line end. */
static bool is_unshowable(uint32_t code)
{
    return is_control(code) || code == '\\' || code == 0x061c || code == 0x200e || code == 0x200f ||
           code == 0x2028 || code == 0x2029 || code == 0xfeff;
}

struct of_shown of_str_escape(struct of_str text)
{
    struct of_shown shown;
    size_t used = 0;
    size_t at = 0;

    while (at < text.length) {
        char piece[16];
        uint32_t code = 0;
        size_t taken = of_str_decode(from(text, at), &code);
        size_t length = taken;

        if (taken == 0 || (taken == 1 && is_unshowable(code))) {
            length = (size_t)snprintf(piece, sizeof(piece), "\\x%02x",
                                      (unsigned)(unsigned char)text.data[at]);
            taken = 1;
        } else if (is_unshowable(code)) {
            length = (size_t)snprintf(piece, sizeof(piece), "\\u{%x}", (unsigned)code);
        } else {
            memcpy(piece, text.data + at, taken);
        }
        if (used + length > OF_TEXT_SHOWN_MAX) {
            memcpy(shown.text + used, "...", 3);
            used += 3;
            break;
        }
        memcpy(shown.text + used, piece, length);
        used += length;
        at += taken;
    }
    shown.text[used] = '\0';
    return shown;
}

bool of_str_is_utf8(struct of_str text)
{
    size_t at = of_str_skip_plain(text, 0);

    while (at < text.length) {
        uint32_t code;
        size_t taken = of_str_decode(from(text, at), &code);

        if (taken == 0) {
            return false;
        }
        at = of_str_skip_plain(text, at + taken);
    }
    return true;
}

bool of_str_has_control(struct of_str text)
{
    size_t at = of_str_skip_plain(text, 0);

    while (at < text.length) {
        uint32_t code = 0;
        size_t taken = of_str_decode(from(text, at), &code);

        if (taken == 0 || is_control(code)) {
            return true;
        }
        at = of_str_skip_plain(text, at + taken);
    }
    return false;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* Edit distance where exchanging two neighbours counts once (optimal string alignment). Both words
 * are at most NEAREST_WORD_MAX long. */
static size_t distance(struct of_str a, struct of_str b)
{
    size_t rows[3][NEAREST_WORD_MAX + 1];

    for (size_t j = 0; j <= b.length; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a.length; i++) {
        size_t *now = rows[i % 3];
        const size_t *last = rows[(i + 2) % 3];
        const size_t *before = rows[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= b.length; j++) {
            size_t change = a.data[i - 1] == b.data[j - 1] ? 0 : 1;

            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + change);
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] &&
                a.data[i - 2] == b.data[j - 1] && before[j - 2] + 1 < now[j]) {
                now[j] = before[j - 2] + 1;
            }
        }
    }
    return rows[a.length % 3][b.length];
}

const char *of_str_nearest(struct of_str word, const char *const *candidates, size_t count)
{
    size_t allowed = word.length / 3 > 0 ? word.length / 3 : 1;
    const char *nearest = NULL;

    if (word.length == 0 || word.length > NEAREST_WORD_MAX) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        struct of_str candidate;
        size_t edits;

        if (candidates[i] == NULL) {
            continue;
        }
        candidate = of_str_from(candidates[i]);
        if (candidate.length > NEAREST_WORD_MAX) {
            continue;
        }
        edits = distance(word, candidate);
        if (nearest == NULL ? edits <= allowed : edits < allowed) {
            nearest = candidates[i];
            allowed = edits;
        }
    }
    return nearest;
}

static size_t skip_digits(struct of_str text, size_t at)
{
    while (at < text.length && text.data[at] >= '0' && text.data[at] <= '9') {
        at++;
    }
    return at;
}

static size_t skip_sign(struct of_str text, size_t at)
{
    return at < text.length && (text.data[at] == '+' || text.data[at] == '-') ? at + 1 : at;
}

static bool is_decimal(struct of_str text)
{
    size_t start = skip_sign(text, 0);
    size_t at = skip_digits(text, start);
    size_t digit_count = at - start;

    if (at < text.length && text.data[at] == '.') {
        size_t end = skip_digits(text, at + 1);

        digit_count += end - (at + 1);
        at = end;
    }
    if (digit_count == 0) {
        return false;
    }
    if (at < text.length && (text.data[at] == 'e' || text.data[at] == 'E')) {
        start = skip_sign(text, at + 1);
        at = skip_digits(text, start);
        if (at == start) {
            return false;
        }
    }
    return at == text.length;
}

/* The C locale for this thread while numbers are converted: a host program may have set one with a
 * decimal comma. glibc hands out a constant here, so nothing is allocated. */
static locale_t enter_c_locale(void)
{
    return uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

bool of_str_to_double(struct of_str text, double *ret_value)
{
    char copy[NUMBER_TEXT_MAX + 1];
    locale_t before;
    double value;

    if (text.length > NUMBER_TEXT_MAX || !is_decimal(text)) {
        return false;
    }
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    before = enter_c_locale();
    value = strtod(copy, NULL);
    (void)uselocale(before);
    if (!isfinite(value)) {
        return false;
    }
    *ret_value = value;
    return true;
}

bool of_str_to_u64(struct of_str text, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (text.length == 0) {
        return false;
    }
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' ||
            __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.data[i] - '0'), &value)) {
            return false;
        }
    }
    *ret_value = value;
    return true;
}

/* Room for `more` bytes and a terminator. */
static bool reserve(struct of_text *text, size_t more)
{
    size_t need;
    size_t capacity;
    char *data;

    if (text->failed || __builtin_add_overflow(text->length, more, &need) || need >= SIZE_MAX / 2) {
        text->failed = true;
        return false;
    }
    if (text->data != NULL && need < text->capacity) {
        return true;
    }
    capacity = text->capacity > 0 ? text->capacity : 64;
    while (capacity <= need) {
        capacity *= 2;
    }
    data = of_mem_resize(text->data, capacity);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void of_text_add_slow(struct of_text *text, struct of_str part)
{
    if (!reserve(text, part.length)) {
        return;
    }
    if (part.length > 0) {
        memcpy(text->data + text->length, part.data, part.length);
    }
    text->length += part.length;
    text->data[text->length] = '\0';
}

/* Decimal digits of the value. */
static uint32_t digit_count(uint64_t value)
{
    uint32_t count = 1;

    for (; value >= 10000; value /= 10000) {
        count += 4;
    }
    return count + (value >= 10 ? 1 : 0) + (value >= 100 ? 1 : 0) + (value >= 1000 ? 1 : 0);
}

/* From the last digit to the first, two at a time: divisions are what takes the time. */
void of_pen_add_u64(struct of_pen *pen, uint64_t value)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    char *at = pen->at + digit_count(value);

    pen->at = at;
    for (; value >= 100; value /= 100) {
        at -= 2;
        memcpy(at, pairs + value % 100 * 2, 2);
    }
    if (value >= 10) {
        memcpy(at - 2, pairs + value * 2, 2);
    } else {
        at[-1] = (char)('0' + value);
    }
}

bool of_pen_begin(struct of_pen *pen, struct of_text *text, size_t bytes_max)
{
    if (!reserve(text, bytes_max)) {
        return false;
    }
    *pen = (struct of_pen){.text = text, .at = text->data + text->length};
    return true;
}

void of_text_add_u64(struct of_text *text, uint64_t value)
{
    struct of_pen pen;

    if (of_pen_begin(&pen, text, OF_PEN_U64_BYTES)) {
        of_pen_add_u64(&pen, value);
        of_pen_end(&pen);
    }
}

void of_text_print(struct of_text *text, const char *format, ...)
{
    const size_t room = text->data != NULL ? text->capacity - text->length : 0;
    va_list args;
    va_list again;
    int length;

    va_start(args, format);
    va_copy(again, args);
    length = vsnprintf(room > 0 ? text->data + text->length : NULL, room, format, args);
    if (length < 0) {
        text->failed = true;
    } else if ((size_t)length < room && !text->failed) {
        text->length += (size_t)length;
    } else if (reserve(text, (size_t)length)) {
        (void)vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

/* How many digits of any number survive the way through a double or a float: a number that so many
 * digits give is printed by so many, with zeros behind it, which %g leaves out. Tiny numbers have
 * fewer bits, and their digits are tried one by one. */
static int first_precision(double value, int precision_max, bool as_float)
{
    const double least = as_float ? (double)FLT_MIN : DBL_MIN;
    const int sure = as_float ? FLT_DIG : DBL_DIG;

    if (fabs(value) < least) {
        return 1;
    }
    return precision_max < sure ? precision_max : sure;
}

/* The fewest digits that read back as the same number, of double or float width, and at most so
 * many. */
static void find_digits(double value, int precision_max, bool as_float, char *ret, size_t room)
{
    locale_t before = enter_c_locale();

    /* Whole numbers of ordinary size read better without an exponent: 120000, not 1.2e+05. */
    if (fabs(value) < 1e15 && value == trunc(value)) {
        (void)snprintf(ret, room, "%.0f", value);
    } else {
        for (int precision = first_precision(value, precision_max, as_float);
             precision <= precision_max; precision++) {
            double back;

            (void)snprintf(ret, room, "%.*g", precision, value);
            back = strtod(ret, NULL);
            if (as_float ? (float)back == (float)value : back == value) {
                break;
            }
        }
    }
    (void)uselocale(before);
}

static void add_shortest(struct of_text *text, double value, int precision_max, bool as_float)
{
    /* Zeros differ by their sign; NaN is equal to nothing. */
    if (text->number_precision != precision_max || !(text->number == value) ||
        signbit(text->number) != signbit(value)) {
        find_digits(value, precision_max, as_float, text->number_digits,
                    sizeof(text->number_digits));
        text->number = value;
        text->number_precision = precision_max;
    }
    of_text_add(text, of_str_from(text->number_digits));
}

void of_text_add_double(struct of_text *text, double value)
{
    add_shortest(text, value, 17, false);
}

void of_text_add_float(struct of_text *text, float value)
{
    add_shortest(text, (double)value, 9, true);
}

void of_text_add_rounded(struct of_text *text, double value)
{
    add_shortest(text, value, 12, false);
}

void of_text_finish(struct of_text *text)
{
    of_mem_free(text->data);
    memset(text, 0, sizeof(*text));
}
