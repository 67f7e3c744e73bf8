/* SPDX-License-Identifier: Apache-2.0 */
/* Which small files are taken along, and the model card. */
#include "ckpt/sidefile.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct tmpdir dir;
static struct of_arena arena;
static struct of_report report;

static void write_file(const char *name, const char *text)
{
    tmpdir_write_text(tmpdir_join(dir.path, name).text, text);
}

static struct of_side_list list_of(bool copy_tokenizer, bool is_file, bool no_links)
{
    struct of_checkpoint donor = {
        .folder_path = dir.path, .folder_fd = -1, .is_file = is_file, .no_links = no_links};
    struct of_side_list list;
    onefold_error err;

    report = (struct of_report){0};
    assert_int_equal(of_file_open_folder(of_file_here, dir.path, &donor.folder_fd, &err),
                     ONEFOLD_OK);
    assert_int_equal(of_side_list_make(&donor, copy_tokenizer, &arena, &report, &list, &err),
                     ONEFOLD_OK);
    of_file_close(&donor.folder_fd);
    return list;
}

static void make_donor(void)
{
    write_file("config.json", "{}");
    write_file("tokenizer.json", "12345");
    write_file("tokenizer_config.json", "{}");
    write_file("generation_config.json", "{}");
    write_file("vocab.json", "{}");
    write_file("preprocessor_config.json", "{}");
    write_file("README.md", "# donor\n");
    write_file("modeling_x.py", "import os\n");
    write_file(".gitattributes", "*");
    write_file("model.safetensors", "");
    write_file("model.safetensors.index.json", "{}");
    write_file("model.safetensors.index.fp16.json", "{}");
    write_file("pytorch_model.bin", "");
    tmpdir_folder(tmpdir_join(dir.path, "onnx").text);
}

static void expect_files(const struct of_side_list *list, const char *expected)
{
    struct of_text text = {0};

    for (uint32_t i = 0; i < list->count; i++) {
        of_text_print(&text, "%s%s%s", i > 0 ? " " : "", list->files[i].name,
                      list->files[i].kind == OF_SIDE_TOKENIZER ? ":t" : ":c");
    }
    assert_string_equal(text.data != NULL ? text.data : "", expected);
    of_text_finish(&text);
}

static void expect_left(const struct of_side_list *list, const char *expected)
{
    struct of_text text = {0};

    for (uint32_t i = 0; i < list->left_out_count; i++) {
        of_text_print(&text, "%s%s", i > 0 ? " " : "", list->left_out[i]);
    }
    assert_string_equal(text.data != NULL ? text.data : "", expected);
    of_text_finish(&text);
}

static void test_list(void **state)
{
    struct of_side_list list;

    (void)state;
    make_donor();
    list = list_of(true, false, false);
    expect_files(&list, "generation_config.json:t preprocessor_config.json:c tokenizer.json:t "
                        "tokenizer_config.json:t vocab.json:t");
    assert_int_equal(list.files[2].size_bytes, 5);
    expect_left(&list, "README.md modeling_x.py");
    assert_int_equal(report.warning_count, 0);

    list = list_of(false, false, false);
    expect_files(&list, "preprocessor_config.json:c vocab.json:c");
    expect_left(&list, "README.md generation_config.json modeling_x.py tokenizer.json "
                       "tokenizer_config.json");

    list = list_of(true, true, false);
    assert_int_equal(list.count, 0);
    assert_int_equal(list.left_out_count, 0);
}

static void test_empty_donor(void **state)
{
    struct of_side_list list = list_of(true, false, false);

    (void)state;
    assert_int_equal(list.count, 0);
    assert_int_equal(list.left_out_count, 0);
}

/* Links lead to regular files or are not taken; folders and pipes are not files. */
static void test_odd_kinds(void **state)
{
    struct of_side_list list;

    (void)state;
    write_file("blob", "{}");
    tmpdir_link("blob", tmpdir_join(dir.path, "tokenizer.json").text);
    tmpdir_folder(tmpdir_join(dir.path, "tokenizer.model").text);
    assert_int_equal(mkfifo(tmpdir_join(dir.path, "merges.txt").text, 0600), 0);
    list = list_of(true, false, false);
    expect_files(&list, "tokenizer.json:t");
    expect_left(&list, "blob merges.txt");
    assert_int_equal(report.warning_count, 2);

    list = list_of(true, false, true);
    expect_files(&list, "");
    assert_int_equal(report.warning_count, 3);
}

static void test_too_large(void **state)
{
    struct of_side_list list;

    (void)state;
    write_file("tokenizer.json", "");
    write_file("merges.txt", "");
    assert_int_equal(truncate(tmpdir_join(dir.path, "tokenizer.json").text, (256 << 20) + 1), 0);
    assert_int_equal(truncate(tmpdir_join(dir.path, "merges.txt").text, 256 << 20), 0);
    list = list_of(true, false, false);
    expect_files(&list, "merges.txt:t");
    expect_left(&list, "tokenizer.json");
    assert_int_equal(report.warning_count, 1);
}

static void test_card(void **state)
{
    const struct of_card_input inputs[] = {
        {OF_STR("org/base-7B"), true}, {OF_STR("./a`b"), false}, {OF_STR("org/tune.v2"), false}};
    struct of_text text = {0};

    (void)state;
    of_card_emit(OF_STR("task_arithmetic"), inputs, 3, OF_STR("merge_method: x # ```"), &text);
    assert_false(text.failed);
    assert_string_equal(text.data, "---\n"
                                   "base_model:\n"
                                   "- org/base-7B\n"
                                   "- org/tune.v2\n"
                                   "library_name: transformers\n"
                                   "tags:\n"
                                   "- merge\n"
                                   "- onefold\n"
                                   "---\n"
                                   "\n"
                                   "# Merged model\n"
                                   "\n"
                                   "Made by merging checkpoints with onefold.\n"
                                   "\n"
                                   "## Method\n"
                                   "\n"
                                   "`task_arithmetic`, with `org/base-7B` as the base\n"
                                   "\n"
                                   "## Models\n"
                                   "\n"
                                   "* `./a'b`\n"
                                   "* `org/tune.v2`\n"
                                   "\n"
                                   "## Recipe\n"
                                   "\n"
                                   "````yaml\n"
                                   "merge_method: x # ```\n"
                                   "````\n");
    of_text_finish(&text);
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
        cmocka_unit_test_setup_teardown(test_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_empty_donor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_odd_kinds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_large, set_up, tear_down),
        cmocka_unit_test(test_card),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
