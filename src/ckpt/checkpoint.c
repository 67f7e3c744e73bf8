/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a checkpoint: find it, read its index, measure and hash every header, and parse those
 * whose bytes are new. Inputs that share their headers share their table.
 */
#include "ckpt/checkpoint.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"
#include "ckpt/ahead.h"
#include "ckpt/findings.h"
#include "ckpt/index_check.h"
#include "ckpt/locate.h"
#include "ckpt/shard_header.h"
#include "ckpt/table_build.h"
#include "sys/pagecache.h"
#include "sys/window.h"

#include <stdio.h>
#include <string.h>

/* A header that takes some milliseconds to parse: so much is to be gained by reading ahead. */
#define LARGE_HEADER_BYTES OF_MIB
/* Of less, the C library may keep what was freed: it will be used again, and going through all of
 * a host program's memory takes its time. */
#define TRIM_BYTES_LEAST   OF_MIB

/* What is needed while one checkpoint is being opened. */
struct opening {
    struct of_checkpoint_set *set;
    struct of_report *report;
    struct of_checkpoint *checkpoint;
    struct of_place place;
    struct of_arena work; /* the index; gone when the checkpoint is open */
    struct of_shard_index index;
    const char *index_label;
};

static struct of_shown shown(const char *text)
{
    return of_str_escape(of_str_from(text));
}

static onefold_status no_memory(onefold_error *err)
{
    return of_err_set(err, "memory", "no memory for a checkpoint");
}

/* What the bound of the arena leaves to a short-lived one; never 0, which would mean no limit. */
static uint64_t arena_rest(const struct of_arena *arena)
{
    uint64_t limit = arena->limit_bytes;

    return limit == 0 ? 0 : of_num_max(1, limit - of_num_min(limit, arena->used_bytes));
}

/* --- The index --- */

static onefold_status parse_index(struct opening *opening, int fd, uint64_t length,
                                  onefold_error *err)
{
    struct of_window window = {0};
    struct of_str text = {"", 0};
    onefold_status status;

    /* Mapped pages count for the process, and most of an index is names, which are kept besides. */
    if (opening->work.limit_bytes != 0 && length > opening->work.limit_bytes) {
        return of_err_set(
            err, "memory-header",
            "the index of %llu bytes does not fit the memory bound, which leaves %llu "
            "MiB for it",
            (unsigned long long)length, (unsigned long long)(opening->work.limit_bytes / OF_MIB));
    }
    if (length > 0) {
        OF_TRY(of_window_open(&window, fd, 0, length, false, err));
        text = (struct of_str){(const char *)window.data, (size_t)length};
    }
    status = of_shard_index_parse(text, opening->index_label, &opening->work, opening->report,
                                  &opening->index, err);
    if (length > 0) {
        if (of_window_is_lost(&window)) {
            status = of_err_set(err, "input-changed", "the file changed while it was being read");
        }
        of_window_close(&window);
    }
    return status;
}

static onefold_status read_index(struct opening *opening, onefold_error *err)
{
    uint32_t flags = opening->set->no_links ? OF_FILE_NO_LINKS : 0;
    struct of_identity identity;
    int fd = -1;
    onefold_status status;

    status = of_file_open_read(opening->place.folder_fd, opening->place.index, flags, &fd,
                               &identity, err);
    if (status == ONEFOLD_OK && identity.size_bytes > OF_INDEX_BYTES_MAX) {
        status = of_err_set(err, "index-size", "the index has more than 128 MiB");
    }
    if (status == ONEFOLD_OK) {
        const bool warm = of_pagecache_is_warm(fd, 0, identity.size_bytes);

        status = parse_index(opening, fd, identity.size_bytes, err);
        if (!warm) {
            of_pagecache_drop(fd, 0, identity.size_bytes);
        }
    }
    of_file_close(&fd);
    if (status != ONEFOLD_OK) {
        return of_err_prefix(err, "%s", shown(opening->index_label).text);
    }
    return ONEFOLD_OK;
}

/* --- Shards --- */

/* Names of the shards, in the set's arena, in order. */
static onefold_status name_shards(struct opening *opening, onefold_error *err)
{
    struct of_checkpoint *checkpoint = opening->checkpoint;
    struct of_arena *arena = opening->set->arena;
    uint64_t count = checkpoint->has_index ? opening->index.file_count : 1;

    of_assert(count <= OF_SHARDS_MAX);
    checkpoint->shard_count = (uint32_t)count;
    checkpoint->shards = OF_ARENA_NEW(arena, struct of_shard, count);
    if (checkpoint->shards == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < checkpoint->shard_count; i++) {
        struct of_str name =
            checkpoint->has_index ? opening->index.files[i] : of_str_from(opening->place.single);

        checkpoint->shards[i].name = of_arena_copy(arena, name.data, name.length);
        if (checkpoint->shards[i].name == NULL) {
            return no_memory(err);
        }
    }
    return ONEFOLD_OK;
}

/* The one shard as the thread ahead has measured it, if it is still that file. */
static bool take_ahead(const struct opening *opening, struct of_shard *shard)
{
    const struct of_checkpoint *checkpoint = opening->checkpoint;
    struct of_identity identity;
    struct of_shard measured;
    enum of_file_kind kind;

    if (checkpoint->shard_count > 1 || checkpoint->has_index ||
        !of_ahead_take(opening->set->ahead, checkpoint->path, &measured) ||
        !of_file_probe(checkpoint->folder_fd, shard->name, &kind, &identity) ||
        kind != OF_FILE_REGULAR || !of_identity_equal(&identity, &measured.identity)) {
        return false;
    }
    measured.name = shard->name;
    *shard = measured;
    return true;
}

/* While the first checkpoint is parsed, whose header is large, others can be measured: inputs of
 * one merge are of one size. */
static void read_ahead(struct opening *opening)
{
    struct of_checkpoint_set *set = opening->set;

    if (set->count == 0 && set->ahead == NULL && set->path_count > 1 &&
        opening->checkpoint->shard_count == 1 &&
        opening->checkpoint->shards[0].data_offset >= LARGE_HEADER_BYTES) {
        set->ahead = of_ahead_start(set->paths + 1, set->path_count - 1,
                                    set->no_links ? OF_FILE_NO_LINKS : 0);
    }
}

/* Measures all shards and names every one that is missing or no safetensors file. */
static onefold_status measure_shards(struct opening *opening, onefold_error *err)
{
    struct of_checkpoint *checkpoint = opening->checkpoint;
    uint32_t flags = checkpoint->no_links ? OF_FILE_NO_LINKS : 0;
    struct of_findings findings = {.report = opening->report, .file = checkpoint->folder_path};

    for (uint32_t i = 0; i < checkpoint->shard_count; i++) {
        struct of_shard *shard = &checkpoint->shards[i];
        onefold_error problem;

        if (take_ahead(opening, shard)) {
            continue;
        }
        if (of_shard_measure(checkpoint->folder_fd, shard->name, flags, shard, &problem) ==
            ONEFOLD_OK) {
            continue;
        }
        if (checkpoint->has_index && strcmp(problem.id, "input-missing") == 0) {
            (void)of_err_set(&problem, "index-shard-missing", "shard %s is not there",
                             shown(shard->name).text);
        } else {
            (void)of_err_prefix(&problem, "%s", shown(shard->name).text);
        }
        of_findings_add(&findings, &problem);
    }
    if (findings.count > 0 && checkpoint->has_index && opening->place.single != NULL &&
        of_index_find_file(&opening->index, of_str_from(opening->place.single)) == UINT64_MAX) {
        return of_err_set(
            err, "checkpoint-ambiguous", "%s: holds %s beside an index that cannot be followed: %s",
            shown(checkpoint->folder_path).text, opening->place.single, findings.first.message);
    }
    return of_findings_end(&findings, err);
}

/* An open checkpoint whose headers are the same bytes, or NULL. The size of the files belongs to
 * it: a header is judged against it. */
static const struct of_checkpoint *find_twin(const struct of_checkpoint_set *set,
                                             const struct of_checkpoint *checkpoint)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const struct of_checkpoint *other = set->checkpoints[i];
        uint32_t at = 0;

        if (other->shard_count != checkpoint->shard_count) {
            continue;
        }
        while (at < other->shard_count &&
               other->shards[at].identity.size_bytes ==
                   checkpoint->shards[at].identity.size_bytes &&
               memcmp(&other->shards[at].header_sha256, &checkpoint->shards[at].header_sha256,
                      sizeof(other->shards[at].header_sha256)) == 0) {
            at++;
        }
        if (at == other->shard_count) {
            return other;
        }
    }
    return NULL;
}

static onefold_status copy_str(struct of_arena *arena, struct of_str from, struct of_str *ret_copy,
                               onefold_error *err)
{
    const char *data = of_arena_copy(arena, from.data, from.length);

    if (data == NULL) {
        return no_memory(err);
    }
    *ret_copy = (struct of_str){data, from.length};
    return ONEFOLD_OK;
}

static onefold_status take_metadata(struct opening *opening, const struct of_header *header,
                                    onefold_error *err)
{
    struct of_checkpoint *checkpoint = opening->checkpoint;
    struct of_arena *arena = opening->set->arena;

    checkpoint->has_metadata = header->has_metadata;
    checkpoint->metadata_count = (uint32_t)header->metadata_count;
    checkpoint->metadata = OF_ARENA_NEW(arena, struct of_pair, header->metadata_count);
    if (checkpoint->metadata == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < checkpoint->metadata_count; i++) {
        const struct of_pair *from = &header->metadata[i];
        struct of_pair *to = &checkpoint->metadata[i];

        OF_TRY(copy_str(arena, from->key, &to->key, err));
        OF_TRY(copy_str(arena, from->value, &to->value, err));
    }
    return ONEFOLD_OK;
}

/* Parses one shard into the build, through `arena`. */
static onefold_status parse_shard(struct opening *opening, uint32_t shard_index, const char *label,
                                  struct of_arena *arena, struct of_table_build *build,
                                  onefold_error *err)
{
    struct of_checkpoint *checkpoint = opening->checkpoint;
    struct of_header header = {0};

    OF_TRY(of_shard_parse(checkpoint->folder_fd, &checkpoint->shards[shard_index], label, arena,
                          opening->report, &header, err));
    if (arena == opening->set->arena) {
        checkpoint->has_metadata = header.has_metadata;
        checkpoint->metadata = header.metadata;
        checkpoint->metadata_count = (uint32_t)header.metadata_count;
        return of_table_build_adopt(build, &header, err);
    }
    OF_TRY(of_table_build_add(build, &header, shard_index, err));
    return shard_index == 0 ? take_metadata(opening, &header, err) : ONEFOLD_OK;
}

static onefold_status add_shard(struct opening *opening, uint32_t shard_index,
                                struct of_table_build *build, onefold_error *err)
{
    struct of_checkpoint *checkpoint = opening->checkpoint;
    struct of_arena parsed;
    onefold_status status;
    const char *label = of_locate_join(&opening->work, checkpoint->folder_path,
                                       checkpoint->shards[shard_index].name);

    if (label == NULL) {
        return no_memory(err);
    }
    if (of_table_build_can_adopt(build, checkpoint->shard_count)) {
        status = parse_shard(opening, shard_index, label, opening->set->arena, build, err);
    } else {
        of_arena_init(&parsed, of_table_build_limit(build));
        status = parse_shard(opening, shard_index, label, &parsed, build, err);
        of_arena_finish(&parsed);
    }
    if (status != ONEFOLD_OK) {
        return of_err_prefix(err, "%s", shown(label).text);
    }
    return ONEFOLD_OK;
}

/* Refuses a name that two shards have. */
static onefold_status refuse_duplicate(const struct of_checkpoint *checkpoint,
                                       const struct of_table *draft, uint32_t second,
                                       onefold_error *err)
{
    const struct of_tensor *tensor = &draft->tensors[second];
    uint32_t first = of_table_find(draft, tensor->name);

    return of_err_set(err, "checkpoint-duplicate", "%s: tensor \"%s\" is in %s and in %s",
                      shown(checkpoint->folder_path).text, of_str_escape(tensor->name).text,
                      shown(checkpoint->shards[draft->tensors[first].shard_index].name).text,
                      shown(checkpoint->shards[tensor->shard_index].name).text);
}

static onefold_status check_index(struct opening *opening, const struct of_table *table,
                                  onefold_error *err)
{
    struct of_findings findings = {.report = opening->report, .file = opening->index_label};

    if (!opening->checkpoint->has_index) {
        return ONEFOLD_OK;
    }
    OF_TRY(of_index_check_tensors(&opening->index, table, &findings, err));
    of_index_check_names(&opening->index, table, opening->checkpoint->folder_fd, opening->report,
                         opening->index_label);
    return ONEFOLD_OK;
}

static onefold_status build_table(struct opening *opening, struct of_table_build *build,
                                  onefold_error *err)
{
    struct of_checkpoint *checkpoint = opening->checkpoint;
    struct of_table draft;
    uint32_t duplicate;

    for (uint32_t i = 0; i < checkpoint->shard_count; i++) {
        OF_TRY(add_shard(opening, i, build, err));
    }
    OF_TRY(of_table_build_draft(build, &draft, &duplicate, err));
    if (duplicate != OF_MAP_NONE) {
        return refuse_duplicate(checkpoint, &draft, duplicate, err);
    }
    OF_TRY(check_index(opening, &draft, err));
    return of_table_build_keep(build, &draft, &checkpoint->table, err);
}

/* The table: a twin's, or a new one. */
static onefold_status take_table(struct opening *opening, onefold_error *err)
{
    struct of_checkpoint *checkpoint = opening->checkpoint;
    const struct of_checkpoint *twin = find_twin(opening->set, checkpoint);
    struct of_table_build build;
    onefold_status status;

    if (twin != NULL) {
        checkpoint->table = twin->table;
        checkpoint->metadata = twin->metadata;
        checkpoint->metadata_count = twin->metadata_count;
        checkpoint->has_metadata = twin->has_metadata;
        return check_index(opening, checkpoint->table, err);
    }
    of_table_build_init(&build, opening->set, opening->work.used_bytes);
    status = build_table(opening, &build, err);
    of_table_build_finish(&build);
    return status;
}

/* A single file beside an index: which of the two is meant? It makes no difference when both name
 * the same tensors; then the index is used. */
static onefold_status check_single(struct opening *opening, onefold_error *err)
{
    struct of_checkpoint *checkpoint = opening->checkpoint;
    struct of_shard single = {0};
    struct of_header header = {0};
    struct of_arena parsed;
    onefold_status status;
    bool same;

    if (!checkpoint->has_index || opening->place.single == NULL ||
        of_index_find_file(&opening->index, of_str_from(opening->place.single)) != UINT64_MAX) {
        return ONEFOLD_OK;
    }
    of_arena_init(&parsed, arena_rest(opening->set->arena));
    status = of_shard_measure(checkpoint->folder_fd, opening->place.single,
                              checkpoint->no_links ? OF_FILE_NO_LINKS : 0, &single, err);
    if (status == ONEFOLD_OK) {
        status = of_shard_parse(checkpoint->folder_fd, &single, opening->place.single, &parsed,
                                opening->report, &header, err);
        of_shard_leave(checkpoint->folder_fd, &single);
    }
    same = status == ONEFOLD_OK && header.tensor_count == checkpoint->table->tensor_count;
    for (uint64_t i = 0; same && i < header.tensor_count; i++) {
        same = of_table_find(checkpoint->table, header.tensors[i].name) != OF_MAP_NONE;
    }
    of_arena_finish(&parsed);
    if (status != ONEFOLD_OK) {
        return of_err_prefix(err, "%s/%s", shown(checkpoint->folder_path).text,
                             opening->place.single);
    }
    if (!same) {
        return of_err_set(err, "checkpoint-ambiguous", "%s: %s and %s name different tensors",
                          shown(checkpoint->folder_path).text, opening->place.single,
                          opening->place.index);
    }
    return ONEFOLD_OK;
}

/* --- Opening --- */

static onefold_status describe(struct opening *opening, const char *path, onefold_error *err)
{
    struct of_checkpoint *checkpoint = opening->checkpoint;
    const struct of_place *place = &opening->place;

    checkpoint->path = of_arena_copy(opening->set->arena, path, strlen(path));
    checkpoint->folder_path = place->folder_path;
    checkpoint->folder_fd = place->folder_fd;
    checkpoint->is_file = place->is_file;
    checkpoint->has_index = place->index != NULL;
    checkpoint->no_links = opening->set->no_links;
    if (checkpoint->path == NULL) {
        return no_memory(err);
    }
    if (checkpoint->has_index) {
        opening->index_label = of_locate_join(&opening->work, place->folder_path, place->index);
        if (opening->index_label == NULL) {
            return no_memory(err);
        }
        OF_TRY(read_index(opening, err));
    }
    OF_TRY(name_shards(opening, err));
    OF_TRY(measure_shards(opening, err));
    read_ahead(opening);
    OF_TRY(take_table(opening, err));
    return check_single(opening, err);
}

/* The headers were read for the last time, whatever came of it. */
static void leave_shards(const struct of_checkpoint *checkpoint)
{
    for (uint32_t i = 0; checkpoint->shards != NULL && i < checkpoint->shard_count; i++) {
        of_shard_leave(checkpoint->folder_fd, &checkpoint->shards[i]);
    }
}

static onefold_status make_room(struct of_checkpoint_set *set, onefold_error *err)
{
    uint32_t capacity = set->capacity == 0 ? 8 : set->capacity * 2;
    struct of_checkpoint **larger;

    if (set->count < set->capacity) {
        return ONEFOLD_OK;
    }
    larger = of_mem_resize(set->checkpoints, of_mem_array_bytes(capacity, sizeof(void *)));
    if (larger == NULL) {
        return no_memory(err);
    }
    set->checkpoints = larger;
    set->capacity = capacity;
    return ONEFOLD_OK;
}

onefold_status of_checkpoint_open(struct of_checkpoint_set *set, const char *path,
                                  const char *revision, struct of_checkpoint **ret_checkpoint,
                                  onefold_error *err)
{
    struct of_report silent = {0};
    struct opening opening = {.set = set,
                              .report = set->report != NULL ? set->report : &silent,
                              .place = {.folder_fd = -1}};
    onefold_status status;

    OF_TRY(make_room(set, err));
    opening.checkpoint = OF_ARENA_NEW(set->arena, struct of_checkpoint, 1);
    if (opening.checkpoint == NULL) {
        return no_memory(err);
    }
    OF_TRY(of_locate(set, path, revision, opening.report, &opening.place, err));
    of_arena_init(&opening.work, arena_rest(set->arena));
    status = describe(&opening, path, err);
    leave_shards(opening.checkpoint);
    of_arena_finish(&opening.work);
    if (status != ONEFOLD_OK) {
        of_file_close(&opening.place.folder_fd);
        return status;
    }
    set->checkpoints[set->count++] = opening.checkpoint;
    *ret_checkpoint = opening.checkpoint;
    return ONEFOLD_OK;
}

void of_checkpoint_set_opened(struct of_checkpoint_set *set)
{
    of_ahead_stop(set->ahead);
    set->ahead = NULL;
    set->paths = NULL;
    set->path_count = 0;
}

void of_checkpoint_set_drop_tables(struct of_checkpoint_set *set)
{
    const uint64_t later_bytes = set->later.used_bytes;

    for (struct of_table *table = set->later_tables; table != NULL; table = table->next) {
        table->tensors = NULL;
        table->tensor_count = 0;
        table->names = (struct of_map){0};
        table->within = NULL;
        table->counterparts = NULL;
    }
    set->later_tables = NULL;
    if (later_bytes > 0 && set->arena->limit_bytes != 0) {
        set->arena->limit_bytes += later_bytes;
    }
    of_arena_finish(&set->later);
    if (later_bytes >= TRIM_BYTES_LEAST) {
        of_mem_trim();
    }
}

void of_checkpoint_set_finish(struct of_checkpoint_set *set)
{
    if (set == NULL) {
        return;
    }
    of_checkpoint_set_opened(set);
    of_checkpoint_set_drop_tables(set);
    for (uint32_t i = 0; i < set->count; i++) {
        of_file_close(&set->checkpoints[i]->folder_fd);
    }
    of_mem_free(set->checkpoints);
    set->checkpoints = NULL;
    set->count = 0;
    set->capacity = 0;
}

/* --- After opening --- */

static onefold_status has_changed(const struct of_checkpoint *checkpoint, uint32_t shard_index,
                                  onefold_error *err)
{
    return of_err_set(err, "input-changed", "%s: the file is not the one that was planned with",
                      of_checkpoint_shard_path(checkpoint, shard_index).text);
}

onefold_status of_checkpoint_open_shard(const struct of_checkpoint *checkpoint,
                                        uint32_t shard_index, uint32_t file_flags, int *ret_fd,
                                        onefold_error *err)
{
    const struct of_shard *shard = &checkpoint->shards[shard_index];
    uint32_t flags = file_flags | (checkpoint->no_links ? OF_FILE_NO_LINKS : 0);
    struct of_identity identity;
    int fd = -1;

    of_assert(shard_index < checkpoint->shard_count);
    if (of_file_open_read(checkpoint->folder_fd, shard->name, flags, &fd, &identity, err) !=
        ONEFOLD_OK) {
        return of_err_prefix(err, "%s", shown(checkpoint->folder_path).text);
    }
    if (!of_identity_equal(&identity, &shard->identity)) {
        of_file_close(&fd);
        return has_changed(checkpoint, shard_index, err);
    }
    *ret_fd = fd;
    return ONEFOLD_OK;
}

onefold_status of_checkpoint_check_unchanged(const struct of_checkpoint *checkpoint,
                                             onefold_error *err)
{
    for (uint32_t i = 0; i < checkpoint->shard_count; i++) {
        const struct of_shard *shard = &checkpoint->shards[i];
        enum of_file_kind kind;
        struct of_identity identity;

        if (!of_file_probe(checkpoint->folder_fd, shard->name, &kind, &identity) ||
            kind != OF_FILE_REGULAR || !of_identity_equal(&identity, &shard->identity)) {
            return has_changed(checkpoint, i, err);
        }
    }
    return ONEFOLD_OK;
}

struct of_shown of_checkpoint_shard_path(const struct of_checkpoint *checkpoint,
                                         uint32_t shard_index)
{
    /* No allocation: a run names files while it must not have any. What is longer is cut anyway. */
    char path[2 * OF_TEXT_BUFFER];
    int length;

    of_assert(shard_index < checkpoint->shard_count);
    length = snprintf(path, sizeof(path), "%s/%s", checkpoint->folder_path,
                      checkpoint->shards[shard_index].name);
    return of_str_escape(
        (struct of_str){path, length < (int)sizeof(path) ? (size_t)length : sizeof(path) - 1});
}
