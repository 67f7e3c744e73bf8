/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: files, folders with an index, snapshots of the Hugging Face cache; sharing between
 * inputs; everything that is refused with more than one file involved. */
#include "base/limits.h"
#include "ckpt/checkpoint.h"
#include "support/mkckpt.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOTICES_MAX = 64 };

static struct tmpdir dir;
static struct of_arena arena;
static struct of_report report;
static struct of_checkpoint_set set;
static onefold_error err;
static char notice_ids[NOTICES_MAX][32];
static uint32_t notice_count;

static const struct mk_tensor tensors[] = {
    {.name = "a", .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = {4}, .seed = 1},
    {.name = "b", .dtype = ONEFOLD_DTYPE_BF16, .rank = 2, .shape = {3, 5}, .seed = 2},
    {.name = "c", .dtype = ONEFOLD_DTYPE_I64, .rank = 0, .seed = 3},
    {.name = "d", .dtype = ONEFOLD_DTYPE_F16, .rank = 1, .shape = {0}, .seed = 4},
};

static void keep_notice(void *context, const onefold_notice *notice)
{
    (void)context;
    if (notice_count < NOTICES_MAX) {
        snprintf(notice_ids[notice_count++], sizeof(notice_ids[0]), "%s", notice->id);
    }
}

static bool was_noticed(const char *id)
{
    for (uint32_t i = 0; i < notice_count; i++) {
        if (strcmp(notice_ids[i], id) == 0) {
            return true;
        }
    }
    return false;
}

static struct of_checkpoint *open_ok(const char *path, const char *revision)
{
    struct of_checkpoint *checkpoint = NULL;

    if (of_checkpoint_open(&set, path, revision, &checkpoint, &err) != ONEFOLD_OK) {
        fail_msg("%s: %s [%s]", path, err.message, err.id);
    }
    return checkpoint;
}

static void open_fails(const char *path, const char *revision, onefold_status status,
                       const char *id)
{
    struct of_checkpoint *checkpoint = NULL;
    uint32_t count = set.count;

    assert_int_not_equal(of_checkpoint_open(&set, path, revision, &checkpoint, &err), ONEFOLD_OK);
    if (strcmp(err.id, id) != 0) {
        fail_msg("%s: expected %s, got %s [%s]", path, id, err.message, err.id);
    }
    assert_int_equal(err.status, status);
    assert_null(checkpoint);
    assert_int_equal(set.count, count);
}

static struct tmpdir_name in_dir(const char *name)
{
    return tmpdir_join(dir.path, name);
}

static void test_one_file(void **state)
{
    struct tmpdir_name path = in_dir("x.safetensors");
    struct of_checkpoint *checkpoint;
    uint32_t at;
    int fd = -1;

    (void)state;
    mk_file(path.text, tensors, 4, "{\"format\":\"pt\",\"k\":\"v\"}");
    checkpoint = open_ok(path.text, NULL);
    assert_true(checkpoint->is_file);
    assert_false(checkpoint->has_index);
    assert_string_equal(checkpoint->path, path.text);
    assert_string_equal(checkpoint->folder_path, dir.path);
    assert_int_equal(checkpoint->shard_count, 1);
    assert_string_equal(checkpoint->shards[0].name, "x.safetensors");
    assert_int_equal(checkpoint->table->tensor_count, 4);
    assert_int_equal(checkpoint->table->byte_count, 16 + 30 + 8);
    assert_int_equal(checkpoint->metadata_count, 2);
    assert_true(of_str_is(checkpoint->metadata[1].value, "v"));
    at = of_table_find(checkpoint->table, OF_STR("b"));
    assert_int_not_equal(at, OF_MAP_NONE);
    assert_string_equal(checkpoint->table->tensors[at].name.data, "b");
    assert_int_equal(checkpoint->table->tensors[at].offset, checkpoint->shards[0].data_offset + 16);
    assert_int_equal(checkpoint->table->tensors[at].shape[1], 5);
    assert_string_equal(of_checkpoint_shard_path(checkpoint, 0).text, path.text);

    assert_int_equal(of_checkpoint_open_shard(checkpoint, 0, 0, &fd, &err), ONEFOLD_OK);
    of_file_close(&fd);
    assert_int_equal(of_checkpoint_check_unchanged(checkpoint, &err), ONEFOLD_OK);
}

static void test_header_hash(void **state)
{
    struct tmpdir_name path = in_dir("x.safetensors");
    struct of_checkpoint *checkpoint;
    struct of_sha256_digest expected;
    char *data;

    (void)state;
    mk_file(path.text, tensors, 4, NULL);
    checkpoint = open_ok(path.text, NULL);
    data = tmpdir_read(path.text, NULL);
    assert_true(of_hash_sha256(data, checkpoint->shards[0].data_offset, &expected));
    assert_memory_equal(&expected, &checkpoint->shards[0].header_sha256, sizeof(expected));
    free(data);
}

static void test_sharded(void **state)
{
    struct of_checkpoint *checkpoint;

    (void)state;
    mk_sharded(in_dir("m").text, tensors, 4, 2);
    checkpoint = open_ok(in_dir("m").text, NULL);
    assert_true(checkpoint->has_index);
    assert_false(checkpoint->is_file);
    assert_int_equal(checkpoint->shard_count, 2);
    assert_int_equal(checkpoint->table->tensor_count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t at = of_table_find(checkpoint->table, of_str_from(tensors[i].name));

        assert_int_not_equal(at, OF_MAP_NONE);
        assert_int_equal(checkpoint->table->tensors[at].shard_index, i / 2);
    }
    assert_int_equal(report.warning_count, 0);
    /* The index itself may be named, too. */
    checkpoint = open_ok(tmpdir_join(in_dir("m").text, "model.safetensors.index.json").text, NULL);
    assert_int_equal(checkpoint->shard_count, 2);
    assert_false(checkpoint->is_file);
}

/* Inputs of one layout have one table; names are kept once whatever the layout. */
static void test_sharing(void **state)
{
    struct of_checkpoint *a;
    struct of_checkpoint *b;
    struct of_checkpoint *c;
    struct of_checkpoint *d;
    struct mk_tensor other[4];
    uint64_t before;

    (void)state;
    mk_sharded(in_dir("a").text, tensors, 4, 2);
    memcpy(other, tensors, sizeof(other));
    other[0].seed = 77;
    mk_sharded(in_dir("b").text, other, 4, 2);
    mk_folder(in_dir("c").text, tensors, 4);
    tmpdir_folder(in_dir("d").text);
    mk_file(tmpdir_join(in_dir("d").text, "model.safetensors").text, tensors, 4,
            "{\"format\":\"pt\",\"x\":\"yyyyyyyy\"}");
    a = open_ok(in_dir("a").text, NULL);
    before = arena.used_bytes;
    b = open_ok(in_dir("b").text, NULL);
    assert_ptr_equal(a->table, b->table);
    assert_true(arena.used_bytes - before <= 8192 + 256 * OF_KIB);
    c = open_ok(in_dir("c").text, NULL);
    assert_ptr_not_equal(a->table, c->table);
    assert_ptr_equal(a->table->tensors[1].name.data, c->table->tensors[1].name.data);
    assert_ptr_equal(a->table->tensors[1].shape, c->table->tensors[1].shape);
    /* Longer header, so other offsets: another table, and metadata of its own. */
    d = open_ok(in_dir("d").text, NULL);
    assert_ptr_not_equal(c->table, d->table);
    assert_int_equal(c->metadata_count, 1);
    assert_int_equal(d->metadata_count, 2);
    assert_int_equal(set.count, 4);
}

/* Records of later tables count against the limit while they are there; what is said of a table,
 * and the first one, stay when they go. */
static void test_dropped_tables(void **state)
{
    const uint64_t limit = 4 * OF_MIB;
    const struct of_checkpoint *first;
    const struct of_checkpoint *later;
    uint64_t byte_count;
    uint32_t dtypes;

    (void)state;
    of_arena_init(&arena, limit);
    mk_folder(in_dir("a").text, tensors, 4);
    mk_sharded(in_dir("b").text, tensors, 4, 2);
    first = open_ok(in_dir("a").text, NULL);
    assert_int_equal(set.later.used_bytes, 0);
    later = open_ok(in_dir("b").text, NULL);
    assert_ptr_not_equal(first->table, later->table);
    assert_true(set.later.used_bytes > 0);
    assert_int_equal(arena.limit_bytes + set.later.used_bytes, limit);
    byte_count = later->table->byte_count;
    dtypes = later->table->dtypes;
    assert_int_equal(dtypes, 1U << ONEFOLD_DTYPE_F32 | 1U << ONEFOLD_DTYPE_BF16 |
                                 1U << ONEFOLD_DTYPE_I64 | 1U << ONEFOLD_DTYPE_F16);
    for (int i = 0; i < 2; i++) {
        of_checkpoint_set_drop_tables(&set);
        assert_int_equal(set.later.used_bytes, 0);
        assert_int_equal(arena.limit_bytes, limit);
        assert_int_equal(later->table->tensor_count, 0);
        assert_int_equal(of_table_find(later->table, OF_STR("a")), OF_MAP_NONE);
        assert_int_equal(later->table->byte_count, byte_count);
        assert_int_equal(later->table->dtypes, dtypes);
        assert_int_equal(first->table->tensor_count, 4);
        assert_int_equal(of_table_find(first->table, OF_STR("b")), 1);
    }
}

static void write_index(const char *folder, const char *map)
{
    struct of_text text = {0};

    of_text_print(&text, "{\"weight_map\": {%s}}", map);
    assert_false(text.failed);
    tmpdir_write_text(tmpdir_join(folder, "model.safetensors.index.json").text, text.data);
    of_text_finish(&text);
}

/* A later table is searched through the first one, if that has all its names. */
static void test_placed_tables(void **state)
{
    const struct mk_tensor more = {
        .name = "e", .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = {4}, .seed = 5};
    const struct mk_tensor turned[] = {tensors[2], tensors[1], tensors[0], more};
    const struct of_checkpoint *first;
    const struct of_checkpoint *fewer;
    const struct of_checkpoint *other;
    struct tmpdir_name folder = in_dir("m");

    (void)state;
    mk_folder(in_dir("a").text, tensors, 4);
    mk_sharded(in_dir("b").text, turned, 3, 3);
    mk_sharded(in_dir("c").text, turned, 4, 2);
    first = open_ok(in_dir("a").text, NULL);
    fewer = open_ok(in_dir("b").text, NULL);
    other = open_ok(in_dir("c").text, NULL);
    assert_null(first->table->within);
    assert_ptr_equal(fewer->table->within, first->table);
    assert_null(other->table->within);
    for (uint32_t i = 0; i < 4; i++) {
        const struct of_str name = of_str_from(turned[i].name);

        assert_int_equal(of_table_find(fewer->table, name), i < 3 ? i : OF_MAP_NONE);
        assert_int_equal(of_table_find(other->table, name), i);
    }
    /* A name of the first table only. */
    assert_int_equal(of_table_find(fewer->table, OF_STR("d")), OF_MAP_NONE);
    assert_int_equal(of_table_find(other->table, OF_STR("d")), OF_MAP_NONE);

    tmpdir_folder(folder.text);
    mk_file(tmpdir_join(folder.text, "p.safetensors").text, tensors, 2, NULL);
    mk_file(tmpdir_join(folder.text, "q.safetensors").text, turned, 3, NULL);
    write_index(folder.text, "\"a\":\"p.safetensors\",\"b\":\"p.safetensors\","
                             "\"c\":\"q.safetensors\"");
    open_fails(folder.text, NULL, ONEFOLD_E_FORMAT, "checkpoint-duplicate");
    assert_non_null(strstr(err.message, "\"b\" is in p.safetensors and in q.safetensors"));
}

static void make_cache(const char *root)
{
    struct tmpdir_name repository = tmpdir_join(root, "models--org--name");
    struct tmpdir_name snapshots = tmpdir_join(repository.text, "snapshots");
    struct tmpdir_name snapshot = tmpdir_join(snapshots.text, "0123abcd");
    struct tmpdir_name blobs = tmpdir_join(repository.text, "blobs");
    struct tmpdir_name refs = tmpdir_join(repository.text, "refs");

    tmpdir_folder(root);
    tmpdir_folder(repository.text);
    tmpdir_folder(blobs.text);
    tmpdir_folder(refs.text);
    tmpdir_folder(snapshots.text);
    tmpdir_folder(snapshot.text);
    mk_file(tmpdir_join(blobs.text, "f00d").text, tensors, 4, "{\"format\":\"pt\"}");
    tmpdir_link("../../blobs/f00d", tmpdir_join(snapshot.text, "model.safetensors").text);
    tmpdir_write_text(tmpdir_join(refs.text, "main").text, "0123abcd\n");
    tmpdir_write_text(tmpdir_join(refs.text, "v2").text, "9999");
    tmpdir_write_text(tmpdir_join(refs.text, "evil").text, "../../../elsewhere");
}

static void test_cache(void **state)
{
    struct of_checkpoint *checkpoint;
    struct tmpdir_name root = in_dir("hub");
    char *before = getcwd(NULL, 0);

    (void)state;
    /* Names are looked for in the working folder first: in one of ours nothing else can be. */
    assert_non_null(before);
    tmpdir_folder(in_dir("work").text);
    assert_int_equal(chdir(in_dir("work").text), 0);
    make_cache(root.text);
    set.hf_cache = root.text;
    checkpoint = open_ok("org/name", NULL);
    assert_int_equal(checkpoint->table->tensor_count, 4);
    assert_non_null(strstr(checkpoint->folder_path, "snapshots/0123abcd"));
    assert_string_equal(checkpoint->path, "org/name");
    (void)open_ok("org/name", "");
    (void)open_ok("org/name", "main");
    (void)open_ok("org/name", "0123abcd");
    assert_int_equal(set.count, 4);
    open_fails("org/name", "v2", ONEFOLD_E_MISSING, "checkpoint-not-cached");
    assert_non_null(strstr(err.message, "hf download org/name --revision v2"));
    open_fails("org/name", "evil", ONEFOLD_E_MISSING, "checkpoint-not-cached");
    open_fails("org/name", "../refs", ONEFOLD_E_MISSING, "checkpoint-not-cached");
    open_fails("org/other", NULL, ONEFOLD_E_MISSING, "checkpoint-not-cached");
    assert_non_null(strstr(err.message, "hf download org/other"));
    open_fails("a/b/c", NULL, ONEFOLD_E_MISSING, "checkpoint-missing");
    open_fails("nowhere", NULL, ONEFOLD_E_MISSING, "checkpoint-missing");
    open_fails("../x", NULL, ONEFOLD_E_MISSING, "checkpoint-missing");
    open_fails("", NULL, ONEFOLD_E_MISSING, "checkpoint-missing");
    /* The environment decides when the caller does not. */
    set.hf_cache = NULL;
    assert_int_equal(setenv("HF_HUB_CACHE", root.text, 1), 0);
    (void)open_ok("org/name", NULL);
    assert_int_equal(unsetenv("HF_HUB_CACHE"), 0);
    assert_int_equal(setenv("HF_HOME", dir.path, 1), 0);
    (void)open_ok("org/name", NULL);
    assert_int_equal(setenv("HF_HOME", "/nonexistent", 1), 0);
    open_fails("org/name", NULL, ONEFOLD_E_MISSING, "checkpoint-not-cached");
    assert_int_equal(unsetenv("HF_HOME"), 0);
    assert_int_equal(chdir(before), 0);
    free(before);
}

static void test_links(void **state)
{
    struct tmpdir_name root = in_dir("hub");
    struct of_checkpoint *checkpoint;

    (void)state;
    make_cache(root.text);
    set.hf_cache = root.text;
    set.no_links = true;
    open_fails("org/name", NULL, ONEFOLD_E_UNSUPPORTED, "input-kind");
    set.no_links = false;
    checkpoint = open_ok("org/name", NULL);
    assert_int_equal(checkpoint->shard_count, 1);
    tmpdir_link("nothing", in_dir("dangling.safetensors").text);
    tmpdir_link("loop.safetensors", in_dir("loop.safetensors").text);
    open_fails(in_dir("dangling.safetensors").text, NULL, ONEFOLD_E_MISSING, "checkpoint-missing");
    open_fails(in_dir("loop.safetensors").text, NULL, ONEFOLD_E_UNSUPPORTED, "input-kind");
    /* Shards are links as often as single files are. */
    mk_sharded(in_dir("m").text, tensors, 4, 2);
    assert_int_equal(rename(tmpdir_join(in_dir("m").text, "model-00001-of-00002.safetensors").text,
                            in_dir("blob").text),
                     0);
    tmpdir_link("../blob", tmpdir_join(in_dir("m").text, "model-00001-of-00002.safetensors").text);
    (void)open_ok(in_dir("m").text, NULL);
    set.no_links = true;
    open_fails(in_dir("m").text, NULL, ONEFOLD_E_UNSUPPORTED, "input-kind");
}

static void test_long_path(void **state)
{
    char path[6000];

    (void)state;
    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    open_fails(path, NULL, ONEFOLD_E_MISSING, "checkpoint-missing");
    path[300] = '\0';
    open_fails(path, NULL, ONEFOLD_E_MISSING, "checkpoint-missing");
}

static void test_folders_refused(void **state)
{
    static const struct {
        const char *name;
        const char *id;
        onefold_status status;
    } rows[] = {
        {"adapter_config.json", "unsupported-adapter", ONEFOLD_E_UNSUPPORTED},
        {"model_index.json", "unsupported-diffusers", ONEFOLD_E_UNSUPPORTED},
        {"pytorch_model.bin", "checkpoint-pickle", ONEFOLD_E_UNSUPPORTED},
        {"consolidated.safetensors", "checkpoint-none", ONEFOLD_E_MISSING},
        {"README.md", "checkpoint-none", ONEFOLD_E_MISSING},
    };
    char name[16];

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(rows); i++) {
        snprintf(name, sizeof(name), "f%zu", i);
        tmpdir_folder(in_dir(name).text);
        tmpdir_write_text(tmpdir_join(in_dir(name).text, rows[i].name).text, "{}");
        open_fails(in_dir(name).text, NULL, rows[i].status, rows[i].id);
    }
    tmpdir_write_text(in_dir("x.incomplete").text, "");
    open_fails(in_dir("x.incomplete").text, NULL, ONEFOLD_E_MISSING, "checkpoint-incomplete");
    tmpdir_write_text(in_dir("x.txt").text, "hello");
    open_fails(in_dir("x.txt").text, NULL, ONEFOLD_E_MISSING, "checkpoint-none");
    tmpdir_write(in_dir("x.bin").text, "PK\003\004..............................", 32);
    open_fails(in_dir("x.bin").text, NULL, ONEFOLD_E_UNSUPPORTED, "kind-zip");
    assert_int_equal(mkfifo(in_dir("pipe").text, 0600), 0);
    open_fails(in_dir("pipe").text, NULL, ONEFOLD_E_UNSUPPORTED, "input-kind");
    open_fails("/dev/zero", NULL, ONEFOLD_E_UNSUPPORTED, "input-kind");
}

static void test_variants(void **state)
{
    struct tmpdir_name folder = in_dir("v");

    (void)state;
    tmpdir_folder(folder.text);
    mk_file(tmpdir_join(folder.text, "model.fp16.safetensors").text, tensors, 4, NULL);
    assert_string_equal(open_ok(folder.text, NULL)->shards[0].name, "model.fp16.safetensors");
    mk_file(tmpdir_join(folder.text, "model.bf16.safetensors").text, tensors, 4, NULL);
    open_fails(folder.text, NULL, ONEFOLD_E_FORMAT, "checkpoint-variants");
    (void)open_ok(tmpdir_join(folder.text, "model.bf16.safetensors").text, NULL);
    mk_file(tmpdir_join(folder.text, "model.safetensors").text, tensors, 4, NULL);
    assert_string_equal(open_ok(folder.text, NULL)->shards[0].name, "model.safetensors");
}

static void test_missing_shards(void **state)
{
    struct tmpdir_name folder = in_dir("m");

    (void)state;
    mk_sharded(folder.text, tensors, 4, 4);
    assert_int_equal(unlink(tmpdir_join(folder.text, "model-00002-of-00004.safetensors").text), 0);
    open_fails(folder.text, NULL, ONEFOLD_E_MISSING, "index-shard-missing");
    assert_int_equal(report.error_count, 0);
    assert_non_null(strstr(err.message, "model-00002-of-00004.safetensors"));
    assert_int_equal(unlink(tmpdir_join(folder.text, "model-00004-of-00004.safetensors").text), 0);
    open_fails(folder.text, NULL, ONEFOLD_E_MISSING, "index-shard-missing");
    assert_int_equal(report.error_count, 2);
    assert_non_null(strstr(err.message, "2 problems"));
}

static void test_index_disagrees(void **state)
{
    struct tmpdir_name folder = in_dir("m");

    (void)state;
    tmpdir_folder(folder.text);
    mk_file(tmpdir_join(folder.text, "p.safetensors").text, tensors, 2, NULL);
    mk_file(tmpdir_join(folder.text, "q.safetensors").text, tensors + 2, 2, NULL);
    write_index(folder.text, "\"a\":\"p.safetensors\",\"b\":\"p.safetensors\","
                             "\"c\":\"q.safetensors\",\"d\":\"q.safetensors\"");
    (void)open_ok(folder.text, NULL);
    write_index(folder.text, "\"a\":\"p.safetensors\",\"b\":\"q.safetensors\","
                             "\"c\":\"q.safetensors\",\"d\":\"q.safetensors\"");
    open_fails(folder.text, NULL, ONEFOLD_E_FORMAT, "index-tensor-missing");
    write_index(folder.text, "\"a\":\"p.safetensors\",\"b\":\"p.safetensors\",\"e\":"
                             "\"p.safetensors\",\"c\":\"q.safetensors\",\"d\":\"q.safetensors\"");
    open_fails(folder.text, NULL, ONEFOLD_E_FORMAT, "index-tensor-missing");
    write_index(folder.text, "\"a\":\"p.safetensors\",\"c\":\"q.safetensors\"");
    report.error_count = 0;
    open_fails(folder.text, NULL, ONEFOLD_E_FORMAT, "index-tensor-extra");
    assert_int_equal(report.error_count, 2);
    /* A tensor in two shards. */
    mk_file(tmpdir_join(folder.text, "q.safetensors").text, tensors, 4, NULL);
    open_fails(folder.text, NULL, ONEFOLD_E_FORMAT, "checkpoint-duplicate");
    assert_non_null(strstr(err.message, "p.safetensors"));
    assert_non_null(strstr(err.message, "q.safetensors"));
}

static void test_single_beside_index(void **state)
{
    struct tmpdir_name folder = in_dir("m");
    struct tmpdir_name single = tmpdir_join(folder.text, "model.safetensors");

    (void)state;
    mk_sharded(folder.text, tensors, 4, 2);
    mk_file(single.text, tensors, 4, NULL);
    assert_int_equal(open_ok(folder.text, NULL)->shard_count, 2);
    mk_file(single.text, tensors, 3, NULL);
    open_fails(folder.text, NULL, ONEFOLD_E_FORMAT, "checkpoint-ambiguous");
    mk_file(single.text, tensors, 4, NULL);
    assert_int_equal(unlink(tmpdir_join(folder.text, "model-00002-of-00002.safetensors").text), 0);
    open_fails(folder.text, NULL, ONEFOLD_E_FORMAT, "checkpoint-ambiguous");
    /* An index over the single file itself is no contradiction. */
    write_index(folder.text, "\"a\":\"model.safetensors\",\"b\":\"model.safetensors\","
                             "\"c\":\"model.safetensors\",\"d\":\"model.safetensors\"");
    assert_int_equal(open_ok(folder.text, NULL)->shard_count, 1);
}

static void test_warnings(void **state)
{
    struct tmpdir_name folder = in_dir("m");

    (void)state;
    mk_sharded(folder.text, tensors, 4, 2);
    tmpdir_write_text(tmpdir_join(folder.text, "model-00003-of-00003.safetensors").text, "");
    tmpdir_write_text(tmpdir_join(folder.text, "x.incomplete").text, "");
    (void)open_ok(folder.text, NULL);
    assert_true(was_noticed("checkpoint-shard-stale"));
    assert_true(was_noticed("checkpoint-incomplete"));
    assert_int_equal(report.warning_count, 2);
    assert_int_equal(rename(tmpdir_join(folder.text, "model-00002-of-00002.safetensors").text,
                            tmpdir_join(folder.text, "model-00002-of-00007.safetensors").text),
                     0);
    write_index(folder.text, "\"a\":\"model-00001-of-00002.safetensors\","
                             "\"b\":\"model-00001-of-00002.safetensors\","
                             "\"c\":\"model-00002-of-00007.safetensors\","
                             "\"d\":\"model-00002-of-00007.safetensors\"");
    (void)open_ok(folder.text, NULL);
    assert_true(was_noticed("checkpoint-shard-total"));
    assert_false(was_noticed("recipe-ignored"));
    (void)open_ok(folder.text, "main");
    assert_true(was_noticed("recipe-ignored"));
}

static void test_changed(void **state)
{
    struct tmpdir_name path = in_dir("x.safetensors");
    struct of_checkpoint *checkpoint;
    int fd = -1;

    (void)state;
    mk_file(path.text, tensors, 4, NULL);
    checkpoint = open_ok(path.text, NULL);
    assert_int_equal(unlink(path.text), 0);
    assert_int_equal(of_checkpoint_check_unchanged(checkpoint, &err), ONEFOLD_E_MISMATCH);
    assert_string_equal(err.id, "input-changed");
    assert_int_equal(of_checkpoint_open_shard(checkpoint, 0, 0, &fd, &err), ONEFOLD_E_MISSING);
    mk_file(path.text, tensors, 3, NULL);
    assert_int_equal(of_checkpoint_check_unchanged(checkpoint, &err), ONEFOLD_E_MISMATCH);
    assert_int_equal(of_checkpoint_open_shard(checkpoint, 0, 0, &fd, &err), ONEFOLD_E_MISMATCH);
    assert_string_equal(err.id, "input-changed");
    assert_int_equal(fd, -1);
}

/* A header of many tensors costs its records, and meets the arena's limit, not the machine's. */
static void test_many_tensors(void **state)
{
    enum { COUNT = 100000 };
    struct tmpdir_name path = in_dir("x.safetensors");
    struct mk_tensor *many = calloc(COUNT, sizeof(*many));
    char *names = calloc(COUNT, 40);
    struct of_checkpoint *checkpoint = NULL;
    static const uint8_t byte = 7;

    (void)state;
    assert_non_null(many);
    assert_non_null(names);
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(names + (size_t)i * 40, 40, "model.layers.%u.weight", i);
        many[i] = (struct mk_tensor){.name = names + (size_t)i * 40,
                                     .dtype = ONEFOLD_DTYPE_U8,
                                     .rank = 1,
                                     .shape = {1},
                                     .bytes = &byte};
    }
    mk_file(path.text, many, COUNT, NULL);
    arena.limit_bytes = arena.used_bytes + 8 * OF_MIB;
    assert_int_equal(of_checkpoint_open(&set, path.text, NULL, &checkpoint, &err),
                     ONEFOLD_E_MEMORY);
    arena.limit_bytes = arena.used_bytes + 40 * OF_MIB;
    checkpoint = open_ok(path.text, NULL);
    assert_int_equal(checkpoint->table->tensor_count, COUNT);
    assert_int_equal(of_table_find(checkpoint->table, OF_STR("model.layers.99999.weight")), 99999);
    free(many);
    free(names);
}

/* Whatever allocation fails, the answer is an error and nothing leaks. */
static void test_no_memory(void **state)
{
    struct of_checkpoint *checkpoint = NULL;
    onefold_status status = ONEFOLD_E_MEMORY;
    uint64_t nth = 0;

    (void)state;
    mk_sharded(in_dir("m").text, tensors, 4, 2);
    while (status != ONEFOLD_OK) {
        nth++;
        assert_true(nth < 1000);
        of_mem_fail_at(nth, true);
        status = of_checkpoint_open(&set, in_dir("m").text, NULL, &checkpoint, &err);
        of_mem_fail_at(0, false);
        if (status != ONEFOLD_OK) {
            assert_int_equal(status, ONEFOLD_E_MEMORY);
            assert_int_equal(set.count, 0);
        }
        if (status != ONEFOLD_OK) {
            of_checkpoint_set_finish(&set);
            of_arena_finish(&arena);
        }
    }
    assert_true(nth > 5);
    assert_int_equal(checkpoint->table->tensor_count, 4);
}

static int set_up(void **state)
{
    (void)state;
    dir = tmpdir_make();
    of_arena_init(&arena, 0);
    report = (struct of_report){.fn = keep_notice};
    set = (struct of_checkpoint_set){.arena = &arena, .report = &report};
    notice_count = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    of_checkpoint_set_finish(&set);
    of_arena_finish(&arena);
    tmpdir_remove(&dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_header_hash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sharded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sharing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dropped_tables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_placed_tables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cache, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folders_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_variants, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_missing_shards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_index_disagrees, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_single_beside_index, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_warnings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_tensors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
