/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of whole files and streams: the same digests however the bytes come. */
#include "run/verify.h"

#include "support/prng.h"
#include "support/tmpdir.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ALL_KINDS = 15 };

static void sum_file(const char *path, struct of_file_sums *ret_sums)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    onefold_error err;

    assert_true(fd >= 0);
    assert_int_equal(of_sum_fd(fd, false, ALL_KINDS, NULL, ret_sums, &err), ONEFOLD_OK);
    assert_int_equal(close(fd), 0);
}

static void test_known_digests(void **state)
{
    struct tmpdir dir = tmpdir_make();
    struct tmpdir_name path = tmpdir_join(dir.path, "abc");
    static const uint8_t sha256[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea};
    static const uint8_t xxh32[] = {0x32, 0xd1, 0x53, 0xff};
    static const uint8_t xxh64[] = {0x44, 0xbc, 0x2c, 0xf5, 0xad, 0x77, 0x09, 0x99};
    struct of_file_sums sums;

    (void)state;
    tmpdir_write_text(path.text, "abc");
    sum_file(path.text, &sums);
    assert_int_equal(sums.size_bytes, 3);
    assert_memory_equal(sums.digests[OF_HASH_SHA256], sha256, sizeof(sha256));
    assert_memory_equal(sums.digests[OF_HASH_XXH32], xxh32, sizeof(xxh32));
    assert_memory_equal(sums.digests[OF_HASH_XXH64], xxh64, sizeof(xxh64));
    tmpdir_remove(&dir);
}

/* Around the sizes at which reading changes: pieces, the plain limit, chunks, blocks. */
static void test_sizes(void **state)
{
    static const uint64_t sizes[] = {0,        1,        65535,    65536,   65537,   4194303,
                                     4194304,  4194305,  5242879,  5242880, 5242881, 9437184,
                                     12345678, 10485760, 10489856, 10489857};
    struct tmpdir dir = tmpdir_make();
    struct tmpdir_name path = tmpdir_join(dir.path, "file");
    uint8_t *bytes = malloc(16 << 20);
    struct prng prng = prng_make(prng_seed(3));

    (void)state;
    assert_non_null(bytes);
    prng_fill(&prng, bytes, 16 << 20);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct of_digest xxh128;
        struct of_sha256_digest sha256;
        struct of_file_sums sums;

        tmpdir_write(path.text, bytes, sizes[i]);
        sum_file(path.text, &sums);
        xxh128 = of_hash_xxh128(bytes, sizes[i]);
        assert_true(of_hash_sha256(bytes, sizes[i], &sha256));
        assert_int_equal(sums.size_bytes, sizes[i]);
        assert_memory_equal(sums.digests[OF_HASH_XXH128], &xxh128, sizeof(xxh128));
        assert_memory_equal(sums.digests[OF_HASH_SHA256], &sha256, sizeof(sha256));
    }
    free(bytes);
    tmpdir_remove(&dir);
}

static void *feed_pipe(void *context)
{
    const int fd = *(const int *)context;

    for (int i = 0; i < 1000; i++) {
        assert_int_equal(write(fd, "0123456789", 10), 10);
    }
    assert_int_equal(close(fd), 0);
    return NULL;
}

static void test_pipe(void **state)
{
    struct of_file_sums sums;
    struct of_digest expected;
    char *text = malloc(10000);
    pthread_t thread;
    onefold_error err;
    int fds[2];

    (void)state;
    assert_non_null(text);
    for (int i = 0; i < 1000; i++) {
        memcpy(text + 10 * i, "0123456789", 10);
    }
    expected = of_hash_xxh128(text, 10000);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(pthread_create(&thread, NULL, feed_pipe, &fds[1]), 0);
    assert_int_equal(of_sum_fd(fds[0], true, 1U << OF_HASH_XXH128, NULL, &sums, &err), ONEFOLD_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(sums.size_bytes, 10000);
    assert_memory_equal(sums.digests[OF_HASH_XXH128], &expected, sizeof(expected));
    assert_int_equal(close(fds[0]), 0);
    free(text);
}

static void test_cancel(void **state)
{
    struct tmpdir dir = tmpdir_make();
    struct tmpdir_name path = tmpdir_join(dir.path, "file");
    const volatile sig_atomic_t cancel = 15;
    struct of_file_sums sums;
    onefold_error err;
    int fd;

    (void)state;
    tmpdir_write_text(path.text, "abc");
    fd = open(path.text, O_RDONLY | O_CLOEXEC);
    assert_int_equal(of_sum_fd(fd, false, ALL_KINDS, &cancel, &sums, &err), ONEFOLD_E_CANCELLED);
    assert_int_equal(close(fd), 0);
    fd = open(dir.path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(of_sum_fd(fd, false, ALL_KINDS, NULL, &sums, &err), ONEFOLD_E_IO);
    assert_int_equal(close(fd), 0);
    tmpdir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_digests),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_pipe),
        cmocka_unit_test(test_cancel),
    };

    return cmocka_run_group_tests_name("run_sum_file", tests, NULL, NULL);
}
