/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a checkpoint lies: a file, an index, a folder with either, or a snapshot of the Hugging
 * Face cache. Nothing is expanded (no "~", no variables), nothing is downloaded, and a folder is
 * asked for fixed names only, so a folder of a million files costs nothing.
 */
#include "ckpt/locate.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

/* A commit in refs/ is 40 digits; anything longer than this is not one. */
enum { REF_BYTES_MAX = 256 };
/* First bytes of a file that is no checkpoint, enough to tell what it is instead. */
enum { RECOGNISE_BYTES = 512 };

struct stem {
    const char *single;
    const char *index;
};

/* Names of weights, plain ones first. A folder of a pipeline's component has the second pair. */
static const struct stem plain_stems[] = {
    {"model.safetensors", "model.safetensors.index.json"},
    {"diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json"},
};
/* Variants that are published beside or instead of the plain files. */
static const struct stem variant_stems[] = {
    {"model.fp16.safetensors", "model.safetensors.index.fp16.json"},
    {"model.bf16.safetensors", "model.safetensors.index.bf16.json"},
    {"model.fp32.safetensors", "model.safetensors.index.fp32.json"},
    {"diffusion_pytorch_model.fp16.safetensors",
     "diffusion_pytorch_model.safetensors.index.fp16.json"},
    {"diffusion_pytorch_model.bf16.safetensors",
     "diffusion_pytorch_model.safetensors.index.bf16.json"},
};
/* What a folder without those may hold, and what to say then. */
static const struct {
    const char *name;
    const char *id;
    const char *what;
} other_names[] = {
    {"adapter_config.json", "unsupported-adapter", "is an adapter, not a model"},
    {"adapter_model.safetensors", "unsupported-adapter", "is an adapter, not a model"},
    {"model_index.json", "unsupported-diffusers", "is a pipeline of several models"},
    {"pytorch_model.bin.index.json", "checkpoint-pickle", "holds pickle files only"},
    {"pytorch_model.bin", "checkpoint-pickle", "holds pickle files only"},
    {"consolidated.00.pth", "checkpoint-pickle", "holds pickle files only"},
    {"consolidated.safetensors", "checkpoint-none",
     "holds consolidated.safetensors only; name that file to use it"},
};

static onefold_status no_memory(onefold_error *err)
{
    return of_err_set(err, "memory", "no memory for the path of a checkpoint");
}

static struct of_shown shown(const char *text)
{
    return of_str_escape(of_str_from(text));
}

const char *of_locate_join(struct of_arena *arena, const char *folder, const char *name)
{
    const struct of_str head = of_str_from(folder);
    const struct of_str tail = of_str_from(name);
    bool has_slash = of_str_ends(head, "/") || head.length == 0;
    char *path = of_arena_get(arena, head.length + tail.length + 2, 1);

    if (path == NULL) {
        return NULL;
    }
    memcpy(path, head.data, head.length);
    path[head.length] = '/';
    /* The arena's memory is zeroed, so the terminator is there. */
    memcpy(path + head.length + (has_slash ? 0 : 1), tail.data, tail.length);
    return path;
}

/* --- A folder --- */

static bool has_file(int folder, const char *name)
{
    enum of_file_kind kind;
    struct of_identity identity;

    /* Whatever stands there counts: opening it says what is wrong with it. */
    return of_file_probe(folder, name, &kind, &identity) && kind != OF_FILE_FOLDER;
}

static bool take_stem(int folder, const struct stem *stem, struct of_place *place)
{
    place->single = has_file(folder, stem->single) ? stem->single : NULL;
    place->index = has_file(folder, stem->index) ? stem->index : NULL;
    return place->single != NULL || place->index != NULL;
}

static onefold_status look_in_folder(struct of_place *place, onefold_error *err)
{
    const struct stem *found = NULL;

    for (size_t i = 0; i < OF_LENGTH(plain_stems); i++) {
        if (take_stem(place->folder_fd, &plain_stems[i], place)) {
            return ONEFOLD_OK;
        }
    }
    for (size_t i = 0; i < OF_LENGTH(variant_stems); i++) {
        if (!take_stem(place->folder_fd, &variant_stems[i], place)) {
            continue;
        }
        if (found != NULL) {
            return of_err_set(err, "checkpoint-variants",
                              "%s: holds several variants (%s and %s): name the file or the index",
                              shown(place->folder_path).text, found->single,
                              variant_stems[i].single);
        }
        found = &variant_stems[i];
    }
    if (found != NULL) {
        (void)take_stem(place->folder_fd, found, place);
        return ONEFOLD_OK;
    }
    for (size_t i = 0; i < OF_LENGTH(other_names); i++) {
        if (has_file(place->folder_fd, other_names[i].name)) {
            return of_err_set(err, other_names[i].id, "%s: %s", shown(place->folder_path).text,
                              other_names[i].what);
        }
    }
    return of_err_set(err, "checkpoint-none",
                      "%s: holds no model.safetensors and no model.safetensors.index.json",
                      shown(place->folder_path).text);
}

static onefold_status open_folder(const char *path, struct of_place *place, onefold_error *err)
{
    place->folder_path = path;
    if (of_file_open_folder(of_file_here, path, &place->folder_fd, err) != ONEFOLD_OK) {
        return err->status;
    }
    if (look_in_folder(place, err) != ONEFOLD_OK) {
        of_file_close(&place->folder_fd);
        return err->status;
    }
    return ONEFOLD_OK;
}

/* --- A file --- */

/* True for NAME.safetensors.index.json and NAME.safetensors.index.VARIANT.json. */
static bool is_index_name(struct of_str name)
{
    return of_str_ends(name, ".json") && of_str_contains(name, OF_STR(".safetensors.index."));
}

/* A file that does not end in .safetensors: says what it is. Always fails. */
static onefold_status refuse_file(const char *path, uint32_t flags, onefold_error *err)
{
    char first[RECOGNISE_BYTES];
    struct of_identity identity;
    uint64_t length;
    int fd = -1;
    onefold_status status;

    if (of_str_ends(of_str_from(path), ".incomplete")) {
        return of_err_set(err, "checkpoint-incomplete", "%s: a download that has not finished",
                          shown(path).text);
    }
    OF_TRY(of_file_open_read(of_file_here, path, flags, &fd, &identity, err));
    length = identity.size_bytes < sizeof(first) ? identity.size_bytes : sizeof(first);
    status = of_file_read_at(fd, first, length, 0, err);
    of_file_close(&fd);
    if (status == ONEFOLD_OK) {
        status = of_format_recognise((struct of_str){first, length}, identity.size_bytes, err);
    }
    if (status == ONEFOLD_OK) {
        return of_err_set(err, "checkpoint-none", "%s: neither a .safetensors file nor a folder",
                          shown(path).text);
    }
    return of_err_prefix(err, "%s", shown(path).text);
}

static onefold_status take_file(const struct of_checkpoint_set *set, const char *path,
                                struct of_place *place, onefold_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t folder_length = slash == path ? 1 : (size_t)(name - path) - (slash != NULL ? 1 : 0);
    bool is_index = is_index_name(of_str_from(name));

    if (!is_index && !of_str_ends(of_str_from(name), ".safetensors")) {
        return refuse_file(path, set->no_links ? OF_FILE_NO_LINKS : 0, err);
    }
    name = of_arena_copy(set->arena, name, strlen(name));
    place->folder_path = folder_length > 0 ? of_arena_copy(set->arena, path, folder_length) : ".";
    if (name == NULL || place->folder_path == NULL) {
        return no_memory(err);
    }
    place->is_file = !is_index;
    place->index = is_index ? name : NULL;
    place->single = is_index ? NULL : name;
    return of_file_open_folder(of_file_here, place->folder_path, &place->folder_fd, err);
}

/* --- The Hugging Face cache --- */

/* ORG/NAME as the Hub allows it: letters, digits, '-', '_', '.', one slash, no "..", no "--". */
static bool is_hub_id(const char *path)
{
    uint32_t slashes = 0;
    size_t length = strlen(path);

    if (length == 0 || length > 200 || path[0] == '/' || path[length - 1] == '/' ||
        strstr(path, "..") != NULL || strstr(path, "--") != NULL) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char c = path[i];
        bool starts = i == 0 || path[i - 1] == '/';

        if (c == '/') {
            slashes++;
        } else if ((c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') &&
                   c != '_' && (starts || (c != '-' && c != '.'))) {
            return false;
        }
    }
    return slashes == 1;
}

/* Root of the cache, in the arena: what the caller gave, else the variables that the Hub's own
 * programs read, else their default. NULL without memory. */
static const char *cache_root(const struct of_checkpoint_set *set)
{
    static const struct {
        const char *variable;
        const char *below;
    } rows[] = {{"HF_HUB_CACHE", ""},
                {"HF_HOME", "hub"},
                {"XDG_CACHE_HOME", "huggingface/hub"},
                {"HOME", ".cache/huggingface/hub"}};

    if (set->hf_cache != NULL) {
        return set->hf_cache;
    }
    for (size_t i = 0; i < OF_LENGTH(rows); i++) {
        const char *value = getenv(rows[i].variable);

        if (value != NULL && value[0] != '\0') {
            return rows[i].below[0] == '\0' ? of_arena_copy(set->arena, value, strlen(value))
                                            : of_locate_join(set->arena, value, rows[i].below);
        }
    }
    return ".cache/huggingface/hub";
}

/* A branch, tag or commit that can be used below refs/ and snapshots/. */
static bool is_plain_revision(const char *revision)
{
    struct of_str text = of_str_from(revision);

    return text.length > 0 && text.length <= REF_BYTES_MAX && text.data[0] != '/' &&
           text.data[0] != '.' && strstr(revision, "..") == NULL && of_str_is_utf8(text) &&
           !of_str_has_control(text);
}

/* The commit a ref names: its first word. NULL when there is no such ref. */
static const char *read_ref(const struct of_checkpoint_set *set, const char *repository,
                            const char *revision)
{
    const char *refs = of_locate_join(set->arena, repository, "refs");
    const char *path = refs != NULL ? of_locate_join(set->arena, refs, revision) : NULL;
    const char *commit = NULL;
    char *text = NULL;
    uint64_t length = 0;
    onefold_error ignored;

    if (path == NULL || of_file_slurp(of_file_here, path, 0, REF_BYTES_MAX, &text, &length,
                                      &ignored) != ONEFOLD_OK) {
        return NULL;
    }
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL) {
        length--;
    }
    text[length] = '\0';
    if (is_plain_revision(text) && strchr(text, '/') == NULL) {
        commit = of_arena_copy(set->arena, text, length);
    }
    of_mem_free(text);
    return commit;
}

/* Folder of the snapshot, or NULL when it is not in the cache. */
static const char *find_snapshot(const struct of_checkpoint_set *set, const char *root,
                                 const char *hub_id, const char *revision)
{
    const char *slash = strchr(hub_id, '/');
    struct of_text name = {0};
    const char *repository = NULL;
    const char *commit;
    const char *folder;
    enum of_file_kind kind;
    struct of_identity identity;

    of_text_print(&name, "models--%.*s--%s", (int)(slash - hub_id), hub_id, slash + 1);
    if (!name.failed) {
        repository = of_locate_join(set->arena, root, name.data);
    }
    of_text_finish(&name);
    if (repository == NULL) {
        return NULL;
    }
    commit = read_ref(set, repository, revision);
    folder = of_locate_join(set->arena, repository, "snapshots");
    if (folder != NULL) {
        folder = of_locate_join(set->arena, folder, commit != NULL ? commit : revision);
    }
    if (folder == NULL || !of_file_probe(of_file_here, folder, &kind, &identity) ||
        kind != OF_FILE_FOLDER) {
        return NULL;
    }
    return folder;
}

static onefold_status look_in_cache(const struct of_checkpoint_set *set, const char *hub_id,
                                    const char *revision, struct of_place *place,
                                    onefold_error *err)
{
    const char *root = cache_root(set);
    bool has_revision = revision != NULL && revision[0] != '\0';
    const char *folder = NULL;

    if (root == NULL) {
        return no_memory(err);
    }
    if (!has_revision || is_plain_revision(revision)) {
        folder = find_snapshot(set, root, hub_id, has_revision ? revision : "main");
    }
    if (folder == NULL) {
        return of_err_set(
            err, "checkpoint-not-cached",
            "%s: neither on disk nor in the cache %s; to fetch it: hf download %s%s%s", hub_id,
            shown(root).text, hub_id, has_revision ? " --revision " : "",
            has_revision ? shown(revision).text : "");
    }
    return open_folder(folder, place, err);
}

/* Nothing stands under the path: the reason, when it is not simply absent. */
static onefold_status nothing_there(const char *path, onefold_error *err)
{
    int fd = -1;
    struct of_identity identity;

    if (of_file_open_read(of_file_here, path, 0, &fd, &identity, err) == ONEFOLD_OK) {
        of_file_close(&fd);
        return of_err_set(err, "checkpoint-changed", "%s: appeared while it was looked for",
                          shown(path).text);
    }
    if (strcmp(err->id, "input-missing") == 0) {
        return of_err_set(err, "checkpoint-missing", "%s: no such file or folder",
                          shown(path).text);
    }
    if (err->status == ONEFOLD_E_IO) {
        /* A name the file system cannot even look for, such as one that is too long. */
        onefold_error reason = *err;

        return of_err_set(err, "checkpoint-missing", "%s", reason.message);
    }
    return err->status;
}

onefold_status of_locate(const struct of_checkpoint_set *set, const char *path,
                         const char *revision, struct of_report *report, struct of_place *ret_place,
                         onefold_error *err)
{
    struct of_place place = {.folder_fd = -1};
    enum of_file_kind kind;
    struct of_identity identity;
    char *copy;

    if (path[0] == '\0') {
        return of_err_set(err, "checkpoint-missing", "the path is empty");
    }
    if (!of_file_probe(of_file_here, path, &kind, &identity)) {
        OF_TRY(is_hub_id(path) ? look_in_cache(set, path, revision, &place, err)
                               : nothing_there(path, err));
        *ret_place = place;
        return ONEFOLD_OK;
    }
    if (revision != NULL && revision[0] != '\0') {
        of_report_warning(report, "recipe-ignored", NULL,
                          "%s is on disk: its revision %s has no effect", shown(path).text,
                          shown(revision).text);
    }
    if (kind == OF_FILE_REGULAR) {
        OF_TRY(take_file(set, path, &place, err));
    } else if (kind == OF_FILE_FOLDER) {
        copy = of_arena_copy(set->arena, path, strlen(path));
        if (copy == NULL) {
            return no_memory(err);
        }
        OF_TRY(open_folder(copy, &place, err));
    } else {
        return of_err_set(err, "input-kind", "%s: neither a regular file nor a folder",
                          shown(path).text);
    }
    *ret_place = place;
    return ONEFOLD_OK;
}
