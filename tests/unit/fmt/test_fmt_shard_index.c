/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes of sharded checkpoints: names, duplicates, limits, and what is written. */
#include "fmt/shard_index.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct parsed {
    struct of_arena arena;
    struct of_report report;
    struct of_shard_index index;
    onefold_error err;
    onefold_status status;
};

static void parse(struct parsed *parsed, struct of_str text)
{
    memset(parsed, 0, sizeof(*parsed));
    of_arena_init(&parsed->arena, 0);
    parsed->status = of_shard_index_parse(text, "i.json", &parsed->arena, &parsed->report,
                                          &parsed->index, &parsed->err);
}

#define MAP(entries) "{\"weight_map\":{" entries "}}"

static void test_refusals(void **state)
{
    static const struct {
        const char *json;
        const char *id;
    } rows[] = {
        {"", "index-json"},
        {"[]", "index-top"},
        {"\xef\xbb\xbf{}", "index-json"},
        {"{}", "index-map-missing"},
        {"{\"metadata\":{}}", "index-map-missing"},
        {MAP(""), "index-empty"},
        {MAP("\"a\":\"x.safetensors\","), "index-json"},
        {MAP("\"a\":\"x.safetensors\"") " {}", "index-json"},
        {"{\"weight_map\":[\"x.safetensors\"]}", "index-map"},
        {"{\"weight_map\":null}", "index-map"},
        {MAP("\"a\":[\"x.safetensors\"]"), "index-value"},
        {MAP("\"a\":1"), "index-value"},
        {MAP("\"a\":nil"), "index-json"},
        {MAP("\"a\":\"x.safetensors\",\"a\":\"x.safetensors\""), "index-duplicate"},
        {MAP("\"a\":\"x.safetensors\",\"\\u0061\":\"y.safetensors\""), "index-duplicate"},
        {"{\"weight_map\":{\"a\":\"x.safetensors\"},\"weight_map\":{\"a\":\"x.safetensors\"}}",
         "index-duplicate"},
        {"{\"x\":1,\"x\":2,\"weight_map\":{\"a\":\"x.safetensors\"}}", "index-duplicate"},
        {"{\"metadata\":{\"a\":1,\"a\":2},\"weight_map\":{\"a\":\"x.safetensors\"}}",
         "index-duplicate"},
        {"{\"x\":[1,],\"weight_map\":{\"a\":\"x.safetensors\"}}", "index-json"},
        {"{\"metadata\":{\"a\":01},\"weight_map\":{\"a\":\"x.safetensors\"}}", "index-json"},
        {MAP("\"\":\"x.safetensors\""), "index-tensor-name"},
        {MAP("\"a\\n\":\"x.safetensors\""), "index-tensor-name"},
        {MAP("\"a\\u0000\":\"x.safetensors\""), "index-json"},
        {MAP("\"a\":\"../x.safetensors\""), "index-path"},
        {MAP("\"a\":\"./x.safetensors\""), "index-path"},
        {MAP("\"a\":\"/x.safetensors\""), "index-path"},
        {MAP("\"a\":\"x.safetensors/\""), "index-path"},
        {MAP("\"a\":\"https://h/x.safetensors\""), "index-path"},
        {MAP("\"a\":\"c:x.safetensors\""), "index-path"},
        {MAP("\"a\":\"d\\\\x.safetensors\""), "index-backslash"},
        {MAP("\"a\":\"x\\u0000.safetensors\""), "index-json"},
        {MAP("\"a\":\"x\\u0001.safetensors\""), "index-control"},
        {MAP("\"a\":\"x\\u202e.safetensors\""), "index-control"},
        {MAP("\"a\":\"\""), "index-name-empty"},
        {MAP("\"a\":\".\""), "index-name-dot"},
        {MAP("\"a\":\"..\""), "index-name-dot"},
        {MAP("\"a\":\"x.bin\""), "index-name-suffix"},
        {MAP("\"a\":\"x.SAFETENSORS\""), "index-name-suffix"},
        {MAP("\"a\":\".safetensors\""), "index-name-suffix"},
        {MAP("\"a\":\"model.safetensors.index.json\""), "index-name-suffix"},
    };

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(rows); i++) {
        struct parsed parsed;

        parse(&parsed, of_str_from(rows[i].json));
        if (parsed.status == ONEFOLD_OK || strcmp(parsed.err.id, rows[i].id) != 0) {
            fail_msg("%s: expected %s, got %s (%s)", rows[i].json, rows[i].id,
                     parsed.status == ONEFOLD_OK ? "ok" : parsed.err.id, parsed.err.message);
        }
        assert_int_equal(parsed.index.entry_count, 0);
        of_arena_finish(&parsed.arena);
    }
}

static void test_parse(void **state)
{
    struct parsed parsed;

    (void)state;
    parse(&parsed, OF_STR("{\"other\":[1],\"metadata\":{\"total_size\":12,\"x\":1e99},\n"
                          "\"weight_map\":{\"b\":\"m-2.safetensors\",\"a\":\"m-1.safetensors\","
                          "\"c\\u002fd\":\"m-2.safetensors\"}}\n"));
    assert_int_equal(parsed.status, ONEFOLD_OK);
    assert_int_equal(parsed.report.warning_count, 0);
    assert_true(parsed.index.has_total_size);
    assert_int_equal(parsed.index.total_size, 12);
    assert_int_equal(parsed.index.file_count, 2);
    assert_true(of_str_is(parsed.index.files[0], "m-1.safetensors"));
    assert_true(of_str_is(parsed.index.files[1], "m-2.safetensors"));
    assert_int_equal(parsed.index.entry_count, 3);
    assert_true(of_str_is(parsed.index.entries[0].tensor_name, "b"));
    assert_int_equal(parsed.index.entries[0].file_index, 1);
    assert_int_equal(parsed.index.entries[1].file_index, 0);
    assert_true(of_str_is(parsed.index.entries[2].tensor_name, "c/d"));
    assert_int_equal(parsed.index.entries[2].file_index, 1);
    of_arena_finish(&parsed.arena);
}

/* total_size is never trusted: whatever stands there, the index is fine. */
static void test_metadata_is_not_trusted(void **state)
{
    static const struct {
        const char *metadata;
        uint64_t warning_count;
    } rows[] = {{"null", 0},
                {"{}", 0},
                {"{\"total_size\":0}", 0},
                {"{\"total_size\":\"12\"}", 1},
                {"{\"total_size\":-1}", 1},
                {"{\"total_size\":1e30}", 1},
                {"{\"total_size\":123456789012345678901234567890}", 1},
                {"[1]", 1},
                {"7", 1}};

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(rows); i++) {
        struct parsed parsed;
        char json[200];

        (void)snprintf(json, sizeof(json),
                       "{\"metadata\":%s,\"weight_map\":{\"a\":\"x.safetensors\"}}",
                       rows[i].metadata);
        parse(&parsed, of_str_from(json));
        assert_int_equal(parsed.status, ONEFOLD_OK);
        assert_int_equal(parsed.report.warning_count, rows[i].warning_count);
        of_arena_finish(&parsed.arena);
    }
}

static void test_name_length(void **state)
{
    char name[300];
    onefold_error err;

    (void)state;
    memset(name, 'x', sizeof(name));
    memcpy(name + OF_FILE_NAME_BYTES_MAX - 12, ".safetensors", 12);
    assert_int_equal(of_shard_name_check((struct of_str){name, OF_FILE_NAME_BYTES_MAX}, &err),
                     ONEFOLD_OK);
    memcpy(name + OF_FILE_NAME_BYTES_MAX - 11, ".safetensors", 12);
    assert_int_equal(of_shard_name_check((struct of_str){name, OF_FILE_NAME_BYTES_MAX + 1}, &err),
                     ONEFOLD_E_FORMAT);
    assert_string_equal(err.id, "index-name-long");
}

static void many_shards(struct of_text *text, uint32_t count)
{
    of_text_add(text, OF_STR("{\"weight_map\":{"));
    for (uint32_t i = 0; i < count; i++) {
        of_text_print(text, "%s\"t%u\":\"m-%u.safetensors\"", i > 0 ? "," : "", i, i);
    }
    of_text_add(text, OF_STR("}}"));
}

static void test_shard_limit(void **state)
{
    struct of_text text = {0};
    struct parsed parsed;

    (void)state;
    many_shards(&text, OF_SHARDS_MAX);
    parse(&parsed, (struct of_str){text.data, text.length});
    assert_int_equal(parsed.status, ONEFOLD_OK);
    assert_int_equal(parsed.index.file_count, OF_SHARDS_MAX);
    for (uint64_t i = 0; i < parsed.index.entry_count; i++) {
        const struct of_index_entry *entry = &parsed.index.entries[i];
        char expected[40];

        (void)snprintf(expected, sizeof(expected), "m-%u.safetensors", (unsigned)i);
        assert_true(of_str_is(parsed.index.files[entry->file_index], expected));
    }
    of_arena_finish(&parsed.arena);
    of_text_finish(&text);
    many_shards(&text, OF_SHARDS_MAX + 1);
    parse(&parsed, (struct of_str){text.data, text.length});
    assert_string_equal(parsed.err.id, "index-limit");
    of_arena_finish(&parsed.arena);
    of_text_finish(&text);
}

static void test_size_limit(void **state)
{
    struct parsed parsed;

    (void)state;
    /* Not read to the end: only the length counts, so the bytes need not be there. */
    parse(&parsed, (struct of_str){"{", OF_INDEX_BYTES_MAX + 1});
    assert_string_equal(parsed.err.id, "index-size");
    of_arena_finish(&parsed.arena);
}

static onefold_status add_piece(void *context, struct of_str piece, onefold_error *err)
{
    struct of_text *text = context;

    (void)err;
    of_text_add(text, piece);
    return ONEFOLD_OK;
}

static void test_emit(void **state)
{
    const struct of_tensor tensors[] = {{.name = {"b", 1}, .shard_index = 1},
                                        {.name = {"a.\"", 3}, .shard_index = 0},
                                        {.name = {"B", 1}, .shard_index = 1}};
    static const char *const files[] = {"m-1.safetensors", "m-2.safetensors"};
    const struct of_shard_index_text from = {tensors, 3, files, 42};
    struct of_text text = {0};
    struct parsed parsed;
    onefold_error err;

    (void)state;
    assert_int_equal(of_shard_index_emit(&from, add_piece, &text, &err), ONEFOLD_OK);
    assert_string_equal(text.data, "{\n"
                                   "  \"metadata\": {\n"
                                   "    \"total_size\": 42\n"
                                   "  },\n"
                                   "  \"weight_map\": {\n"
                                   "    \"B\": \"m-2.safetensors\",\n"
                                   "    \"a.\\\"\": \"m-1.safetensors\",\n"
                                   "    \"b\": \"m-2.safetensors\"\n"
                                   "  }\n"
                                   "}\n");
    parse(&parsed, (struct of_str){text.data, text.length});
    assert_int_equal(parsed.status, ONEFOLD_OK);
    assert_int_equal(parsed.index.entry_count, 3);
    assert_int_equal(parsed.index.total_size, 42);
    of_arena_finish(&parsed.arena);
    of_text_finish(&text);
}

/* Counts pieces and takes so many. */
struct taker {
    uint32_t piece_count;
    uint32_t left;
    uint64_t bytes;
    size_t longest;
};

static onefold_status take_some(void *context, struct of_str piece, onefold_error *err)
{
    struct taker *taker = context;

    taker->piece_count++;
    taker->bytes += piece.length;
    taker->longest = piece.length > taker->longest ? piece.length : taker->longest;
    if (taker->left == 0) {
        return of_err_set(err, "space-run", "full");
    }
    taker->left--;
    return ONEFOLD_OK;
}

/* A long one comes in pieces; a piece that is refused is the last. */
static void test_emit_in_pieces(void **state)
{
    enum { COUNT = 5000 };
    static char names[COUNT][16];
    static struct of_tensor tensors[COUNT];
    static const char *const files[] = {"m-1.safetensors"};
    const struct of_shard_index_text from = {tensors, COUNT, files, 42};
    struct taker all = {.left = UINT32_MAX};
    struct taker two = {.left = 1};
    onefold_error err;

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "t%u", i);
        tensors[i].name = of_str_from(names[i]);
    }
    assert_int_equal(of_shard_index_emit(&from, take_some, &all, &err), ONEFOLD_OK);
    assert_true(all.piece_count > 2);
    assert_true(all.bytes > (uint64_t)COUNT * 20);
    assert_true(2 * all.longest < of_shard_index_emit_bytes(COUNT));
    assert_int_equal(of_shard_index_emit(&from, take_some, &two, &err), ONEFOLD_E_IO);
    assert_int_equal(two.piece_count, 2);
}

static void test_each_allocation_fails(void **state)
{
    struct parsed parsed;

    (void)state;
    for (uint64_t nth = 1;; nth++) {
        of_mem_fail_at(nth, false);
        parse(&parsed, OF_STR(MAP("\"a\\t\":\"x\\u002e.safetensors\"")));
        of_mem_fail_at(0, false);
        of_arena_finish(&parsed.arena);
        if (parsed.status != ONEFOLD_E_MEMORY) {
            break;
        }
        assert_true(nth < 100);
    }
    assert_string_equal(parsed.err.id, "index-tensor-name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_metadata_is_not_trusted),
        cmocka_unit_test(test_name_length),
        cmocka_unit_test(test_shard_limit),
        cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_emit),
        cmocka_unit_test(test_emit_in_pieces),
        cmocka_unit_test(test_each_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
