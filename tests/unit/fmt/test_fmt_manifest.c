/* SPDX-License-Identifier: Apache-2.0 */
/* onefold.json: what is written is read again; what comes from elsewhere is not believed. */
#include "fmt/manifest.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEX32 "000102030405060708090a0b0c0d0e0f"
#define HEX64 HEX32 HEX32

struct read {
    uint64_t file_count;
    uint64_t tensor_count;
    struct of_manifest_file file;
    char file_name[64];
    struct of_manifest_tensor recorded;
    struct of_tensor tensor;
    uint64_t shape[OF_TENSOR_RANK_MAX];
    char tensor_name[64];
    char tensor_file[64];
    bool fail;
};

static void copy(char *to, struct of_str from)
{
    assert_true(from.length < 64);
    memcpy(to, from.data, from.length);
    to[from.length] = '\0';
}

static onefold_status take_output(void *context, const struct of_manifest_file *file,
                                  onefold_error *err)
{
    struct read *read = context;

    read->file_count++;
    read->file = *file;
    copy(read->file_name, file->name);
    return read->fail ? of_err_set(err, "verify-missing", "stop") : ONEFOLD_OK;
}

static onefold_status take_tensor(void *context, const struct of_manifest_tensor *recorded,
                                  onefold_error *err)
{
    struct read *read = context;

    (void)err;
    read->tensor_count++;
    read->recorded = *recorded;
    read->tensor = *recorded->tensor;
    memcpy(read->shape, recorded->tensor->shape, recorded->tensor->rank * sizeof(uint64_t));
    copy(read->tensor_name, recorded->tensor->name);
    copy(read->tensor_file, recorded->file);
    return ONEFOLD_OK;
}

static onefold_status parse(struct of_str text, struct read *read, struct of_manifest_head *head,
                            onefold_error *err)
{
    const struct of_manifest_reader reader = {take_output, take_tensor, read};
    struct of_arena arena;
    onefold_status status;

    memset(head, 0, sizeof(*head));
    of_arena_init(&arena, 0);
    status = of_manifest_parse(text, &arena, &reader, head, err);
    of_arena_finish(&arena);
    return status;
}

#define HEAD   "\"manifest_version\":1,\"checkpoint\":\"" HEX32 "\",\"plan_hash\":\"" HEX64 "\""
#define FILE_A "{\"name\":\"a\",\"size\":3,\"sha256\":\"" HEX64 "\",\"xxh128\":\"" HEX32 "\"}"
#define TENSOR(name, dtype, shape, offset)                                                  \
    "{\"name\":\"" name "\",\"dtype\":\"" dtype "\",\"shape\":" shape ",\"offset\":" offset \
    ",\"file\":\"a\",\"digest\":\"" HEX32                                                   \
    "\",\"nan_in\":1,\"inf_in\":2,\"nan_out\":3,\"inf_out\":4,\"overflow\":5}"
#define WHOLE(outputs, tensors) "{" HEAD ",\"outputs\":[" outputs "],\"tensors\":[" tensors "]}"

static void test_parse(void **state)
{
    struct read read = {0};
    struct of_manifest_head head;
    onefold_error err;

    (void)state;
    assert_int_equal(
        parse(OF_STR(WHOLE(FILE_A, TENSOR("t", "BF16", "[2,3]", "4096"))), &read, &head, &err),
        ONEFOLD_OK);
    assert_int_equal(head.version, 1);
    assert_int_equal(head.output_count, 1);
    assert_int_equal(head.tensor_count, 1);
    assert_memory_equal(head.checkpoint.bytes, "\x00\x01\x02\x03", 4);
    assert_int_equal(read.file_count, 1);
    assert_string_equal(read.file_name, "a");
    assert_int_equal(read.file.size_bytes, 3);
    assert_true(read.file.has_sha256 && read.file.has_xxh128);
    assert_string_equal(read.tensor_name, "t");
    assert_string_equal(read.tensor_file, "a");
    assert_int_equal(read.tensor.dtype, ONEFOLD_DTYPE_BF16);
    assert_int_equal(read.tensor.rank, 2);
    assert_int_equal(read.shape[1], 3);
    assert_int_equal(read.tensor.elem_count, 6);
    assert_int_equal(read.tensor.byte_count, 12);
    assert_int_equal(read.tensor.offset, 4096);
    assert_int_equal(read.recorded.nan_in, 1);
    assert_int_equal(read.recorded.overflow_count, 5);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *json;
        const char *id;
    } rows[] = {
        {"[]", "manifest-top"},
        {"{", "manifest-json"},
        {"{}", "manifest-field"},
        {"{" HEAD ",\"outputs\":[]}", "manifest-field"},
        {"{" HEAD ",\"outputs\":[],\"tensors\":{}}", "manifest-field"},
        {"{\"manifest_version\":2}", "manifest-version"},
        {"{\"manifest_version\":\"1\"}", "manifest-number"},
        {"{" HEAD ",\"checkpoint\":\"" HEX32 "\"}", "manifest-duplicate"},
        {"{\"checkpoint\":\"00\"}", "manifest-digest"},
        {"{\"checkpoint\":7}", "manifest-field"},
        {"{\"x\":{\"a\":1,\"a\":2}}", "manifest-json"},
        {"{\"x\":1,\"x\":1}", "manifest-duplicate"},
        {WHOLE("7", ""), "manifest-field"},
        {WHOLE("{}", ""), "manifest-field"},
        {WHOLE("{\"name\":\"a\",\"size\":-1}", ""), "manifest-number"},
        {WHOLE("{\"name\":\"a\",\"size\":1.5}", ""), "manifest-field"},
        {WHOLE("{\"name\":\"../a\",\"size\":1}", ""), "manifest-name"},
        {WHOLE("{\"name\":\"/a\",\"size\":1}", ""), "manifest-name"},
        {WHOLE("{\"name\":\"a\\\\b\",\"size\":1}", ""), "manifest-name"},
        {WHOLE("{\"name\":\"..\",\"size\":1}", ""), "manifest-name"},
        {WHOLE("{\"name\":\"\",\"size\":1}", ""), "manifest-name"},
        {WHOLE("{\"name\":\"a\\u001b\",\"size\":1}", ""), "manifest-name"},
        {WHOLE("{\"name\":\"a\",\"size\":1,\"sha256\":\"zz\"}", ""), "manifest-digest"},
        {WHOLE("{\"name\":\"a\",\"name\":\"a\",\"size\":1}", ""), "manifest-json"},
        {WHOLE("", "{\"name\":\"t\"}"), "manifest-field"},
        {WHOLE("", TENSOR("", "F32", "[1]", "0")), "manifest-name"},
        {WHOLE("", TENSOR("t", "F33", "[1]", "0")), "manifest-field"},
        {WHOLE("", TENSOR("t", "F32", "[-1]", "0")), "manifest-number"},
        {WHOLE("", TENSOR("t", "F32", "[281474976710656]", "0")), "manifest-number"},
        {WHOLE("", TENSOR("t", "F32", "[281474976710655,281474976710655]", "0")),
         "manifest-number"},
        {WHOLE("", TENSOR("t", "F4", "[1]", "0")), "manifest-number"},
        {WHOLE("", TENSOR("t", "F32", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "0")),
         "manifest-number"},
        {WHOLE("", TENSOR("t", "F32", "7", "0")), "manifest-field"},
        {WHOLE("", TENSOR("t", "F32", "[1]", "-1")), "manifest-number"},
        {WHOLE("", TENSOR("t", "F32", "[1]", "9223372036854775808")), "manifest-json"},
    };

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(rows); i++) {
        struct read read = {0};
        struct of_manifest_head head;
        onefold_error err;
        onefold_status status = parse(of_str_from(rows[i].json), &read, &head, &err);

        if (status == ONEFOLD_OK || strcmp(err.id, rows[i].id) != 0) {
            fail_msg("%s: expected %s, got %s", rows[i].json, rows[i].id,
                     status == ONEFOLD_OK ? "ok" : err.id);
        }
        assert_int_equal(head.version, 0);
    }
}

static void test_reader_may_stop(void **state)
{
    struct read read = {.fail = true};
    struct of_manifest_head head;
    onefold_error err;

    (void)state;
    assert_int_equal(parse(OF_STR(WHOLE(FILE_A "," FILE_A, "")), &read, &head, &err),
                     ONEFOLD_E_DIFFERS);
    assert_string_equal(err.id, "verify-missing");
    assert_int_equal(read.file_count, 1);
}

static void test_reader_may_be_empty(void **state)
{
    const struct of_manifest_reader none = {NULL, NULL, NULL};
    struct of_manifest_head head;
    struct of_arena arena;
    onefold_error err;

    (void)state;
    of_arena_init(&arena, 0);
    assert_int_equal(of_manifest_parse(OF_STR(WHOLE(FILE_A, TENSOR("t", "F32", "[]", "0"))), &arena,
                                       &none, &head, &err),
                     ONEFOLD_OK);
    assert_int_equal(head.tensor_count, 1);
    of_arena_finish(&arena);
}

/* A part that nobody reads may be larger than one member, but not endless in one piece. */
static void test_large_unread_parts(void **state)
{
    struct of_text text = {0};
    struct read read = {0};
    struct of_manifest_head head;
    onefold_error err;

    (void)state;
    of_text_add(&text,
                OF_STR("{" HEAD ",\"outputs\":[],\"tensors\":[],\"parameters\":{\"rows\":["));
    for (int i = 0; i < 20000; i++) {
        of_text_print(&text, "%s{\"coefs\":[0.25,0.5,1e-7],\"beta\":%d}", i > 0 ? "," : "", i);
    }
    of_text_add(&text, OF_STR("]}}"));
    assert_true(text.length > 2 * OF_ST_MEMBER_BYTES_MAX);
    assert_int_equal(parse((struct of_str){text.data, text.length}, &read, &head, &err),
                     ONEFOLD_OK);
    text.length -= 3;
    of_text_add(&text, OF_STR(",{\"a\":1,\"a\":1}]}}"));
    assert_int_equal(parse((struct of_str){text.data, text.length}, &read, &head, &err),
                     ONEFOLD_E_FORMAT);
    assert_string_equal(err.id, "manifest-json");
    text.length = 0;
    of_text_add(&text, OF_STR("{\"x\":\""));
    while (text.length < 2 * OF_ST_MEMBER_BYTES_MAX) {
        of_text_add(&text, OF_STR("0123456789abcdef"));
    }
    of_text_add(&text, OF_STR("\"}"));
    assert_int_equal(parse((struct of_str){text.data, text.length}, &read, &head, &err),
                     ONEFOLD_E_FORMAT);
    assert_string_equal(err.id, "manifest-limit");
    of_text_finish(&text);
}

static void test_emit_round_trip(void **state)
{
    static const uint64_t shape[] = {7, 1};
    const struct of_tensor tensor = {.name = {"a.\"w\"", 5},
                                     .shape = shape,
                                     .offset = 4096,
                                     .rank = 2,
                                     .dtype = ONEFOLD_DTYPE_F16};
    const struct of_manifest_tensor recorded = {.tensor = &tensor,
                                                .file = {"m.safetensors", 13},
                                                .digest = {{1, 2, 3}},
                                                .nan_out = 9,
                                                .overflow_count = 1};
    const struct of_manifest_file file = {
        .name = {"config.json", 11}, .size_bytes = 99, .has_xxh128 = true, .xxh128 = {{5}}};
    const struct of_manifest_input_file input = {.name = {"in", 2}, .size_bytes = 1};
    struct of_json_writer writer = {0};
    struct read read = {0};
    struct of_manifest_head head;
    uint8_t zeros[32] = {0};
    onefold_error err;

    (void)state;
    of_json_begin_object(&writer);
    of_json_key(&writer, "checkpoint");
    of_manifest_emit_digest(&writer, zeros, 16);
    of_json_key(&writer, "inputs");
    of_json_begin_array(&writer);
    of_manifest_emit_input_file(&writer, &input);
    of_json_end_array(&writer);
    of_json_key(&writer, "manifest_version");
    of_json_add_u64(&writer, OF_MANIFEST_VERSION);
    of_json_key(&writer, "outputs");
    of_json_begin_array(&writer);
    of_manifest_emit_file(&writer, &file);
    of_json_end_array(&writer);
    of_json_key(&writer, "plan_hash");
    of_manifest_emit_digest(&writer, zeros, 32);
    of_json_key(&writer, "tensors");
    of_json_begin_array(&writer);
    of_manifest_emit_tensor(&writer, &recorded);
    of_json_end_array(&writer);
    of_json_end_object(&writer);
    assert_int_equal(
        parse((struct of_str){writer.text.data, writer.text.length}, &read, &head, &err),
        ONEFOLD_OK);
    assert_string_equal(read.file_name, "config.json");
    assert_false(read.file.has_sha256);
    assert_int_equal(read.file.xxh128.bytes[0], 5);
    assert_string_equal(read.tensor_name, "a.\"w\"");
    assert_string_equal(read.tensor_file, "m.safetensors");
    assert_int_equal(read.tensor.dtype, ONEFOLD_DTYPE_F16);
    assert_int_equal(read.tensor.offset, 4096);
    assert_int_equal(read.shape[0], 7);
    assert_memory_equal(read.recorded.digest.bytes, recorded.digest.bytes, 16);
    assert_int_equal(read.recorded.nan_out, 9);
    of_text_finish(&writer.text);
}

/* Keys of a hashed document are in the order of their bytes. */
static void test_emitted_keys_are_sorted(void **state)
{
    static const char *const keys[] = {"\"digest\"",  "\"dtype\"",    "\"file\"",   "\"inf_in\"",
                                       "\"inf_out\"", "\"name\"",     "\"nan_in\"", "\"nan_out\"",
                                       "\"offset\"",  "\"overflow\"", "\"shape\""};
    const struct of_tensor tensor = {.name = {"t", 1}};
    const struct of_manifest_tensor recorded = {.tensor = &tensor, .file = {"f", 1}};
    struct of_json_writer writer = {0};
    const char *at;

    (void)state;
    of_manifest_emit_tensor(&writer, &recorded);
    at = writer.text.data;
    for (size_t i = 0; i < OF_LENGTH(keys); i++) {
        at = strstr(at, keys[i]);
        assert_non_null(at);
        assert_true(i == 0 || strcmp(keys[i - 1], keys[i]) < 0);
    }
    of_text_finish(&writer.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_reader_may_stop),
        cmocka_unit_test(test_reader_may_be_empty),
        cmocka_unit_test(test_large_unread_parts),
        cmocka_unit_test(test_emit_round_trip),
        cmocka_unit_test(test_emitted_keys_are_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
