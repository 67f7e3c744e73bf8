/* SPDX-License-Identifier: Apache-2.0 */
/* Recipe text in, plan or findings out, for the tests of this folder. */
#ifndef OF_TESTS_PLANNED_H
#define OF_TESTS_PLANNED_H

#include "base/bytes.h"
#include "base/limits.h"
#include "plan/plan.h"
#include "support/mkckpt.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PLANNED_FINDINGS_MAX = 64 };

struct planned {
    struct of_arena arena;
    struct of_report report;
    struct of_recipe *recipe;
    struct of_plan_options options;
    struct of_plan *plan;
    onefold_status status;
    onefold_error err;
    char findings[PLANNED_FINDINGS_MAX][640]; /* "3:5 error recipe-key: message" */
    uint32_t finding_count;
};

static inline void planned_collect(void *context, const onefold_notice *notice)
{
    static const char *const levels[] = {"note", "warning", "error"};
    struct planned *planned = context;

    if (planned->finding_count < PLANNED_FINDINGS_MAX) {
        (void)snprintf(planned->findings[planned->finding_count++], sizeof(planned->findings[0]),
                       "%u:%u %s %s: %s", notice->line, notice->column, levels[notice->level],
                       notice->id, notice->message);
    }
}

/* Parses the recipe, which must be fine as such. Set options afterwards, then planned_build. */
static inline void planned_parse(struct planned *planned, const char *text)
{
    memset(planned, 0, sizeof(*planned));
    of_arena_init(&planned->arena, 0);
    of_plan_options_init(&planned->options);
    planned->options.machine_cpu_count = 3;
    planned->report.fn = planned_collect;
    planned->report.context = planned;
    planned->status = of_recipe_parse(of_str_from(text), "recipe.yml", &planned->arena,
                                      &planned->report, &planned->recipe, &planned->err);
    if (planned->status != ONEFOLD_OK) {
        print_message("%s\n",
                      planned->finding_count > 0 ? planned->findings[0] : planned->err.message);
    }
    assert_int_equal(planned->status, ONEFOLD_OK);
}

static inline void planned_build(struct planned *planned)
{
    planned->status = of_plan_build(planned->recipe, &planned->options, &planned->report,
                                    &planned->plan, &planned->err);
}

static inline void planned_finish(struct planned *planned)
{
    of_plan_free(planned->plan);
    of_arena_finish(&planned->arena);
}

static inline void planned_good(struct planned *planned, const char *text)
{
    planned_parse(planned, text);
    planned_build(planned);
    if (planned->status != ONEFOLD_OK) {
        print_message("%s [%s]\n", planned->err.message, planned->err.id);
    }
    assert_int_equal(planned->status, ONEFOLD_OK);
    assert_int_equal(planned->report.error_count, 0);
}

/* A finding that begins with `level_and_id` ("error mismatch-shape") and contains `part`. */
static inline bool planned_found(const struct planned *planned, const char *level_and_id,
                                 const char *part)
{
    for (uint32_t i = 0; i < planned->finding_count; i++) {
        const char *after = strchr(planned->findings[i], ' ');

        if (after != NULL && strncmp(after + 1, level_and_id, strlen(level_and_id)) == 0 &&
            strstr(planned->findings[i], part) != NULL) {
            return true;
        }
    }
    for (uint32_t i = 0; i < planned->finding_count; i++) {
        print_message("found: %s\n", planned->findings[i]);
    }
    return false;
}

static inline uint32_t planned_step(const struct planned *planned, const char *name)
{
    for (uint32_t i = 0; i < planned->plan->step_count; i++) {
        if (of_str_is(planned->plan->tensors[i].name, name)) {
            return i;
        }
    }
    return OF_MAP_NONE;
}

static inline const struct of_row *planned_row(const struct planned *planned, const char *name)
{
    const uint32_t step = planned_step(planned, name);

    assert_int_not_equal(step, OF_MAP_NONE);
    assert_int_equal(planned->plan->steps[step].kind, OF_STEP_MERGE);
    return &planned->plan->rows[planned->plan->steps[step].row];
}

/* A checkpoint file with a true header and a hole for data: planning reads headers only. */
static inline void planned_sparse(const char *folder, const struct mk_tensor *tensors, size_t count)
{
    char *text = malloc(count * 200 + 64);
    struct tmpdir_name path;
    uint8_t length[8];
    uint64_t offset = 0;
    size_t at = 0;
    FILE *file;

    assert_non_null(text);
    text[at++] = '{';
    for (size_t i = 0; i < count; i++) {
        const uint64_t bytes = mk_byte_count(&tensors[i]);

        at += (size_t)sprintf(text + at, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", i > 0 ? "," : "",
                              tensors[i].name, onefold_dtype_name(tensors[i].dtype));
        for (uint32_t k = 0; k < tensors[i].rank; k++) {
            at += (size_t)sprintf(text + at, "%s%llu", k > 0 ? "," : "",
                                  (unsigned long long)tensors[i].shape[k]);
        }
        at += (size_t)sprintf(text + at, "],\"data_offsets\":[%llu,%llu]}",
                              (unsigned long long)offset, (unsigned long long)(offset + bytes));
        offset += bytes;
    }
    text[at++] = '}';
    if (!tmpdir_exists(folder)) {
        tmpdir_folder(folder);
    }
    path = tmpdir_join(folder, "model.safetensors");
    file = fopen(path.text, "wb");
    assert_non_null(file);
    of_bytes_store64(length, at);
    assert_int_equal(fwrite(length, 1, 8, file), 8);
    assert_int_equal(fwrite(text, 1, at, file), at);
    assert_int_equal(fflush(file), 0);
    assert_int_equal(ftruncate(fileno(file), (off_t)(8 + at + offset)), 0);
    assert_int_equal(fclose(file), 0);
    free(text);
}

/* The text with every '@' replaced by the folder, for paths in recipes. Static memory. */
static inline const char *planned_text(const struct tmpdir *dir, const char *pattern)
{
    static char text[16 * TMPDIR_PATH_MAX];
    size_t at = 0;

    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '@') {
            at += (size_t)snprintf(text + at, sizeof(text) - at, "%s/", dir->path);
        } else {
            text[at++] = *pattern;
        }
        assert_true(at < sizeof(text));
    }
    text[at] = '\0';
    return text;
}

#endif
