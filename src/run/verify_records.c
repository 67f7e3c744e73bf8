/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in the folder, and what manifest and lists say should stand there. Both are hostile
 * until proved: a name in them is looked up among the names of the folder and never opened as a
 * path.
 */
#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"
#include "fmt/sums_text.h"
#include "run/verify_state.h"
#include "sys/file.h"
#include "sys/pagecache.h"
#include "sys/window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char manifest_name[] = "onefold.json";
static const char sha256_list[] = "SHA256SUMS";
static const char xxh128_list[] = "XXH128SUMS";

/* ---- Findings ---- */

static struct of_finding_kind *kind_of(struct of_verify_state *state, const char *id)
{
    for (uint32_t i = 0; i < state->kind_count; i++) {
        if (strcmp(state->kinds[i].id, id) == 0) {
            return &state->kinds[i];
        }
    }
    of_assert(state->kind_count < OF_FINDING_KINDS_MAX);
    state->kinds[state->kind_count].id = id;
    return &state->kinds[state->kind_count++];
}

void of_verify_finding(struct of_verify_state *state, const char *id, const char *file,
                       const char *format, ...)
{
    char text[sizeof(((onefold_error *)0)->message)];
    struct of_finding_kind *kind;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    kind = kind_of(state, id);
    kind->count++;
    state->finding_count++;
    if (kind->count <= OF_FINDINGS_SHOWN_MAX) {
        of_report_error(state->report, id, file, "%s", text);
    }
}

void of_verify_sum_up(struct of_verify_state *state)
{
    for (uint32_t i = 0; i < state->kind_count; i++) {
        const struct of_finding_kind *kind = &state->kinds[i];

        if (kind->count > OF_FINDINGS_SHOWN_MAX) {
            of_report_error(state->report, "verify-count", NULL, "%llu more of [%s]",
                            (unsigned long long)(kind->count - OF_FINDINGS_SHOWN_MAX), kind->id);
        }
    }
}

onefold_status of_verify_take(struct of_verify_state *state, const char *file,
                              const onefold_error *found, onefold_error *err)
{
    /* What says nothing about the data is no finding: no memory, or direct I/O that is not there.
     */
    switch (found->status) {
    case ONEFOLD_E_ARGUMENT:
    case ONEFOLD_E_MEMORY:
    case ONEFOLD_E_IO:
    case ONEFOLD_E_CANCELLED:
    case ONEFOLD_E_INTERNAL:
        *err = *found;
        return of_err_prefix(err, "%s", file);
    case ONEFOLD_OK:
    case ONEFOLD_E_DIFFERS:
    case ONEFOLD_E_RECIPE:
    case ONEFOLD_E_EXISTS:
    case ONEFOLD_E_MISSING:
    case ONEFOLD_E_FORMAT:
    case ONEFOLD_E_MISMATCH:
    case ONEFOLD_E_UNSUPPORTED:
    case ONEFOLD_E_VALUE:
    case ONEFOLD_E_SPACE:
        break;
    }
    of_verify_finding(state, found->id, file, "%s", found->message);
    return ONEFOLD_OK;
}

/* ---- The folder ---- */

struct listing {
    struct of_verify_state *state;
    uint32_t capacity;
    bool no_memory;
};

static bool count_name(void *context, const char *name)
{
    struct listing *listing = context;

    (void)name;
    listing->capacity++;
    return true;
}

static bool add_name(void *context, const char *name)
{
    struct listing *listing = context;
    struct of_verify_state *state = listing->state;
    struct of_identity identity = {0};
    struct of_verify_file *file;

    if (state->file_count == listing->capacity) {
        return false; /* the folder grows under us: what came later is not looked at */
    }
    file = &state->files[state->file_count];
    file->name = of_arena_copy(&state->arena, name, strlen(name));
    file->shard = OF_VERIFY_NO_SHARD;
    file->kind = OF_FILE_OTHER;
    if (file->name == NULL) {
        listing->no_memory = true;
        return false;
    }
    if (of_file_probe(state->folder_fd, name, &file->kind, &identity)) {
        file->size_bytes = identity.size_bytes;
    }
    state->file_count++;
    return true;
}

static int compare_names(const void *a, const void *b)
{
    const struct of_verify_file *left = a;
    const struct of_verify_file *right = b;

    return strcmp(left->name, right->name);
}

static struct of_str file_key(const void *context, uint32_t index)
{
    const struct of_verify_state *state = context;

    return of_str_from(state->files[index].name);
}

struct of_verify_file *of_verify_find(const struct of_verify_state *state, struct of_str name)
{
    const uint32_t index = of_map_find(&state->names, name);

    return index == OF_MAP_NONE ? NULL : &state->files[index];
}

onefold_status of_verify_list_folder(struct of_verify_state *state, onefold_error *err)
{
    struct listing listing = {.state = state};

    OF_TRY(of_file_list(state->folder_fd, count_name, &listing, err));
    state->files = OF_ARENA_NEW(&state->arena, struct of_verify_file, listing.capacity);
    if (listing.capacity > 0 && state->files == NULL) {
        return of_err_set(err, "memory", "no memory for the names of %u files", listing.capacity);
    }
    OF_TRY(of_file_list(state->folder_fd, add_name, &listing, err));
    if (listing.no_memory || !of_map_init(&state->names, &state->arena,
                                          of_num_max(state->file_count, 1), file_key, state)) {
        return of_err_set(err, "memory", "no memory for the names of %u files", listing.capacity);
    }
    if (state->file_count > 0) {
        qsort(state->files, state->file_count, sizeof(*state->files), compare_names);
    }
    for (uint32_t i = 0; i < state->file_count; i++) {
        (void)of_map_put(&state->names, i);
    }
    return ONEFOLD_OK;
}

/* ---- Manifest ---- */

static onefold_status take_output(void *context, const struct of_manifest_file *recorded,
                                  onefold_error *err)
{
    struct of_verify_state *state = context;
    struct of_verify_file *file = of_verify_find(state, recorded->name);
    const struct of_shown shown = of_str_escape(recorded->name);

    (void)err;
    if (file == NULL || file->kind != OF_FILE_REGULAR) {
        of_verify_finding(state, "verify-missing", shown.text, "is recorded and not there");
        return ONEFOLD_OK;
    }
    if (file->in_manifest) {
        of_verify_finding(state, "manifest-duplicate", manifest_name, "\"%s\" is recorded twice",
                          shown.text);
        return ONEFOLD_OK;
    }
    file->in_manifest = true;
    file->recorded = *recorded;
    file->recorded.name = of_str_from(file->name);
    if (file->size_bytes != recorded->size_bytes) {
        of_verify_finding(state, "verify-size", shown.text, "has %llu bytes, %llu are recorded",
                          (unsigned long long)file->size_bytes,
                          (unsigned long long)recorded->size_bytes);
    }
    return ONEFOLD_OK;
}

static bool is_same_shape(const struct of_tensor *a, const struct of_tensor *b)
{
    return a->dtype == b->dtype && a->rank == b->rank &&
           (a->rank == 0 || memcmp(a->shape, b->shape, a->rank * sizeof(*a->shape)) == 0);
}

static onefold_status take_tensor(void *context, const struct of_manifest_tensor *recorded,
                                  onefold_error *err)
{
    struct of_verify_state *state = context;
    const struct of_shown shown = of_str_escape(recorded->tensor->name);
    const struct of_tensor *tensor;
    struct of_verify_tensor *to;
    uint32_t index;

    (void)err;
    if (state->checkpoint == NULL) {
        return ONEFOLD_OK; /* nothing to compare with; the broken structure is reported */
    }
    index = of_table_find(state->checkpoint->table, recorded->tensor->name);
    if (index == OF_MAP_NONE) {
        of_verify_finding(state, "verify-tensor", manifest_name,
                          "tensor \"%s\" is recorded and not there", shown.text);
        return ONEFOLD_OK;
    }
    tensor = &state->checkpoint->table->tensors[index];
    to = &state->tensors[index];
    if (to->recorded) {
        of_verify_finding(state, "manifest-duplicate", manifest_name,
                          "tensor \"%s\" is recorded twice", shown.text);
        return ONEFOLD_OK;
    }
    *to = (struct of_verify_tensor){.recorded = true,
                                    .digest = recorded->digest,
                                    .nan_count = recorded->nan_out,
                                    .inf_count = recorded->inf_out};
    if (!is_same_shape(tensor, recorded->tensor)) {
        of_verify_finding(state, "verify-tensor", manifest_name,
                          "tensor \"%s\" has another type or shape than recorded", shown.text);
    }
    if (tensor->offset != recorded->tensor->offset ||
        !of_str_is(recorded->file, state->checkpoint->shards[tensor->shard_index].name)) {
        of_verify_finding(state, "verify-tensor", manifest_name,
                          "tensor \"%s\" lies in another place than recorded", shown.text);
    }
    return ONEFOLD_OK;
}

/* What is there and not recorded. */
static void find_extra(struct of_verify_state *state)
{
    static const char *const unrecorded[] = {manifest_name, sha256_list, xxh128_list};

    for (uint32_t i = 0; i < state->file_count; i++) {
        const char *name = state->files[i].name;
        bool known = state->files[i].in_manifest;

        for (size_t k = 0; k < OF_LENGTH(unrecorded) && !known; k++) {
            known = strcmp(name, unrecorded[k]) == 0;
        }
        if (!known) {
            of_verify_finding(state, "verify-extra", of_str_escape(of_str_from(name)).text,
                              "is there and not recorded in %s", manifest_name);
        }
    }
    for (uint32_t i = 0; state->checkpoint != NULL && i < state->checkpoint->table->tensor_count;
         i++) {
        if (!state->tensors[i].recorded) {
            of_verify_finding(state, "manifest-extra", manifest_name,
                              "tensor \"%s\" is there and not recorded",
                              of_str_escape(state->checkpoint->table->tensors[i].name).text);
        }
    }
}

/* The text is mapped, so that a manifest of a hundred thousand tensors costs what is kept of it. */
static onefold_status parse_manifest(struct of_verify_state *state, uint64_t size_bytes, int fd,
                                     onefold_error *err)
{
    const struct of_manifest_reader reader = {
        .output = take_output, .tensor = take_tensor, .context = state};
    struct of_window window;
    onefold_error found;
    onefold_status status;

    OF_TRY(of_window_open(&window, fd, 0, size_bytes, false, err));
    of_err_clear(&found);
    status = of_manifest_parse((struct of_str){(const char *)window.data, size_bytes},
                               &state->arena, &reader, &state->head, &found);
    if (of_window_is_lost(&window)) {
        of_err_set(&found, "input-io", "a page of the file could not be loaded");
        status = found.status;
    }
    of_window_close(&window);
    if (status != ONEFOLD_OK) {
        state->tensors = NULL; /* half a record is none */
        return of_verify_take(state, manifest_name, &found, err);
    }
    find_extra(state);
    return ONEFOLD_OK;
}

onefold_status of_verify_manifest(struct of_verify_state *state, onefold_error *err)
{
    const struct of_verify_file *file = of_verify_find(state, OF_STR("onefold.json"));
    struct of_identity identity;
    onefold_status status;
    int fd = -1;

    if (file == NULL) {
        of_report_note(state->report, "manifest-missing", NULL,
                       "no %s: tensors are not compared with a record", manifest_name);
        return ONEFOLD_OK;
    }
    state->result.had_manifest = true;
    if (state->checkpoint != NULL) {
        const uint32_t count = state->checkpoint->table->tensor_count;

        state->tensors = OF_ARENA_NEW(&state->arena, struct of_verify_tensor, of_num_max(count, 1));
        if (state->tensors == NULL) {
            return of_err_set(err, "memory", "no memory for the records of %u tensors", count);
        }
    }
    OF_TRY(of_file_open_read(state->folder_fd, manifest_name, 0, &fd, &identity, err));
    if (identity.size_bytes == 0 || identity.size_bytes > OF_MANIFEST_BYTES_MAX) {
        of_verify_finding(state, "manifest-limit", manifest_name, "has %llu bytes",
                          (unsigned long long)identity.size_bytes);
        state->tensors = NULL;
        status = ONEFOLD_OK;
    } else {
        const bool warm = of_pagecache_is_warm(fd, 0, identity.size_bytes);

        status = parse_manifest(state, identity.size_bytes, fd, err);
        if (!warm) {
            of_pagecache_drop(fd, 0, identity.size_bytes);
        }
    }
    of_file_close(&fd);
    return status;
}

/* ---- Lists ---- */

struct list {
    const char *name;
    enum of_hash_kind kind;
};

static bool is_plain_name(const char *name)
{
    return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

static void take_line(struct of_verify_state *state, const struct list *list,
                      const struct of_sums_line *line)
{
    const struct of_shown shown = of_str_escape(of_str_from(line->name));
    struct of_verify_file *file;
    bool *listed;

    if (!is_plain_name(line->name)) {
        of_verify_finding(state, "list-name", list->name, "\"%s\" is no name in this folder",
                          shown.text);
        return;
    }
    file = of_verify_find(state, of_str_from(line->name));
    if (file == NULL || file->kind != OF_FILE_REGULAR) {
        of_verify_finding(state, "verify-missing", shown.text, "is in %s and not there",
                          list->name);
        return;
    }
    listed = list->kind == OF_HASH_SHA256 ? &file->in_sha256_list : &file->in_xxh128_list;
    if (*listed) {
        of_verify_finding(state, "list-duplicate", list->name, "\"%s\" stands there twice",
                          shown.text);
        return;
    }
    *listed = true;
    if (list->kind == OF_HASH_SHA256) {
        memcpy(file->listed_sha256.bytes, line->digest, sizeof(file->listed_sha256.bytes));
    } else {
        memcpy(file->listed_xxh128.bytes, line->digest, sizeof(file->listed_xxh128.bytes));
    }
}

/* A list beside a manifest was written by us, and then every byte of it is known: a digit that
 * became a capital letter is damage too. Other lists only have to be understood. */
static bool is_as_written(const struct of_verify_state *state, const struct of_sums_line *line,
                          struct of_str text, struct of_text *canonical)
{
    if (!state->result.had_manifest) {
        return true;
    }
    canonical->length = 0;
    of_sums_emit(canonical, line->digest, of_hash_size(line->kind), of_str_from(line->name));
    return canonical->failed || (canonical->length == text.length + 1 &&
                                 memcmp(canonical->data, text.data, text.length) == 0);
}

static void take_lines(struct of_verify_state *state, const struct list *list, struct of_str text,
                       struct of_sums_line *line)
{
    struct of_text canonical = {0};
    size_t at = 0;

    for (uint64_t number = 1; at < text.length; number++) {
        const char *start = text.data + at;
        const char *newline = memchr(start, '\n', text.length - at);
        const size_t length = newline == NULL ? text.length - at : (size_t)(newline - start);
        const struct of_str raw = {start, length};
        const enum of_sums_result result = of_sums_parse(raw, line);

        if (result == OF_SUMS_MALFORMED || (result == OF_SUMS_LINE && line->kind != list->kind)) {
            of_verify_finding(state, "list-line", list->name, "line %llu is malformed",
                              (unsigned long long)number);
        } else if (result == OF_SUMS_LINE) {
            if (!is_as_written(state, line, raw, &canonical)) {
                of_verify_finding(state, "list-line", list->name,
                                  "line %llu is not as it was written", (unsigned long long)number);
            }
            take_line(state, list, line);
        }
        at += length + 1;
    }
    of_text_finish(&canonical);
}

/* No output file may be absent from a list that is there. */
static void find_unlisted(struct of_verify_state *state, const struct list *list)
{
    for (uint32_t i = 0; i < state->file_count; i++) {
        const struct of_verify_file *file = &state->files[i];
        const bool listed =
            list->kind == OF_HASH_SHA256 ? file->in_sha256_list : file->in_xxh128_list;

        if (!listed && file->kind == OF_FILE_REGULAR && strcmp(file->name, sha256_list) != 0 &&
            strcmp(file->name, xxh128_list) != 0) {
            of_verify_finding(state, "list-extra", of_str_escape(of_str_from(file->name)).text,
                              "is there and not in %s", list->name);
        }
    }
}

static onefold_status read_list(struct of_verify_state *state, const struct list *list,
                                bool *ret_had, onefold_error *err)
{
    struct of_sums_line *line;
    onefold_error found;
    char *text = NULL;
    uint64_t length = 0;

    *ret_had = of_verify_find(state, of_str_from(list->name)) != NULL;
    if (!*ret_had) {
        of_report_note(state->report, "list-missing", NULL, "no %s", list->name);
        return ONEFOLD_OK;
    }
    of_err_clear(&found);
    if (of_file_slurp(state->folder_fd, list->name, 0, OF_SUMS_BYTES_MAX, &text, &length, &found) !=
        ONEFOLD_OK) {
        return of_verify_take(state, list->name, &found, err);
    }
    line = of_mem_get(sizeof(*line));
    if (line != NULL) {
        take_lines(state, list, (struct of_str){text, length}, line);
        find_unlisted(state, list);
    }
    of_mem_free(text);
    if (line == NULL) {
        return of_err_set(err, "memory", "no memory to read %s", list->name);
    }
    of_mem_free(line);
    return ONEFOLD_OK;
}

onefold_status of_verify_lists(struct of_verify_state *state, onefold_error *err)
{
    static const struct list sha256 = {sha256_list, OF_HASH_SHA256};
    static const struct list xxh128 = {xxh128_list, OF_HASH_XXH128};

    OF_TRY(read_list(state, &sha256, &state->result.had_sha256_list, err));
    return read_list(state, &xxh128, &state->result.had_xxh128_list, err);
}
