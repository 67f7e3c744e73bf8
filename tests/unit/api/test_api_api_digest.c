/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of whole files, by name, by descriptor and from standard input. Expected values: sha256sum
 * and xxhsum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "onefold/digest.h"
#include "support/prng.h"
#include "support/tmpdir.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    ALL_KINDS = ONEFOLD_HASH_XXH32 | ONEFOLD_HASH_XXH64 | ONEFOLD_HASH_XXH128 | ONEFOLD_HASH_SHA256
};

static struct tmpdir dir;

static int setup(void **state)
{
    (void)state;
    dir = tmpdir_make();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmpdir_remove(&dir);
    return 0;
}

static void assert_hex(const uint8_t *digest, size_t bytes, const char *expected)
{
    char text[65];

    of_hash_hex(digest, bytes, text);
    assert_string_equal(text, expected);
}

static void test_known_values(void **state)
{
    struct tmpdir_name path = tmpdir_join(dir.path, "hello");
    onefold_sums sums;
    onefold_error err;

    (void)state;
    tmpdir_write_text(path.text, "hello");
    assert_int_equal(onefold_sum_file(path.text, ALL_KINDS, NULL, &sums, &err), ONEFOLD_OK);
    assert_int_equal(sums.size_bytes, 5);
    assert_hex(sums.xxh32, 4, "fb0077f9");
    assert_hex(sums.xxh64, 8, "26c7827d889f6da3");
    assert_hex(sums.xxh128, 16, "b5e9c1ad071b3e7fc779cfaa5e523818");
    assert_hex(sums.sha256, 32, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
}

static void test_only_what_was_asked_for(void **state)
{
    static const uint8_t zeros[32];
    struct tmpdir_name path = tmpdir_join(dir.path, "one-kind");
    onefold_sums sums;

    (void)state;
    tmpdir_write_text(path.text, "x");
    memset(&sums, 0xff, sizeof(sums));
    assert_int_equal(onefold_sum_file(path.text, ONEFOLD_HASH_XXH64, NULL, &sums, NULL),
                     ONEFOLD_OK);
    assert_memory_not_equal(sums.xxh64, zeros, sizeof(sums.xxh64));
    assert_memory_equal(sums.sha256, zeros, sizeof(sums.sha256));
    assert_memory_equal(sums.xxh128, zeros, sizeof(sums.xxh128));
}

/* Long enough for the reader that reads ahead, with an end that no block size divides. */
static void test_large_file_as_in_memory(void **state)
{
    enum { BYTES = 9 * 1024 * 1024 + 12345 };
    struct tmpdir_name path = tmpdir_join(dir.path, "large");
    struct prng prng = prng_make(prng_seed(3));
    struct of_digest xxh128;
    struct of_sha256_digest sha256;
    uint8_t *data = malloc(BYTES);
    onefold_sums sums;
    onefold_error err;
    int fd;

    (void)state;
    assert_non_null(data);
    prng_fill(&prng, data, BYTES);
    tmpdir_write(path.text, data, BYTES);
    xxh128 = of_hash_xxh128(data, BYTES);
    assert_true(of_hash_sha256(data, BYTES, &sha256));
    assert_int_equal(onefold_sum_file(path.text, ALL_KINDS, NULL, &sums, &err), ONEFOLD_OK);
    assert_int_equal(sums.size_bytes, BYTES);
    assert_memory_equal(sums.xxh128, xxh128.bytes, sizeof(xxh128.bytes));
    assert_memory_equal(sums.sha256, sha256.bytes, sizeof(sha256.bytes));

    /* A descriptor is read from where it stands. */
    fd = open(path.text, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(lseek(fd, 1000, SEEK_SET), 1000);
    xxh128 = of_hash_xxh128(data + 1000, BYTES - 1000);
    assert_int_equal(onefold_sum_fd(fd, ONEFOLD_HASH_XXH128, NULL, &sums, &err), ONEFOLD_OK);
    assert_int_equal(sums.size_bytes, BYTES - 1000);
    assert_memory_equal(sums.xxh128, xxh128.bytes, sizeof(xxh128.bytes));
    assert_int_equal(close(fd), 0);
    free(data);
}

static void test_pipe(void **state)
{
    onefold_sums sums;
    onefold_error err;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "hel", 3), 3);
    assert_int_equal(write(ends[1], "lo", 2), 2);
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(onefold_sum_fd(ends[0], ONEFOLD_HASH_XXH32, NULL, &sums, &err), ONEFOLD_OK);
    assert_hex(sums.xxh32, 4, "fb0077f9");
    assert_int_equal(close(ends[0]), 0);
}

static void test_refusals(void **state)
{
    struct tmpdir_name path = tmpdir_join(dir.path, "refused");
    onefold_cancel cancel = {.signal_number = SIGINT};
    onefold_sums sums;
    onefold_error err;

    (void)state;
    tmpdir_write_text(path.text, "x");
    assert_int_equal(onefold_sum_file(path.text, 0, NULL, &sums, &err), ONEFOLD_E_ARGUMENT);
    assert_int_equal(onefold_sum_file(path.text, 16, NULL, &sums, &err), ONEFOLD_E_ARGUMENT);
    assert_int_equal(onefold_sum_file(path.text, 1, NULL, NULL, &err), ONEFOLD_E_ARGUMENT);
    assert_int_equal(onefold_sum_file(path.text, 1, &cancel, &sums, &err), ONEFOLD_E_CANCELLED);
    assert_int_equal(onefold_sum_file(dir.path, 1, NULL, &sums, &err), ONEFOLD_E_UNSUPPORTED);
    path = tmpdir_join(dir.path, "not\nhere");
    assert_int_equal(onefold_sum_file(path.text, 1, NULL, &sums, &err), ONEFOLD_E_MISSING);
    assert_string_equal(err.id, "input-missing");
    assert_null(strchr(err.message, '\n'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_only_what_was_asked_for),
        cmocka_unit_test(test_large_file_as_in_memory),
        cmocka_unit_test(test_pipe),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
