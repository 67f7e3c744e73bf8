/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of SHA256SUMS and XXH128SUMS: write (integrity.md 2.1), read (both the plain and the tag
 * form, coreutils escaping, CRLF, comments). */
#ifndef OF_FMT_SUMS_TEXT_H
#define OF_FMT_SUMS_TEXT_H

#include "base/attr.h"
#include "base/hash.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* "HEX  NAME\n"; a name with newline or backslash is escaped and its line starts with '\'. */
void of_sums_emit(struct of_text *text, const uint8_t *digest, uint32_t digest_bytes,
                  struct of_str name);
/* "SHA256 (NAME) = HEX\n", tags XXH32, XXH64, XXH128, SHA256. */
void of_sums_emit_tag(struct of_text *text, enum of_hash_kind kind, const uint8_t *digest,
                      struct of_str name);

struct of_sums_line {
    enum of_hash_kind kind;
    uint8_t digest[32];
    char name[4096]; /* unescaped, terminated */
};

enum of_sums_result { OF_SUMS_LINE, OF_SUMS_BLANK, OF_SUMS_MALFORMED };

/* One line without its newline. Empty lines and lines starting with '#' are blank. */
enum of_sums_result of_sums_parse(struct of_str line, struct of_sums_line *ret_line);

#endif
