/* SPDX-License-Identifier: Apache-2.0 */
/* Public functions about words, checkpoints and methods. */
#include "support/mkckpt.h"
#include "support/tmpdir.h"

#include <onefold/onefold.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void version_is_the_headers(void **state)
{
    (void)state;
    assert_string_equal(onefold_version(), ONEFOLD_VERSION);
}

/* Programs and bindings hold these numbers: they never change. */
static void status_numbers_are_pinned(void **state)
{
    static const struct {
        onefold_status status;
        int number;
        const char *name;
    } rows[] = {
        {ONEFOLD_OK, 0, "ok"},
        {ONEFOLD_E_DIFFERS, 1, "E_DIFFERS"},
        {ONEFOLD_E_ARGUMENT, 10, "E_ARGUMENT"},
        {ONEFOLD_E_RECIPE, 11, "E_RECIPE"},
        {ONEFOLD_E_EXISTS, 12, "E_EXISTS"},
        {ONEFOLD_E_MISSING, 20, "E_MISSING"},
        {ONEFOLD_E_FORMAT, 21, "E_FORMAT"},
        {ONEFOLD_E_MISMATCH, 22, "E_MISMATCH"},
        {ONEFOLD_E_UNSUPPORTED, 23, "E_UNSUPPORTED"},
        {ONEFOLD_E_VALUE, 24, "E_VALUE"},
        {ONEFOLD_E_SPACE, 30, "E_SPACE"},
        {ONEFOLD_E_MEMORY, 31, "E_MEMORY"},
        {ONEFOLD_E_IO, 40, "E_IO"},
        {ONEFOLD_E_INTERNAL, 50, "E_INTERNAL"},
        {ONEFOLD_E_CANCELLED, 60, "E_CANCELLED"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal((int)rows[i].status, rows[i].number);
        assert_string_equal(onefold_status_name(rows[i].status), rows[i].name);
    }
}

static void every_id_is_unique_and_spelt_alike(void **state)
{
    const char *last = "";
    uint64_t count = 0;

    (void)state;
    for (const char *id; (id = onefold_error_id_at(count, NULL)) != NULL; count++) {
        assert_true(strcmp(last, id) < 0);
        assert_int_equal(strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(id));
        last = id;
    }
    assert_true(count > 100);
}

static void text_is_shown_without_control_characters(void **state)
{
    static const char evil[] = "a\033[31mb\n\xff";
    char longer[1000];

    (void)state;
    assert_null(strchr(onefold_text_show(evil, sizeof(evil) - 1).text, '\033'));
    assert_null(strchr(onefold_text_show(evil, sizeof(evil) - 1).text, '\n'));
    assert_string_equal(onefold_text_show("plain", 5).text, "plain");
    assert_string_equal(onefold_text_show(NULL, 0).text, "");
    memset(longer, 'x', sizeof(longer));
    assert_true(strlen(onefold_text_show(longer, sizeof(longer)).text) < 224);
}

static void nearest_word_is_found_only_when_near(void **state)
{
    static const char *const words[] = {"memory", NULL, "direct"};

    (void)state;
    assert_string_equal(onefold_text_nearest("memroy", words, 3), "memory");
    assert_null(onefold_text_nearest("quarrel", words, 3));
    assert_null(onefold_text_nearest(NULL, words, 3));
}

static void recipe_type_names_are_parsed(void **state)
{
    onefold_dtype dtype = ONEFOLD_DTYPE_I64;

    (void)state;
    assert_int_equal(onefold_dtype_parse("bfloat16", &dtype), 1);
    assert_int_equal(dtype, ONEFOLD_DTYPE_BF16);
    assert_int_equal(onefold_dtype_parse("torch.float32", &dtype), 1);
    assert_int_equal(dtype, ONEFOLD_DTYPE_F32);
    assert_int_equal(onefold_dtype_parse("bf16", &dtype), 0);
    assert_int_equal(onefold_dtype_parse(NULL, &dtype), 0);
    assert_int_equal(dtype, ONEFOLD_DTYPE_F32);
}

static void checkpoint_shows_what_it_holds(void **state)
{
    const struct tmpdir dir = tmpdir_make();
    const struct mk_tensor tensors[] = {
        {.name = "w", .dtype = ONEFOLD_DTYPE_BF16, .rank = 2, .shape = {4, 6}, .seed = 1},
        {.name = "n", .dtype = ONEFOLD_DTYPE_I32, .rank = 1, .shape = {3}, .seed = 2},
        {.name = "s", .dtype = ONEFOLD_DTYPE_F32, .rank = 0, .seed = 3}};
    const struct tmpdir_name model = tmpdir_join(dir.path, "model");
    onefold_checkpoint *checkpoint = NULL;
    onefold_tensor_info info;
    onefold_shard_info shard;
    const char *key;
    const char *value;
    uint64_t key_length;
    uint64_t value_length;

    (void)state;
    mk_sharded(model.text, tensors, 3, 2);
    assert_int_equal(onefold_checkpoint_open(model.text, NULL, &checkpoint, NULL), ONEFOLD_OK);
    assert_int_equal(onefold_checkpoint_tensor_count(checkpoint), 3);
    assert_int_equal(onefold_checkpoint_shard_count(checkpoint), 2);
    assert_int_equal(onefold_checkpoint_byte_count(checkpoint), 4 * 6 * 2 + 3 * 4 + 4);
    assert_int_equal(onefold_checkpoint_tensor_find(checkpoint, "w", &info), 1);
    assert_string_equal(info.name, "w");
    assert_int_equal(info.rank, 2);
    assert_int_equal(info.shape[0], 4);
    assert_int_equal(info.shape[1], 6);
    assert_int_equal(info.elem_count, 24);
    assert_int_equal(info.byte_count, 48);
    assert_int_equal(info.dtype, ONEFOLD_DTYPE_BF16);
    assert_int_equal(onefold_checkpoint_tensor_find(checkpoint, "s", &info), 1);
    assert_int_equal(info.rank, 0);
    assert_int_equal(info.elem_count, 1);
    assert_int_equal(onefold_checkpoint_tensor_find(checkpoint, "W", &info), 0);
    onefold_checkpoint_shard_at(checkpoint, info.shard_index, &shard);
    assert_true(info.offset >= shard.data_offset);
    assert_true(info.offset + info.byte_count <= shard.size_bytes);
    assert_int_equal(
        onefold_checkpoint_metadata_at(checkpoint, 0, &key, &key_length, &value, &value_length), 1);
    assert_int_equal(key_length, 6);
    assert_memory_equal(key, "format", 6);
    assert_int_equal(value_length, 2);
    assert_memory_equal(value, "pt", 2);
    assert_int_equal(
        onefold_checkpoint_metadata_at(checkpoint, 1, &key, &key_length, &value, &value_length), 0);
    assert_string_equal(onefold_checkpoint_folder(checkpoint), model.text);
    onefold_checkpoint_close(checkpoint);
    tmpdir_remove(&dir);
}

static void checkpoint_refuses_wrong_arguments(void **state)
{
    onefold_checkpoint_options options;
    onefold_checkpoint *checkpoint = NULL;
    onefold_error err;

    (void)state;
    assert_int_equal(onefold_checkpoint_open(NULL, NULL, &checkpoint, &err), ONEFOLD_E_ARGUMENT);
    assert_string_equal(err.id, "argument");
    assert_int_equal(onefold_checkpoint_open("", NULL, &checkpoint, NULL), ONEFOLD_E_ARGUMENT);
    assert_int_equal(onefold_checkpoint_open("x", NULL, NULL, NULL), ONEFOLD_E_ARGUMENT);
    onefold_checkpoint_options_init(&options);
    options.reserved[3] = 1;
    assert_int_equal(onefold_checkpoint_open("x", &options, &checkpoint, NULL), ONEFOLD_E_ARGUMENT);
    assert_int_equal(onefold_checkpoint_open("/nonexistent/model", NULL, &checkpoint, &err),
                     ONEFOLD_E_MISSING);
    assert_non_null(strstr(err.message, "/nonexistent/model"));
    assert_null(checkpoint);
    onefold_checkpoint_close(NULL);
    assert_int_equal(onefold_checkpoint_tensor_count(NULL), 0);
}

static void methods_describe_themselves(void **state)
{
    onefold_method_info info;
    onefold_param_info param;
    uint64_t count = 0;
    int found = 0;

    (void)state;
    for (; onefold_method_at(count, &info); count++) {
        uint64_t params = 0;

        assert_non_null(info.name);
        assert_non_null(info.summary);
        assert_true(info.input_count_min >= 1);
        assert_true(info.input_count_min <= info.input_count_max);
        for (; onefold_method_param_at(count, params, &param); params++) {
            assert_non_null(param.help);
            assert_true(param.min <= param.max);
        }
        assert_int_equal(params, info.param_count);
        if (strcmp(info.name, "task_arithmetic") == 0) {
            assert_string_equal(info.scale, "sum");
            assert_string_equal(info.base, "required");
            assert_int_equal(info.takes_lambda, 1);
            found++;
        }
        if (strcmp(info.name, "fedavg") == 0) {
            assert_string_equal(info.scale, "mean");
            found++;
        }
    }
    assert_int_equal(count, onefold_method_count());
    assert_int_equal(found, 2);
    assert_int_equal(onefold_method_param_at(count, 0, &param), 0);
}

static void verify_refuses_wrong_arguments(void **state)
{
    onefold_verify_options options;
    onefold_error err;

    (void)state;
    onefold_verify_options_init(&options);
    options.direct = 77;
    assert_int_equal(onefold_verify(NULL, NULL, NULL, &err), ONEFOLD_E_ARGUMENT);
    assert_int_equal(onefold_verify("x", &options, NULL, &err), ONEFOLD_E_ARGUMENT);
    onefold_verify_options_init(&options);
    options.reserved[0] = 9;
    assert_int_equal(onefold_verify("x", &options, NULL, &err), ONEFOLD_E_ARGUMENT);
    assert_int_equal(onefold_digest_tree("x", NULL, NULL, NULL, NULL, &err), ONEFOLD_E_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_is_the_headers),
        cmocka_unit_test(status_numbers_are_pinned),
        cmocka_unit_test(every_id_is_unique_and_spelt_alike),
        cmocka_unit_test(text_is_shown_without_control_characters),
        cmocka_unit_test(nearest_word_is_found_only_when_near),
        cmocka_unit_test(recipe_type_names_are_parsed),
        cmocka_unit_test(checkpoint_shows_what_it_holds),
        cmocka_unit_test(checkpoint_refuses_wrong_arguments),
        cmocka_unit_test(methods_describe_themselves),
        cmocka_unit_test(verify_refuses_wrong_arguments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
