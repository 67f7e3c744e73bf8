/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: the walk and the parser agree about what is JSON, and what is written is read again. */
#include "driver.h"

#include "base/check.h"
#include "base/limits.h"
#include "fmt/json.h"

struct seen {
    bool all_strict;
};

static onefold_status visit(void *context, const struct of_json_member *member, onefold_error *err)
{
    struct seen *seen = context;
    struct of_text scratch = {0};
    struct of_str text;
    uint64_t value;
    onefold_error ignored;

    (void)err;
    of_assert(member->text.length > 0);
    of_assert(of_str_is_utf8(member->key));
    if (of_json_check(member->text, "index-json", &ignored) != ONEFOLD_OK) {
        seen->all_strict = false;
        return ONEFOLD_OK;
    }
    if (member->kind == OF_JSON_STRING) {
        struct of_json_writer writer = {0};
        struct of_str again;
        struct of_text more = {0};

        of_assert(of_json_decode_string(member->text, "index-json", &scratch, &text, &ignored) ==
                  ONEFOLD_OK);
        of_json_add_str(&writer, text);
        of_assert(!writer.text.failed);
        of_assert(of_json_decode_string((struct of_str){writer.text.data, writer.text.length},
                                        "index-json", &more, &again, &ignored) == ONEFOLD_OK);
        of_assert(of_str_equal(text, again));
        of_text_finish(&more);
        of_text_finish(&writer.text);
    }
    if (of_json_decode_u63(member->text, "index-json", "index-top", &value, &ignored) ==
        ONEFOLD_OK) {
        of_assert(of_json_is_number(member->text) && value <= INT64_MAX);
    }
    of_text_finish(&scratch);
    return ONEFOLD_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct of_str text = {(const char *)data, size};
    struct seen seen = {.all_strict = true};
    const struct of_json_walk walk = {
        .id_syntax = "index-json", .id_top = "index-top", .member = visit, .context = &seen};
    struct of_json *value = NULL;
    onefold_error err;
    bool parses;

    parses = of_json_parse(text, "index-json", &value, &err) == ONEFOLD_OK;
    if (parses && of_json_kind(value) == OF_JSON_OBJECT) {
        of_assert(of_json_walk(text, &walk, &err) == ONEFOLD_OK);
        of_assert(seen.all_strict);
    } else if (parses && of_json_kind(value) == OF_JSON_ARRAY) {
        of_assert(of_json_walk_array(text, &walk, &err) == ONEFOLD_OK);
        of_assert(seen.all_strict);
    } else {
        onefold_status status = of_json_walk(text, &walk, &err);

        of_assert(status == ONEFOLD_OK || err.message[0] != '\0');
        of_assert(status != ONEFOLD_OK || !parses);
    }
    of_json_free(value);
    return 0;
}
