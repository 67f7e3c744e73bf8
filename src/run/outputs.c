/* SPDX-License-Identifier: Apache-2.0 */
/* The files beside the shards. All are synced before and after the run, when the last of them ends.
 */
#include "run/outputs.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/num.h"
#include "ckpt/digest.h"
#include "fmt/shard_index.h"
#include "fmt/sums_text.h"
#include "sys/file.h"
#include "sys/pagecache.h"

#include <stdlib.h>
#include <string.h>

/* config, index, recipe, card, leaves, manifest, two lists. */
enum { OWN_FILES_MAX = 8 };
/* A side file is copied in pieces of this size. */
enum { COPY_BYTES = 65536 };

static const char sha256_list[] = "SHA256SUMS";
static const char xxh128_list[] = "XXH128SUMS";

onefold_status of_outputs_init(struct of_outputs *outputs, const struct of_plan *plan, int folder,
                               struct of_report *report, struct of_arena *arena, onefold_error *err)
{
    *outputs = (struct of_outputs){.plan = plan, .report = report};
    outputs->writer.fd = -1;
    outputs->leaves.fd = -1;
    outputs->capacity = plan->output.shard_count + plan->side.count + OWN_FILES_MAX;
    outputs->files = OF_ARENA_NEW(arena, struct of_out_file, outputs->capacity);
    if (outputs->files == NULL) {
        return of_err_set(err, "memory", "no memory for the list of output files");
    }
    OF_TRY(of_writer_init(&outputs->writer, folder, plan->sums, err));
    return of_leaves_init(&outputs->leaves, folder, plan->sums, plan->how.hash_thread_count, arena,
                          err);
}

static struct of_out_file *next_file(struct of_outputs *outputs)
{
    of_assert(outputs->file_count < outputs->capacity);
    return &outputs->files[outputs->file_count++];
}

static onefold_status write_whole(struct of_outputs *outputs, const char *name, struct of_str text,
                                  onefold_error *err)
{
    OF_TRY(of_writer_begin(&outputs->writer, name, err));
    OF_TRY(of_writer_add(&outputs->writer, text.data, text.length, err));
    return of_writer_end(&outputs->writer, next_file(outputs), err);
}

static onefold_status no_memory(const char *name, onefold_error *err)
{
    return of_err_set(err, "memory", "no memory to write %s", name);
}

/* ---- Before the run ---- */

static onefold_status copy_bytes(struct of_outputs *outputs, int fd, uint64_t size_bytes,
                                 onefold_error *err)
{
    uint8_t *buffer = of_mem_get(COPY_BYTES);
    onefold_status status = ONEFOLD_OK;

    if (buffer == NULL) {
        return of_err_set(err, "memory", "no memory for a copy buffer");
    }
    for (uint64_t at = 0; at < size_bytes && status == ONEFOLD_OK; at += COPY_BYTES) {
        const uint64_t part = of_num_min(COPY_BYTES, size_bytes - at);

        status = of_file_read_at(fd, buffer, part, at, err);
        if (status == ONEFOLD_OK) {
            status = of_writer_add(&outputs->writer, buffer, part, err);
        }
    }
    of_mem_free(buffer);
    return status;
}

/* Byte for byte from the donor's folder. */
static onefold_status copy_side_file(struct of_outputs *outputs, const char *name,
                                     uint64_t size_planned, bool size_known, onefold_error *err)
{
    const struct of_checkpoint *donor = outputs->plan->donor;
    struct of_identity identity;
    onefold_status status;
    int fd = -1;

    status = of_file_open_read(donor->folder_fd, name, 0, &fd, &identity, err);
    if (status == ONEFOLD_OK && size_known && identity.size_bytes != size_planned) {
        status =
            of_err_set(err, "input-changed", "%s: has %llu bytes, had %llu when planned",
                       of_str_escape(of_str_from(name)).text,
                       (unsigned long long)identity.size_bytes, (unsigned long long)size_planned);
    }
    if (status == ONEFOLD_OK) {
        status = of_writer_begin(&outputs->writer, name, err);
    }
    if (status == ONEFOLD_OK) {
        const bool warm = of_pagecache_is_warm(fd, 0, identity.size_bytes);

        status = copy_bytes(outputs, fd, identity.size_bytes, err);
        if (!warm) {
            of_pagecache_drop(fd, 0, identity.size_bytes);
        }
    }
    if (status == ONEFOLD_OK) {
        status = of_writer_end(&outputs->writer, next_file(outputs), err);
    }
    of_file_close(&fd);
    if (status != ONEFOLD_OK) {
        return of_err_prefix(err, "%s", of_str_escape(of_str_from(donor->folder_path)).text);
    }
    return ONEFOLD_OK;
}

static onefold_status write_config(struct of_outputs *outputs, onefold_error *err)
{
    const struct of_plan *plan = outputs->plan;
    static const char name[] = "config.json";
    struct of_text text = {0};
    bool untouched = false;
    char *donor = NULL;
    uint64_t length = 0;
    onefold_status status;

    if (!plan->donor_config.present) {
        return ONEFOLD_OK;
    }
    if (!plan->donor_config.strict) {
        return copy_side_file(outputs, name, 0, false, err);
    }
    status =
        of_file_slurp(plan->donor->folder_fd, name, 0, OF_CONFIG_BYTES_MAX, &donor, &length, err);
    if (status == ONEFOLD_OK) {
        status = of_config_patch_text((struct of_str){donor, length}, &plan->config_patch, &text,
                                      &untouched, err);
    }
    if (status == ONEFOLD_OK && text.failed) {
        status = no_memory(name, err);
    }
    if (status == ONEFOLD_OK) {
        status = write_whole(outputs, name, (struct of_str){text.data, text.length}, err);
    }
    of_text_finish(&text);
    of_mem_free(donor);
    return status;
}

static onefold_status add_to_index(void *context, struct of_str piece, onefold_error *err)
{
    struct of_outputs *outputs = context;

    return of_writer_add(&outputs->writer, piece.data, piece.length, err);
}

static onefold_status write_index(struct of_outputs *outputs, onefold_error *err)
{
    const struct of_plan *plan = outputs->plan;
    const uint32_t count = plan->output.shard_count;
    static const char name[] = "model.safetensors.index.json";
    struct of_shard_index_text text = {.tensors = plan->tensors,
                                       .tensor_count = plan->step_count,
                                       .total_size = plan->output.total_bytes};
    onefold_status status;
    const char **names;

    if (count < 2) {
        return ONEFOLD_OK;
    }
    names = of_mem_get(of_mem_array_bytes(count, sizeof(*names)));
    if (names == NULL) {
        return no_memory(name, err);
    }
    for (uint32_t i = 0; i < count; i++) {
        names[i] = plan->output.shards[i].name;
    }
    text.files = names;
    status = of_writer_begin(&outputs->writer, name, err);
    if (status == ONEFOLD_OK) {
        status = of_shard_index_emit(&text, add_to_index, outputs, err);
    }
    if (status == ONEFOLD_OK) {
        status = of_writer_end(&outputs->writer, next_file(outputs), err);
    }
    of_mem_free(names);
    return status;
}

static onefold_status write_card(struct of_outputs *outputs, onefold_error *err)
{
    const struct of_plan *plan = outputs->plan;
    const uint32_t count = plan->input_count + (plan->has_base ? 1 : 0);
    struct of_text text = {0};
    struct of_card_input *inputs;
    onefold_status status;

    if (!plan->write_card) {
        return ONEFOLD_OK;
    }
    inputs = of_mem_get(of_mem_array_bytes(count, sizeof(*inputs)));
    if (inputs == NULL) {
        return no_memory("README.md", err);
    }
    for (uint32_t i = 0; i < count; i++) {
        inputs[i] = (struct of_card_input){.label = plan->inputs[i].reference,
                                           .is_base = i == plan->input_count};
    }
    of_card_emit(of_str_from(plan->method->name), inputs, count, plan->recipe->text, &text);
    status = text.failed
                 ? no_memory("README.md", err)
                 : write_whole(outputs, "README.md", (struct of_str){text.data, text.length}, err);
    of_text_finish(&text);
    of_mem_free(inputs);
    return status;
}

onefold_status of_outputs_early(struct of_outputs *outputs, onefold_error *err)
{
    const struct of_plan *plan = outputs->plan;

    for (uint32_t i = 0; i < plan->side.count; i++) {
        OF_TRY(copy_side_file(outputs, plan->side.files[i].name, plan->side.files[i].size_bytes,
                              true, err));
    }
    OF_TRY(write_config(outputs, err));
    OF_TRY(write_index(outputs, err));
    OF_TRY(write_card(outputs, err));
    OF_TRY(write_whole(outputs, "mergekit_config.yml", plan->recipe->text, err));
    OF_TRY(of_writer_sync(&outputs->writer, err));
    return of_leaves_begin(&outputs->leaves, err);
}

/* ---- After the run ---- */

static int compare_files(const void *a, const void *b)
{
    const struct of_out_file *left = a;
    const struct of_out_file *right = b;

    return strcmp(left->name, right->name);
}

static void sort_files(struct of_outputs *outputs)
{
    qsort(outputs->files, outputs->file_count, sizeof(*outputs->files), compare_files);
}

/* One checksum list over all files but the lists. */
static onefold_status write_list(struct of_outputs *outputs, const char *name, bool is_sha256,
                                 onefold_error *err)
{
    struct of_text text = {0};
    onefold_status status;

    for (uint32_t i = 0; i < outputs->file_count; i++) {
        const struct of_out_file *file = &outputs->files[i];
        const uint8_t *digest = is_sha256 ? file->hashes.sha256.bytes : file->hashes.xxh128.bytes;

        if (strcmp(file->name, sha256_list) != 0 && strcmp(file->name, xxh128_list) != 0) {
            of_sums_emit(&text, digest,
                         is_sha256 ? sizeof(file->hashes.sha256.bytes)
                                   : sizeof(file->hashes.xxh128.bytes),
                         of_str_from(file->name));
        }
    }
    status = text.failed ? no_memory(name, err)
                         : write_whole(outputs, name, (struct of_str){text.data, text.length}, err);
    of_text_finish(&text);
    return status;
}

/* SHA-256 over the raw digests of all files in order of their paths. The folder is flat, so the
 * order by components is the order by bytes. */
static onefold_status make_root(struct of_outputs *outputs, onefold_error *err)
{
    struct of_hash *hash = of_hash_create(OF_HASH_SHA256);

    if (hash == NULL) {
        return of_err_set(err, "memory", "no memory for the digest of the whole output");
    }
    for (uint32_t i = 0; i < outputs->file_count; i++) {
        of_hash_update(hash, outputs->files[i].hashes.sha256.bytes,
                       sizeof(outputs->files[i].hashes.sha256.bytes));
    }
    of_hash_finish(hash, outputs->root.bytes);
    of_hash_destroy(hash);
    outputs->has_root = true;
    return ONEFOLD_OK;
}

static void add_shards(struct of_outputs *outputs, struct of_hasher *hasher)
{
    const struct of_out_layout *layout = &outputs->plan->output;

    for (uint32_t i = 0; i < layout->shard_count; i++) {
        struct of_out_file *file = next_file(outputs);

        *file = (struct of_out_file){.name = layout->shards[i].name,
                                     .size_bytes = layout->shards[i].file_bytes};
        of_hasher_result(hasher, i, &file->hashes);
    }
}

onefold_status of_outputs_late(struct of_outputs *outputs, const struct of_retire *retire,
                               const struct of_solved *solved, struct of_hasher *hasher,
                               struct of_arena *arena, onefold_error *err)
{
    const struct of_plan *plan = outputs->plan;
    struct of_findings_of_run found = {
        .retire = retire, .solved = solved, .checkpoint = &outputs->checkpoint};

    of_assert(outputs->leaves.added_count == plan->grain_count);
    OF_TRY(of_leaves_end(&outputs->leaves, next_file(outputs), err));
    add_shards(outputs, hasher);
    sort_files(outputs);
    OF_TRY(of_digest_checkpoint(plan->tensors, retire->digests, plan->step_count, arena,
                                &outputs->checkpoint, err));
    OF_TRY(of_writer_begin(&outputs->writer, "onefold.json", err));
    found.files = outputs->files;
    found.file_count = outputs->file_count;
    OF_TRY(of_manifest_write(&outputs->writer, plan, &found, err));
    OF_TRY(of_writer_end(&outputs->writer, next_file(outputs), err));
    sort_files(outputs);
    if ((plan->sums & OF_SUM_SHA256) != 0) {
        OF_TRY(write_list(outputs, sha256_list, true, err));
    }
    if ((plan->sums & OF_SUM_XXH128) != 0) {
        OF_TRY(write_list(outputs, xxh128_list, false, err));
    }
    OF_TRY(of_writer_sync(&outputs->writer, err));
    if ((plan->sums & OF_SUM_SHA256) != 0) {
        sort_files(outputs);
        OF_TRY(make_root(outputs, err));
    }
    return ONEFOLD_OK;
}

void of_outputs_finish(struct of_outputs *outputs)
{
    if (outputs->plan != NULL) {
        of_writer_finish(&outputs->writer);
        of_leaves_finish(&outputs->leaves);
        outputs->plan = NULL;
    }
}
