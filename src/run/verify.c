/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify: structure, manifest, lists, content, finite values, in this order, and every finding of
 * each (integrity.md section 8). And the tree digests of a checkpoint, which are the same scan with
 * nothing to compare.
 */
#include "run/verify.h"

#include "base/limits.h"
#include "base/num.h"
#include "ckpt/digest.h"
#include "run/reader.h"
#include "run/scan.h"
#include "run/target.h"
#include "run/verify_state.h"
#include "sys/clock.h"
#include "sys/file.h"

#include <string.h>

/* ---- Opening ---- */

/* Tables and records live in what the threads' buffers leave. */
static void begin(struct of_verify_state *state, const struct of_verify_options *options,
                  struct of_report *silent)
{
    const uint64_t bound = options->memory_bytes != 0 ? options->memory_bytes : OF_MEMORY_DEFAULT;
    const uint64_t fixed =
        OF_MEMORY_PROGRAM + OF_MEMORY_RESERVE + of_scan_thread_bytes(OF_READER_READS_MIN);

    *state = (struct of_verify_state){.options = options, .folder_fd = -1};
    state->report = options->report != NULL ? options->report : silent;
    of_arena_init(&state->arena, bound > 2 * fixed ? bound - fixed : bound / 2);
    state->set.arena = &state->arena;
    state->set.report = state->report;
}

static void finish(struct of_verify_state *state)
{
    of_file_close(&state->folder_fd);
    of_checkpoint_set_finish(&state->set);
    of_arena_finish(&state->arena);
}

/* A folder with records of ours but headers that cannot be read is damaged, not "no checkpoint". */
static bool has_records(const char *path)
{
    static const char *const names[] = {"onefold.json", "SHA256SUMS", "XXH128SUMS"};
    struct of_identity identity;
    enum of_file_kind kind;
    onefold_error ignored;
    bool found = false;
    int fd = -1;

    if (of_file_open_folder(of_file_here, path, &fd, &ignored) != ONEFOLD_OK) {
        return false;
    }
    for (size_t i = 0; i < OF_LENGTH(names) && !found; i++) {
        found = of_file_probe(fd, names[i], &kind, &identity) && kind == OF_FILE_REGULAR;
    }
    of_file_close(&fd);
    return found;
}

static onefold_status open_structure(struct of_verify_state *state, const char *path,
                                     onefold_error *err)
{
    onefold_error found;

    of_err_clear(&found);
    if (of_checkpoint_open(&state->set, path, NULL, &state->checkpoint, &found) == ONEFOLD_OK) {
        state->result.tensor_count = state->checkpoint->table->tensor_count;
        return ONEFOLD_OK;
    }
    state->checkpoint = NULL;
    if (found.status == ONEFOLD_E_MEMORY || found.status == ONEFOLD_E_IO || !has_records(path)) {
        *err = found;
        return err->status;
    }
    of_verify_finding(state, "verify-structure", NULL, "%s", found.message);
    return ONEFOLD_OK;
}

/* "DIR.onefold-partial" beside it: a run began to replace this output. */
static onefold_status check_unfinished(struct of_verify_state *state, const char *path,
                                       onefold_error *err)
{
    struct of_identity identity;
    enum of_file_kind kind;
    struct of_text name = {0};
    size_t length = strlen(path);

    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    of_text_add(&name, (struct of_str){path, length});
    of_text_add(&name, OF_STR(OF_STAGE_SUFFIX));
    if (name.failed) {
        of_text_finish(&name);
        return of_err_set(err, "memory", "no memory for a path");
    }
    if (of_file_probe(of_file_here, name.data, &kind, &identity)) {
        of_verify_finding(state, "verify-unfinished", of_str_escape(of_str_from(name.data)).text,
                          "an unfinished output of the same name");
    }
    of_text_finish(&name);
    return ONEFOLD_OK;
}

/* "model-00001-of-00003.safetensors", as the writers of sharded checkpoints name theirs. */
static bool is_shard_name(const char *name)
{
    static const char form[] = "model-#####-of-#####.safetensors";
    size_t at = 0;

    while (form[at] != '\0' &&
           (form[at] == '#' ? name[at] >= '0' && name[at] <= '9' : name[at] == form[at])) {
        at++;
    }
    return form[at] == '\0' && name[at] == '\0';
}

/* Which files of the folder are shards, and which only look like one. */
static void match_shards(struct of_verify_state *state)
{
    const struct of_checkpoint *checkpoint = state->checkpoint;

    for (uint32_t i = 0; i < checkpoint->shard_count; i++) {
        struct of_verify_file *file =
            of_verify_find(state, of_str_from(checkpoint->shards[i].name));

        if (file != NULL) {
            file->shard = i;
        }
    }
    for (uint32_t i = 0; i < state->file_count; i++) {
        const struct of_verify_file *file = &state->files[i];

        if (file->shard == OF_VERIFY_NO_SHARD && is_shard_name(file->name)) {
            of_verify_finding(state, "verify-stale", of_str_escape(of_str_from(file->name)).text,
                              "a shard that the checkpoint does not use");
        }
    }
}

/* ---- Verify ---- */

static onefold_status check_folder(struct of_verify_state *state, const char *path,
                                   onefold_error *err)
{
    const char *folder = state->checkpoint != NULL ? state->checkpoint->folder_path : path;

    OF_TRY(check_unfinished(state, path, err));
    OF_TRY(of_file_open_folder(of_file_here, folder, &state->folder_fd, err));
    OF_TRY(of_verify_list_folder(state, err));
    if (state->checkpoint != NULL) {
        match_shards(state);
    }
    OF_TRY(of_verify_manifest(state, err));
    OF_TRY(of_verify_lists(state, err));
    state->result.file_count = state->file_count;
    if (state->options->structure_only ||
        !(state->result.had_manifest || state->result.had_sha256_list ||
          state->result.had_xxh128_list)) {
        of_report_note(state->report, "verify-skipped", NULL, "tensor data was not read: %s",
                       state->options->structure_only
                           ? "only the structure was asked for"
                           : "there is neither a manifest nor a list to compare it with");
        return ONEFOLD_OK;
    }
    return of_verify_content(state, err);
}

onefold_status of_verify(const char *path, const struct of_verify_options *options,
                         struct of_verify_result *ret_result, onefold_error *err)
{
    const uint64_t start_ns = of_clock_ns();
    struct of_report silent = {0};
    struct of_verify_state state;
    onefold_status status;

    begin(&state, options, &silent);
    status = open_structure(&state, path, err);
    if (status == ONEFOLD_OK && state.checkpoint != NULL && state.checkpoint->is_file) {
        state.result.file_count = 1;
        of_report_note(state.report, "verify-skipped", NULL,
                       "one file: manifest and lists are checked for folders only");
    } else if (status == ONEFOLD_OK) {
        status = check_folder(&state, path, err);
    }
    of_verify_sum_up(&state);
    state.result.finding_count = state.finding_count;
    state.result.wall_ns = of_clock_ns() - start_ns;
    if (status == ONEFOLD_OK && state.finding_count > 0) {
        status = of_err_set(
            err, "verify-findings", "%s: %llu finding%s", of_str_escape(of_str_from(path)).text,
            (unsigned long long)state.finding_count, state.finding_count == 1 ? "" : "s");
    }
    *ret_result = state.result;
    finish(&state);
    return status;
}

/* ---- Tree digests ---- */

static onefold_status scan_tree(struct of_verify_state *state, struct of_scan *scan,
                                onefold_error *err)
{
    const struct of_checkpoint *checkpoint = state->checkpoint;
    const uint32_t count = checkpoint->table->tensor_count;

    scan->files = OF_ARENA_NEW(&state->arena, struct of_scan_file, checkpoint->shard_count);
    scan->tensors = OF_ARENA_NEW(&state->arena, struct of_scan_tensor, of_num_max(count, 1));
    if (scan->files == NULL || scan->tensors == NULL) {
        return of_err_set(err, "memory", "no memory for the digests of %u tensors", count);
    }
    for (uint32_t i = 0; i < checkpoint->shard_count; i++) {
        scan->files[i].name = checkpoint->shards[i].name;
        scan->files[i].want_tree = true;
        of_verify_shard_range(checkpoint->table, i, &scan->files[i]);
        scan->total_bytes += checkpoint->shards[i].identity.size_bytes;
    }
    scan->file_count = checkpoint->shard_count;
    of_verify_settle_threads(state->options, state->arena.used_bytes, scan);
    OF_TRY(of_scan_run(scan, err));
    for (uint32_t i = 0; i < scan->file_count; i++) {
        if (scan->files[i].error.status != ONEFOLD_OK) {
            *err = scan->files[i].error;
            return of_err_prefix(err, "%s", of_checkpoint_shard_path(checkpoint, i).text);
        }
    }
    return of_checkpoint_check_unchanged(checkpoint, err);
}

static onefold_status hand_out(struct of_verify_state *state, const struct of_scan *scan,
                               of_tensor_digest_fn *fn, void *context,
                               struct of_digest *ret_checkpoint, onefold_error *err)
{
    const struct of_table *table = state->checkpoint->table;
    struct of_digest *digests =
        OF_ARENA_NEW(&state->arena, struct of_digest, of_num_max(table->tensor_count, 1));

    if (digests == NULL) {
        return of_err_set(err, "memory", "no memory for the digests of %u tensors",
                          table->tensor_count);
    }
    for (uint32_t i = 0; i < table->tensor_count; i++) {
        digests[i] = scan->tensors[i].digest;
        if (fn != NULL) {
            fn(context, &table->tensors[i], &digests[i]);
        }
    }
    return of_digest_checkpoint(table->tensors, digests, table->tensor_count, &state->arena,
                                ret_checkpoint, err);
}

onefold_status of_digest_tree(const char *path, const struct of_verify_options *options,
                              of_tensor_digest_fn *fn, void *context,
                              struct of_digest *ret_checkpoint, onefold_error *err)
{
    struct of_report silent = {0};
    struct of_verify_state state;
    struct of_kern kern;
    struct of_scan scan = {.leaves_fd = -1,
                           .io_name = options->io_name,
                           .direct = options->direct,
                           .kern = &kern,
                           .progress = options->progress,
                           .progress_context = options->progress_context,
                           .cancel = options->cancel};
    onefold_status status;

    if (of_kern_init(&kern, options->cpu_cap) == NULL) {
        return of_err_set(err, "argument", "\"%s\" is no instruction set of this program",
                          of_str_escape(of_str_from(options->cpu_cap)).text);
    }
    begin(&state, options, &silent);
    status = of_checkpoint_open(&state.set, path, NULL, &state.checkpoint, err);
    if (status == ONEFOLD_OK) {
        scan.folder_fd = state.checkpoint->folder_fd;
        scan.table = state.checkpoint->table;
        status = scan_tree(&state, &scan, err);
    }
    if (status == ONEFOLD_OK) {
        status = hand_out(&state, &scan, fn, context, ret_checkpoint, err);
    }
    finish(&state);
    return status;
}
