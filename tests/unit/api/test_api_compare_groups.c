/* SPDX-License-Identifier: Apache-2.0 */
/* Which tensors belong to which group, and that groups add up. */
#include "api/compare_parts.h"

#include "fmt/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS_MAX = 128 };

struct planned {
    struct of_plan plan;
    struct of_tensor tensors[STEPS_MAX];
    struct of_step steps[STEPS_MAX];
    struct of_arena arena;
    struct of_compare_groups groups;
};

static void plan_names(struct planned *planned, const char *const *names, uint32_t count)
{
    memset(planned, 0, sizeof(*planned));
    of_arena_init(&planned->arena, 0);
    for (uint32_t i = 0; i < count; i++) {
        planned->tensors[i].name = of_str_from(names[i]);
        planned->tensors[i].elem_count = i + 1;
        planned->steps[i].kind = OF_STEP_MERGE;
    }
    planned->plan.tensors = planned->tensors;
    planned->plan.steps = planned->steps;
    planned->plan.step_count = count;
    /* Two inputs, as far as sums go; none that could lack a tensor. */
    of_survey_shape_make(OF_GRAM_FULL, true, 2, &planned->plan.survey);
}

static void make(struct planned *planned, uint64_t bytes_max)
{
    onefold_error err;

    assert_int_equal(
        of_compare_groups_make(&planned->plan, bytes_max, &planned->arena, &planned->groups, &err),
        ONEFOLD_OK);
}

static void check_names(const struct planned *planned, const char *const *want, uint32_t count)
{
    for (uint32_t i = 0; i < count && i < planned->groups.count; i++) {
        assert_string_equal(planned->groups.groups[i].name, want[i]);
    }
    assert_int_equal(planned->groups.count, count);
}

static void layers_and_kinds_are_found_in_order(void **state)
{
    static const char *const names[] = {
        "model.embed_tokens.weight",           "model.layers.10.mlp.up.weight",
        "model.layers.2.mlp.up.weight",        "model.layers.2.experts.0.w1.weight",
        "model.layers.2.experts.17.w1.weight", "lm_head.weight",
        "encoder.layer.0.mlp.up.weight"};
    static const char *const want[] = {
        "model",           "encoder.layer.0",        "model.layers.2",
        "model.layers.10", "tensors outside layers", "model.embed_tokens.weight",
        "mlp.up.weight",   "experts.*.w1.weight",    "lm_head.weight"};
    static const int kinds[] = {0, 1, 1, 1, 1, 2, 2, 2, 2};
    struct planned planned;

    (void)state;
    plan_names(&planned, names, 7);
    make(&planned, UINT64_MAX);
    check_names(&planned, want, 9);
    for (uint32_t i = 0; i < 9; i++) {
        assert_int_equal(planned.groups.groups[i].kind, kinds[i]);
    }
    assert_int_equal(planned.groups.layer_of[1], 3);
    assert_int_equal(planned.groups.layer_of[0], 4);
    assert_int_equal(planned.groups.kind_of[3], 7);
    assert_int_equal(planned.groups.kind_of[4], 7);
    assert_int_equal(planned.groups.kind_of[6], 6);
    of_arena_finish(&planned.arena);
}

static void groups_add_up_to_the_model(void **state)
{
    static const char *const names[] = {"h.0.a.w", "h.0.b.w", "h.1.a.w", "h.1.b.w", "tail"};
    const double sums[] = {1, 2, 3, .5, .25};
    uint64_t counts[16];
    struct planned planned;
    uint64_t layer_tensors = 0;
    uint64_t kind_elems = 0;

    (void)state;
    plan_names(&planned, names, 5);
    planned.steps[3].kind = OF_STEP_COPY;
    make(&planned, UINT64_MAX);
    for (uint32_t i = 0; i < 16; i++) {
        counts[i] = i;
    }
    for (uint32_t i = 0; i < 5; i++) {
        if (i != 3) {
            of_compare_groups_add(&planned.groups, i, planned.tensors[i].elem_count, sums, counts);
        }
    }
    assert_int_equal(planned.groups.layer_of[3], OF_COMPARE_NO_GROUP);
    assert_int_equal(planned.groups.groups[0].tensor_count, 4);
    assert_int_equal(planned.groups.groups[0].elem_count, 1 + 2 + 3 + 5);
    assert_true(planned.groups.groups[0].sums[1] == 8);
    assert_int_equal(planned.groups.groups[0].counts[3], 12);
    for (uint32_t i = 1; i < planned.groups.count; i++) {
        if (planned.groups.groups[i].kind == ONEFOLD_GROUP_LAYER) {
            layer_tensors += planned.groups.groups[i].tensor_count;
        } else {
            kind_elems += planned.groups.groups[i].elem_count;
        }
    }
    assert_int_equal(layer_tensors, 4);
    assert_int_equal(kind_elems, 11);
    of_arena_finish(&planned.arena);
}

/* Neither a checkpoint without layers nor little memory makes a group for each tensor. */
static void groups_stay_few(void **state)
{
    static char texts[STEPS_MAX][16];
    const char *names[STEPS_MAX];
    static const char *const loose[] = {"model", "other tensors"};
    static const char *const alone[] = {"model"};
    struct planned planned;

    (void)state;
    for (uint32_t i = 0; i < STEPS_MAX; i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "fc%u.weight", i);
        names[i] = texts[i];
    }
    plan_names(&planned, names, STEPS_MAX);
    make(&planned, UINT64_MAX);
    check_names(&planned, loose, 2);
    assert_false(planned.groups.is_coarse);
    of_arena_finish(&planned.arena);

    plan_names(&planned, names, STEPS_MAX);
    make(&planned, 100);
    check_names(&planned, alone, 1);
    assert_true(planned.groups.is_coarse);
    assert_int_equal(planned.groups.kind_of[5], OF_COMPARE_NO_GROUP);
    of_arena_finish(&planned.arena);
}

static void names_are_escaped(void **state)
{
    static const char *const names[] = {"a\x1b.0.w\x1b[2J", "b"};
    struct planned planned;

    (void)state;
    plan_names(&planned, names, 2);
    make(&planned, UINT64_MAX);
    for (uint32_t i = 0; i < planned.groups.count; i++) {
        assert_null(strchr(planned.groups.groups[i].name, '\x1b'));
    }
    of_arena_finish(&planned.arena);
}

static void no_memory_is_an_error(void **state)
{
    static const char *const names[] = {"h.0.a.w", "h.0.b.w"};
    struct planned planned;
    onefold_error err;

    (void)state;
    plan_names(&planned, names, 2);
    of_mem_fail_at(1, true);
    assert_int_equal(
        of_compare_groups_make(&planned.plan, UINT64_MAX, &planned.arena, &planned.groups, &err),
        ONEFOLD_E_MEMORY);
    of_mem_fail_at(0, false);
    of_arena_finish(&planned.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_and_kinds_are_found_in_order),
        cmocka_unit_test(groups_add_up_to_the_model),
        cmocka_unit_test(groups_stay_few),
        cmocka_unit_test(names_are_escaped),
        cmocka_unit_test(no_memory_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
