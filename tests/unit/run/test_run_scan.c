/* SPDX-License-Identifier: Apache-2.0 */
/* One scan: the same results for any number of threads, with a partner and without, and no thread
 * and no descriptor left behind when it ends early. */
#include "run/scan.h"

#include "base/mem.h"
#include "ckpt/checkpoint.h"
#include "run/reader.h"
#include "support/mkckpt.h"
#include "support/tmpdir.h"
#include "sys/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The model has more chunks than the reader has places for. */
enum { WIDE = 3500000, NARROW = 65537, TENSORS = 2, FILES = 3, MODEL = 0, EMPTY = 1, SMALL = 2 };
#define PATIENCE_NS UINT64_C(20000000000)

static const char *const names[FILES] = {"model.safetensors", "empty", "config.json"};

struct fixture {
    struct tmpdir dir;
    struct of_arena arena;
    struct of_report report;
    struct of_checkpoint_set set;
    struct of_checkpoint *checkpoint;
    struct of_kern kern;
    struct of_scan scan;
    struct of_scan_file files[FILES];
    struct of_scan_tensor tensors[TENSORS];
    onefold_error error;
};

static void make_model(const char *folder)
{
    static const double odd[] = {1, 2, (double)NAN, (double)INFINITY, (double)-INFINITY};
    static double narrow[NARROW];
    const struct mk_tensor tensors[TENSORS] = {
        {.name = "a", .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = {WIDE}, .seed = 3},
        {.name = "b", .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = {NARROW}, .values = narrow},
    };

    memcpy(narrow + 100, odd, sizeof(odd));
    mk_file(tmpdir_join(folder, names[MODEL]).text, tensors, TENSORS, NULL);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->dir = tmpdir_make();
    make_model(fixture->dir.path);
    tmpdir_write(tmpdir_join(fixture->dir.path, names[EMPTY]).text, "", 0);
    mk_config(fixture->dir.path, "float32");
    of_arena_init(&fixture->arena, 0);
    fixture->set.arena = &fixture->arena;
    fixture->set.report = &fixture->report;
    if (of_checkpoint_open(&fixture->set, fixture->dir.path, NULL, &fixture->checkpoint,
                           &fixture->error) != ONEFOLD_OK) {
        fail_msg("%s", fixture->error.message);
    }
    assert_non_null(of_kern_init(&fixture->kern, NULL));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    of_checkpoint_set_finish(&fixture->set);
    of_arena_finish(&fixture->arena);
    tmpdir_remove(&fixture->dir);
    free(fixture);
    return 0;
}

/* Everything of the first `file_count` files. */
static onefold_status scan(struct fixture *fixture, uint32_t file_count, uint32_t thread_count)
{
    memset(fixture->files, 0, sizeof(fixture->files));
    memset(fixture->tensors, 0, sizeof(fixture->tensors));
    for (uint32_t i = 0; i < file_count; i++) {
        fixture->files[i] =
            (struct of_scan_file){.name = names[i], .want_sha256 = true, .want_xxh128 = true};
    }
    fixture->files[MODEL].want_tree = true;
    fixture->files[MODEL].tensor_count = TENSORS;
    fixture->scan.folder_fd = fixture->checkpoint->folder_fd;
    fixture->scan.table = fixture->checkpoint->table;
    fixture->scan.tensors = fixture->tensors;
    fixture->scan.files = fixture->files;
    fixture->scan.file_count = file_count;
    fixture->scan.thread_count = thread_count;
    fixture->scan.read_count = thread_count % 2 == 0 ? OF_READER_READS : OF_READER_READS_MIN;
    fixture->scan.kern = &fixture->kern;
    if (fixture->scan.io_name == NULL) {
        fixture->scan.io_name = "threads";
    }
    of_err_clear(&fixture->error);
    return of_scan_run(&fixture->scan, &fixture->error);
}

static void assert_sums_of(const struct fixture *fixture, uint32_t index)
{
    const struct of_scan_file *file = &fixture->files[index];
    struct of_sha256_digest sha256;
    struct of_digest xxh128;
    size_t length;
    char *bytes = tmpdir_read(tmpdir_join(fixture->dir.path, file->name).text, &length);

    assert_int_equal(file->error.status, ONEFOLD_OK);
    assert_int_equal(file->size_bytes, length);
    assert_true(of_hash_sha256(bytes, length, &sha256));
    xxh128 = of_hash_xxh128(bytes, length);
    assert_memory_equal(&file->hashes.sha256, &sha256, sizeof(sha256));
    assert_memory_equal(&file->hashes.xxh128, &xxh128, sizeof(xxh128));
    free(bytes);
}

static uint64_t count_entries(const char *path)
{
    DIR *folder = opendir(path);
    uint64_t count = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    assert_int_equal(closedir(folder), 0);
    return count;
}

/* A thread that was joined may still be listed for a moment. */
static void assert_threads(uint64_t want)
{
    const uint64_t start_ns = of_clock_ns();

    while (count_entries("/proc/self/task") != want) {
        assert_true(of_clock_ns() - start_ns < PATIENCE_NS);
        of_clock_sleep_ns(1000000);
    }
}

static void test_any_thread_count(void **state)
{
    static const char *const ios[] = {"threads", "mmap"};
    struct fixture *fixture = *state;
    struct of_scan_tensor first[TENSORS];

    fixture->scan.leaves_fd = -1;
    for (uint32_t i = 0; i < 10; i++) {
        const uint32_t thread_count = 1 + i / 2;

        fixture->scan.io_name = ios[i % 2];
        assert_int_equal(scan(fixture, FILES, thread_count), ONEFOLD_OK);
        for (uint32_t k = 0; k < FILES; k++) {
            assert_sums_of(fixture, k);
        }
        if (i == 0) {
            memcpy(first, fixture->tensors, sizeof(first));
        }
        assert_memory_equal(fixture->tensors, first, sizeof(first));
        assert_int_equal(fixture->tensors[1].nan_count, 1);
        assert_int_equal(fixture->tensors[1].inf_count, 2);
        if (thread_count == 1 || thread_count > FILES) { /* between them it depends on the pace */
            assert_int_equal(fixture->files[MODEL].had_partner, thread_count > FILES);
        }
        assert_false(fixture->files[EMPTY].had_partner || fixture->files[SMALL].had_partner);
    }
}

static void test_without_memory_for_a_partner(void **state)
{
    struct fixture *fixture = *state;
    uint64_t before;
    uint64_t made;
    bool refused = false;

    fixture->scan.leaves_fd = -1;
    before = of_mem_count();
    assert_int_equal(scan(fixture, 1, 2), ONEFOLD_OK);
    assert_true(fixture->files[MODEL].had_partner);
    made = of_mem_count() - before;
    for (uint64_t nth = 1; nth <= made; nth++) {
        onefold_status status;

        of_mem_fail_at(nth, false);
        status = scan(fixture, 1, 2);
        of_mem_fail_at(0, false);
        if (status == ONEFOLD_OK && !fixture->files[MODEL].had_partner) {
            refused = true;
            assert_sums_of(fixture, MODEL);
        }
    }
    assert_true(refused);
}

/* Leaves that cannot be read end the file at its first grain, with chunks at the partner. */
static void test_error_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t threads = count_entries("/proc/self/task");
    const uint64_t descriptors = count_entries("/proc/self/fd");
    struct of_damage damage[OF_DAMAGE_KEPT_MAX];

    fixture->scan.leaves_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fixture->scan.leaves_fd >= 0);
    for (uint32_t thread_count = 1; thread_count <= 2; thread_count++) {
        struct of_scan_file *file = &fixture->files[MODEL];

        /* scan() keeps no damage and so compares no leaves; once more, as it set all up. */
        assert_int_equal(scan(fixture, 1, thread_count), ONEFOLD_OK);
        file->damage = damage;
        assert_int_equal(of_scan_run(&fixture->scan, &fixture->error), ONEFOLD_OK);
        assert_int_not_equal(file->error.status, ONEFOLD_OK);
        assert_int_equal(file->had_partner, thread_count == 2);
        assert_threads(threads);
    }
    assert_int_equal(close(fixture->scan.leaves_fd), 0);
    assert_int_equal(count_entries("/proc/self/fd"), descriptors);
}

static volatile sig_atomic_t cancel;
static uint32_t hashes_until_cancel;
static struct of_digest (*real_hash)(const void *data, size_t length);

static struct of_digest hash_and_cancel(const void *data, size_t length)
{
    if (hashes_until_cancel > 0 && --hashes_until_cancel == 0) {
        cancel = 1;
    }
    return real_hash(data, length);
}

static void test_cancel_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t threads = count_entries("/proc/self/task");
    const uint64_t descriptors = count_entries("/proc/self/fd");

    fixture->scan.leaves_fd = -1;
    fixture->scan.cancel = &cancel;
    real_hash = fixture->kern.hash;
    fixture->kern.hash = hash_and_cancel;
    for (uint32_t thread_count = 1; thread_count <= 2; thread_count++) {
        cancel = 0;
        hashes_until_cancel = 20;
        assert_int_equal(scan(fixture, 1, thread_count), ONEFOLD_E_CANCELLED);
        assert_int_equal(fixture->files[MODEL].error.status, ONEFOLD_E_CANCELLED);
        assert_int_equal(fixture->files[MODEL].had_partner, thread_count == 2);
        assert_true(atomic_load(&fixture->scan.read_bytes) < fixture->files[MODEL].size_bytes);
        assert_threads(threads);
    }
    assert_int_equal(count_entries("/proc/self/fd"), descriptors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_any_thread_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_memory_for_a_partner, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_error_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_leaves_nothing, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
