/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of checksum lists, as sha256sum and xxhsum write and read them: "HEX  NAME" or
 * "HEX *NAME", the kind known by the number of digits; "TAG (NAME) = HEX"; a backslash in front of
 * either says that the name is escaped.
 */
#include "hash.h"

#include <string.h>

const struct hash_kind_row hash_kinds[HASH_KIND_COUNT] = {
    [HASH_XXH32] = {"XXH32", ONEFOLD_HASH_XXH32, 4},
    [HASH_XXH64] = {"XXH64", ONEFOLD_HASH_XXH64, 8},
    [HASH_XXH128] = {"XXH128", ONEFOLD_HASH_XXH128, 16},
    [HASH_SHA256] = {"SHA256", ONEFOLD_HASH_SHA256, 32},
};

const uint8_t *hash_digest_of(const onefold_sums *sums, enum hash_kind kind)
{
    switch (kind) {
    case HASH_XXH32:
        return sums->xxh32;
    case HASH_XXH64:
        return sums->xxh64;
    case HASH_XXH128:
        return sums->xxh128;
    case HASH_SHA256:
    case HASH_KIND_COUNT:
        break;
    }
    return sums->sha256;
}

/* ---- Writing ---- */

void hash_print_hex(FILE *to, const uint8_t *digest, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        (void)fprintf(to, "%02x", digest[i]);
    }
}

bool hash_name_is_odd(const char *name)
{
    return strpbrk(name, "\\\n\r") != NULL;
}

void hash_print_name(FILE *to, const char *name)
{
    for (; *name != '\0'; name++) {
        switch (*name) {
        case '\\':
            (void)fputs("\\\\", to);
            break;
        case '\n':
            (void)fputs("\\n", to);
            break;
        case '\r':
            (void)fputs("\\r", to);
            break;
        default:
            (void)putc(*name, to);
            break;
        }
    }
}

void hash_print_line(FILE *to, enum hash_kind kind, const uint8_t *digest, const char *name,
                     bool with_tag)
{
    if (hash_name_is_odd(name)) {
        (void)putc('\\', to);
    }
    if (with_tag) {
        (void)fprintf(to, "%s (", hash_kinds[kind].tag);
        hash_print_name(to, name);
        (void)fputs(") = ", to);
        hash_print_hex(to, digest, hash_kinds[kind].bytes);
    } else {
        hash_print_hex(to, digest, hash_kinds[kind].bytes);
        (void)fputs("  ", to);
        hash_print_name(to, name);
    }
    (void)putc('\n', to);
}

/* ---- Reading ---- */

/* -1 when it is no hexadecimal digit. */
static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

static size_t count_digits(const char *text, size_t length)
{
    size_t count = 0;

    while (count < length && digit_value(text[count]) >= 0) {
        count++;
    }
    return count;
}

static bool find_kind(size_t digit_count, enum hash_kind *ret_kind)
{
    for (int kind = 0; kind < HASH_KIND_COUNT; kind++) {
        if ((size_t)hash_kinds[kind].bytes * 2 == digit_count) {
            *ret_kind = (enum hash_kind)kind;
            return true;
        }
    }
    return false;
}

static void read_digest(const char *digits, uint32_t bytes, uint8_t *ret_digest)
{
    for (uint32_t i = 0; i < bytes; i++) {
        ret_digest[i] = (uint8_t)(digit_value(digits[2 * (size_t)i]) * 16 +
                                  digit_value(digits[2 * (size_t)i + 1]));
    }
}

/* The character behind the backslash, or NUL when it means nothing. */
static char unescape(char c)
{
    return c == 'n' ? '\n' : c == 'r' ? '\r' : c == '\\' ? '\\' : '\0';
}

static bool read_name(const char *text, size_t length, bool escaped, char *ret_name)
{
    size_t at = 0;

    if (length == 0) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char c = text[i];

        if (escaped && c == '\\') {
            i++;
            c = i < length ? unescape(text[i]) : '\0';
        }
        if (c == '\0' || at + 1 >= HASH_NAME_MAX) {
            return false;
        }
        ret_name[at++] = c;
    }
    ret_name[at] = '\0';
    return true;
}

/* "HEX  NAME" */
static bool read_plain(const char *line, size_t length, bool escaped, struct hash_line *ret_line)
{
    size_t digits = count_digits(line, length);

    if (!find_kind(digits, &ret_line->kind) || length < digits + 2 || line[digits] != ' ' ||
        (line[digits + 1] != ' ' && line[digits + 1] != '*')) {
        return false;
    }
    read_digest(line, hash_kinds[ret_line->kind].bytes, ret_line->digest);
    return read_name(line + digits + 2, length - digits - 2, escaped, ret_line->name);
}

/* "TAG (NAME) = HEX": the digest is read from the end, because a name may hold anything. */
static bool read_tagged(const char *line, size_t length, bool escaped, struct hash_line *ret_line)
{
    for (int kind = 0; kind < HASH_KIND_COUNT; kind++) {
        const struct hash_kind_row *row = &hash_kinds[kind];
        size_t tag_length = strlen(row->tag);
        size_t digits = (size_t)row->bytes * 2;
        const char *end;

        if (length < tag_length + 2 + 4 + digits || memcmp(line, row->tag, tag_length) != 0 ||
            memcmp(line + tag_length, " (", 2) != 0) {
            continue;
        }
        end = line + length - digits;
        if (count_digits(end, digits) != digits || memcmp(end - 4, ") = ", 4) != 0) {
            return false;
        }
        ret_line->kind = (enum hash_kind)kind;
        read_digest(end, row->bytes, ret_line->digest);
        line += tag_length + 2;
        return read_name(line, (size_t)(end - 4 - line), escaped, ret_line->name);
    }
    return false;
}

enum hash_line_result hash_parse_line(const char *line, size_t length, struct hash_line *ret_line)
{
    bool escaped;

    if (length > 0 && line[length - 1] == '\r') {
        length--;
    }
    if (length == 0 || line[0] == '#') {
        return HASH_LINE_BLANK;
    }
    escaped = line[0] == '\\';
    if (escaped) {
        line++;
        length--;
    }
    if (read_plain(line, length, escaped, ret_line) ||
        read_tagged(line, length, escaped, ret_line)) {
        return HASH_LINE_GOOD;
    }
    return HASH_LINE_MALFORMED;
}
