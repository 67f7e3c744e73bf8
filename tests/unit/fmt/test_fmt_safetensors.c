/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The accept and refuse table of headers, row by row: each refusal by its id, each acceptance by
 * what comes out. Files are made here, as a length, a header text and so many bytes of data.
 */
#include "fmt/format.h"

#include "base/bytes.h"
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct warnings {
    uint64_t count;
    char id[64];
};

static void take_warning(void *context, const onefold_notice *notice)
{
    struct warnings *warnings = context;

    assert_int_equal(notice->level, ONEFOLD_LEVEL_WARNING);
    warnings->count++;
    (void)snprintf(warnings->id, sizeof(warnings->id), "%s", notice->id);
}

/* One parse with everything it needs. */
struct parsed {
    struct of_text bytes;
    struct of_arena arena;
    struct warnings warnings;
    struct of_header header;
    onefold_error err;
    onefold_status status;
};

static void parse_limited(struct parsed *parsed, struct of_str json, uint64_t data_bytes,
                          uint64_t limit_bytes)
{
    struct of_report report = {.fn = take_warning, .context = &parsed->warnings};
    uint64_t file_bytes = 8 + json.length + data_bytes;
    uint64_t need = 0;
    uint64_t length = json.length;

    memset(parsed, 0, sizeof(*parsed));
    of_arena_init(&parsed->arena, limit_bytes);
    of_text_add(&parsed->bytes, (struct of_str){(const char *)&length, sizeof(length)});
    of_text_add(&parsed->bytes, json);
    report.context = &parsed->warnings;
    parsed->status = of_format_safetensors.header_need(
        (struct of_str){parsed->bytes.data, parsed->bytes.length}, file_bytes, &need, &parsed->err);
    if (parsed->status == ONEFOLD_OK) {
        const struct of_parse_in in = {.bytes = {parsed->bytes.data, need},
                                       .file_bytes = file_bytes,
                                       .arena = &parsed->arena,
                                       .report = &report,
                                       .file = "t.safetensors"};

        assert_int_equal(need, parsed->bytes.length);
        parsed->status = of_format_safetensors.parse(&in, &parsed->header, &parsed->err);
    }
}

static void parse(struct parsed *parsed, struct of_str json, uint64_t data_bytes)
{
    parse_limited(parsed, json, data_bytes, 0);
}

static void finish(struct parsed *parsed)
{
    of_arena_finish(&parsed->arena);
    of_text_finish(&parsed->bytes);
}

struct refusal {
    const char *json;
    uint64_t data_bytes;
    const char *id;
};

#define T(name, dtype, shape, offsets) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define ONE(fields) "{\"t\":{" fields "}}"

static const struct refusal refusals[] = {
    /* JSON as such */
    {"{" T("t", "F32", "[1]", "[0,4]") "} {}", 4, "st-json"},
    {"{" T("t", "F32", "[1]", "[0,4]") ",}", 4, "st-json"},
    {"{'t':1}", 0, "st-json"},
    {"no json", 0, "st-json"},
    {"[]", 0, "st-top"},
    {"null", 0, "st-top"},
    {"7", 0, "st-top"},
    {"{}", 4, "st-empty"},
    /* names */
    {"{" T("", "F32", "[1]", "[0,4]") "}", 4, "st-name-empty"},
    {"{" T("a\\u0000b", "F32", "[1]", "[0,4]") "}", 4, "st-name-nul"},
    {"{" T("a\\nb", "F32", "[1]", "[0,4]") "}", 4, "st-name-control"},
    {"{" T("a\\u007f", "F32", "[1]", "[0,4]") "}", 4, "st-name-control"},
    {"{" T("a\xc2\x85", "F32", "[1]", "[0,4]") "}", 4, "st-name-control"},
    {"{" T("a\\u202eb", "F32", "[1]", "[0,4]") "}", 4, "st-name-bidi"},
    {"{" T("\xf0\x9f\x98\x80\xe2\x81\xa6", "F32", "[1]", "[0,4]") "}", 4, "st-name-bidi"},
    {"{" T("\xf0\x9f\x98\x80\\u0001", "F32", "[1]", "[0,4]") "}", 4, "st-name-control"},
    {"{" T("\xff", "F32", "[1]", "[0,4]") "}", 4, "st-json"},
    {"{" T("\\ud800", "F32", "[1]", "[0,4]") "}", 4, "st-json"},
    {"{" T("a", "F32", "[1]", "[0,4]") "," T("a", "F32", "[1]", "[0,4]") "}", 4, "st-duplicate"},
    {"{" T("a/b", "F32", "[1]", "[0,4]") "," T("a\\/b", "F32", "[1]", "[4,8]") "}", 8,
     "st-duplicate"},
    {"{" T("a", "F32", "[1]", "[0,4]") "," T("a", "F32", "[9]", "[0,36]") "}", 4, "st-duplicate"},
    /* metadata */
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "st-metadata-twice"},
    {"{\"__metadata__\":{\"a\":\"1\",\"\\u0061\":\"2\"}}", 0, "st-metadata-duplicate"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "st-metadata"},
    {"{\"__metadata__\":{\"a\":{}}}", 0, "st-metadata"},
    {"{\"__metadata__\":[]}", 0, "st-metadata"},
    {"{\"__metadata__\":{\"a\":\"\\u0000\"}}", 0, "st-json"},
    {"{\"__metadata__\":{\"DCP_SHARDING_INFO\":\"{}\"}}", 0, "unsupported-dcp"},
    {"{\"__METADATA__\":{\"a\":\"1\"}}", 0, "st-field"},
    /* entries */
    {"{\"t\":null}", 0, "st-entry"},
    {"{\"t\":[\"F32\",[1],[0,4]]}", 4, "st-entry"},
    {"{\"t\":nil}", 0, "st-json"},
    {"{\"t\":{}}", 0, "st-field"},
    {ONE("\"dtype\":\"F32\",\"shape\":[1]"), 4, "st-field"},
    {ONE("\"dtype\":\"F32\",\"data_offsets\":[0,4]"), 4, "st-field"},
    {ONE("\"dtype\":null,\"shape\":[1],\"data_offsets\":[0,4]"), 4, "st-field"},
    {ONE("\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]"), 4,
     "st-field-duplicate"},
    {ONE("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1,\"x\":1"), 4, "st-json"},
    {ONE("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":nope"), 4, "st-json"},
    {"{" T("t", "f32", "[1]", "[0,4]") "}", 4, "st-dtype"},
    {"{" T("t", "F33", "[1]", "[0,4]") "}", 4, "st-dtype"},
    /* numbers */
    {"{" T("t", "F32", "[-1]", "[0,4]") "}", 4, "st-number"},
    {"{" T("t", "F32", "[1.0]", "[0,4]") "}", 4, "st-number"},
    {"{" T("t", "F32", "[1e0]", "[0,4]") "}", 4, "st-number"},
    {"{" T("t", "F32", "[true]", "[0,4]") "}", 4, "st-number"},
    {"{" T("t", "F32", "[\\\"1\\\"]", "[0,4]") "}", 4, "st-json"},
    {"{" T("t", "F32", "[[1]]", "[0,4]") "}", 4, "st-number"},
    {"{" T("t", "F32", "[01]", "[0,4]") "}", 4, "st-json"},
    {"{" T("t", "F32", "[1]", "[+0,4]") "}", 4, "st-json"},
    {"{" T("t", "F32", "[1]", "[0,9223372036854775808]") "}", 4, "st-number"},
    {"{" T("t", "F32", "[18446744073709551616]", "[0,4]") "}", 4, "st-number"},
    /* shapes */
    {"{" T("t", "F32", "null", "[0,4]") "}", 4, "st-shape"},
    {"{" T("t", "F32", "{}", "[0,4]") "}", 4, "st-shape"},
    {"{" T("t", "F32", "[281474976710656,0]", "[0,0]") "}", 0, "st-dim"},
    {"{" T("t", "F32", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "st-rank"},
    {"{" T("t", "F32", "[281474976710655,281474976710655]", "[0,4]") "}", 4, "st-elements"},
    {"{" T("t", "F32", "[281474976710655,281474976710655,0]", "[0,0]") "}", 0, "st-elements"},
    {"{" T("t", "F32", "[0,281474976710655,281474976710655]", "[0,0]") "}", 0, "st-elements"},
    {"{" T("t", "F32", "[2147483648,2147483648]", "[0,0]") "}", 0, "st-elements"},
    {"{" T("t", "F6_E2M3", "[2]", "[0,2]") "}", 2, "st-bits"},
    {"{" T("t", "F4", "[3]", "[0,2]") "}", 2, "st-bits"},
    {"{" T("t", "F32", "[2]", "[0,4]") "}", 4, "st-size"},
    {"{" T("t", "F32", "[0]", "[0,4]") "}", 4, "st-size"},
    /* offsets */
    {"{" T("t", "F32", "[1]", "null") "}", 4, "st-offsets"},
    {"{" T("t", "F32", "[1]", "[0]") "}", 4, "st-offsets"},
    {"{" T("t", "F32", "[1]", "[0,4,4]") "}", 4, "st-offsets"},
    {"{" T("t", "F32", "[1]", "[4,0]") "}", 4, "st-offset-order"},
    {"{" T("t", "F32", "[1]", "[4,8]") "}", 8, "st-hole"},
    {"{" T("a", "F32", "[1]", "[0,4]") "," T("b", "F32", "[1]", "[8,12]") "}", 12, "st-hole"},
    {"{" T("a", "F32", "[2]", "[0,8]") "," T("b", "F32", "[1]", "[4,8]") "}", 8, "st-overlap"},
    {"{" T("a", "F32", "[1]", "[0,4]") "," T("b", "F32", "[1]", "[0,4]") "}", 4, "st-overlap"},
    {"{" T("a", "F32", "[2]", "[0,8]") "," T("b", "F32", "[0]", "[4,4]") "}", 8, "st-zero-size"},
    {"{" T("a", "F32", "[2]", "[0,8]") "," T("b", "F32", "[0]", "[9,9]") "}", 8, "st-zero-size"},
    {"{" T("t", "F32", "[1]", "[9223372036854775803,9223372036854775807]") "}", 4, "st-offset-end"},
    {"{" T("t", "F32", "[1]", "[0,4]") "}", 5, "st-trailing"},
    {"{" T("t", "F32", "[1]", "[0,4]") "}", 3, "st-truncated"},
    {"{" T("t", "F32", "[1]", "[0,4]") "}", 0, "st-truncated"},
};

/* The same text with a space before what separates: another way through the parser. */
static struct of_text spread(const char *json)
{
    struct of_text text = {0};

    for (const char *at = json; *at != '\0'; at++) {
        if (strchr(":,}]", *at) != NULL) {
            of_text_add_char(&text, ' ');
        }
        of_text_add_char(&text, *at);
    }
    return text;
}

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < OF_LENGTH(refusals); i++) {
        struct parsed parsed;

        parse(&parsed, of_str_from(refusals[i].json), refusals[i].data_bytes);
        if (parsed.status == ONEFOLD_OK || strcmp(parsed.err.id, refusals[i].id) != 0) {
            fail_msg("%s: expected %s, got %s (%s)", refusals[i].json, refusals[i].id,
                     parsed.status == ONEFOLD_OK ? "ok" : parsed.err.id, parsed.err.message);
        }
        assert_int_equal(of_err_status(parsed.err.id), parsed.status);
        assert_null(parsed.header.tensors);
        finish(&parsed);
    }
}

struct acceptance {
    const char *json;
    uint64_t data_bytes;
    uint64_t tensor_count;
    const char *warning; /* NULL = none */
};

static const struct acceptance acceptances[] = {
    {"{}", 0, 0, NULL},
    {"{" T("t", "F32", "[1]", "[0,4]") "}", 4, 1, NULL},
    {"{" T("t", "F32", "[1]", "[0,4]") "} \t\r\n ", 4, 1, NULL},
    {" {" T("t", "F32", "[1]", "[0,4]") "}", 4, 1, "st-leading-space"},
    {"{ \"t\" : { \"dtype\" : \"F32\" , \"shape\" : [ 1 ] , \"data_offsets\" : [ 0 , 4 ] } }", 4, 1,
     NULL},
    {"{" T("t", "F32", "[]", "[0,4]") "}", 4, 1, NULL},
    {"{" T("t", "F32", "[1]", "[-0,4]") "}", 4, 1, NULL},
    {"{" T("t", "F32", "[0]", "[0,0]") "}", 0, 1, NULL},
    {"{" T("t", "F32", "[281474976710655,0]", "[0,0]") "}", 0, 1, NULL},
    {"{" T("t", "F32", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, 1, NULL},
    {"{" T("t", "F4", "[2,3]", "[0,3]") "}", 3, 1, NULL},
    {"{" T("a", "F32", "[1]", "[0,4]") "," T("e", "F32", "[0,7]", "[4,4]") "," T(
         "b", "U8", "[1]", "[4,5]") "," T("f", "F32", "[0]", "[5,5]") "," T("g", "F32", "[0]",
                                                                            "[0,0]") "}",
     5, 5, NULL},
    {"{" T("../../x", "F32", "[1]", "[0,4]") "}", 4, 1, NULL},
    {"{" T("\\ud83d\\ude00", "F32", "[1]", "[0,4]") "}", 4, 1, NULL},
    {"{" T("T", "U8", "[1]", "[0,1]") "," T("t", "U8", "[1]", "[1,2]") "}", 2, 2, "st-name-case"},
    {"{" T("gr\xc3\xbc", "U8", "[1]", "[0,1]") "," T("GRu\xcc\x88", "U8", "[1]", "[1,2]") "}", 2, 2,
     "st-name-case"},
    {"{" T("\xea\xb0\x81", "U8", "[1]", "[0,1]") "," T("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", "U8",
                                                       "[1]", "[1,2]") "}",
     2, 2, "st-name-case"},
    {"{" T("\xd0\x96", "U8", "[1]", "[0,1]") "," T("\xd0\xb6", "U8", "[1]", "[1,2]") "}", 2, 2,
     "st-name-case"},
    {"{" T("u", "U8", "[1]", "[0,1]") "," T("\xc3\xbc", "U8", "[1]", "[1,2]") "}", 2, 2, NULL},
    {"{" T("Ab", "U8", "[1]", "[0,1]") "," T("b", "U8", "[1]", "[1,2]") "}", 2, 2, NULL},
    {ONE("\"x\":{\"y\":[1,2.5]},\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]"), 4, 1,
     "st-field-unknown"},
    {"{\"__metadata__\":null," T("t", "F32", "[1]", "[0,4]") "}", 4, 1, "st-metadata-null"},
    {"{\"__metadata__\":{}," T("t", "F32", "[1]", "[0,4]") "}", 4, 1, NULL},
    {"{" T("t", "F32", "[1]", "[0,4]") ",\"__metadata__\":{\"a\":\"\\u001b\\n\"}}", 4, 1, NULL},
};

static void test_acceptances(void **state)
{
    (void)state;
    for (size_t i = 0; i < OF_LENGTH(acceptances); i++) {
        struct parsed parsed;

        parse(&parsed, of_str_from(acceptances[i].json), acceptances[i].data_bytes);
        if (parsed.status != ONEFOLD_OK) {
            fail_msg("%s: %s", acceptances[i].json, parsed.err.message);
        }
        assert_int_equal(parsed.header.tensor_count, acceptances[i].tensor_count);
        assert_int_equal(parsed.warnings.count, acceptances[i].warning != NULL ? 1 : 0);
        if (acceptances[i].warning != NULL) {
            assert_string_equal(parsed.warnings.id, acceptances[i].warning);
        }
        finish(&parsed);
    }
}

/* Entries in the usual form, and what differs from it by a byte. */
static const char *const usual_entries[] = {
    "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}",
    "{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}",
    "{\"dtype\":\"F8_E4M3FNUZ\",\"shape\":[2,2],\"data_offsets\":[0,4]}",
    "{\"dtype\":\"F8_E4M3FNUZFNUZFNUZ\",\"shape\":[2,2],\"data_offsets\":[0,4]}",
    "{\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]}",
    "{\"dtype\":\"\",\"shape\":[1],\"data_offsets\":[0,4]}",
    "{\"dtype\":\"F\\u00332\",\"shape\":[1],\"data_offsets\":[0,4]}",
    "{\"dtype\":\"F32\",\"shape\":[01],\"data_offsets\":[0,4]}",
    "{\"dtype\":\"F32\",\"shape\":[1,],\"data_offsets\":[0,4]}",
    "{\"dtype\":\"F32\",\"shape\":[,1],\"data_offsets\":[0,4]}",
    "{\"dtype\":\"F32\",\"shape\":[1 1],\"data_offsets\":[0,4]}",
    "{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}",
    "{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}",
    "{\"dtype\":\"F32\",\"shape\":[281474976710656],\"data_offsets\":[0,4]}",
    "{\"dtype\":\"F32\",\"shape\":[281474976710655,281474976710655],\"data_offsets\":[0,4]}",
    "{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}",
    "{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,4]}",
    "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}",
    "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}",
    "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}",
    "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}",
    "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,00004]}",
    "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[999999999999999999,1000000000000000003]}",
    "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,99999999999999999999]}",
    "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}",
    "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]]",
    "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4}",
    "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
    "{\"shape\":[1],\"dtype\":\"F32\",\"data_offsets\":[0,4]}",
};

/* A space after the brace is no usual form any more: the entry is scanned and walked, with the same
 * verdict and the same words. */
static void test_usual_form_is_judged_alike(void **state)
{
    (void)state;
    for (size_t i = 0; i < OF_LENGTH(usual_entries); i++) {
        struct of_text usual = {0};
        struct of_text spaced = {0};
        struct parsed by_take;
        struct parsed by_walk;

        of_text_print(&usual, "{\"t\":%s}", usual_entries[i]);
        of_text_print(&spaced, "{\"t\":{ %s}", usual_entries[i] + 1);
        parse(&by_take, (struct of_str){usual.data, usual.length}, 4);
        parse(&by_walk, (struct of_str){spaced.data, spaced.length}, 4);
        assert_int_equal(by_take.status, by_walk.status);
        if (by_take.status != ONEFOLD_OK) {
            assert_string_equal(by_take.err.id, by_walk.err.id);
        } else {
            const struct of_tensor *a = &by_take.header.tensors[0];
            const struct of_tensor *b = &by_walk.header.tensors[0];

            assert_int_equal(by_take.header.tensor_count, by_walk.header.tensor_count);
            assert_int_equal(a->rank, b->rank);
            assert_memory_equal(a->shape, b->shape, a->rank * sizeof(uint64_t));
            assert_int_equal(a->dtype, b->dtype);
            assert_int_equal(a->elem_count, b->elem_count);
            assert_int_equal(a->byte_count, b->byte_count);
        }
        assert_int_equal(by_take.warnings.count, by_walk.warnings.count);
        finish(&by_take);
        finish(&by_walk);
        of_text_finish(&usual);
        of_text_finish(&spaced);
    }
}

static void test_spread(void **state)
{
    (void)state;
    for (size_t i = 0; i < OF_LENGTH(refusals) + OF_LENGTH(acceptances); i++) {
        const bool is_refusal = i < OF_LENGTH(refusals);
        const char *json =
            is_refusal ? refusals[i].json : acceptances[i - OF_LENGTH(refusals)].json;
        const uint64_t data_bytes =
            is_refusal ? refusals[i].data_bytes : acceptances[i - OF_LENGTH(refusals)].data_bytes;
        struct of_text text = spread(json);
        struct parsed parsed;

        parse(&parsed, (struct of_str){text.data, text.length}, data_bytes);
        if (is_refusal) {
            assert_string_equal(parsed.err.id, refusals[i].id);
        } else if (parsed.status != ONEFOLD_OK) {
            fail_msg("%s: %s", text.data, parsed.err.message);
        }
        finish(&parsed);
        of_text_finish(&text);
    }
}

static void test_lengths(void **state)
{
    static const struct {
        uint64_t length;
        uint64_t file_bytes;
        const char *id;
    } rows[] = {
        {0, 8, "st-header-zero"},
        {2, 9, "st-header-end"},
        {1000, 81, "st-header-end"},
        {100000001, UINT64_C(1) << 40, "st-header-limit"},
        {UINT64_MAX - 7, 81, "st-header-limit"},
        {UINT64_MAX, UINT64_MAX, "st-header-limit"},
        {UINT64_C(57) << 56, 81, "st-byte-order"},
    };
    uint64_t need = 0;
    onefold_error err;
    char first[8];

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(rows); i++) {
        of_bytes_store64(first, rows[i].length);
        assert_int_equal(of_format_safetensors.header_need((struct of_str){first, 8},
                                                           rows[i].file_bytes, &need, &err),
                         ONEFOLD_E_FORMAT);
        assert_string_equal(err.id, rows[i].id);
    }
    for (size_t length = 0; length < 8; length++) {
        assert_int_equal(
            of_format_safetensors.header_need((struct of_str){first, length}, length, &need, &err),
            ONEFOLD_E_FORMAT);
        assert_string_equal(err.id, "st-short");
    }
    of_bytes_store64(first, 100000000);
    assert_int_equal(
        of_format_safetensors.header_need((struct of_str){first, 8}, 100000008, &need, &err),
        ONEFOLD_OK);
    assert_int_equal(need, 100000008);
}

static void test_name_lengths(void **state)
{
    char json[1500];
    char name[1026];
    struct parsed parsed;

    (void)state;
    memset(name, 'n', sizeof(name));
    name[OF_TENSOR_NAME_BYTES_MAX] = '\0';
    (void)snprintf(json, sizeof(json),
                   "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", name);
    parse(&parsed, of_str_from(json), 1);
    assert_int_equal(parsed.status, ONEFOLD_OK);
    assert_int_equal(parsed.header.tensors[0].name.length, OF_TENSOR_NAME_BYTES_MAX);
    finish(&parsed);
    name[OF_TENSOR_NAME_BYTES_MAX] = 'n';
    name[OF_TENSOR_NAME_BYTES_MAX + 1] = '\0';
    (void)snprintf(json, sizeof(json),
                   "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", name);
    parse(&parsed, of_str_from(json), 1);
    assert_string_equal(parsed.err.id, "st-name-long");
    finish(&parsed);
}

static void test_records(void **state)
{
    static const char json[] = "{\"__metadata__\":{\"format\":\"pt\",\"b\":\"x\\ny\"}," T(
        "b.w", "BF16", "[2,3]", "[4,16]") "," T("a.w", "F32", "[1]",
                                                "[0,4]") "," T("z", "U8", "[0]", "[16,16]") "}";
    const struct of_tensor *tensors;
    struct parsed parsed;

    (void)state;
    parse(&parsed, OF_STR(json), 16);
    assert_int_equal(parsed.status, ONEFOLD_OK);
    tensors = parsed.header.tensors;
    assert_int_equal(parsed.header.data_offset, parsed.bytes.length);
    assert_true(of_str_is(tensors[0].name, "a.w"));
    assert_true(of_str_is(tensors[1].name, "b.w"));
    assert_true(of_str_is(tensors[2].name, "z"));
    assert_int_equal(tensors[1].dtype, ONEFOLD_DTYPE_BF16);
    assert_int_equal(tensors[1].rank, 2);
    assert_int_equal(tensors[1].shape[0], 2);
    assert_int_equal(tensors[1].shape[1], 3);
    assert_int_equal(tensors[1].elem_count, 6);
    assert_int_equal(tensors[1].byte_count, 12);
    assert_int_equal(tensors[1].offset, parsed.header.data_offset + 4);
    assert_int_equal(tensors[2].elem_count, 0);
    assert_true(parsed.header.has_metadata);
    assert_int_equal(parsed.header.metadata_count, 2);
    assert_true(of_str_is(parsed.header.metadata[0].key, "format"));
    assert_true(of_str_is(parsed.header.metadata[1].value, "x\ny"));
    finish(&parsed);
}

/* Messages name what a person needs to find the place. */
static void test_messages(void **state)
{
    struct parsed parsed;

    (void)state;
    parse(&parsed,
          OF_STR("{" T("a", "F32", "[4]", "[0,16]") "," T("b", "F32", "[4]", "[8,24]") "}"), 24);
    assert_string_equal(parsed.err.message, "\"a\" and \"b\" share bytes 8..16 of the data");
    assert_int_equal(parsed.err.offset, parsed.bytes.length + 8);
    finish(&parsed);
    parse(&parsed, OF_STR("{" T("a", "F32", "[1]", "[0,4]") "}"), 1000);
    assert_string_equal(parsed.err.message, "996 bytes follow the last tensor");
    finish(&parsed);
    parse(&parsed, OF_STR("{" T("a\\\"", "F32", "[x]", "[0,4]") "}"), 4);
    assert_string_equal(parsed.err.id, "st-json");
    assert_non_null(strstr(parsed.err.message, "tensor \"a\"\""));
    assert_int_equal(parsed.err.offset,
                     8 + (strchr(parsed.bytes.data + 8, 'x') - (parsed.bytes.data + 8)));
    finish(&parsed);
}

static void many(struct of_text *text, uint32_t count, bool backwards)
{
    of_text_add_char(text, '{');
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = backwards ? count - 1 - i : i;

        of_text_print(text,
                      "%s\"model.layers.%u.mlp.down_proj.weight\":{\"dtype\":\"U8\",\"shape\":[1],"
                      "\"data_offsets\":[%u,%u]}",
                      i > 0 ? "," : "", i, at, at + 1);
    }
    of_text_add_char(text, '}');
}

static void test_many_tensors(void **state)
{
    enum { COUNT = 20000 };
    struct of_text text = {0};
    struct parsed parsed;

    (void)state;
    for (int backwards = 0; backwards <= 1; backwards++) {
        many(&text, COUNT, backwards != 0);
        parse(&parsed, (struct of_str){text.data, text.length}, COUNT);
        assert_int_equal(parsed.status, ONEFOLD_OK);
        assert_int_equal(parsed.header.tensor_count, COUNT);
        for (uint32_t i = 0; i < COUNT; i++) {
            assert_int_equal(parsed.header.tensors[i].offset, parsed.header.data_offset + i);
        }
        finish(&parsed);
        of_text_finish(&text);
    }
}

static void test_memory_limit_is_named(void **state)
{
    struct of_text text = {0};
    struct parsed parsed;

    (void)state;
    many(&text, 100000, false);
    parse_limited(&parsed, (struct of_str){text.data, text.length}, 100000, 4 * OF_MIB);
    assert_int_equal(parsed.status, ONEFOLD_E_MEMORY);
    assert_string_equal(parsed.err.id, "memory-header");
    assert_non_null(strstr(parsed.err.message, "4 MiB are allowed"));
    assert_true(parsed.arena.used_bytes <= 4 * OF_MIB);
    finish(&parsed);
    of_text_finish(&text);
}

/* Whichever allocation fails, the answer is a clean one. */
static void test_each_allocation_fails(void **state)
{
    static const char json[] = "{\"__metadata__\":{\"a\\n\":\"\\t\"}," T(
        "B", "U8", "[1]", "[1,2]") "," T("a\\t", "U8", "[1]", "[0,1]") "}";
    bool done = false;

    (void)state;
    for (uint64_t nth = 1; !done; nth++) {
        struct of_text text = {0};
        struct of_arena arena;
        struct of_report report = {0};
        struct of_header header = {0};
        struct of_parse_in in = {.file_bytes = 8 + sizeof(json) - 1 + 2,
                                 .arena = &arena,
                                 .report = &report,
                                 .file = "t"};
        uint64_t length = sizeof(json) - 1;
        onefold_status status;
        onefold_error err;

        of_text_add(&text, (struct of_str){(const char *)&length, 8});
        of_text_add(&text, OF_STR(json));
        in.bytes = (struct of_str){text.data, text.length};
        of_arena_init(&arena, 0);
        of_mem_fail_at(nth, false);
        status = of_format_safetensors.parse(&in, &header, &err);
        of_mem_fail_at(0, false);
        /* The control character in the second name decides when no allocation fails. */
        assert_true(status == ONEFOLD_E_MEMORY || status == ONEFOLD_E_FORMAT);
        done = status == ONEFOLD_E_FORMAT;
        of_arena_finish(&arena);
        of_text_finish(&text);
    }
}

/* A valid header cut after every byte is refused every time. */
static void test_every_truncation(void **state)
{
    static const char json[] =
        "{\"__metadata__\":{\"format\":\"pt\"}," T("a", "F32", "[1]", "[0,4]") "}";

    (void)state;
    for (size_t length = 1; length < sizeof(json) - 1; length++) {
        struct parsed parsed;

        parse(&parsed, (struct of_str){json, length}, 4);
        assert_int_equal(parsed.status, ONEFOLD_E_FORMAT);
        finish(&parsed);
    }
}

/* ---- Writing ---- */

static void test_emit(void **state)
{
    static const uint64_t shape[] = {2, 3};
    const struct of_tensor tensors[] = {
        {.name = {"w", 1}, .shape = shape, .byte_count = 24, .rank = 2, .dtype = ONEFOLD_DTYPE_F32},
        {.name = {"s", 1},
         .shape = shape,
         .byte_count = 2,
         .offset = 24,
         .rank = 0,
         .dtype = ONEFOLD_DTYPE_BF16}};
    const struct of_pair metadata[] = {{{"z", 1}, {"1", 1}}, {{"format", 6}, {"pt", 2}}};
    static const char expected[] =
        "{\"__metadata__\":{\"format\":\"pt\",\"z\":\"1\"},"
        "\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
        "\"s\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[24,26]}}";
    struct of_text text = {0};

    (void)state;
    of_safetensors_emit(tensors, 2, metadata, 2, &text);
    assert_false(text.failed);
    assert_int_equal(text.length, OF_ST_DATA_ALIGN);
    assert_int_equal(of_bytes_load64(text.data), OF_ST_DATA_ALIGN - 8);
    assert_memory_equal(text.data + 8, expected, sizeof(expected) - 1);
    for (size_t i = 8 + sizeof(expected) - 1; i < text.length; i++) {
        assert_int_equal(text.data[i], ' ');
    }
    of_text_finish(&text);
    of_safetensors_emit(NULL, 0, NULL, 0, &text);
    assert_memory_equal(text.data + 8, "{} ", 3);
    of_text_finish(&text);
}

/* What is written is read again as it was, and no entry is longer than was said. */
static void test_emit_round_trip(void **state)
{
    static const uint64_t shape[OF_TENSOR_RANK_MAX] = {1, 2, 1, 1, 1, 1, 1, 1,
                                                       1, 1, 1, 1, 1, 1, 1, 1};
    static const char *const names[] = {"plain", "quote\"back\\slash", "gr\xc3\xbc\xc3\x9f", "/"};
    struct of_tensor tensors[OF_LENGTH(names)] = {0};
    struct of_text text = {0};
    struct parsed parsed;
    uint64_t bound = 0;

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(names); i++) {
        tensors[i].name = of_str_from(names[i]);
        tensors[i].shape = shape;
        tensors[i].rank = (uint8_t)(i == 0 ? OF_TENSOR_RANK_MAX : 2);
        tensors[i].byte_count = 16;
        tensors[i].offset = i * 16;
        tensors[i].dtype = ONEFOLD_DTYPE_F64;
        bound += of_safetensors_entry_bytes(&tensors[i]);
    }
    of_safetensors_emit(tensors, OF_LENGTH(names), NULL, 0, &text);
    parse(&parsed, (struct of_str){text.data + 8, text.length - 8}, 16 * OF_LENGTH(names));
    assert_int_equal(parsed.status, ONEFOLD_OK);
    assert_int_equal(parsed.header.data_offset % OF_ST_DATA_ALIGN, 0);
    for (size_t i = 0; i < OF_LENGTH(names); i++) {
        assert_true(of_str_is(parsed.header.tensors[i].name, names[i]));
        assert_int_equal(parsed.header.tensors[i].rank, tensors[i].rank);
    }
    while (text.length > 0 && text.data[text.length - 1] == ' ') {
        text.length--;
    }
    assert_true(text.length - 10 <= bound);
    finish(&parsed);
    of_text_finish(&text);
}

/* The longest entry there can be stays within its bound. */
static void test_entry_bytes_bound(void **state)
{
    uint64_t shape[OF_TENSOR_RANK_MAX];
    struct of_tensor tensor = {.name = {"\x01\x02\"\\", 4},
                               .shape = shape,
                               .byte_count = INT64_MAX / 2,
                               .offset = INT64_MAX / 2,
                               .rank = OF_TENSOR_RANK_MAX,
                               .dtype = ONEFOLD_DTYPE_F8_E4M3FNUZ};
    struct of_text text = {0};
    size_t length;

    (void)state;
    for (size_t i = 0; i < OF_TENSOR_RANK_MAX; i++) {
        shape[i] = OF_TENSOR_DIM_MAX;
    }
    of_safetensors_emit(&tensor, 1, NULL, 0, &text);
    length = text.length;
    while (text.data[length - 1] == ' ') {
        length--;
    }
    assert_true(length - 10 <= of_safetensors_entry_bytes(&tensor));
    assert_true(length - 10 + 120 >= of_safetensors_entry_bytes(&tensor));
    of_text_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_acceptances),
        cmocka_unit_test(test_usual_form_is_judged_alike),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_name_lengths),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_many_tensors),
        cmocka_unit_test(test_memory_limit_is_named),
        cmocka_unit_test(test_each_allocation_fails),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_emit),
        cmocka_unit_test(test_emit_round_trip),
        cmocka_unit_test(test_entry_bytes_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
