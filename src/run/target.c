/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The target is compared with the inputs by device and inode, never by spelling: it must not be an
 * input, lie in one, or contain one. Walking up through ".." from open folders sees through links.
 */
#include "run/target.h"

#include "base/limits.h"
#include "base/num.h"
#include "sys/file.h"

#include <string.h>

/* Folders between a file and the root; a longer chain is a loop made by somebody. */
enum { DEPTH_MAX = 4096 };
/* Bytes of a manifest entry without the tensor's name, generously. */
enum { MANIFEST_ENTRY_BYTES = 512 };
/* Files beside the shards and the donor's: index, config, recipe, card, manifest, leaves, two
 * lists, journal, the folder. */
enum { OTHER_FILES = 10 };

static uint32_t input_count_all(const struct of_plan *plan)
{
    return plan->input_count + (plan->has_base ? 1 : 0);
}

static onefold_status refuse_path(const char *path, const char *why, onefold_error *err)
{
    return of_err_set(err, "target-path", "%s: %s", of_str_escape(of_str_from(path)).text, why);
}

onefold_status of_target_open(struct of_target *target, const char *path, struct of_arena *arena,
                              onefold_error *err)
{
    size_t length = strlen(path);
    size_t at;
    char *copy;
    char *stage;
    const char *parent;
    onefold_error cause;

    *target = (struct of_target){.parent_fd = -1};
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    copy = of_arena_copy(arena, path, length);
    if (copy == NULL) {
        return of_err_set(err, "memory", "no memory for the path of the output");
    }
    for (at = length; at > 0 && copy[at - 1] != '/'; at--) {
    }
    target->path = copy;
    target->name = copy + at;
    if (target->name[0] == '\0' || strcmp(target->name, ".") == 0 ||
        strcmp(target->name, "..") == 0) {
        return refuse_path(path, "no name for a new folder", err);
    }
    if (length - at + strlen(OF_STAGE_SUFFIX) > OF_FILE_NAME_BYTES_MAX) {
        return refuse_path(path, "the name is too long", err);
    }
    stage = of_arena_get(arena, length - at + sizeof(OF_STAGE_SUFFIX), 1);
    parent = at == 0 ? "." : of_arena_copy(arena, path, at);
    if (stage == NULL || parent == NULL) {
        return of_err_set(err, "memory", "no memory for the path of the output");
    }
    memcpy(stage, target->name, length - at);
    memcpy(stage + (length - at), OF_STAGE_SUFFIX, sizeof(OF_STAGE_SUFFIX));
    target->stage_name = stage;
    of_err_clear(&cause);
    if (of_file_open_folder(of_file_here, parent, &target->parent_fd, &cause) != ONEFOLD_OK) {
        return of_err_set_sys(err, of_file_is_shortage(&cause) ? "output-io" : "target-path",
                              cause.sys_errno, "%s: the folder it would stand in cannot be opened",
                              of_str_escape(of_str_from(target->path)).text);
    }
    return ONEFOLD_OK;
}

/* A shortage of the process: what would have been found is not known. */
static onefold_status fail_to_look(const onefold_error *cause, onefold_error *err)
{
    return of_err_set_sys(err, "output-io", cause->sys_errno,
                          "whether the output would replace an input cannot be looked at");
}

/* Is the folder itself or one above it `wanted`? Folders that may not be opened end the walk:
 * nothing above them can be written by us either. */
static onefold_status look_upwards(int folder_fd, const struct of_identity *wanted, bool *ret_found,
                                   onefold_error *err)
{
    struct of_identity seen;
    struct of_identity last = {0};
    onefold_error cause;
    int above = -1;
    int fd = -1;

    *ret_found = false;
    of_err_clear(&cause);
    for (uint32_t depth = 0; depth < DEPTH_MAX && !*ret_found; depth++) {
        if (of_file_open_folder(depth == 0 ? folder_fd : fd, depth == 0 ? "." : "..", &above,
                                &cause) != ONEFOLD_OK) {
            break;
        }
        of_file_close(&fd);
        fd = above;
        if (of_file_identity(fd, &seen, &cause) != ONEFOLD_OK ||
            (depth > 0 && of_identity_is_same_file(&seen, &last))) {
            break; /* the root is its own parent */
        }
        *ret_found = of_identity_is_same_file(&seen, wanted);
        last = seen;
    }
    of_file_close(&fd);
    if (of_file_is_shortage(&cause)) {
        return fail_to_look(&cause, err);
    }
    return ONEFOLD_OK;
}

static onefold_status refuse_input(const struct of_target *target, const char *how,
                                   const struct of_checkpoint *input, onefold_error *err)
{
    return of_err_set(err, "target-is-input", "%s %s the input %s",
                      of_str_escape(of_str_from(target->path)).text, how,
                      of_str_escape(of_str_from(input->path)).text);
}

struct shard_search {
    const struct of_checkpoint *input;
    int folder_fd;
    bool found;
};

static bool is_shard(void *context, const char *name)
{
    struct shard_search *search = context;
    struct of_identity seen;
    enum of_file_kind kind;

    if (!of_file_probe(search->folder_fd, name, &kind, &seen) || kind != OF_FILE_REGULAR) {
        return true;
    }
    for (uint32_t i = 0; i < search->input->shard_count && !search->found; i++) {
        search->found = of_identity_is_same_file(&seen, &search->input->shards[i].identity);
    }
    return !search->found;
}

/* Shards of a cache snapshot are links: the folder with the bytes themselves is another one. */
static onefold_status look_for_shards(const struct of_target *target,
                                      const struct of_checkpoint *input, bool *ret_found,
                                      onefold_error *err)
{
    struct shard_search search = {.input = input, .folder_fd = -1};
    onefold_error cause;

    *ret_found = false;
    of_err_clear(&cause);
    if (of_file_open_folder(target->parent_fd, target->name, &search.folder_fd, &cause) !=
        ONEFOLD_OK) {
        return of_file_is_shortage(&cause) ? fail_to_look(&cause, err) : ONEFOLD_OK;
    }
    if (of_file_list(search.folder_fd, is_shard, &search, &cause) != ONEFOLD_OK) {
        search.found = true; /* what cannot be looked at is not replaced */
    }
    of_file_close(&search.folder_fd);
    *ret_found = search.found;
    return ONEFOLD_OK;
}

static onefold_status check_input(const struct of_target *target,
                                  const struct of_identity *target_id,
                                  const struct of_checkpoint *input, onefold_error *err)
{
    struct of_identity folder;
    bool found;

    if (target_id != NULL) {
        OF_TRY(look_upwards(input->folder_fd, target_id, &found, err));
        if (found) {
            return refuse_input(target, "is or contains", input, err);
        }
        OF_TRY(look_for_shards(target, input, &found, err));
        if (found) {
            return refuse_input(target, "holds files of", input, err);
        }
    }
    /* An input that is one file may well lie beside the output. */
    if (!input->is_file) {
        OF_TRY(of_file_identity(input->folder_fd, &folder, err));
        OF_TRY(look_upwards(target->parent_fd, &folder, &found, err));
        if (found) {
            return refuse_input(target, "lies in", input, err);
        }
    }
    return ONEFOLD_OK;
}

onefold_status of_target_check(const struct of_target *target, const struct of_plan *plan,
                               bool force, onefold_error *err)
{
    struct of_identity seen;
    struct of_identity stage;
    enum of_file_kind kind = OF_FILE_FOLDER;
    enum of_file_kind stage_kind;
    const bool exists = of_file_probe(target->parent_fd, target->name, &kind, &seen);

    if (of_file_probe(target->parent_fd, target->stage_name, &stage_kind, &stage)) {
        for (uint32_t i = 0; i < input_count_all(plan); i++) {
            bool found;

            OF_TRY(look_upwards(plan->inputs[i].checkpoint->folder_fd, &stage, &found, err));
            if (found) {
                return refuse_input(target, "would be staged over", plan->inputs[i].checkpoint,
                                    err);
            }
        }
    }
    for (uint32_t i = 0; i < input_count_all(plan); i++) {
        OF_TRY(check_input(target, exists ? &seen : NULL, plan->inputs[i].checkpoint, err));
    }
    /* A link cannot be exchanged for what it leads to, and may lead nowhere. */
    if (of_file_is_link(target->parent_fd, target->name)) {
        of_err_set(err, "target-kind", "%s: is a symbolic link",
                   of_str_escape(of_str_from(target->path)).text);
    } else if (exists && kind != OF_FILE_FOLDER) {
        of_err_set(err, "target-kind", "%s: exists and is not a folder",
                   of_str_escape(of_str_from(target->path)).text);
    } else if (exists && !force) {
        of_err_set(err, "target-exists", "%s: exists already",
                   of_str_escape(of_str_from(target->path)).text);
    } else {
        return ONEFOLD_OK;
    }
    err->state = ONEFOLD_STATE_SAME;
    return err->status;
}

/* What the run will write, at most. */
static uint64_t needed_bytes(const struct of_plan *plan)
{
    uint64_t bytes = plan->write_bytes + plan->grain_count * sizeof(struct of_digest) + OF_MIB;

    for (uint32_t i = 0; i < plan->side.count; i++) {
        bytes += plan->side.files[i].size_bytes;
    }
    for (uint32_t i = 0; i < plan->step_count; i++) {
        /* Once in the manifest, once in the index, the shape in the first. */
        bytes += MANIFEST_ENTRY_BYTES + 2 * plan->tensors[i].name.length;
    }
    return bytes;
}

onefold_status of_target_check_space(const struct of_target *target, const struct of_plan *plan,
                                     struct of_report *report, onefold_error *err)
{
    const uint64_t needed = needed_bytes(plan);
    const uint64_t files = (uint64_t)plan->output.shard_count + plan->side.count + OTHER_FILES;
    const struct of_shown shown = of_str_escape(of_str_from(target->path));
    struct of_space space;

    OF_TRY(of_file_space(target->parent_fd, &space, err));
    if (space.available_bytes < needed) {
        return of_err_set(err, "space-before", "%s: %llu bytes are needed, %llu are available",
                          shown.text, (unsigned long long)needed,
                          (unsigned long long)space.available_bytes);
    }
    if (space.available_inodes < files) {
        return of_err_set(err, "space-inodes", "%s: %llu files are needed, room is for %llu",
                          shown.text, (unsigned long long)files,
                          (unsigned long long)space.available_inodes);
    }
    if (space.is_memory) {
        of_report_warning(report, "target-tmpfs", shown.text,
                          "the target is on %s: its files are kept in memory", space.type_name);
    }
    if (space.is_network) {
        of_report_note(report, "target-network", shown.text,
                       "the target is on a network file system (%s)", space.type_name);
    }
    return ONEFOLD_OK;
}

void of_target_finish(struct of_target *target)
{
    of_file_close(&target->parent_fd);
}
