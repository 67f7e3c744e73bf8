/* SPDX-License-Identifier: Apache-2.0 */
/* verify and the tree digests: damage of every kind is found and named, a good folder gives no
 * finding, and nothing a record says makes verify look outside its folder. */
#include "run/verify.h"

#include "support/merging.h"
#include "support/mkckpt.h"
#include "support/prng.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 300, COLUMNS = 700, FINDINGS_MAX = 64 };

struct fixture {
    struct tmpdir dir;
    struct tmpdir_name a;
    struct tmpdir_name b;
    struct tmpdir_name out;
    /* Of the last verify. */
    onefold_error error;
    struct of_verify_result result;
    uint32_t finding_count;
    char ids[FINDINGS_MAX][64];
    char files[FINDINGS_MAX][256];
    char messages[FINDINGS_MAX][512];
};

static void note(void *context, const onefold_notice *notice)
{
    struct fixture *fixture = context;
    const uint32_t at = fixture->finding_count;

    if (notice->level != ONEFOLD_LEVEL_ERROR || at == FINDINGS_MAX) {
        return;
    }
    (void)snprintf(fixture->ids[at], sizeof(fixture->ids[0]), "%s", notice->id);
    (void)snprintf(fixture->files[at], sizeof(fixture->files[0]), "%s",
                   notice->file != NULL ? notice->file : "");
    (void)snprintf(fixture->messages[at], sizeof(fixture->messages[0]), "%s", notice->message);
    fixture->finding_count++;
}

static onefold_status verify_with(struct fixture *fixture, const char *path,
                                  struct of_verify_options options)
{
    struct of_report report = {.fn = note, .context = fixture};

    fixture->finding_count = 0;
    options.report = &report;
    of_err_clear(&fixture->error);
    return of_verify(path, &options, &fixture->result, &fixture->error);
}

static onefold_status verify(struct fixture *fixture)
{
    return verify_with(fixture, fixture->out.text, (struct of_verify_options){.thread_count = 2});
}

/* A finding of that id on that file whose message holds the text. */
static void assert_found(const struct fixture *fixture, const char *id, const char *file,
                         const char *part)
{
    for (uint32_t i = 0; i < fixture->finding_count; i++) {
        if (strcmp(fixture->ids[i], id) == 0 && strstr(fixture->files[i], file) != NULL &&
            strstr(fixture->messages[i], part) != NULL) {
            return;
        }
    }
    for (uint32_t i = 0; i < fixture->finding_count; i++) {
        print_message("%s: %s [%s]\n", fixture->files[i], fixture->messages[i], fixture->ids[i]);
    }
    fail_msg("no [%s] on %s with \"%s\"", id, file, part);
}

static void make(const char *path, uint64_t seed)
{
    const struct mk_tensor tensors[] = {
        {.name = "w",
         .dtype = ONEFOLD_DTYPE_BF16,
         .rank = 2,
         .shape = {ROWS, COLUMNS},
         .seed = seed},
        {.name = "x", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {1001}, .seed = seed + 1},
        {.name = "y", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {77777}, .seed = seed + 2},
        {.name = "z", .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = {50}, .seed = seed + 3},
    };

    mk_sharded(path, tensors, 4, 2);
    mk_config(path, "bfloat16");
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    char recipe[3 * TMPDIR_PATH_MAX];
    struct merging merging;

    assert_non_null(fixture);
    fixture->dir = tmpdir_make();
    fixture->a = tmpdir_join(fixture->dir.path, "a");
    fixture->b = tmpdir_join(fixture->dir.path, "b");
    fixture->out = tmpdir_join(fixture->dir.path, "out");
    make(fixture->a.text, 1);
    make(fixture->b.text, 11);
    (void)snprintf(recipe, sizeof(recipe),
                   "merge_method: linear\nmodels:\n  - model: %s\n    parameters: {weight: 1}\n"
                   "  - model: %s\n    parameters: {weight: 1}\n",
                   fixture->a.text, fixture->b.text);
    merging_init(&merging, fixture->out.text);
    merging.plan_options.out_shard_bytes = 430000;
    if (merging_run(&merging, recipe) != ONEFOLD_OK) {
        fail_msg("%s [%s]", merging.error.message, merging.error.id);
    }
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    tmpdir_remove(&fixture->dir);
    free(fixture);
    return 0;
}

static struct tmpdir_name out_file(const struct fixture *fixture, const char *name)
{
    return tmpdir_join(fixture->out.text, name);
}

/* Flips bits of one byte, counted from the start or (negative) from the end. */
static void damage(const struct fixture *fixture, const char *name, int64_t offset, uint8_t bits)
{
    const struct tmpdir_name path = out_file(fixture, name);
    size_t length;
    char *bytes = tmpdir_read(path.text, &length);
    const size_t at = offset >= 0 ? (size_t)offset : length - (size_t)-offset;

    assert_true(at < length);
    bytes[at] = (char)(bytes[at] ^ bits);
    tmpdir_write(path.text, bytes, length);
    free(bytes);
}

static void append(const struct fixture *fixture, const char *name, const char *text)
{
    const struct tmpdir_name path = out_file(fixture, name);
    FILE *file = fopen(path.text, "ab");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static const char first_shard[] = "model-00001-of-00002.safetensors";
static const char second_shard[] = "model-00002-of-00002.safetensors";

static void test_good_folder(void **state)
{
    struct fixture *fixture = *state;

    for (uint32_t threads = 1; threads <= 4; threads++) {
        const struct of_verify_options options = {.thread_count = threads,
                                                  .io_name = threads == 3   ? "mmap"
                                                             : threads == 2 ? "threads"
                                                                            : NULL};

        if (verify_with(fixture, fixture->out.text, options) != ONEFOLD_OK) {
            fail_msg("%s: %s", fixture->error.message, fixture->messages[0]);
        }
        assert_true(fixture->result.had_manifest && fixture->result.had_leaves &&
                    fixture->result.had_sha256_list && fixture->result.had_xxh128_list &&
                    fixture->result.has_checkpoint_digest);
        assert_int_equal(fixture->result.tensor_count, 4);
        assert_int_equal(fixture->result.finding_count, 0);
        assert_true(fixture->result.read_bytes > UINT64_C(2) * ROWS * COLUMNS);
    }
}

/* w lies first in its shard, at 4096: grain 2 is elements 131072 to 196607. */
static void test_damage_is_located(void **state)
{
    struct fixture *fixture = *state;

    damage(fixture, first_shard, 4096 + 2 * 140000, 1);
    assert_int_equal(verify(fixture), ONEFOLD_E_DIFFERS);
    assert_found(fixture, "verify-content", first_shard,
                 "tensor \"w\": elements 131072 to 196607 are damaged (bytes 266240 to 397311");
    assert_found(fixture, "verify-sum", first_shard, "SHA256SUMS");
    assert_found(fixture, "verify-sum", first_shard, "XXH128SUMS");
    assert_found(fixture, "manifest-checkpoint", "onefold.json", "digest");
}

static void test_neighbouring_damage_is_one_range(void **state)
{
    struct fixture *fixture = *state;

    damage(fixture, first_shard, 4096 + 2 * 10, 1);
    damage(fixture, first_shard, 4096 + 2 * 70000, 1);
    damage(fixture, first_shard, 4096 + 2 * (ROWS * COLUMNS - 1), 1);
    assert_int_equal(verify(fixture), ONEFOLD_E_DIFFERS);
    assert_found(fixture, "verify-content", first_shard, "elements 0 to 131071 ");
    assert_found(fixture, "verify-content", first_shard, "elements 196608 to 209999 ");
}

static void test_fast_finds_damage_too(void **state)
{
    struct fixture *fixture = *state;

    damage(fixture, second_shard, -1, 0x40);
    assert_int_equal(
        verify_with(fixture, fixture->out.text, (struct of_verify_options){.fast = true}),
        ONEFOLD_E_DIFFERS);
    assert_found(fixture, "verify-sum", second_shard, "XXH128SUMS");
    for (uint32_t i = 0; i < fixture->finding_count; i++) {
        assert_null(strstr(fixture->messages[i], "SHA256SUMS"));
    }
}

static void test_structure_only_reads_no_data(void **state)
{
    struct fixture *fixture = *state;
    const struct of_verify_options options = {.structure_only = true};

    damage(fixture, first_shard, 5000, 1);
    assert_int_equal(verify_with(fixture, fixture->out.text, options), ONEFOLD_OK);
    assert_int_equal(fixture->result.read_bytes, 0);
}

static void test_damaged_header(void **state)
{
    struct fixture *fixture = *state;

    damage(fixture, first_shard, 9, 0x10);
    assert_int_equal(verify(fixture), ONEFOLD_E_DIFFERS);
    assert_found(fixture, "verify-structure", "", "");
    assert_found(fixture, "verify-sum", first_shard, "SHA256SUMS");
}

static void test_damaged_leaves(void **state)
{
    struct fixture *fixture = *state;

    damage(fixture, "onefold.leaves", 16, 1);
    assert_int_equal(verify(fixture), ONEFOLD_E_DIFFERS);
    assert_found(fixture, "leaves-differ", "onefold.leaves", "elements 65536 to 131071");
    assert_found(fixture, "verify-sum", "onefold.leaves", "SHA256SUMS");
    for (uint32_t i = 0; i < fixture->finding_count; i++) {
        assert_string_not_equal(fixture->ids[i], "verify-content");
    }
}

static void test_cut_leaves(void **state)
{
    struct fixture *fixture = *state;

    append(fixture, "onefold.leaves", "more");
    assert_int_equal(verify(fixture), ONEFOLD_E_DIFFERS);
    assert_found(fixture, "leaves-size", "onefold.leaves", "");
    assert_found(fixture, "verify-size", "onefold.leaves", "");
}

static void test_missing_and_extra_files(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(remove(out_file(fixture, "config.json").text), 0);
    tmpdir_write_text(out_file(fixture, "model-00003-of-00003.safetensors").text, "stale");
    tmpdir_write_text(out_file(fixture, "note\x1b[1m.txt").text, "x");
    assert_int_equal(verify(fixture), ONEFOLD_E_DIFFERS);
    assert_found(fixture, "verify-missing", "config.json", "recorded");
    assert_found(fixture, "verify-missing", "config.json", "SHA256SUMS");
    assert_found(fixture, "verify-stale", "model-00003-of-00003.safetensors", "");
    assert_found(fixture, "verify-extra", "note", "recorded");
    assert_found(fixture, "list-extra", "note", "XXH128SUMS");
    for (uint32_t i = 0; i < fixture->finding_count; i++) {
        assert_null(strchr(fixture->files[i], '\x1b'));
    }
}

static void test_hostile_list(void **state)
{
    struct fixture *fixture = *state;
    static const char hex[] = "00000000000000000000000000000000";

    tmpdir_write_text(tmpdir_join(fixture->dir.path, "secret").text, "secret");
    append(fixture, "XXH128SUMS", hex);
    append(fixture, "XXH128SUMS", "  ../secret\n");
    append(fixture, "XXH128SUMS", hex);
    append(fixture, "XXH128SUMS", "  /etc/passwd\n");
    append(fixture, "XXH128SUMS", hex);
    append(fixture, "XXH128SUMS", "  config.json\nnonsense\n");
    assert_int_equal(verify(fixture), ONEFOLD_E_DIFFERS);
    assert_found(fixture, "list-name", "XXH128SUMS", "../secret");
    assert_found(fixture, "list-name", "XXH128SUMS", "/etc/passwd");
    assert_found(fixture, "list-duplicate", "XXH128SUMS", "config.json");
    assert_found(fixture, "list-line", "XXH128SUMS", "malformed");
}

static void test_damaged_manifest(void **state)
{
    struct fixture *fixture = *state;

    damage(fixture, "onefold.json", 0, 1);
    assert_int_equal(verify(fixture), ONEFOLD_E_DIFFERS);
    assert_found(fixture, "verify-sum", "onefold.json", "SHA256SUMS");
    tmpdir_write_text(out_file(fixture, "onefold.json").text, "");
    assert_int_equal(verify(fixture), ONEFOLD_E_DIFFERS);
    assert_found(fixture, "manifest-limit", "onefold.json", "0 bytes");
}

static void test_unfinished_neighbour(void **state)
{
    struct fixture *fixture = *state;

    tmpdir_folder(tmpdir_join(fixture->dir.path, "out.onefold-partial").text);
    assert_int_equal(verify(fixture), ONEFOLD_E_DIFFERS);
    assert_found(fixture, "verify-unfinished", "out.onefold-partial", "");
}

static void test_plain_folder_and_none(void **state)
{
    struct fixture *fixture = *state;
    const struct of_verify_options options = {0};

    assert_int_equal(verify_with(fixture, fixture->a.text, options), ONEFOLD_OK);
    assert_false(fixture->result.had_manifest);
    assert_int_equal(fixture->result.read_bytes, 0);
    assert_int_equal(verify_with(fixture, fixture->dir.path, options), ONEFOLD_E_MISSING);
    assert_int_equal(verify_with(fixture, tmpdir_join(fixture->dir.path, "nothing").text, options),
                     ONEFOLD_E_MISSING);
}

/* One bit anywhere in any file is found. */
static void test_any_bit_is_found(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {
        first_shard,    second_shard,     "config.json",
        "onefold.json", "onefold.leaves", "README.md",
        "SHA256SUMS",   "XXH128SUMS",     "model.safetensors.index.json"};
    struct prng prng = prng_make(prng_seed(9));

    for (uint32_t round = 0; round < 90; round++) {
        const char *name = names[round % (sizeof(names) / sizeof(names[0]))];
        size_t length;
        int64_t at;
        uint8_t bit;

        free(tmpdir_read(out_file(fixture, name).text, &length));
        at = (int64_t)prng_below(&prng, length);
        bit = (uint8_t)(1U << prng_below(&prng, 8));
        damage(fixture, name, at, bit);
        if (verify(fixture) != ONEFOLD_E_DIFFERS) {
            fail_msg("bit %u of byte %lld of %s: %s", bit, (long long)at, name,
                     fixture->error.message);
        }
        damage(fixture, name, at, bit);
    }
    assert_int_equal(verify(fixture), ONEFOLD_OK);
}

struct digests {
    uint32_t count;
    struct of_digest last;
};

static void take_digest(void *context, const struct of_tensor *tensor,
                        const struct of_digest *digest)
{
    struct digests *digests = context;

    (void)tensor;
    digests->count++;
    digests->last = *digest;
}

/* The tree does not depend on how the tensors lie in files. */
static void test_tree_of_one_file_and_of_many(void **state)
{
    struct fixture *fixture = *state;
    const struct of_verify_options options = {.thread_count = 3};
    struct tmpdir_name one = tmpdir_join(fixture->dir.path, "one");
    const struct mk_tensor tensors[] = {
        {.name = "z", .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = {50}, .seed = 4},
        {.name = "w", .dtype = ONEFOLD_DTYPE_BF16, .rank = 2, .shape = {ROWS, COLUMNS}, .seed = 1},
        {.name = "x", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {1001}, .seed = 2},
        {.name = "y", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {77777}, .seed = 3},
    };
    struct of_digest whole;
    struct of_digest other;
    struct digests digests = {0};
    onefold_error err;

    mk_folder(one.text, tensors, 4);
    assert_int_equal(of_digest_tree(fixture->a.text, &options, take_digest, &digests, &whole, &err),
                     ONEFOLD_OK);
    assert_int_equal(digests.count, 4);
    assert_int_equal(of_digest_tree(one.text, &options, NULL, NULL, &other, &err), ONEFOLD_OK);
    assert_memory_equal(&whole, &other, sizeof(whole));
    assert_int_equal(of_digest_tree(fixture->b.text, &options, NULL, NULL, &other, &err),
                     ONEFOLD_OK);
    assert_memory_not_equal(&whole, &other, sizeof(whole));
    assert_int_equal(verify(fixture), ONEFOLD_OK);
    assert_int_equal(of_digest_tree(fixture->out.text, &options, NULL, NULL, &other, &err),
                     ONEFOLD_OK);
    assert_memory_equal(&fixture->result.checkpoint_digest, &other, sizeof(other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage_is_located, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_neighbouring_damage_is_one_range, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fast_finds_damage_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_structure_only_reads_no_data, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_leaves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_leaves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_missing_and_extra_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_manifest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unfinished_neighbour, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_plain_folder_and_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_any_bit_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tree_of_one_file_and_of_many, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("run_verify", tests, NULL, NULL);
}
