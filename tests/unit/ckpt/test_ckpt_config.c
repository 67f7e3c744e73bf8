/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: facts read, values changed in place, odd files left alone. */
#include "base/limits.h"
#include "ckpt/sidefile.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tmpdir dir;
static struct of_arena arena;
static struct of_report report;

/* Reads `text` as the config.json of a checkpoint; NULL = there is none. */
static struct of_config read_config(const char *text)
{
    struct tmpdir_name path = tmpdir_join(dir.path, "config.json");
    struct of_checkpoint checkpoint = {.folder_path = dir.path, .folder_fd = -1};
    struct of_config config;
    onefold_error err;

    report = (struct of_report){0};
    if (text != NULL) {
        tmpdir_write_text(path.text, text);
    }
    assert_int_equal(of_file_open_folder(of_file_here, dir.path, &checkpoint.folder_fd, &err),
                     ONEFOLD_OK);
    assert_int_equal(of_config_read(&checkpoint, &arena, &report, &config, &err), ONEFOLD_OK);
    of_file_close(&checkpoint.folder_fd);
    return config;
}

static void test_facts(void **state)
{
    struct of_config config;

    (void)state;
    config = read_config("{\"torch_dtype\": \"bfloat16\", \"vocab_size\": 32000,\n"
                         " \"tie_word_embeddings\": true}");
    assert_true(config.present);
    assert_true(config.strict);
    assert_true(config.tied);
    assert_true(config.has_vocab_size);
    assert_int_equal(config.vocab_size, 32000);
    assert_true(of_str_is(config.dtype, "bfloat16"));
    assert_false(config.has_quantization);

    config = read_config("{\"text_config\": {\"dtype\": \"float16\", \"vocab_size\": 7, "
                         "\"tie_word_embeddings\": true}, \"vocab_size\": 9}");
    assert_true(config.tied);
    assert_int_equal(config.vocab_size, 9);
    assert_true(of_str_is(config.dtype, "float16"));

    config = read_config("{\"quantization_config\": {\"quant_method\": \"fp8\"}}");
    assert_true(config.has_quantization);
    assert_true(of_str_is(config.quantization, "fp8"));
    config = read_config("{\"quantization_config\": {\"bits\": 4}}");
    assert_true(config.has_quantization);
    assert_true(of_str_is(config.quantization, "quantization_config"));
    config = read_config("{\"quantization_config\": null, \"torch_dtype\": null, "
                         "\"vocab_size\": -1, \"tie_word_embeddings\": \"true\"}");
    assert_false(config.has_quantization);
    assert_false(config.has_vocab_size);
    assert_false(config.tied);
    assert_int_equal(config.dtype.length, 0);
    assert_true(config.strict);
    assert_int_equal(report.warning_count, 0);
}

static void test_absent_and_odd(void **state)
{
    static const char *const odd[] = {
        "",
        "[]",
        "{\"a\": 1,}",
        "{\"a\": 1, \"a\": 2}",
        "{\"a\": 1, \"\\u0061\": 2}",
        "{\"text_config\": {\"a\": 1, \"a\": 2}}",
        "{\"a\": {\"b\": 1, \"b\": 2}}",
        "{\"a\": NaN}",
        "{\"a\": 1} {}",
        "// comment\n{}",
    };
    struct of_config config = read_config(NULL);

    (void)state;
    assert_false(config.present);
    assert_int_equal(report.warning_count, 0);
    for (size_t i = 0; i < OF_LENGTH(odd); i++) {
        config = read_config(odd[i]);
        assert_true(config.present);
        assert_false(config.strict);
        assert_int_equal(report.warning_count, 1);
    }
}

static void test_too_large(void **state)
{
    char *text = malloc(OF_CONFIG_BYTES_MAX + 2);
    struct of_config config;

    (void)state;
    assert_non_null(text);
    memset(text, ' ', OF_CONFIG_BYTES_MAX + 1);
    memcpy(text, "{}", 2);
    text[OF_CONFIG_BYTES_MAX + 1] = '\0';
    config = read_config(text);
    assert_true(config.present);
    assert_false(config.strict);
    assert_int_equal(report.warning_count, 1);
    text[OF_CONFIG_BYTES_MAX] = '\0';
    config = read_config(text);
    assert_true(config.strict);
    free(text);
}

/* A checkpoint that is one file has no folder of its own. */
static void test_single_file(void **state)
{
    struct of_checkpoint checkpoint = {.folder_path = dir.path, .folder_fd = -1, .is_file = true};
    struct of_config config;
    onefold_error err;

    (void)state;
    assert_int_equal(of_config_read(&checkpoint, &arena, &report, &config, &err), ONEFOLD_OK);
    assert_false(config.present);
}

static void expect_patch(const char *before, const struct of_config_patch *patch, const char *after)
{
    struct of_text text = {0};
    bool untouched = false;
    onefold_error err;

    assert_int_equal(of_config_patch_text(of_str_from(before), patch, &text, &untouched, &err),
                     ONEFOLD_OK);
    assert_string_equal(text.data != NULL ? text.data : "", after);
    assert_int_equal(untouched, strcmp(before, after) == 0 && before[0] != '{');
    of_text_finish(&text);
}

static void test_patch_dtype(void **state)
{
    const struct of_config_patch patch = {.dtype = "float16"};
    const struct of_config_patch nothing = {0};

    (void)state;
    expect_patch("{\n  \"a\": 1e0,\n  \"torch_dtype\" : \"bfloat16\" ,\n  \"z\": [ ]\n}\n", &patch,
                 "{\n  \"a\": 1e0,\n  \"torch_dtype\" : \"float16\" ,\n  \"z\": [ ]\n}\n");
    expect_patch("{\"dtype\":null,\"text_config\":{\"x\":{\"dtype\":1},\"torch_dtype\":\"f\"}}",
                 &patch,
                 "{\"dtype\":\"float16\",\"text_config\":{\"x\":{\"dtype\":1},"
                 "\"torch_dtype\":\"float16\"}}");
    expect_patch("{\"text_config\":{\"dtype\":\"a\"},\"torch_dtype\":\"b\"}", &patch,
                 "{\"text_config\":{\"dtype\":\"float16\"},\"torch_dtype\":\"float16\"}");
    expect_patch("{\"a\":1}", &patch, "{\"a\":1}");
    expect_patch("{ \"torch_dtype\": \"x\" }", &nothing, "{ \"torch_dtype\": \"x\" }");
}

static void test_patch_tied(void **state)
{
    const struct of_config_patch untie = {.set_tied = true};
    const struct of_config_patch tie = {.set_tied = true, .tied = true};

    (void)state;
    expect_patch("{\"tie_word_embeddings\": true}", &untie, "{\"tie_word_embeddings\": false}");
    expect_patch("{\"text_config\": {\"tie_word_embeddings\": true}}", &untie,
                 "{\"text_config\": {\"tie_word_embeddings\": false}}");
    expect_patch("{\n  \"a\": 1\n}\n", &untie,
                 "{\n  \"tie_word_embeddings\": false,\n  \"a\": 1\n}\n");
    expect_patch("{\"a\": 1}", &tie, "{\"tie_word_embeddings\": true,\"a\": 1}");
    expect_patch("{}", &tie, "{\"tie_word_embeddings\": true}");
}

static void test_patch_quantization(void **state)
{
    const struct of_config_patch drop = {.drop_quantization = true};
    const struct of_config_patch both = {.drop_quantization = true, .set_tied = true};

    (void)state;
    expect_patch("{\"a\": 1, \"quantization_config\": {\"x\": [1, 2]}, \"b\": 2}", &drop,
                 "{\"a\": 1, \"b\": 2}");
    expect_patch("{\"a\": 1, \"quantization_config\": {}}", &drop, "{\"a\": 1}");
    expect_patch("{\"quantization_config\": {}, \"a\": 1}", &drop, "{\"a\": 1}");
    expect_patch("{ \"quantization_config\": {} }", &drop, "{  }");
    expect_patch("{\"quantization_config\": {}}", &both, "{\"tie_word_embeddings\": false}");
    expect_patch("{\"quantization_config\": {}, \"a\": 1}", &both,
                 "{\"tie_word_embeddings\": false,\"a\": 1}");
    expect_patch("{\"tie_word_embeddings\": true, \"quantization_config\": 0}", &both,
                 "{\"tie_word_embeddings\": false}");
}

static void test_patch_odd(void **state)
{
    const struct of_config_patch patch = {.dtype = "float16", .set_tied = true};

    (void)state;
    expect_patch("not json, \"torch_dtype\": \"x\"", &patch, "not json, \"torch_dtype\": \"x\"");
    expect_patch("", &patch, "");
}

static int set_up(void **state)
{
    (void)state;
    dir = tmpdir_make();
    of_arena_init(&arena, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    of_arena_finish(&arena);
    tmpdir_remove(&dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_facts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_absent_and_odd, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_large, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_single_file, set_up, tear_down),
        cmocka_unit_test(test_patch_dtype),
        cmocka_unit_test(test_patch_tied),
        cmocka_unit_test(test_patch_quantization),
        cmocka_unit_test(test_patch_odd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
