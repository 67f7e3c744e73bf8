/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of checksum lists, as sha256sum and xxhsum write and read them. */
#include "fmt/sums_text.h"

#include <string.h>

static const char *const tags[] = {[OF_HASH_XXH32] = "XXH32",
                                   [OF_HASH_XXH64] = "XXH64",
                                   [OF_HASH_XXH128] = "XXH128",
                                   [OF_HASH_SHA256] = "SHA256"};

enum { DIGEST_BYTES_MAX = 32 };

static bool needs_escape(struct of_str name)
{
    for (size_t i = 0; i < name.length; i++) {
        if (name.data[i] == '\n' || name.data[i] == '\r' || name.data[i] == '\\') {
            return true;
        }
    }
    return false;
}

static void add_name(struct of_text *text, struct of_str name)
{
    for (size_t i = 0; i < name.length; i++) {
        switch (name.data[i]) {
        case '\n':
            of_text_add(text, OF_STR("\\n"));
            break;
        case '\r':
            of_text_add(text, OF_STR("\\r"));
            break;
        case '\\':
            of_text_add(text, OF_STR("\\\\"));
            break;
        default:
            of_text_add_char(text, name.data[i]);
            break;
        }
    }
}

static void add_hex(struct of_text *text, const uint8_t *digest, uint32_t length)
{
    char hex[2 * DIGEST_BYTES_MAX + 1];

    of_hash_hex(digest, length, hex);
    of_text_add(text, of_str_from(hex));
}

void of_sums_emit(struct of_text *text, const uint8_t *digest, uint32_t digest_bytes,
                  struct of_str name)
{
    if (needs_escape(name)) {
        of_text_add_char(text, '\\');
    }
    add_hex(text, digest, digest_bytes);
    of_text_add(text, OF_STR("  "));
    add_name(text, name);
    of_text_add_char(text, '\n');
}

void of_sums_emit_tag(struct of_text *text, enum of_hash_kind kind, const uint8_t *digest,
                      struct of_str name)
{
    if (needs_escape(name)) {
        of_text_add_char(text, '\\');
    }
    of_text_add(text, of_str_from(tags[kind]));
    of_text_add(text, OF_STR(" ("));
    add_name(text, name);
    of_text_add(text, OF_STR(") = "));
    add_hex(text, digest, of_hash_size(kind));
    of_text_add_char(text, '\n');
}

/* The kind whose digest has so many hex digits. */
static bool kind_of_length(size_t digit_count, enum of_hash_kind *ret_kind)
{
    for (int i = 0; i <= (int)OF_HASH_SHA256; i++) {
        if (digit_count == 2 * (size_t)of_hash_size((enum of_hash_kind)i)) {
            *ret_kind = (enum of_hash_kind)i;
            return true;
        }
    }
    return false;
}

/* Takes the name in, undoing escapes when the line is marked for it. */
static bool take_name(struct of_str name, bool escaped, struct of_sums_line *line)
{
    size_t used = 0;

    if (name.length == 0 || memchr(name.data, '\0', name.length) != NULL) {
        return false;
    }
    for (size_t i = 0; i < name.length; i++) {
        char c = name.data[i];

        if (escaped && c == '\\') {
            i++;
            if (i == name.length) {
                return false;
            }
            c = name.data[i];
            if (c == 'n') {
                c = '\n';
            } else if (c == 'r') {
                c = '\r';
            } else if (c != '\\') {
                return false;
            }
        }
        if (used + 1 >= sizeof(line->name)) {
            return false;
        }
        line->name[used++] = c;
    }
    line->name[used] = '\0';
    return true;
}

/* "TAG (NAME) = HEX"; the name may hold anything, so its end is the last ") = ". */
static bool parse_tag(struct of_str line, bool escaped, struct of_sums_line *ret_line)
{
    for (int i = 0; i <= (int)OF_HASH_SHA256; i++) {
        size_t tag_length = strlen(tags[i]);
        size_t digit_count = 2 * (size_t)of_hash_size((enum of_hash_kind)i);
        size_t name_at = tag_length + 2;
        size_t end_at;

        if (!of_str_starts(line, tags[i]) || line.length < name_at + 4 + digit_count ||
            memcmp(line.data + tag_length, " (", 2) != 0) {
            continue;
        }
        end_at = line.length - digit_count - 4;
        if (memcmp(line.data + end_at, ") = ", 4) != 0) {
            return false;
        }
        ret_line->kind = (enum of_hash_kind)i;
        return of_hash_from_hex(line.data + end_at + 4, digit_count / 2, ret_line->digest) &&
               take_name((struct of_str){line.data + name_at, end_at - name_at}, escaped, ret_line);
    }
    return false;
}

/* "HEX  NAME", with '*' in place of the second space for binary. */
static bool parse_plain(struct of_str line, bool escaped, struct of_sums_line *ret_line)
{
    size_t digit_count = 0;

    while (digit_count < line.length && line.data[digit_count] != ' ') {
        digit_count++;
    }
    if (line.length < digit_count + 3 || !kind_of_length(digit_count, &ret_line->kind) ||
        (line.data[digit_count + 1] != ' ' && line.data[digit_count + 1] != '*')) {
        return false;
    }
    return of_hash_from_hex(line.data, digit_count / 2, ret_line->digest) &&
           take_name((struct of_str){line.data + digit_count + 2, line.length - digit_count - 2},
                     escaped, ret_line);
}

enum of_sums_result of_sums_parse(struct of_str line, struct of_sums_line *ret_line)
{
    bool escaped;

    if (line.length > 0 && line.data[line.length - 1] == '\r') {
        line.length--;
    }
    if (line.length == 0 || line.data[0] == '#') {
        return OF_SUMS_BLANK;
    }
    while (line.length > 0 && (line.data[0] == ' ' || line.data[0] == '\t')) {
        line = (struct of_str){line.data + 1, line.length - 1};
    }
    if (line.length == 0) {
        return OF_SUMS_MALFORMED;
    }
    escaped = line.data[0] == '\\';
    if (escaped) {
        line = (struct of_str){line.data + 1, line.length - 1};
    }
    if (parse_tag(line, escaped, ret_line) || parse_plain(line, escaped, ret_line)) {
        return OF_SUMS_LINE;
    }
    return OF_SUMS_MALFORMED;
}
