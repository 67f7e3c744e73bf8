/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text and numbers of the HTML page, and small questions about the data. Names come from files that
 * somebody made: whatever is in them, they stay text.
 */
#include "compare_html_parts.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- Text ---- */

/* The next character, its length in *ret_length (at least 1); U+FFFD for bytes that are not UTF-8
 * and for characters that would not stay in their place: controls and bidirectional controls. */
static uint32_t next_character(const char *text, uint64_t *ret_length)
{
    const unsigned char *at = (const unsigned char *)text;
    const uint64_t length = at[0] < 0x80   ? 1
                            : at[0] < 0xc2 ? 0
                            : at[0] < 0xe0 ? 2
                            : at[0] < 0xf0 ? 3
                            : at[0] < 0xf5 ? 4
                                           : 0;
    uint32_t code = at[0];

    *ret_length = 1;
    if (length == 0) {
        return 0xfffd;
    }
    if (length > 1) {
        code &= 0xffU >> (length + 1);
        for (uint64_t i = 1; i < length; i++) {
            if ((at[i] & 0xc0) != 0x80) {
                return 0xfffd;
            }
            code = code << 6 | (at[i] & 0x3fU);
        }
        if (code < (length == 3   ? 0x800U
                    : length == 4 ? 0x10000U
                                  : 0x80U) ||
            code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
            return 0xfffd;
        }
    }
    *ret_length = length;
    if ((code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7f && code < 0xa0) ||
        code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
        (code >= 0x2066 && code <= 0x2069) || (code & 0xfffe) == 0xfffe) {
        return 0xfffd;
    }
    return code;
}

static void put_character(FILE *to, uint32_t code, const char *text, uint64_t length)
{
    switch (code) {
    case '&':
        (void)fputs("&amp;", to);
        break;
    case '<':
        (void)fputs("&lt;", to);
        break;
    case '>':
        (void)fputs("&gt;", to);
        break;
    case '"':
        (void)fputs("&quot;", to);
        break;
    case '\'':
        (void)fputs("&#39;", to);
        break;
    case 0xfffd:
        (void)fputs("\xef\xbf\xbd", to);
        break;
    default:
        (void)fwrite(text, 1, (size_t)length, to);
    }
}

/* Columns of a character: East Asian and later ones are wide. Only drawings need it, roughly. */
static uint32_t columns_of(uint32_t code)
{
    return code >= 0x1100 && code != 0xfffd ? 2 : 1;
}

void html_text(FILE *to, const char *text)
{
    uint64_t length;

    for (; text != NULL && *text != '\0'; text += length) {
        const uint32_t code = next_character(text, &length);

        put_character(to, code, text, length);
    }
}

void html_name(FILE *to, const char *text)
{
    uint64_t length;

    for (; text != NULL && *text != '\0'; text += length) {
        const uint32_t code = next_character(text, &length);

        put_character(to, code, text, length);
        if (code == '.' || code == '/' || code == '_') {
            (void)fputs("<wbr/>", to);
        }
    }
}

static uint32_t full_width(const char *text)
{
    uint32_t columns = 0;
    uint64_t length;

    for (; text != NULL && *text != '\0'; text += length) {
        columns += columns_of(next_character(text, &length));
    }
    return columns;
}

uint32_t html_text_width(const char *text, uint32_t width)
{
    const uint32_t columns = full_width(text);

    return columns < width ? columns : width;
}

void html_text_short(FILE *to, const char *text, uint32_t width)
{
    const uint32_t columns = full_width(text);
    const uint32_t head = width / 2;
    const uint32_t tail_from = columns - (width - head - 1);
    uint32_t column = 0;
    bool cut = false;
    uint64_t length;

    if (columns <= width) {
        html_text(to, text);
        return;
    }
    for (; *text != '\0'; text += length) {
        const uint32_t code = next_character(text, &length);

        if (column + columns_of(code) <= head || column >= tail_from) {
            put_character(to, code, text, length);
        } else if (!cut) {
            (void)fputs("\xe2\x80\xa6", to);
            cut = true;
        }
        column += columns_of(code);
    }
}

/* ---- Numbers ---- */

#define MINUS    "\xe2\x88\x92"
#define DASH     "\xe2\x80\x93"
#define INFINITE "\xe2\x88\x9e"

/* Puts a true minus sign where printf wrote a hyphen, and takes "+0" out of exponents. */
static struct html_number typeset(const char *raw)
{
    struct html_number result = {""};
    uint64_t used = 0;

    for (uint64_t i = 0; raw[i] != '\0' && used + 4 < sizeof(result.text); i++) {
        const bool exponent = i > 0 && (raw[i - 1] == 'e');

        if (raw[i] == '-') {
            memcpy(result.text + used, MINUS, 3);
            used += 3;
        } else if (!(exponent && raw[i] == '+')) {
            result.text[used++] = raw[i];
        }
        if (exponent && raw[i + 1] == '0') {
            i++;
        }
    }
    return result;
}

/* True when the number is none that digits express. */
static bool special(double value, struct html_number *ret)
{
    if (isnan(value)) {
        *ret = (struct html_number){DASH};
        return true;
    }
    if (isinf(value)) {
        *ret = value > 0 ? (struct html_number){INFINITE} : (struct html_number){MINUS INFINITE};
        return true;
    }
    return false;
}

struct html_number html_num(double value)
{
    const double size = fabs(value);
    struct html_number result;
    char raw[40];

    if (special(value, &result)) {
        return result;
    }
    if (size == 0) {
        return (struct html_number){"0"};
    }
    if (size >= 99999.5 || size < 0.0005) {
        (void)snprintf(raw, sizeof(raw), "%.2e", value);
    } else {
        const int decimals = size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3;

        (void)snprintf(raw, sizeof(raw), "%.*f",
                       size < 0.01  ? 5
                       : size < 0.1 ? 4
                                    : decimals,
                       value);
    }
    return typeset(raw);
}

struct html_number html_tick(double value)
{
    struct html_number result;
    char raw[40];

    if (special(value, &result)) {
        return result;
    }
    (void)snprintf(raw, sizeof(raw), "%.3g", value);
    return typeset(raw);
}

struct html_number html_fixed(double value, int decimals)
{
    struct html_number result;
    char raw[64];
    char *digit;

    if (special(value, &result)) {
        return result;
    }
    if (fabs(value) >= 1e9) {
        return html_num(value);
    }
    (void)snprintf(raw, sizeof(raw), "%.*f", decimals, value);
    /* A negative number that rounds to nothing is nothing. */
    digit = raw + strspn(raw, "-0.");
    return typeset(*digit == '\0' && raw[0] == '-' ? raw + 1 : raw);
}

struct html_number html_percent(double share)
{
    const double percent = share * 100;
    struct html_number result;
    char raw[64];

    if (special(share, &result)) {
        return result;
    }
    if (percent == 0 || fabs(percent) >= 1e6) {
        return percent == 0 ? (struct html_number){"0%"} : html_num(share);
    }
    if (percent > 0 && percent < 0.005) {
        return (struct html_number){"&lt;0.01%"};
    }
    if (percent < 100 && percent >= 99.95) {
        return (struct html_number){"&gt;99.9%"};
    }
    (void)snprintf(raw, sizeof(raw), "%.*f%%", fabs(percent) < 0.995 ? 2 : 1, percent);
    return typeset(raw);
}

struct html_number html_count(uint64_t count)
{
    struct html_number result = {""};
    char raw[32];
    int length = snprintf(raw, sizeof(raw), "%" PRIu64, count);
    uint64_t used = 0;

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            result.text[used++] = ',';
        }
        result.text[used++] = raw[i];
    }
    return result;
}

struct html_number html_short_count(uint64_t count)
{
    static const char *const names[] = {"K", "M", "B", "T"};
    struct html_number result = {""};
    double value = (double)count / 1000;
    int unit = 0;

    if (count < 10000) {
        return html_count(count);
    }
    while (value >= 999.5 && unit < 3) {
        value /= 1000;
        unit++;
    }
    (void)snprintf(result.text, sizeof(result.text), "%.*f %s",
                   value < 9.995   ? 2
                   : value < 99.95 ? 1
                                   : 0,
                   value, names[unit]);
    return result;
}

struct html_number html_share(uint64_t part, uint64_t all)
{
    return html_percent(all == 0 ? (double)NAN : (double)part / (double)all);
}

/* ---- The data ---- */

double html_at(const double *values, uint64_t index)
{
    return values == NULL ? (double)NAN : values[index];
}

const onefold_compare_group *html_groups(const onefold_compare_result *result, int kind,
                                         uint64_t *ret_count)
{
    const onefold_compare_group *first = NULL;

    *ret_count = 0;
    for (uint64_t i = 0; i < result->group_count; i++) {
        if (result->groups[i].kind == kind) {
            first = first == NULL ? &result->groups[i] : first;
            (*ret_count)++;
        } else if (first != NULL) {
            break;
        }
    }
    return first;
}

uint64_t html_stack_length(const char *name)
{
    uint64_t length = strlen(name);
    const uint64_t all = length;

    while (length > 0 && name[length - 1] >= '0' && name[length - 1] <= '9') {
        length--;
    }
    return length == all || length < 2 || name[length - 1] != '.' ? 0 : length - 1;
}

const char *html_layer_number(const char *name)
{
    const uint64_t length = html_stack_length(name);

    return length == 0 ? name : name + length + 1;
}

uint64_t html_agreement_total(const onefold_compare_result *result,
                              const onefold_compare_group *group)
{
    uint64_t total = 0;

    for (uint64_t k = 0; group->agreement != NULL && k <= result->input_count; k++) {
        total += group->agreement[k];
    }
    return total;
}

bool html_any_nonfinite(const onefold_compare_result *result)
{
    uint64_t count;
    const onefold_compare_group *model = html_groups(result, ONEFOLD_GROUP_MODEL, &count);
    bool any = false;

    for (uint64_t t = 0; model != NULL && model->nan_count != NULL && t <= result->input_count;
         t++) {
        any = any || model->nan_count[t] != 0 || model->inf_count[t] != 0;
    }
    return any;
}
