/* SPDX-License-Identifier: Apache-2.0 */
/* The file of inner products: made early, written when they are known, named in one step. */
#include "api/stats_save.h"

#include "base/mem.h"
#include "base/str.h"
#include "fmt/stats_file.h"
#include "sys/file.h"
#include "sys/pagecache.h"

#include <errno.h>

static bool is_shard_of(const struct of_checkpoint *checkpoint, const struct of_identity *file)
{
    for (uint32_t i = 0; i < checkpoint->shard_count; i++) {
        if (of_identity_is_same_file(&checkpoint->shards[i].identity, file)) {
            return true;
        }
    }
    return false;
}

/* Only a regular file that is not an input is replaced. */
static onefold_status check_target(const struct of_plan *plan, const char *path, onefold_error *err)
{
    const struct of_shown shown = of_str_escape(of_str_from(path));
    enum of_file_kind kind;
    struct of_identity identity;

    if (of_file_is_link(of_file_here, path)) {
        return of_err_set(err, "target-kind", "%s is a symbolic link; it is not replaced",
                          shown.text);
    }
    if (!of_file_probe(of_file_here, path, &kind, &identity)) {
        return ONEFOLD_OK;
    }
    if (kind != OF_FILE_REGULAR) {
        return of_err_set(err, "target-kind", "%s is not a regular file", shown.text);
    }
    for (uint32_t i = 0; i < plan->input_count + (plan->has_base ? 1U : 0U); i++) {
        if (is_shard_of(plan->inputs[i].checkpoint, &identity)) {
            return of_err_set(err, "target-is-input", "%s is a file of an input", shown.text);
        }
    }
    return ONEFOLD_OK;
}

onefold_status of_stats_save_begin(struct of_stats_save *save, const struct of_plan *plan,
                                   const char *path, onefold_error *err)
{
    struct of_text partial = {0};
    onefold_status status;

    OF_TRY(check_target(plan, path, err));
    of_text_print(&partial, "%s.onefold-partial", path);
    if (partial.failed) {
        of_text_finish(&partial);
        return of_err_set(err, "memory", "no memory for the name of a file");
    }
    save->path = path;
    save->partial = partial.data;
    status = of_file_create(of_file_here, save->partial, 0, &save->fd, err);
    if (status != ONEFOLD_OK && err->sys_errno == EEXIST) {
        /* Left by a run that was killed. */
        OF_TRY(of_file_remove(of_file_here, save->partial, err));
        status = of_file_create(of_file_here, save->partial, 0, &save->fd, err);
    }
    return status;
}

static onefold_status emit(const struct of_plan *plan, const double *gram, struct of_text *text,
                           onefold_error *err)
{
    struct of_arena arena;
    struct of_stats_file *stats = NULL;
    onefold_status status;

    of_arena_init(&arena, 0);
    status = of_plan_stats_identity(plan, &arena, &stats, err);
    if (status == ONEFOLD_OK) {
        const uint64_t square = (uint64_t)plan->input_count * plan->input_count;

        stats->gram = OF_ARENA_NEW(&arena, double, square);
        if (stats->gram == NULL) {
            status = of_err_set(err, "memory", "no memory to save statistics");
        } else {
            for (uint64_t i = 0; i < square; i++) {
                stats->gram[i] = gram[i];
            }
            of_stats_emit(stats, text);
        }
    }
    of_arena_finish(&arena);
    if (status == ONEFOLD_OK && text->failed) {
        status = of_err_set(err, "memory", "no memory to save statistics");
    }
    return status;
}

/* The complete file takes the place of what is there. */
static onefold_status publish(struct of_stats_save *save, onefold_error *err)
{
    enum of_file_kind kind;
    onefold_status status;

    if (of_file_probe(of_file_here, save->path, &kind, NULL)) {
        OF_TRY(of_file_exchange(of_file_here, save->partial, save->path, err));
        status = of_file_remove(of_file_here, save->partial, err);
    } else {
        status = of_file_rename(of_file_here, save->partial, save->path, err);
    }
    if (status == ONEFOLD_OK) {
        of_mem_free(save->partial);
        save->partial = NULL;
    }
    return status;
}

onefold_status of_stats_save_end(struct of_stats_save *save, const struct of_plan *plan,
                                 const double *gram, onefold_error *err)
{
    struct of_text text = {0};
    onefold_status status = emit(plan, gram, &text, err);
    const uint64_t length = text.length;

    if (status == ONEFOLD_OK) {
        status = of_file_write_at(save->fd, text.data, text.length, 0, err);
    }
    of_text_finish(&text);
    if (status == ONEFOLD_OK) {
        status = of_file_sync(save->fd, err);
    }
    if (status == ONEFOLD_OK) {
        of_pagecache_drop(save->fd, 0, length);
        status = of_file_close_written(&save->fd, err);
    }
    return status == ONEFOLD_OK ? publish(save, err) : status;
}

void of_stats_save_finish(struct of_stats_save *save)
{
    onefold_error ignored;

    of_file_close(&save->fd);
    if (save->partial != NULL) {
        /* It may never have been made; what is left is named after us and replaced next time. */
        if (of_file_remove(of_file_here, save->partial, &ignored) != ONEFOLD_OK) {
            of_err_clear(&ignored);
        }
        of_mem_free(save->partial);
        save->partial = NULL;
    }
}
