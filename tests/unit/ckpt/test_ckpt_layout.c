/* SPDX-License-Identifier: Apache-2.0 */
/* Output shards: greedy filling, wider types first, headers that say what the layout says. */
#include "base/bytes.h"
#include "base/limits.h"
#include "ckpt/layout.h"
#include "support/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 400, PORTIONS = 2500 };

static struct of_arena arena;
static uint64_t shapes[PORTIONS][1];
static char names[PORTIONS][40];

static struct of_tensor make(uint32_t index, onefold_dtype dtype, uint64_t elem_count)
{
    struct of_tensor tensor = {.rank = 1, .dtype = (uint8_t)dtype, .elem_count = elem_count};

    snprintf(names[index], sizeof(names[index]), "model.layers.%u.weight", index);
    shapes[index][0] = elem_count;
    tensor.name = of_str_from(names[index]);
    tensor.shape = shapes[index];
    tensor.byte_count = elem_count * onefold_dtype_bits(dtype) / 8;
    return tensor;
}

/* Reads the header back with the parser and compares it with the layout. Returns the number of
 * portions it came in. */
static uint32_t check_header(const struct of_out_layout *layout, const struct of_tensor *tensors,
                             uint32_t shard_index)
{
    const struct of_out_shard *shard = &layout->shards[shard_index];
    struct of_report report = {0};
    struct of_parse_in in = {
        .file_bytes = shard->file_bytes, .arena = &arena, .report = &report, .file = "out"};
    struct of_header_cursor cursor = {0};
    struct of_header header = {0};
    struct of_text text = {0};
    onefold_error err;
    uint64_t need = 0;
    size_t before = 0;
    uint32_t portions = 0;

    while (of_layout_emit_header(layout, tensors, shard_index, &cursor, &text)) {
        assert_false(text.failed);
        /* So much is counted for the text of a portion, which may be there twice. */
        assert_true(3 * (text.length - before) <= of_layout_emit_bytes(layout));
        before = text.length;
        portions++;
    }
    assert_int_equal(cursor.tensor_count, shard->tensor_count);
    assert_int_equal(text.length, shard->header_bytes);
    assert_int_equal(shard->header_bytes % OF_ST_DATA_ALIGN, 0);
    in.bytes = (struct of_str){text.data, text.length};
    assert_int_equal(of_format_safetensors.header_need(in.bytes, shard->file_bytes, &need, &err),
                     ONEFOLD_OK);
    assert_int_equal(need, shard->header_bytes);
    if (of_format_safetensors.parse(&in, &header, &err) != ONEFOLD_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(report.warning_count, 0);
    assert_int_equal(header.tensor_count, shard->tensor_count);
    assert_int_equal(header.metadata_count, layout->metadata_count);
    for (uint32_t i = 0; i < shard->tensor_count; i++) {
        const struct of_tensor *tensor = &tensors[shard->first_tensor + i];

        /* Zero-size tensors on one offset may come back in another order, so look by name. */
        uint32_t at = 0;

        while (at < header.tensor_count && !of_str_equal(header.tensors[at].name, tensor->name)) {
            at++;
        }
        assert_true(at < header.tensor_count);
        assert_int_equal(header.tensors[at].offset, tensor->offset);
        assert_int_equal(header.tensors[at].byte_count, tensor->byte_count);
        assert_int_equal(header.tensors[at].dtype, tensor->dtype);
        assert_int_equal(tensor->shard_index, shard_index);
    }
    of_text_finish(&text);
    return portions;
}

static void test_one_file(void **state)
{
    struct of_tensor tensors[4] = {make(0, ONEFOLD_DTYPE_BF16, 3), make(1, ONEFOLD_DTYPE_F32, 5),
                                   make(2, ONEFOLD_DTYPE_BF16, 7), make(3, ONEFOLD_DTYPE_I64, 1)};
    struct of_pair metadata[2] = {{OF_STR("zeta"), OF_STR("1")}, {OF_STR("format"), OF_STR("pt")}};
    struct of_out_layout layout;
    uint32_t order[4];
    onefold_error err;

    (void)state;
    assert_int_equal(of_layout_make(tensors, 4, &(struct of_layout_wish){0, metadata, 2}, &arena,
                                    order, &layout, &err),
                     ONEFOLD_OK);
    assert_int_equal(layout.shard_count, 1);
    assert_string_equal(layout.shards[0].name, "model.safetensors");
    assert_int_equal(order[0], 3);
    assert_int_equal(order[1], 1);
    assert_int_equal(order[2], 0);
    assert_int_equal(order[3], 2);
    assert_string_equal(tensors[0].name.data, "model.layers.3.weight");
    assert_int_equal(tensors[0].offset, layout.shards[0].header_bytes);
    assert_int_equal(tensors[1].offset, layout.shards[0].header_bytes + 8);
    assert_int_equal(tensors[3].offset, layout.shards[0].header_bytes + 8 + 20 + 6);
    assert_int_equal(layout.total_bytes, 8 + 20 + 6 + 14);
    assert_int_equal(layout.shards[0].file_bytes,
                     layout.shards[0].header_bytes + layout.total_bytes);
    assert_true(of_str_is(layout.metadata[0].key, "format"));
    assert_true(of_str_is(layout.metadata[1].key, "zeta"));
    (void)check_header(&layout, tensors, 0);
}

/* Headers that are emitted in one portion and in several. */
static void test_portions(void **state)
{
    static const uint32_t counts[] = {1, 500, 1024, 2048, PORTIONS};
    static struct of_tensor tensors[PORTIONS];
    static uint32_t order[PORTIONS];
    const struct of_pair metadata[1] = {{OF_STR("format"), OF_STR("pt")}};

    (void)state;
    for (size_t i = 0; i < 2 * OF_LENGTH(counts); i++) {
        const uint32_t count = counts[i / 2];
        const struct of_layout_wish wish = {0, metadata, i % 2};
        struct of_out_layout layout;
        onefold_error err;

        for (uint32_t at = 0; at < count; at++) {
            tensors[at] = make(at, ONEFOLD_DTYPE_BF16, at + 1);
        }
        assert_int_equal(of_layout_make(tensors, count, &wish, &arena, order, &layout, &err),
                         ONEFOLD_OK);
        assert_int_equal(layout.shard_count, 1);
        assert_int_equal(check_header(&layout, tensors, 0) > 1, count >= 1024);
    }
}

static void test_greedy(void **state)
{
    /* 40, 40, 40 | 200 | 90 | 20 with a limit of 100 makes 80, 40, 200, 90, 20. */
    struct of_tensor tensors[6] = {make(0, ONEFOLD_DTYPE_U8, 40), make(1, ONEFOLD_DTYPE_U8, 40),
                                   make(2, ONEFOLD_DTYPE_U8, 40), make(3, ONEFOLD_DTYPE_U8, 200),
                                   make(4, ONEFOLD_DTYPE_U8, 90), make(5, ONEFOLD_DTYPE_U8, 20)};
    static const uint32_t counts[5] = {2, 1, 1, 1, 1};
    struct of_out_layout layout;
    uint32_t order[6];
    onefold_error err;

    (void)state;
    assert_int_equal(of_layout_make(tensors, 6, &(struct of_layout_wish){100, NULL, 0}, &arena,
                                    order, &layout, &err),
                     ONEFOLD_OK);
    assert_int_equal(layout.shard_count, 5);
    assert_string_equal(layout.shards[0].name, "model-00001-of-00005.safetensors");
    assert_string_equal(layout.shards[4].name, "model-00005-of-00005.safetensors");
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(layout.shards[i].tensor_count, counts[i]);
        (void)check_header(&layout, tensors, i);
    }
    /* Exactly the limit fits. */
    tensors[0] = make(0, ONEFOLD_DTYPE_U8, 60);
    tensors[1] = make(1, ONEFOLD_DTYPE_U8, 40);
    assert_int_equal(of_layout_make(tensors, 2, &(struct of_layout_wish){100, NULL, 0}, &arena,
                                    order, &layout, &err),
                     ONEFOLD_OK);
    assert_int_equal(layout.shard_count, 1);
    assert_int_equal(of_layout_make(tensors, 2, &(struct of_layout_wish){99, NULL, 0}, &arena,
                                    order, &layout, &err),
                     ONEFOLD_OK);
    assert_int_equal(layout.shard_count, 2);
}

static void test_no_tensors(void **state)
{
    struct of_out_layout layout;
    uint32_t order[1];
    onefold_error err;

    (void)state;
    assert_int_equal(of_layout_make(NULL, 0, &(struct of_layout_wish){100, NULL, 0}, &arena, order,
                                    &layout, &err),
                     ONEFOLD_OK);
    assert_int_equal(layout.shard_count, 1);
    assert_int_equal(layout.total_bytes, 0);
    check_header(&layout, NULL, 0);
}

static void test_too_many_shards(void **state)
{
    uint32_t count = OF_SHARDS_MAX + 1;
    struct of_tensor *tensors = calloc(count, sizeof(*tensors));
    uint32_t *order = calloc(count, sizeof(*order));
    struct of_out_layout layout;
    onefold_error err;

    (void)state;
    assert_non_null(tensors);
    assert_non_null(order);
    for (uint32_t i = 0; i < count; i++) {
        tensors[i] = make(0, ONEFOLD_DTYPE_U8, 8);
    }
    assert_int_equal(of_layout_make(tensors, count, &(struct of_layout_wish){8, NULL, 0}, &arena,
                                    order, &layout, &err),
                     ONEFOLD_E_UNSUPPORTED);
    assert_string_equal(err.id, "plan-limit");
    assert_int_equal(of_layout_make(tensors, count - 1, &(struct of_layout_wish){8, NULL, 0},
                                    &arena, order, &layout, &err),
                     ONEFOLD_OK);
    assert_int_equal(layout.shard_count, OF_SHARDS_MAX);
    free(tensors);
    free(order);
}

/* A header that would pass the Hub's limit starts another shard, whatever the data. */
static void test_long_header(void **state)
{
    uint32_t count = 30000;
    struct of_tensor *tensors = calloc(count, sizeof(*tensors));
    uint32_t *order = calloc(count, sizeof(*order));
    char *name = calloc(count, 1001);
    static const uint64_t shape[1] = {0};
    struct of_out_layout layout;
    onefold_error err;

    (void)state;
    assert_non_null(tensors);
    assert_non_null(order);
    assert_non_null(name);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(name + (size_t)i * 1001, 1001, "%01000u", i);
        tensors[i] = (struct of_tensor){.name = {name + (size_t)i * 1001, 1000},
                                        .shape = shape,
                                        .rank = 1,
                                        .dtype = ONEFOLD_DTYPE_F32};
    }
    assert_int_equal(of_layout_make(tensors, count, &(struct of_layout_wish){0, NULL, 0}, &arena,
                                    order, &layout, &err),
                     ONEFOLD_OK);
    assert_int_equal(layout.shard_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(layout.shards[i].header_bytes <= OF_ST_HEADER_BYTES_WRITTEN_MAX);
    }
    assert_true(layout.shards[0].header_bytes > OF_ST_HEADER_BYTES_WRITTEN_MAX * 9 / 10);
    free(tensors);
    free(order);
    free(name);
}

/* Any mixture: nothing lost, aligned, in order within a width. */
static void test_random(void **state)
{
    struct prng prng = prng_make(prng_seed(11));
    static struct of_tensor tensors[MANY];
    static struct of_tensor before[MANY];
    uint32_t order[MANY];
    struct of_out_layout layout;
    onefold_error err;

    (void)state;
    for (uint32_t round = 0; round < 40; round++) {
        uint32_t count = (uint32_t)prng_between(&prng, 1, MANY);
        uint32_t next = 0;

        for (uint32_t i = 0; i < count; i++) {
            onefold_dtype dtype = (onefold_dtype)prng_below(&prng, ONEFOLD_DTYPE_COUNT);

            tensors[i] = make(i, dtype, 4 * prng_below(&prng, 200));
        }
        memcpy(before, tensors, sizeof(before));
        assert_int_equal(
            of_layout_make(tensors, count,
                           &(struct of_layout_wish){prng_between(&prng, 0, 4000), NULL, 0}, &arena,
                           order, &layout, &err),
            ONEFOLD_OK);
        for (uint32_t i = 0; i < layout.shard_count; i++) {
            assert_int_equal(layout.shards[i].first_tensor, next);
            next += layout.shards[i].tensor_count;
            check_header(&layout, tensors, i);
        }
        assert_int_equal(next, count);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t bits = onefold_dtype_bits((onefold_dtype)tensors[i].dtype);

            assert_ptr_equal(tensors[i].name.data, before[order[i]].name.data);
            assert_int_equal(bits >= 8 ? tensors[i].offset % (bits / 8) : 0, 0);
            if (i > 0 && tensors[i].shard_index == tensors[i - 1].shard_index) {
                uint32_t left = onefold_dtype_bits((onefold_dtype)tensors[i - 1].dtype);

                assert_true(left > bits || (left == bits && order[i - 1] < order[i]));
            }
        }
        of_arena_finish(&arena);
    }
}

static int set_up(void **state)
{
    (void)state;
    of_arena_init(&arena, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    of_arena_finish(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_portions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_greedy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_tensors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_shards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_random, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
