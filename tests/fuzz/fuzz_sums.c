/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of checksum lists: what is read and written again is read as the same. */
#include "driver.h"

#include "base/check.h"
#include "fmt/sums_text.h"

#include <string.h>

static void check_line(struct of_str line)
{
    struct of_sums_line first;
    struct of_sums_line again;

    if (of_sums_parse(line, &first) != OF_SUMS_LINE) {
        return;
    }
    of_assert(first.name[0] != '\0' && memchr(first.name, '\0', sizeof(first.name)) != NULL);
    for (int tag = 0; tag <= 1; tag++) {
        struct of_text text = {0};

        if (tag != 0) {
            of_sums_emit_tag(&text, first.kind, first.digest, of_str_from(first.name));
        } else {
            of_sums_emit(&text, first.digest, of_hash_size(first.kind), of_str_from(first.name));
        }
        of_assert(!text.failed && text.length > 0);
        of_assert(memchr(text.data, '\n', text.length) == text.data + text.length - 1);
        of_assert(of_sums_parse((struct of_str){text.data, text.length - 1}, &again) ==
                  OF_SUMS_LINE);
        of_assert(again.kind == first.kind && strcmp(again.name, first.name) == 0);
        of_assert(memcmp(again.digest, first.digest, of_hash_size(first.kind)) == 0);
        of_text_finish(&text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t start = 0;

    for (size_t at = 0; at <= size; at++) {
        if (at == size || data[at] == '\n') {
            check_line((struct of_str){(const char *)data + start, at - start});
            start = at + 1;
        }
    }
    return 0;
}
