/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public functions about words, checkpoints, methods and verification: check arguments, call
 * down, translate structs. Recipes, plans and runs: api_merge.c. Nothing is decided here.
 */
#include "api/api.h"

#include "base/dtype.h"
#include "base/str.h"
#include "ckpt/checkpoint.h"
#include "method/method.h"
#include "onefold/checkpoint.h"
#include "onefold/digest.h"
#include "onefold/merge.h"
#include "onefold/text.h"
#include "onefold/version.h"
#include "run/verify.h"

#include <math.h>
#include <string.h>

/* ---- Version and words ---- */

const char *onefold_version(void)
{
    return ONEFOLD_VERSION;
}

int onefold_dtype_parse(const char *name, onefold_dtype *ret_dtype)
{
    if (name == NULL || ret_dtype == NULL) {
        return 0;
    }
    return of_dtype_parse_torch(of_str_from(name), ret_dtype) ? 1 : 0;
}

onefold_shown onefold_text_show(const char *text, uint64_t length)
{
    struct of_shown shown;
    onefold_shown result;

    _Static_assert(sizeof(result.text) == sizeof(shown.text), "both forms hold the same text");
    memset(&shown, 0, sizeof(shown));
    if (text != NULL) {
        shown = of_str_escape((struct of_str){text, (size_t)length});
    }
    memcpy(result.text, shown.text, sizeof(result.text));
    return result;
}

const char *onefold_text_nearest(const char *word, const char *const *candidates, uint64_t count)
{
    if (word == NULL || candidates == NULL) {
        return NULL;
    }
    return of_str_nearest(of_str_from(word), candidates, (size_t)count);
}

/* ---- Shared by the files of this floor ---- */

onefold_error *of_api_err(onefold_error *err, onefold_error *dummy)
{
    onefold_error *used = err != NULL ? err : dummy;

    of_err_clear(used);
    return used;
}

bool of_api_is_zero(const uint64_t *reserved, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (reserved[i] != 0) {
            return false;
        }
    }
    return true;
}

void of_api_report_init(struct of_report *report, onefold_notice_fn *fn, void *context)
{
    memset(report, 0, sizeof(*report));
    report->fn = fn;
    report->context = context;
    of_err_clear(&report->first_error);
}

/* ---- Checkpoints ---- */

struct onefold_checkpoint {
    struct of_arena arena;
    struct of_report report;
    struct of_checkpoint_set set;
    const struct of_checkpoint *checkpoint; /* belongs to the set */
};

void onefold_checkpoint_options_init(onefold_checkpoint_options *options)
{
    if (options != NULL) {
        memset(options, 0, sizeof(*options));
    }
}

/* What is left for records when the bound is one for the process. */
static uint64_t records_limit(uint64_t memory_bytes)
{
    const uint64_t bound = memory_bytes != 0 ? memory_bytes : OF_MEMORY_DEFAULT;
    const uint64_t program = OF_MEMORY_PROGRAM + OF_MEMORY_RESERVE;

    return bound > program ? bound - program : 1;
}

onefold_status onefold_checkpoint_open(const char *path, const onefold_checkpoint_options *options,
                                       onefold_checkpoint **ret_checkpoint, onefold_error *err)
{
    onefold_error dummy;
    onefold_checkpoint_options standard;
    onefold_checkpoint *handle;
    struct of_checkpoint *opened = NULL;
    onefold_status status;

    err = of_api_err(err, &dummy);
    onefold_checkpoint_options_init(&standard);
    if (options == NULL) {
        options = &standard;
    }
    if (path == NULL || path[0] == '\0' || ret_checkpoint == NULL ||
        !of_api_is_zero(options->reserved, OF_LENGTH(options->reserved))) {
        return of_err_set(err, "argument", "onefold_checkpoint_open: path or options missing");
    }
    handle = of_mem_get(sizeof(*handle));
    if (handle == NULL) {
        return of_err_set(err, "memory", "no memory to open a checkpoint");
    }
    of_arena_init(&handle->arena, records_limit(options->memory_bytes));
    of_api_report_init(&handle->report, options->notice, options->notice_context);
    handle->set.arena = &handle->arena;
    handle->set.report = &handle->report;
    handle->set.no_links = options->no_symlinks != 0;
    handle->set.hf_cache = options->hf_cache;
    status = of_checkpoint_open(&handle->set, path, options->revision, &opened, err);
    if (status != ONEFOLD_OK) {
        onefold_checkpoint_close(handle);
        return status;
    }
    handle->checkpoint = opened;
    /* The caller's context may be gone before the checkpoint is. */
    handle->report.fn = NULL;
    handle->set.hf_cache = NULL;
    *ret_checkpoint = handle;
    return ONEFOLD_OK;
}

void onefold_checkpoint_close(onefold_checkpoint *checkpoint)
{
    if (checkpoint == NULL) {
        return;
    }
    of_checkpoint_set_finish(&checkpoint->set);
    of_arena_finish(&checkpoint->arena);
    of_mem_free(checkpoint);
}

uint64_t onefold_checkpoint_tensor_count(const onefold_checkpoint *checkpoint)
{
    return checkpoint != NULL ? checkpoint->checkpoint->table->tensor_count : 0;
}

static void fill_tensor_info(const struct of_tensor *tensor, onefold_tensor_info *ret_info)
{
    ret_info->name = tensor->name.data;
    ret_info->shape = tensor->shape;
    ret_info->elem_count = tensor->elem_count;
    ret_info->byte_count = tensor->byte_count;
    ret_info->offset = tensor->offset;
    ret_info->shard_index = tensor->shard_index;
    ret_info->rank = tensor->rank;
    ret_info->dtype = (onefold_dtype)tensor->dtype;
}

void onefold_checkpoint_tensor_at(const onefold_checkpoint *checkpoint, uint64_t index,
                                  onefold_tensor_info *ret_info)
{
    of_assert(index < onefold_checkpoint_tensor_count(checkpoint));
    fill_tensor_info(&checkpoint->checkpoint->table->tensors[index], ret_info);
}

int onefold_checkpoint_tensor_find(const onefold_checkpoint *checkpoint, const char *name,
                                   onefold_tensor_info *ret_info)
{
    uint32_t index;

    if (checkpoint == NULL || name == NULL) {
        return 0;
    }
    index = of_table_find(checkpoint->checkpoint->table, of_str_from(name));
    if (index == OF_MAP_NONE) {
        return 0;
    }
    if (ret_info != NULL) {
        fill_tensor_info(&checkpoint->checkpoint->table->tensors[index], ret_info);
    }
    return 1;
}

uint64_t onefold_checkpoint_shard_count(const onefold_checkpoint *checkpoint)
{
    return checkpoint != NULL ? checkpoint->checkpoint->shard_count : 0;
}

void onefold_checkpoint_shard_at(const onefold_checkpoint *checkpoint, uint64_t index,
                                 onefold_shard_info *ret_info)
{
    const struct of_shard *shard;

    of_assert(index < onefold_checkpoint_shard_count(checkpoint));
    shard = &checkpoint->checkpoint->shards[index];
    ret_info->name = shard->name;
    ret_info->size_bytes = shard->identity.size_bytes;
    ret_info->data_offset = shard->data_offset;
}

int onefold_checkpoint_metadata_at(const onefold_checkpoint *checkpoint, uint64_t index,
                                   const char **ret_key, uint64_t *ret_key_length,
                                   const char **ret_value, uint64_t *ret_value_length)
{
    const struct of_pair *pair;

    if (checkpoint == NULL || index >= checkpoint->checkpoint->metadata_count) {
        return 0;
    }
    pair = &checkpoint->checkpoint->metadata[index];
    *ret_key = pair->key.data;
    *ret_key_length = pair->key.length;
    *ret_value = pair->value.data;
    *ret_value_length = pair->value.length;
    return 1;
}

uint64_t onefold_checkpoint_byte_count(const onefold_checkpoint *checkpoint)
{
    return checkpoint != NULL ? checkpoint->checkpoint->table->byte_count : 0;
}

const char *onefold_checkpoint_folder(const onefold_checkpoint *checkpoint)
{
    return checkpoint != NULL ? checkpoint->checkpoint->folder_path : "";
}

/* ---- Methods ---- */

static const char *const scale_names[] = {
    [OF_SCALE_OF_SUM] = "sum", [OF_SCALE_OF_MEAN] = "mean", [OF_SCALE_OF_OWN] = "own"};
static const char *const base_names[] = {
    [OF_BASE_DONOR] = "donor", [OF_BASE_REQUIRED] = "required", [OF_BASE_NONE] = "none"};
static const char *const kind_names[] = {[OF_PARAM_REAL] = "number",
                                         [OF_PARAM_BOOL] = "boolean",
                                         [OF_PARAM_INTEGER] = "integer",
                                         [OF_PARAM_WORD] = "word"};

uint64_t onefold_method_count(void)
{
    return of_method_count();
}

int onefold_method_at(uint64_t index, onefold_method_info *ret_info)
{
    const struct of_method *method;

    if (index >= of_method_count() || ret_info == NULL) {
        return 0;
    }
    method = of_method_at(index);
    memset(ret_info, 0, sizeof(*ret_info));
    ret_info->name = method->name;
    ret_info->summary = method->summary;
    ret_info->reference = method->reference;
    ret_info->scale = scale_names[method->scale];
    ret_info->base = base_names[method->base];
    ret_info->passes = method->gram == OF_GRAM_NONE ? 1 : 2;
    ret_info->input_count_min = method->input_count_min;
    ret_info->input_count_max = method->input_count_max;
    ret_info->param_count = method->param_count;
    ret_info->takes_lambda = method->takes_lambda ? 1 : 0;
    ret_info->lambda_scale = method->is_federated ? "mean" : scale_names[method->scale];
    return 1;
}

int onefold_method_param_at(uint64_t method_index, uint64_t index, onefold_param_info *ret_info)
{
    const struct of_method *method;
    const struct of_param *param;

    if (method_index >= of_method_count() || ret_info == NULL) {
        return 0;
    }
    method = of_method_at(method_index);
    if (index >= method->param_count) {
        return 0;
    }
    param = &method->params[index];
    memset(ret_info, 0, sizeof(*ret_info));
    ret_info->name = param->name;
    ret_info->kind = kind_names[param->kind];
    ret_info->per_input = param->per_input ? 1 : 0;
    ret_info->required = param->required ? 1 : 0;
    ret_info->is_fact = param->is_fact ? 1 : 0;
    ret_info->has_standard = isnan(param->standard) ? 0 : 1;
    ret_info->standard = isnan(param->standard) ? 0.0 : param->standard;
    ret_info->min = param->min;
    ret_info->max = param->max;
    ret_info->help = param->help;
    ret_info->is_whole = param->is_whole ? 1 : 0;
    ret_info->min_excluded = param->min_excluded ? 1 : 0;
    ret_info->words = param->words;
    return 1;
}

/* ---- Verification and tree digests ---- */

void onefold_verify_options_init(onefold_verify_options *options)
{
    if (options != NULL) {
        memset(options, 0, sizeof(*options));
    }
}

struct verify_call {
    struct of_report report;
    struct of_api_progress progress;
    struct of_verify_options options;
};

static onefold_status prepare_verify(const onefold_verify_options *options,
                                     struct verify_call *call, onefold_error *err)
{
    memset(call, 0, sizeof(*call));
    of_api_report_init(&call->report, options->notice, options->notice_context);
    if (!of_api_is_zero(options->reserved, OF_LENGTH(options->reserved))) {
        return of_err_set(err, "argument", "onefold_verify_options was not initialised");
    }
    OF_TRY(of_api_direct(options->direct, &call->options.direct, err));
    call->progress.fn = options->progress;
    call->progress.context = options->progress_context;
    call->options.structure_only = options->structure_only != 0;
    call->options.fast = options->fast != 0;
    call->options.thread_count = options->thread_count;
    call->options.memory_bytes = options->memory_bytes;
    call->options.io_name = options->io;
    call->options.cpu_cap = options->cpu;
    call->options.report = &call->report;
    call->options.progress = options->progress != NULL ? of_api_progress : NULL;
    call->options.progress_context = &call->progress;
    call->options.cancel = options->cancel != NULL ? &options->cancel->signal_number : NULL;
    return ONEFOLD_OK;
}

onefold_status onefold_verify(const char *path, const onefold_verify_options *options,
                              onefold_verify_result *ret_result, onefold_error *err)
{
    onefold_error dummy;
    onefold_verify_options standard;
    struct verify_call call;
    struct of_verify_result result;
    onefold_status status;

    err = of_api_err(err, &dummy);
    onefold_verify_options_init(&standard);
    if (path == NULL || path[0] == '\0') {
        return of_err_set(err, "argument", "onefold_verify: no path given");
    }
    OF_TRY(prepare_verify(options != NULL ? options : &standard, &call, err));
    memset(&result, 0, sizeof(result));
    status = of_verify(path, &call.options, &result, err);
    if (ret_result != NULL) {
        memset(ret_result, 0, sizeof(*ret_result));
        ret_result->had_manifest = result.had_manifest ? 1 : 0;
        ret_result->had_leaves = result.had_leaves ? 1 : 0;
        ret_result->had_sha256_list = result.had_sha256_list ? 1 : 0;
        ret_result->had_xxh128_list = result.had_xxh128_list ? 1 : 0;
        ret_result->file_count = result.file_count;
        ret_result->tensor_count = result.tensor_count;
        ret_result->read_bytes = result.read_bytes;
        ret_result->wall_ns = result.wall_ns;
        ret_result->finding_count = result.finding_count;
        if (result.has_checkpoint_digest) {
            of_hash_hex(result.checkpoint_digest.bytes, sizeof(result.checkpoint_digest.bytes),
                        ret_result->checkpoint_digest);
        }
    }
    return status;
}

struct tree_call {
    onefold_tensor_digest_fn *fn;
    void *context;
};

static void pass_tensor_digest(void *context, const struct of_tensor *tensor,
                               const struct of_digest *digest)
{
    const struct tree_call *call = context;

    call->fn(call->context, tensor->name.data, digest->bytes);
}

onefold_status onefold_digest_tree(const char *path, const onefold_verify_options *options,
                                   onefold_tensor_digest_fn *fn, void *context,
                                   uint8_t ret_checkpoint[16], onefold_error *err)
{
    onefold_error dummy;
    onefold_verify_options standard;
    struct verify_call call;
    struct tree_call tree = {.fn = fn, .context = context};
    struct of_digest digest;

    err = of_api_err(err, &dummy);
    onefold_verify_options_init(&standard);
    if (path == NULL || path[0] == '\0' || fn == NULL || ret_checkpoint == NULL) {
        return of_err_set(err, "argument", "onefold_digest_tree: path or callback missing");
    }
    OF_TRY(prepare_verify(options != NULL ? options : &standard, &call, err));
    OF_TRY(of_digest_tree(path, &call.options, pass_tensor_digest, &tree, &digest, err));
    memcpy(ret_checkpoint, digest.bytes, sizeof(digest.bytes));
    return ONEFOLD_OK;
}
