/* SPDX-License-Identifier: Apache-2.0 */
/* A base and its fine-tunes, and their statistics summed up naively in the order that the survey
 * promises: eight lanes per grain, grains, tensors. */
#ifndef OF_TESTS_SURVEYED_H
#define OF_TESTS_SURVEYED_H

#include "base/limits.h"
#include "support/mkckpt.h"
#include "support/oracle.h"
#include "support/tmpdir.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { INPUTS = 3, LANES = 8, TENSORS = 6, SUMS_MAX = INPUTS * (INPUTS + 1) / 2 + 2 };
enum { COUNTS_MAX = 4 * INPUTS + 5 };

/* Several grains, one block and a bit, small ones for a bundle, one that is copied. */
static struct mk_tensor tensors[TENSORS] = {
    {.name = "a", .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = {140003}},
    {.name = "b", .dtype = ONEFOLD_DTYPE_BF16, .rank = 2, .shape = {401, 401}},
    {.name = "c", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {4099}},
    {.name = "d", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {1}},
    {.name = "e", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {261}},
    {.name = "f", .dtype = ONEFOLD_DTYPE_I64, .rank = 1, .shape = {40}, .seed = 9},
};

struct world {
    struct tmpdir dir;
    struct tmpdir_name base;
    struct tmpdir_name inputs[INPUTS];
    struct tmpdir_name out;
    struct oracle_model base_model;
    struct oracle_model models[INPUTS];
    char recipe[8 * TMPDIR_PATH_MAX];
};

static inline void make_model(const char *path, uint64_t seed)
{
    for (size_t i = 0; i < TENSORS; i++) {
        /* The bf16 ones are like the base's in places, so that there are exact zeros. */
        tensors[i].seed = tensors[i].dtype == ONEFOLD_DTYPE_I64 ? 1 : seed * 10 + i;
        tensors[i].width = 0.25;
    }
    mk_folder(path, tensors, TENSORS);
}

static inline int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    size_t at;

    assert_non_null(world);
    world->dir = tmpdir_make();
    world->base = tmpdir_join(world->dir.path, "base");
    world->out = tmpdir_join(world->dir.path, "out");
    make_model(world->base.text, 1);
    oracle_read(world->base.text, &world->base_model);
    at = (size_t)snprintf(world->recipe, sizeof(world->recipe),
                          "merge_method: task_arithmetic\nbase_model: %s\nmodels:\n",
                          world->base.text);
    for (uint32_t i = 0; i < INPUTS; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "input-%u", i);
        world->inputs[i] = tmpdir_join(world->dir.path, name);
        make_model(world->inputs[i].text, 2 + i);
        oracle_read(world->inputs[i].text, &world->models[i]);
        at +=
            (size_t)snprintf(world->recipe + at, sizeof(world->recipe) - at,
                             "  - model: %s\n    parameters: {weight: 1}\n", world->inputs[i].text);
    }
    *state = world;
    return 0;
}

static inline int tear_down(void **state)
{
    struct world *world = *state;

    for (uint32_t i = 0; i < INPUTS; i++) {
        oracle_free(&world->models[i]);
    }
    oracle_free(&world->base_model);
    tmpdir_remove(&world->dir);
    free(world);
    return 0;
}

/* ---- Naive sums ---- */

struct result {
    uint32_t step_count;
    double sums[TENSORS][SUMS_MAX];
    uint64_t counts[TENSORS][COUNTS_MAX];
    char names[TENSORS][8];
};

static inline float difference(const struct world *world, const char *name, uint32_t input,
                               uint64_t i)
{
    const float x = (float)oracle_get(oracle_find(&world->models[input], name), i);
    const float base = (float)oracle_get(oracle_find(&world->base_model, name), i);

    return x - base;
}

/* One element into lane i mod 8 of every sum. */
static inline void add_element(const float *d, uint64_t i, double (*lanes)[LANES], uint64_t *counts)
{
    const size_t lane = i % LANES;
    double magnitude = 0.0;
    double largest = 0.0;
    double sum = 0.0;
    double square = 0.0;
    double fourth = 0.0;
    int sign = 0;
    uint32_t at = 0;

    for (uint32_t s = 0; s < INPUTS; s++) {
        for (uint32_t t = s; t < INPUTS; t++) {
            lanes[at++][lane] += (double)d[s] * (double)d[t];
        }
        magnitude += fabs((double)d[s]);
        largest = fmax(largest, fabs((double)d[s]));
        sum += (double)d[s];
        sign += (d[s] > 0) - (d[s] < 0);
        counts[s] += d[s] == 0;
    }
    for (uint32_t s = 0; s < INPUTS; s++) {
        const double r = (double)d[s] - sum / INPUTS;

        square += r * r;
        fourth += r * r * (r * r);
    }
    counts[INPUTS + abs(sign)]++;
    if (magnitude > 0) {
        lanes[at][lane] += largest / magnitude;
        counts[2 * INPUTS + 1]++;
    }
    if (square > 0) {
        lanes[at + 1][lane] += INPUTS * fourth / (square * square);
        counts[2 * INPUTS + 2]++;
    }
}

static inline void naive_tensor(const struct world *world, const struct oracle_tensor *tensor,
                                double *sums, uint64_t *counts)
{
    for (uint64_t first = 0; first < tensor->elem_count; first += OF_GRAIN_ELEMS) {
        double lanes[SUMS_MAX][LANES] = {{0}};

        for (uint64_t i = first; i < tensor->elem_count && i < first + OF_GRAIN_ELEMS; i++) {
            float d[INPUTS];

            for (uint32_t t = 0; t < INPUTS; t++) {
                d[t] = difference(world, tensor->name, t, i);
            }
            add_element(d, i, lanes, counts);
        }
        for (uint32_t k = 0; k < SUMS_MAX; k++) {
            double grain = 0.0;

            for (uint32_t lane = 0; lane < LANES; lane++) {
                grain += lanes[k][lane];
            }
            sums[k] += grain;
        }
    }
}

static inline void naive(const struct world *world, struct result *result)
{
    memset(result, 0, sizeof(*result));
    for (size_t i = 0; i < TENSORS - 1; i++) { /* the last is copied */
        const struct oracle_tensor *tensor = oracle_find(&world->base_model, tensors[i].name);

        naive_tensor(world, tensor, result->sums[i], result->counts[i]);
        (void)snprintf(result->names[i], sizeof(result->names[i]), "%s", tensors[i].name);
    }
    result->step_count = TENSORS - 1;
}

/* Writes a value into one element of the first tensor of a model. */
static inline void put_value(const char *folder, uint64_t elem, float value)
{
    struct tmpdir_name file = tmpdir_join(folder, "model.safetensors");
    size_t length;
    char *bytes = tmpdir_read(file.text, &length);
    uint64_t header_bytes;

    memcpy(&header_bytes, bytes, sizeof(header_bytes));
    memcpy(bytes + 8 + header_bytes + elem * sizeof(value), &value, sizeof(value));
    tmpdir_write(file.text, bytes, length);
    free(bytes);
}

#endif
