/* SPDX-License-Identifier: Apache-2.0 */
/* Test vectors of the tree digest. They were made with xxhsum over bytes put together by hand, and
 * stand in docs/formats/digest.md: another value here is another format. */
#include "ckpt/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t shape_a[] = {2};
static const uint64_t shape_b[] = {2, 65537};
static const uint64_t shape_c[] = {3, 0};

static const struct of_tensor tensor_a = {.name = OF_STR("a.weight"),
                                          .shape = shape_a,
                                          .elem_count = 2,
                                          .byte_count = 8,
                                          .rank = 1,
                                          .dtype = ONEFOLD_DTYPE_F32};
static const struct of_tensor tensor_b = {.name = OF_STR("a"),
                                          .shape = shape_b,
                                          .elem_count = 131074,
                                          .byte_count = 262148,
                                          .rank = 2,
                                          .dtype = ONEFOLD_DTYPE_BF16};
static const struct of_tensor tensor_c = {
    .name = OF_STR("b"), .shape = shape_c, .rank = 2, .dtype = ONEFOLD_DTYPE_I64};
static const struct of_tensor tensor_d = {
    .name = OF_STR("a-b"), .elem_count = 1, .byte_count = 1, .dtype = ONEFOLD_DTYPE_F8_E4M3FNUZ};

static void assert_hex(const struct of_digest *digest, const char *expected)
{
    char text[33];

    of_hash_hex(digest->bytes, sizeof(digest->bytes), text);
    assert_string_equal(text, expected);
}

/* Digest of a tensor from its bytes, its leaves fed one at a time or all at once. */
static struct of_digest digest_of(const struct of_tensor *tensor, const uint8_t *data, bool at_once)
{
    struct of_hash *hash = of_hash_create(OF_HASH_XXH128);
    uint64_t count = of_digest_grain_count(tensor->elem_count);
    struct of_digest leaves[4];
    struct of_digest digest;
    uint64_t at = 0;

    assert_non_null(hash);
    assert_true(count <= 4);
    /* What was hashed before must not matter. */
    of_hash_update(hash, "junk", 4);
    of_digest_tensor_begin(hash, tensor);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t length = of_digest_grain_bytes(tensor, i);

        leaves[i] = of_hash_xxh128(data + at, length);
        at += length;
        if (!at_once) {
            of_digest_tensor_leaves(hash, &leaves[i], 1);
        }
    }
    assert_int_equal(at, tensor->byte_count);
    if (at_once) {
        of_digest_tensor_leaves(hash, leaves, count);
    }
    of_digest_tensor_end(hash, &digest);
    of_hash_destroy(hash);
    return digest;
}

static void make_digests(struct of_digest ret_digests[4], bool at_once)
{
    uint8_t *data = malloc(tensor_b.byte_count);

    assert_non_null(data);
    for (uint64_t i = 0; i < tensor_b.byte_count; i++) {
        data[i] = (uint8_t)(i * 7);
    }
    ret_digests[1] = digest_of(&tensor_b, data, at_once);
    for (uint8_t i = 0; i < 8; i++) {
        data[i] = i;
    }
    ret_digests[0] = digest_of(&tensor_a, data, at_once);
    ret_digests[2] = digest_of(&tensor_c, data, at_once);
    data[0] = 0x80;
    ret_digests[3] = digest_of(&tensor_d, data, at_once);
    free(data);
}

static void test_tensor_vectors(void **state)
{
    struct of_digest digests[4];

    (void)state;
    for (int at_once = 0; at_once < 2; at_once++) {
        make_digests(digests, at_once != 0);
        assert_hex(&digests[0], "7a77ba8697f5a0f22e49519c8c9fdbc6");
        assert_hex(&digests[1], "59b458a75d06c2bf176d775de9c7749f");
        assert_hex(&digests[2], "d15240b175d5432744fe181fd1e858ca");
        assert_hex(&digests[3], "f0ecd5338a31fa526c1c391590598e30");
    }
}

static void test_checkpoint_vectors(void **state)
{
    struct of_digest digests[4];
    struct of_digest turned[4];
    struct of_tensor tensors[4] = {tensor_a, tensor_b, tensor_c, tensor_d};
    struct of_arena arena;
    struct of_digest got;
    onefold_error err;

    (void)state;
    of_arena_init(&arena, 0);
    make_digests(digests, true);
    assert_int_equal(of_digest_checkpoint(tensors, digests, 4, &arena, &got, &err), ONEFOLD_OK);
    assert_hex(&got, "47b47b364c6bcf749c1049942a950685");
    assert_int_equal(of_digest_checkpoint(tensors, digests, 0, &arena, &got, &err), ONEFOLD_OK);
    assert_hex(&got, "fa80580d464b4bbbc4d20c4439f084df");

    /* Any order of the tensors gives the same. */
    for (uint32_t turn = 1; turn < 4; turn++) {
        const struct of_tensor all[4] = {tensor_a, tensor_b, tensor_c, tensor_d};

        for (uint32_t i = 0; i < 4; i++) {
            tensors[i] = all[(i + turn) % 4];
            turned[i] = digests[(i + turn) % 4];
        }
        assert_int_equal(of_digest_checkpoint(tensors, turned, 4, &arena, &got, &err), ONEFOLD_OK);
        assert_hex(&got, "47b47b364c6bcf749c1049942a950685");
    }
    of_arena_finish(&arena);
}

static void test_checkpoint_depends(void **state)
{
    struct of_digest digests[4];
    struct of_tensor tensors[4] = {tensor_a, tensor_b, tensor_c, tensor_d};
    struct of_arena arena;
    struct of_digest right;
    struct of_digest got;
    onefold_error err;

    (void)state;
    of_arena_init(&arena, 0);
    make_digests(digests, true);
    assert_int_equal(of_digest_checkpoint(tensors, digests, 4, &arena, &right, &err), ONEFOLD_OK);
    tensors[0].name = OF_STR("a.weighu");
    assert_int_equal(of_digest_checkpoint(tensors, digests, 4, &arena, &got, &err), ONEFOLD_OK);
    assert_memory_not_equal(&got, &right, sizeof(got));
    tensors[0].name = tensor_a.name;
    digests[2].bytes[15] ^= 1;
    assert_int_equal(of_digest_checkpoint(tensors, digests, 4, &arena, &got, &err), ONEFOLD_OK);
    assert_memory_not_equal(&got, &right, sizeof(got));
    of_arena_finish(&arena);
}

static void test_grains(void **state)
{
    struct of_tensor f4 = {
        .elem_count = 65536 + 2, .byte_count = 32769, .rank = 0, .dtype = ONEFOLD_DTYPE_F4};
    struct of_tensor f6 = {
        .elem_count = 131072, .byte_count = 98304, .rank = 0, .dtype = ONEFOLD_DTYPE_F6_E2M3};

    (void)state;
    assert_int_equal(of_digest_grain_count(0), 0);
    assert_int_equal(of_digest_grain_count(1), 1);
    assert_int_equal(of_digest_grain_count(65536), 1);
    assert_int_equal(of_digest_grain_count(65537), 2);
    assert_int_equal(of_digest_grain_count(UINT64_C(1) << 48), UINT64_C(1) << 32);
    assert_int_equal(of_digest_grain_bytes(&f4, 0), 32768);
    assert_int_equal(of_digest_grain_bytes(&f4, 1), 1);
    assert_int_equal(of_digest_grain_bytes(&f6, 0), 49152);
    assert_int_equal(of_digest_grain_bytes(&f6, 1), 49152);
    assert_int_equal(of_digest_grain_bytes(&tensor_b, 1), 131072);
    assert_int_equal(of_digest_grain_bytes(&tensor_b, 2), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensor_vectors),
        cmocka_unit_test(test_checkpoint_vectors),
        cmocka_unit_test(test_checkpoint_depends),
        cmocka_unit_test(test_grains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
