/* SPDX-License-Identifier: Apache-2.0 */
/* Other kinds of file by their first bytes; lengths that only look like a mark. */
#include "fmt/format.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void expect_kind(struct of_str first, const char *id)
{
    onefold_error err;

    assert_int_equal(of_format_recognise(first, 1000000, &err), ONEFOLD_E_UNSUPPORTED);
    assert_string_equal(err.id, id);
    assert_non_null(err.hint);
}

static void test_kinds(void **state)
{
    char tar[512];

    (void)state;
    expect_kind(OF_STR("PK\x03\x04\x00\x00\x08\x08\x00\x00"), "kind-zip");
    expect_kind(OF_STR("\x80\x02}q\x00(X\x01\x00\x00"), "kind-pickle");
    expect_kind(OF_STR("\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00"), "kind-pickle");
    expect_kind(OF_STR("GGUF\x03\x00\x00\x00\x01\x00"), "kind-gguf");
    expect_kind(OF_STR("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"), "kind-gzip");
    expect_kind(OF_STR("\x28\xb5\x2f\xfd\x04\x00\x51\x00\x00\x00"), "kind-zstd");
    expect_kind(OF_STR("\xfd\x37zXZ\x00\x00\x04"), "kind-xz");
    expect_kind(OF_STR("BZh91AY&SY"), "kind-bzip2");
    expect_kind(OF_STR("7z\xbc\xaf\x27\x1c\x00\x04"), "kind-7z");
    expect_kind(OF_STR("\x89HDF\r\n\x1a\n\x00"), "kind-hdf5");
    expect_kind(OF_STR("\x93NUMPY\x01\x00v\x00"), "kind-npy");
    expect_kind(OF_STR("version https://git-lfs.github.com/spec/v1\n"), "kind-lfs");
    expect_kind(OF_STR("<!DOCTYPE html>"), "kind-html");
    expect_kind(OF_STR("\n \t<HTML lang=en>"), "kind-html");
    memset(tar, 0, sizeof(tar));
    memcpy(tar, "model.safetensors", 17);
    memcpy(tar + 257, "ustar", 5);
    expect_kind((struct of_str){tar, sizeof(tar)}, "kind-tar");
}

static void test_nothing_recognised(void **state)
{
    onefold_error err;

    (void)state;
    assert_int_equal(of_format_recognise(OF_STR(""), 0, &err), ONEFOLD_OK);
    assert_int_equal(of_format_recognise(OF_STR("P"), 1, &err), ONEFOLD_OK);
    assert_int_equal(of_format_recognise(OF_STR("PK\x03"), 3, &err), ONEFOLD_OK);
    assert_int_equal(of_format_recognise(OF_STR("\x00\x00\x00\x00"), 4, &err), ONEFOLD_OK);
    assert_int_equal(of_format_recognise(OF_STR("<ht"), 3, &err), ONEFOLD_OK);
}

/* A header length may begin with any bytes, also with those of a mark. */
static void test_length_that_spells_a_mark(void **state)
{
    char first[16] = {0};
    onefold_error err;

    (void)state;
    of_bytes_store64(first, 0x00000280); /* 80 02: a pickle's first bytes */
    first[8] = '{';
    assert_int_equal(of_format_recognise((struct of_str){first, 16}, 10000, &err), ONEFOLD_OK);
    first[8] = 'x';
    assert_int_equal(of_format_recognise((struct of_str){first, 16}, 10000, &err),
                     ONEFOLD_E_UNSUPPORTED);
    first[8] = '{';
    assert_int_equal(of_format_recognise((struct of_str){first, 16}, 100, &err),
                     ONEFOLD_E_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_nothing_recognised),
        cmocka_unit_test(test_length_that_spells_a_mark),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
