/* SPDX-License-Identifier: Apache-2.0 */
/* YAML: trees stay within the limits of recipes, keys are words and stand once, places are real. */
#include "driver.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/map.h"
#include "fmt/yaml.h"

/* Ten thousand nodes with their arrays and a text of 1 MiB fit well. */
#define ARENA_BYTES (32 * OF_MIB)

struct place {
    const struct of_yaml_node *node;
    uint32_t next;
};

static struct of_str key_of(const void *context, uint32_t index)
{
    return ((const struct of_yaml_node *)context)->keys[index]->text;
}

static void check_keys(const struct of_yaml_node *node)
{
    struct of_arena scratch;
    struct of_map map;

    of_arena_init(&scratch, 0);
    of_assert(of_map_init(&map, &scratch, node->count, key_of, node));
    for (uint32_t i = 0; i < node->count; i++) {
        of_assert(node->keys[i]->kind == OF_YAML_SCALAR);
        of_assert(of_map_put(&map, i) == OF_MAP_NONE);
    }
    of_arena_finish(&scratch);
}

static void check_node(const struct of_yaml_node *node)
{
    of_assert(node->mark.line > 0 && node->mark.column > 0);
    of_assert(of_str_is_utf8(node->text));
    if (node->kind == OF_YAML_MAPPING) {
        check_keys(node);
    }
}

static void check_tree(const struct of_yaml_node *root)
{
    struct place stack[OF_RECIPE_DEPTH_MAX + 1];
    uint32_t depth = 1;
    uint32_t node_count = 1;

    check_node(root);
    stack[0] = (struct place){root, 0};
    while (depth > 0) {
        struct place *top = &stack[depth - 1];
        const struct of_yaml_node *next;

        if (top->node->kind == OF_YAML_SCALAR || top->next == top->node->count) {
            depth--;
            continue;
        }
        next = top->node->values[top->next++];
        node_count++;
        of_assert(node_count <= OF_RECIPE_NODES_MAX);
        of_assert(depth <= OF_RECIPE_DEPTH_MAX);
        check_node(next);
        stack[depth++] = (struct place){next, 0};
    }
}

static void take(void *context, const onefold_notice *notice)
{
    uint64_t *count = context;

    (*count)++;
    of_assert(notice->message[0] != '\0');
    of_assert(!of_str_has_control(of_str_from(notice->message)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t count = 0;
    struct of_report report = {.fn = take, .context = &count};
    struct of_yaml_node *root = NULL;
    struct of_arena arena;
    onefold_error err;
    onefold_status status;

    of_arena_init(&arena, ARENA_BYTES);
    status = of_yaml_parse((struct of_str){(const char *)data, size}, "fuzz.yml", &arena, &report,
                           &root, &err);
    of_assert(status == ONEFOLD_OK || status == ONEFOLD_E_RECIPE);
    of_assert(count == (status == ONEFOLD_OK ? 0 : 1));
    if (status == ONEFOLD_OK && root != NULL) {
        check_tree(root);
    }
    of_arena_finish(&arena);
    return 0;
}
