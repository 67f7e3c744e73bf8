/* SPDX-License-Identifier: Apache-2.0 */
/* Digests against published values, in one piece and in pieces. */
#include "base/hash.h"

#include "base/attr.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct vector {
    enum of_hash_kind kind;
    const char *text;
    const char *hex;
};

static const struct vector vectors[] = {
    {OF_HASH_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {OF_HASH_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {OF_HASH_XXH32, "", "02cc5d05"},
    {OF_HASH_XXH32, "abc", "32d153ff"},
    {OF_HASH_XXH64, "", "ef46db3751d8e999"},
    {OF_HASH_XXH64, "abc", "44bc2cf5ad770999"},
    {OF_HASH_XXH128, "", "99aa06d3014798d86001c324468d497f"},
    {OF_HASH_XXH128, "abc", "06b05ab6733a618578af5f94892f3950"},
};

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < OF_LENGTH(vectors); i++) {
        struct of_hash *hash = of_hash_create(vectors[i].kind);
        uint8_t digest[32];
        char hex[65];

        assert_non_null(hash);
        for (int round = 0; round < 3; round++) {
            of_hash_update(hash, vectors[i].text, strlen(vectors[i].text));
            of_hash_finish(hash, digest);
            of_hash_hex(digest, of_hash_size(vectors[i].kind), hex);
            assert_string_equal(hex, vectors[i].hex);
            of_hash_restart(hash);
        }
        of_hash_destroy(hash);
    }
    of_hash_destroy(NULL);
}

static void test_pieces_equal_the_whole(void **state)
{
    static uint8_t data[5000];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 31 + i / 256);
    }
    for (int kind = OF_HASH_XXH32; kind <= OF_HASH_SHA256; kind++) {
        struct of_hash *hash = of_hash_create((enum of_hash_kind)kind);
        uint8_t whole[32];
        uint8_t pieces[32];
        size_t at = 0;

        assert_non_null(hash);
        of_hash_update(hash, data, sizeof(data));
        of_hash_finish(hash, whole);
        of_hash_restart(hash);
        of_hash_update(hash, NULL, 0);
        for (size_t step = 1; at < sizeof(data); step = step * 2 + 1) {
            size_t length = step < sizeof(data) - at ? step : sizeof(data) - at;

            of_hash_update(hash, data + at, length);
            at += length;
        }
        of_hash_finish(hash, pieces);
        assert_memory_equal(whole, pieces, of_hash_size((enum of_hash_kind)kind));
        of_hash_destroy(hash);
    }
}

static void test_one_shot(void **state)
{
    struct of_sha256_digest sha256;
    struct of_digest digest = of_hash_xxh128("abc", 3);
    char hex[65];

    (void)state;
    of_hash_hex(digest.bytes, sizeof(digest.bytes), hex);
    assert_string_equal(hex, "06b05ab6733a618578af5f94892f3950");
    assert_true(of_hash_xxh64("abc", 3) == UINT64_C(0x44bc2cf5ad770999));
    assert_true(of_hash_sha256(NULL, 0, &sha256));
    of_hash_hex(sha256.bytes, sizeof(sha256.bytes), hex);
    assert_string_equal(hex, vectors[0].hex);
}

static void test_hex(void **state)
{
    uint8_t digest[4] = {1, 2, 3, 4};

    (void)state;
    assert_true(of_hash_from_hex("00fFa910", 4, digest));
    assert_memory_equal(digest, "\x00\xff\xa9\x10", 4);
    assert_false(of_hash_from_hex("00fFa91g", 4, digest));
    assert_false(of_hash_from_hex("0x112233", 4, digest));
    assert_memory_equal(digest, "\x00\xff\xa9\x10", 4);
}

static void test_no_memory(void **state)
{
    (void)state;
    of_mem_fail_at(1, false);
    assert_null(of_hash_create(OF_HASH_XXH128));
    of_mem_fail_at(0, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),   cmocka_unit_test(test_pieces_equal_the_whole),
        cmocka_unit_test(test_one_shot),  cmocka_unit_test(test_hex),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
