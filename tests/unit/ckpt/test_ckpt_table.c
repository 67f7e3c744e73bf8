/* SPDX-License-Identifier: Apache-2.0 */
/* Names read as layers, tables compared. */
#include "ckpt/table.h"
#include "ckpt/table_build.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void assert_str(struct of_str got, const char *expected)
{
    assert_int_equal(got.length, strlen(expected));
    assert_memory_equal(got.data, expected, got.length);
}

static void expect_layer(const char *name, const char *stack, uint32_t layer, const char *role)
{
    struct of_name_parts parts = of_name_split(of_str_from(name));

    assert_true(parts.is_layer);
    assert_int_equal(parts.layer, layer);
    assert_str(parts.stack, stack);
    assert_str(parts.role, role);
}

static void expect_loose(const char *name)
{
    assert_false(of_name_split(of_str_from(name)).is_layer);
}

static void test_split(void **state)
{
    (void)state;
    expect_layer("model.layers.17.mlp.up_proj.weight", "model.layers", 17, "mlp.up_proj.weight");
    expect_layer("model.layers.3.mlp.experts.12.down_proj.weight", "model.layers", 3,
                 "mlp.experts.12.down_proj.weight");
    expect_layer("decoder.block.5.layer.1.EncDecAttention.q.weight", "decoder.block", 5,
                 "layer.1.EncDecAttention.q.weight");
    expect_layer("visual.merger.mlp.0.weight", "visual.merger.mlp", 0, "weight");
    expect_layer("h.007.w", "h", 7, "w");
    expect_loose("lm_head.weight");
    expect_loose("0.weight");
    expect_loose("model.layers.17");
    expect_loose("17");
    expect_loose("layers.1a.weight");
    expect_loose("layers.1234567890.weight");
    expect_loose("layers..weight");
    expect_loose("");
}

static void test_input_side(void **state)
{
    (void)state;
    assert_true(of_name_is_input_side(OF_STR("model.embed_tokens.weight")));
    assert_true(of_name_is_input_side(OF_STR("wte.weight")));
    assert_true(of_name_is_input_side(OF_STR("transformer.wpe")));
    assert_true(of_name_is_input_side(OF_STR("shared.weight")));
    assert_false(of_name_is_input_side(OF_STR("lm_head.weight")));
    assert_false(of_name_is_input_side(OF_STR("model.norm.weight")));
    assert_false(of_name_is_input_side(OF_STR("model.embed_tokens_2.weight")));
    assert_false(of_name_is_input_side(OF_STR("")));
}

static struct of_str name_at(const void *context, uint32_t index)
{
    const struct of_tensor *tensors = context;

    return tensors[index].name;
}

static void test_equal_and_find(void **state)
{
    static const uint64_t shape[2] = {2, 3};
    static const uint64_t same_shape[2] = {2, 3};
    static const uint64_t other_shape[2] = {3, 2};
    struct of_tensor a[2] = {
        {.name = OF_STR("x"), .shape = shape, .rank = 2, .elem_count = 6, .byte_count = 24},
        {.name = OF_STR("y"), .rank = 0, .elem_count = 1, .byte_count = 4, .offset = 24}};
    struct of_tensor b[2];
    struct of_arena arena;
    struct of_table first = {.tensors = a, .tensor_count = 2, .byte_count = 28};
    struct of_table second = {.tensors = b, .tensor_count = 2, .byte_count = 28};

    (void)state;
    of_arena_init(&arena, 0);
    assert_true(of_map_init(&first.names, &arena, 2, name_at, a));
    assert_int_equal(of_map_put(&first.names, 0), OF_MAP_NONE);
    assert_int_equal(of_map_put(&first.names, 1), OF_MAP_NONE);
    assert_int_equal(of_table_find(&first, OF_STR("y")), 1);
    assert_int_equal(of_table_find(&first, OF_STR("z")), OF_MAP_NONE);
    of_arena_finish(&arena);

    memcpy(b, a, sizeof(b));
    b[0].shape = same_shape;
    assert_true(of_table_equal(&first, &second));
    b[0].shape = other_shape;
    assert_false(of_table_equal(&first, &second));
    b[0].shape = same_shape;
    b[1].offset = 32;
    assert_false(of_table_equal(&first, &second));
    b[1].offset = 24;
    b[1].shard_index = 1;
    assert_false(of_table_equal(&first, &second));
    b[1].shard_index = 0;
    b[1].dtype = ONEFOLD_DTYPE_F32;
    assert_false(of_table_equal(&first, &second));
    b[1].dtype = a[1].dtype;
    b[1].name = OF_STR("z");
    assert_false(of_table_equal(&first, &second));
    second.tensor_count = 1;
    assert_false(of_table_equal(&first, &second));
}

/* Headers that no file of a sensible size can have: the numbers alone are refused. */
static void test_limits(void **state)
{
    struct of_arena arena;
    struct of_checkpoint_set set = {.arena = &arena};
    struct of_tensor tensors[2] = {{.name = OF_STR("x"), .byte_count = UINT64_MAX - 4},
                                   {.name = OF_STR("y"), .byte_count = 5}};
    struct of_header header = {.tensors = tensors, .tensor_count = OF_TENSORS_MAX + 1U};
    struct of_table_build build;
    struct of_table draft;
    uint32_t duplicate;
    onefold_error err;

    (void)state;
    of_arena_init(&arena, 0);
    of_table_build_init(&build, &set, 0);
    assert_int_equal(of_table_build_add(&build, &header, 0, &err), ONEFOLD_E_UNSUPPORTED);
    assert_string_equal(err.id, "checkpoint-limit");
    assert_int_equal(of_table_build_adopt(&build, &header, &err), ONEFOLD_E_UNSUPPORTED);
    assert_string_equal(err.id, "checkpoint-limit");
    header.tensor_count = 2;
    assert_int_equal(of_table_build_add(&build, &header, 0, &err), ONEFOLD_OK);
    assert_int_equal(of_table_build_draft(&build, &draft, &duplicate, &err), ONEFOLD_E_UNSUPPORTED);
    assert_string_equal(err.id, "checkpoint-limit");
    of_table_build_finish(&build);
    /* One byte less in all is fine. */
    tensors[1].byte_count = 4;
    of_table_build_init(&build, &set, 0);
    assert_int_equal(of_table_build_add(&build, &header, 0, &err), ONEFOLD_OK);
    assert_int_equal(of_table_build_draft(&build, &draft, &duplicate, &err), ONEFOLD_OK);
    assert_true(draft.byte_count == UINT64_MAX);
    assert_int_equal(duplicate, OF_MAP_NONE);
    of_table_build_finish(&build);
    of_arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_input_side),
        cmocka_unit_test(test_equal_and_find),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
