/* SPDX-License-Identifier: Apache-2.0 */
/* The part of verify that reads data: one scan, then file by file and tensor by tensor what was
 * found against what was recorded. */
#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"
#include "ckpt/digest.h"
#include "run/reader.h"
#include "run/scan.h"
#include "run/verify_state.h"
#include "sys/file.h"
#include "sys/host.h"
#include "sys/pagecache.h"

#include <string.h>

static const char leaves_name[] = "onefold.leaves";

/* ---- What to read ---- */

void of_verify_settle_threads(const struct of_verify_options *options, uint64_t used_bytes,
                              struct of_scan *scan)
{
    const uint64_t bound = options->memory_bytes != 0 ? options->memory_bytes : OF_MEMORY_DEFAULT;
    const uint64_t fixed = OF_MEMORY_PROGRAM + OF_MEMORY_RESERVE + used_bytes;
    const uint64_t room = bound > fixed ? bound - fixed : 0;
    const uint64_t wanted =
        options->thread_count != 0 ? options->thread_count : of_host_cpu_count();
    const uint64_t most = room / of_scan_thread_bytes(OF_READER_READS_MIN);

    scan->thread_count = (uint32_t)of_num_max(1, of_num_min(wanted, most));
    scan->read_count = scan->thread_count * of_scan_thread_bytes(OF_READER_READS) <= room
                           ? OF_READER_READS
                           : OF_READER_READS_MIN;
}

/* First leaf of each shard: leaves stand in order of files and, in them, of offsets. */
static uint64_t leaves_of(const struct of_table *table, uint32_t first, uint32_t count)
{
    uint64_t leaves = 0;

    for (uint32_t i = first; i < first + count; i++) {
        leaves += of_digest_grain_count(table->tensors[i].elem_count);
    }
    return leaves;
}

void of_verify_shard_range(const struct of_table *table, uint32_t shard, struct of_scan_file *file)
{
    uint32_t at = 0;

    while (at < table->tensor_count && table->tensors[at].shard_index < shard) {
        at++;
    }
    file->first_tensor = at;
    while (at < table->tensor_count && table->tensors[at].shard_index == shard) {
        at++;
    }
    file->tensor_count = at - file->first_tensor;
    file->first_leaf = leaves_of(table, 0, file->first_tensor);
}

static onefold_status add_file(struct of_verify_state *state, struct of_scan *scan,
                               const struct of_verify_file *file, onefold_error *err)
{
    struct of_scan_file *to = &scan->files[scan->file_count];

    if (file->kind != OF_FILE_REGULAR) {
        return ONEFOLD_OK;
    }
    *to = (struct of_scan_file){.name = file->name};
    to->want_sha256 = !state->options->fast &&
                      (file->in_sha256_list || (file->in_manifest && file->recorded.has_sha256));
    to->want_xxh128 = file->in_xxh128_list || (file->in_manifest && file->recorded.has_xxh128);
    to->want_tree = state->tensors != NULL && file->shard != OF_VERIFY_NO_SHARD;
    if (!to->want_sha256 && !to->want_xxh128 && !to->want_tree) {
        return ONEFOLD_OK;
    }
    if (to->want_tree) {
        of_verify_shard_range(scan->table, file->shard, to);
    }
    if (to->want_tree && scan->leaves_fd >= 0) {
        to->damage = OF_ARENA_NEW(&state->arena, struct of_damage, OF_DAMAGE_KEPT_MAX);
        if (to->damage == NULL) {
            return of_err_set(err, "memory", "no memory for what may be found in %s", file->name);
        }
    }
    scan->total_bytes += file->size_bytes;
    scan->file_count++;
    return ONEFOLD_OK;
}

/* Opens the leaves if they can belong to this checkpoint; *ret_bytes of them. */
static onefold_status open_leaves(struct of_verify_state *state, struct of_scan *scan,
                                  uint64_t *ret_bytes, onefold_error *err)
{
    const struct of_verify_file *file = of_verify_find(state, OF_STR("onefold.leaves"));
    struct of_identity identity;
    uint64_t wanted;

    if (state->tensors == NULL) {
        return ONEFOLD_OK;
    }
    if (file == NULL || file->kind != OF_FILE_REGULAR) {
        of_report_note(state->report, "leaves-missing", NULL,
                       "no %s: damage is known to a tensor only", leaves_name);
        return ONEFOLD_OK;
    }
    of_assert(scan->table != NULL); /* records of tensors are kept only where there is a table */
    state->result.had_leaves = true;
    wanted = leaves_of(scan->table, 0, scan->table->tensor_count) * sizeof(struct of_digest);
    if (file->size_bytes != wanted) {
        of_verify_finding(state, "leaves-size", leaves_name, "has %llu bytes, %llu are expected",
                          (unsigned long long)file->size_bytes, (unsigned long long)wanted);
        return ONEFOLD_OK;
    }
    *ret_bytes = wanted;
    return of_file_open_read(state->folder_fd, leaves_name, 0, &scan->leaves_fd, &identity, err);
}

static onefold_status choose_files(struct of_verify_state *state, struct of_scan *scan,
                                   onefold_error *err)
{
    scan->files =
        OF_ARENA_NEW(&state->arena, struct of_scan_file, of_num_max(state->file_count, 1));
    if (scan->files == NULL) {
        return of_err_set(err, "memory", "no memory for a list of files");
    }
    if (state->tensors != NULL) {
        of_assert(scan->table != NULL);
        scan->tensors = OF_ARENA_NEW(&state->arena, struct of_scan_tensor,
                                     of_num_max(scan->table->tensor_count, 1));
        if (scan->tensors == NULL) {
            return of_err_set(err, "memory", "no memory for the digests of %u tensors",
                              scan->table->tensor_count);
        }
    }
    for (uint32_t i = 0; i < state->file_count; i++) {
        OF_TRY(add_file(state, scan, &state->files[i], err));
    }
    return ONEFOLD_OK;
}

/* ---- What was found ---- */

static void check_sums(struct of_verify_state *state, const struct of_scan_file *found,
                       const struct of_verify_file *file)
{
    const struct of_shown shown = of_str_escape(of_str_from(file->name));
    const struct of_file_hashes *hashes = &found->hashes;

    if (found->want_sha256 && file->in_sha256_list &&
        memcmp(&hashes->sha256, &file->listed_sha256, sizeof(hashes->sha256)) != 0) {
        of_verify_finding(state, "verify-sum", shown.text, "does not match SHA256SUMS");
    }
    if (found->want_xxh128 && file->in_xxh128_list &&
        memcmp(&hashes->xxh128, &file->listed_xxh128, sizeof(hashes->xxh128)) != 0) {
        of_verify_finding(state, "verify-sum", shown.text, "does not match XXH128SUMS");
    }
    if (found->want_sha256 && file->in_manifest && file->recorded.has_sha256 &&
        memcmp(&hashes->sha256, &file->recorded.sha256, sizeof(hashes->sha256)) != 0) {
        of_verify_finding(state, "verify-sum", shown.text,
                          "does not match its SHA-256 in onefold.json");
    }
    if (found->want_xxh128 && file->in_manifest && file->recorded.has_xxh128 &&
        memcmp(&hashes->xxh128, &file->recorded.xxh128, sizeof(hashes->xxh128)) != 0) {
        of_verify_finding(state, "verify-sum", shown.text,
                          "does not match its XXH128 in onefold.json");
    }
}

static bool has_recorded_digest(const struct of_verify_state *state, const struct of_scan *scan,
                                uint32_t tensor)
{
    return state->tensors[tensor].recorded &&
           memcmp(&scan->tensors[tensor].digest, &state->tensors[tensor].digest,
                  sizeof(struct of_digest)) == 0;
}

/* A leaf that differs means damaged data, or a damaged leaf where the tensor's digest is right. */
static void report_damage(struct of_verify_state *state, const struct of_scan *scan,
                          const struct of_scan_file *found)
{
    const struct of_shown shown = of_str_escape(of_str_from(found->name));

    for (uint32_t i = 0; i < found->damage_count; i++) {
        const struct of_damage *damage = &found->damage[i];
        const struct of_tensor *tensor = &scan->table->tensors[damage->tensor];
        const struct of_shown name = of_str_escape(tensor->name);
        const uint64_t first = damage->first_grain * OF_GRAIN_ELEMS;
        const uint64_t end =
            of_num_min(first + damage->grain_count * OF_GRAIN_ELEMS, tensor->elem_count);
        const uint64_t bits = onefold_dtype_bits((onefold_dtype)tensor->dtype);

        if (has_recorded_digest(state, scan, damage->tensor)) {
            of_verify_finding(state, "leaves-differ", leaves_name,
                              "the leaves of tensor \"%s\", elements %llu to %llu, are damaged",
                              name.text, (unsigned long long)first, (unsigned long long)(end - 1));
        } else {
            of_verify_finding(
                state, "verify-content", shown.text,
                "tensor \"%s\": elements %llu to %llu are damaged (bytes %llu to %llu of the file)",
                name.text, (unsigned long long)first, (unsigned long long)(end - 1),
                (unsigned long long)(tensor->offset + first * bits / 8),
                (unsigned long long)(tensor->offset + end * bits / 8 - 1));
        }
    }
    if (found->damage_count == OF_DAMAGE_KEPT_MAX) {
        of_verify_finding(state, "verify-count", shown.text,
                          "%llu grains of 65,536 elements are damaged in all",
                          (unsigned long long)found->damaged_grain_count);
    }
}

static bool is_in_damage(const struct of_scan_file *found, uint32_t tensor)
{
    for (uint32_t i = 0; found->damage != NULL && i < found->damage_count; i++) {
        if (found->damage[i].tensor == tensor) {
            return true;
        }
    }
    return found->damage_count == OF_DAMAGE_KEPT_MAX;
}

static void check_tensor(struct of_verify_state *state, const struct of_scan *scan,
                         const struct of_scan_file *found, uint32_t index)
{
    const struct of_scan_tensor *seen = &scan->tensors[index];
    const struct of_verify_tensor *recorded = &state->tensors[index];
    const struct of_shown file = of_str_escape(of_str_from(found->name));
    const struct of_shown name = of_str_escape(scan->table->tensors[index].name);

    if (!recorded->recorded) {
        return;
    }
    if (!has_recorded_digest(state, scan, index) && !is_in_damage(found, index)) {
        of_verify_finding(state, "verify-content", file.text,
                          "tensor \"%s\" does not have the recorded digest", name.text);
    }
    if (seen->nan_count != recorded->nan_count || seen->inf_count != recorded->inf_count) {
        of_verify_finding(
            state, "verify-finite", file.text,
            "tensor \"%s\" holds %llu NaN and %llu infinities, recorded are %llu and %llu",
            name.text, (unsigned long long)seen->nan_count, (unsigned long long)seen->inf_count,
            (unsigned long long)recorded->nan_count, (unsigned long long)recorded->inf_count);
    }
}

static onefold_status judge_file(struct of_verify_state *state, const struct of_scan *scan,
                                 const struct of_scan_file *found, onefold_error *err)
{
    const struct of_verify_file *file = of_verify_find(state, of_str_from(found->name));

    if (found->error.status != ONEFOLD_OK) {
        return of_verify_take(state, of_str_escape(of_str_from(found->name)).text, &found->error,
                              err);
    }
    check_sums(state, found, file);
    if (found->want_tree) {
        if (found->damage != NULL) {
            report_damage(state, scan, found);
        }
        for (uint32_t i = 0; i < found->tensor_count; i++) {
            check_tensor(state, scan, found, found->first_tensor + i);
        }
    }
    return ONEFOLD_OK;
}

/* The digest of the whole, when every tensor was read. */
static onefold_status check_whole(struct of_verify_state *state, const struct of_scan *scan,
                                  onefold_error *err)
{
    const uint32_t count = scan->table->tensor_count;
    struct of_digest *digests = OF_ARENA_NEW(&state->arena, struct of_digest, of_num_max(count, 1));

    if (digests == NULL) {
        return of_err_set(err, "memory", "no memory for the digests of %u tensors", count);
    }
    for (uint32_t i = 0; i < count; i++) {
        digests[i] = scan->tensors[i].digest;
    }
    OF_TRY(of_digest_checkpoint(scan->table->tensors, digests, count, &state->arena,
                                &state->result.checkpoint_digest, err));
    state->result.has_checkpoint_digest = true;
    if (memcmp(&state->result.checkpoint_digest, &state->head.checkpoint,
               sizeof(struct of_digest)) != 0) {
        of_verify_finding(state, "manifest-checkpoint", "onefold.json",
                          "the data does not have the recorded checkpoint digest");
    }
    return ONEFOLD_OK;
}

static onefold_status judge(struct of_verify_state *state, const struct of_scan *scan,
                            onefold_error *err)
{
    onefold_status status = ONEFOLD_OK;
    bool all_read = true;

    /* One file that cannot be read does not keep the findings of the others back. */
    for (uint32_t i = 0; i < scan->file_count; i++) {
        onefold_error one;
        const onefold_status one_status = judge_file(state, scan, &scan->files[i], &one);

        all_read = all_read && scan->files[i].error.status == ONEFOLD_OK;
        if (one_status != ONEFOLD_OK && status == ONEFOLD_OK) {
            *err = one;
            status = one_status;
        }
    }
    if (status == ONEFOLD_OK && state->tensors != NULL && all_read) {
        return check_whole(state, scan, err);
    }
    return status;
}

onefold_status of_verify_content(struct of_verify_state *state, onefold_error *err)
{
    const struct of_verify_options *options = state->options;
    struct of_kern kern;
    struct of_scan scan = {.folder_fd = state->folder_fd,
                           .leaves_fd = -1,
                           .io_name = options->io_name,
                           .direct = options->direct,
                           .kern = &kern,
                           .progress = options->progress,
                           .progress_context = options->progress_context,
                           .cancel = options->cancel};
    uint64_t leaves_bytes = 0;
    bool warm = false;
    onefold_status status;

    if (of_kern_init(&kern, options->cpu_cap) == NULL) {
        return of_err_set(err, "argument", "\"%s\" is no instruction set of this program",
                          of_str_escape(of_str_from(options->cpu_cap)).text);
    }
    if (state->checkpoint != NULL) {
        scan.table = state->checkpoint->table;
    }
    status = open_leaves(state, &scan, &leaves_bytes, err);
    if (status == ONEFOLD_OK) {
        warm = of_pagecache_is_warm(scan.leaves_fd, 0, leaves_bytes);
        status = choose_files(state, &scan, err);
    }
    if (status == ONEFOLD_OK) {
        of_verify_settle_threads(options, state->arena.used_bytes, &scan);
        status = of_scan_run(&scan, err);
    }
    if (status == ONEFOLD_OK) {
        status = judge(state, &scan, err);
    }
    if (!warm) {
        of_pagecache_drop(scan.leaves_fd, 0, leaves_bytes);
    }
    of_file_close(&scan.leaves_fd);
    state->result.read_bytes = atomic_load(&scan.read_bytes);
    return status;
}
