/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recipes: any bytes either parse, and then what came out is complete, or are refused with at least
 * one finding. Memory stays within a bound whatever the bytes say.
 */
#include "base/check.h"
#include "base/limits.h"
#include "recipe/recipe.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A recipe of 1 MiB needs its text, its nodes and its settings; this is far above all of them. */
#define ARENA_BYTES (64 * OF_MIB)

static void count_finding(void *context, const onefold_notice *notice)
{
    uint64_t *error_count = context;

    of_assert(notice->id != NULL && notice->message != NULL && notice->message[0] != '\0');
    *error_count += notice->level == ONEFOLD_LEVEL_ERROR ? 1 : 0;
}

static void check_settings(const struct of_settings *settings)
{
    const struct of_settings *const levels[] = {settings};
    static const double places[] = {0.0, 0.3, 1.0};
    struct of_value value;

    for (uint32_t i = 0; i < settings->count; i++) {
        for (size_t k = 0; k < OF_LENGTH(places); k++) {
            if (of_setting_find(levels, 1, settings->settings[i].name,
                                OF_STR("model.layers.0.mlp.up_proj.weight"), places[k], &value)) {
                of_assert(value.kind == OF_VALUE_WORD || isfinite(value.number) ||
                          settings->settings[i].cases[0].value_count > 1);
            }
        }
    }
}

static void check_inputs(const struct of_recipe_input *inputs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        of_assert(inputs[i].model.path != NULL && inputs[i].model.path[0] != '\0');
        of_assert(inputs[i].name != NULL && inputs[i].model.text.length > 0);
        of_assert(!inputs[i].samples.given || inputs[i].samples.value > 0.0);
        check_settings(&inputs[i].parameters);
    }
}

static void check_slices(const struct of_recipe_slice *slices, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        of_assert(slices[i].source_count > 0);
        for (uint32_t k = 0; k < slices[i].source_count; k++) {
            const struct of_recipe_source *source = &slices[i].sources[k];

            of_assert(source->model.path != NULL && source->layer_start <= source->layer_end);
            check_settings(&source->parameters);
        }
        check_settings(&slices[i].parameters);
    }
}

static void check_recipe(const struct of_recipe *recipe)
{
    of_assert(recipe->method.length > 0 || recipe->method.data != NULL);
    of_assert((recipe->input_count > 0) + (recipe->slice_count > 0) + (recipe->module_count > 0) ==
              1);
    check_settings(&recipe->parameters);
    check_inputs(recipe->inputs, recipe->input_count);
    check_slices(recipe->slices, recipe->slice_count);
    for (uint32_t i = 0; i < recipe->module_count; i++) {
        const struct of_recipe_module *module = &recipe->modules[i];

        of_assert((module->input_count > 0) != (module->slice_count > 0));
        check_inputs(module->inputs, module->input_count);
        check_slices(module->slices, module->slice_count);
        check_settings(&module->parameters);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t error_count = 0;
    struct of_report report = {.fn = count_finding, .context = &error_count};
    struct of_recipe *recipe = NULL;
    struct of_arena arena;
    onefold_error err;
    onefold_status status;

    of_arena_init(&arena, ARENA_BYTES);
    status = of_recipe_parse((struct of_str){(const char *)data, size}, "fuzz.yml", &arena, &report,
                             &recipe, &err);
    if (status == ONEFOLD_OK) {
        of_assert(recipe != NULL && error_count == 0);
        check_recipe(recipe);
    } else {
        of_assert(status == ONEFOLD_E_RECIPE && recipe == NULL);
        of_assert(error_count > 0 && err.id != NULL);
    }
    of_arena_finish(&arena);
    return 0;
}
