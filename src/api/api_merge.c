/* SPDX-License-Identifier: Apache-2.0 */
/* The public functions about recipes, plans and runs: check arguments, call down, translate
 * structs. */
#include "api/api.h"

#include "base/hash.h"
#include "base/str.h"
#include "onefold/merge.h"
#include "plan/plan.h"
#include "recipe/recipe.h"
#include "run/run.h"
#include "sys/file.h"
#include "sys/host.h"
#include "sys/node.h"

#include <signal.h>
#include <string.h>

/* A recipe of OF_RECIPE_BYTES_MAX and OF_RECIPE_NODES_MAX stays far below this. */
#define RECIPE_ARENA_BYTES_MAX (32 * OF_MIB)

/* Inner products of some 800 inputs, and what they are in memory. */
#define STATS_BYTES_MAX       (16 * OF_MIB)
#define STATS_ARENA_BYTES_MAX (16 * OF_MIB)

/* The default of --out-shard-size, as in the dialect. */
#define OUT_SHARD_BYTES_DEFAULT UINT64_C(5000000000)

/* A run is stopped by storing into the caller's struct from a signal handler. */
_Static_assert(_Generic((sig_atomic_t)0, int : 1, default : 0), "onefold_cancel holds an int");

/* ---- Recipes ---- */

struct onefold_recipe {
    struct of_arena arena;
    struct of_recipe *recipe; /* in the arena */
};

static onefold_status parse_recipe(struct of_str text, const char *label, struct of_report *report,
                                   onefold_recipe **ret_recipe, onefold_error *err)
{
    onefold_recipe *handle = of_mem_get(sizeof(*handle));
    onefold_status status;

    if (handle == NULL) {
        return of_err_set(err, "memory", "no memory to parse a recipe");
    }
    of_arena_init(&handle->arena, RECIPE_ARENA_BYTES_MAX);
    status = of_recipe_parse(text, label, &handle->arena, report, &handle->recipe, err);
    if (status != ONEFOLD_OK) {
        onefold_recipe_free(handle);
        return status;
    }
    *ret_recipe = handle;
    return ONEFOLD_OK;
}

onefold_status onefold_recipe_parse(const char *text, uint64_t length, const char *label,
                                    onefold_notice_fn *notice, void *notice_context,
                                    onefold_recipe **ret_recipe, onefold_error *err)
{
    onefold_error dummy;
    struct of_report report;

    err = of_api_err(err, &dummy);
    of_api_report_init(&report, notice, notice_context);
    if ((text == NULL && length != 0) || ret_recipe == NULL) {
        return of_err_set(err, "argument", "onefold_recipe_parse: no text given");
    }
    if (length > OF_RECIPE_BYTES_MAX) {
        return of_err_set(err, "recipe-limit", "a recipe of %llu bytes; the limit is %llu",
                          (unsigned long long)length, (unsigned long long)OF_RECIPE_BYTES_MAX);
    }
    return parse_recipe((struct of_str){text != NULL ? text : "", (size_t)length},
                        label != NULL ? label : "recipe", &report, ret_recipe, err);
}

onefold_status onefold_recipe_load(const char *path, onefold_notice_fn *notice,
                                   void *notice_context, onefold_recipe **ret_recipe,
                                   onefold_error *err)
{
    onefold_error dummy;
    struct of_report report;
    char *data = NULL;
    uint64_t length = 0;
    onefold_status status;

    err = of_api_err(err, &dummy);
    of_api_report_init(&report, notice, notice_context);
    if (path == NULL || path[0] == '\0' || ret_recipe == NULL) {
        return of_err_set(err, "argument", "onefold_recipe_load: no path given");
    }
    status = of_file_slurp(of_file_here, path, 0, OF_RECIPE_BYTES_MAX, &data, &length, err);
    if (status != ONEFOLD_OK) {
        /* Too much for a recipe is a wrong recipe, not a wrong input. */
        return strcmp(err->id, "input-size") != 0
                   ? status
                   : of_err_set(err, "recipe-limit", "%s: a recipe of more than %llu bytes",
                                of_str_escape(of_str_from(path)).text,
                                (unsigned long long)OF_RECIPE_BYTES_MAX);
    }
    status = parse_recipe((struct of_str){data, (size_t)length}, path, &report, ret_recipe, err);
    of_mem_free(data);
    return status;
}

void onefold_recipe_free(onefold_recipe *recipe)
{
    if (recipe == NULL) {
        return;
    }
    of_arena_finish(&recipe->arena);
    of_mem_free(recipe);
}

/* ---- Plans ---- */

struct onefold_plan {
    struct of_report report; /* the plan's checkpoints point here as long as it lives */
    struct of_arena arena;   /* saved statistics, which the plan points to */
    struct of_plan *plan;
};

const struct of_plan *of_api_plan(const onefold_plan *plan)
{
    return plan->plan;
}

_Static_assert((int)ONEFOLD_SUM_SHA256 == (int)OF_SUM_SHA256 &&
                   (int)ONEFOLD_SUM_XXH128 == (int)OF_SUM_XXH128,
               "masks of sums are passed through");
_Static_assert((int)ONEFOLD_PLAN_TEXT == (int)OF_PLAN_TEXT &&
                   (int)ONEFOLD_PLAN_TEXT_ALL == (int)OF_PLAN_TEXT_ALL &&
                   (int)ONEFOLD_PLAN_JSON == (int)OF_PLAN_JSON,
               "forms of a plan are passed through");

void onefold_plan_options_init(onefold_plan_options *options)
{
    if (options == NULL) {
        return;
    }
    memset(options, 0, sizeof(*options));
    options->out_shard_bytes = OUT_SHARD_BYTES_DEFAULT;
    options->copy_tokenizer = 1;
    options->write_model_card = 1;
    options->sums = ONEFOLD_SUM_SHA256 | ONEFOLD_SUM_XXH128;
}

onefold_status of_api_direct(int direct, enum of_direct *ret_direct, onefold_error *err)
{
    switch (direct) {
    case ONEFOLD_DIRECT_AUTO:
        *ret_direct = OF_DIRECT_AUTO;
        return ONEFOLD_OK;
    case ONEFOLD_DIRECT_ON:
        *ret_direct = OF_DIRECT_ON;
        return ONEFOLD_OK;
    case ONEFOLD_DIRECT_OFF:
        *ret_direct = OF_DIRECT_OFF;
        return ONEFOLD_OK;
    default:
        return of_err_set(err, "argument", "direct: %d is none of ONEFOLD_DIRECT_*", direct);
    }
}

static onefold_status check_plan_options(const onefold_plan_options *given, onefold_error *err)
{
    if (!of_api_is_zero(given->reserved, OF_LENGTH(given->reserved))) {
        return of_err_set(err, "argument", "onefold_plan_options was not initialised");
    }
    if (given->sums & ~(uint32_t)(ONEFOLD_SUM_SHA256 | ONEFOLD_SUM_XXH128)) {
        return of_err_set(err, "argument", "sums: 0x%x is no mask of ONEFOLD_SUM_*", given->sums);
    }
    if (given->nonfinite != ONEFOLD_NONFINITE_FAIL && given->nonfinite != ONEFOLD_NONFINITE_KEEP) {
        return of_err_set(err, "argument", "nonfinite: %d is none of ONEFOLD_NONFINITE_*",
                          given->nonfinite);
    }
    if (given->compare && given->stats_path != NULL) {
        return of_err_set(err, "argument",
                          "compare gathers statistics; stats_path is for a plan that merges");
    }
    if (given->tensor_union && given->tensor_intersection) {
        return of_err_set(err, "argument",
                          "tensor_union and tensor_intersection exclude each other");
    }
    if ((given->dtype_given &&
         (given->dtype >= ONEFOLD_DTYPE_COUNT || !onefold_dtype_is_numeric(given->dtype))) ||
        (given->out_dtype_given && (given->out_dtype >= ONEFOLD_DTYPE_COUNT ||
                                    !onefold_dtype_is_numeric(given->out_dtype)))) {
        return of_err_set(err, "argument", "dtype: results need a floating-point type");
    }
    return ONEFOLD_OK;
}

static onefold_status translate_plan_options(const onefold_plan_options *given,
                                             struct of_plan_options *ret_options,
                                             onefold_error *err)
{
    struct of_nodes nodes;

    OF_TRY(check_plan_options(given, err));
    of_plan_options_init(ret_options);
    OF_TRY(of_api_direct(given->direct, &ret_options->direct, err));
    ret_options->memory_bytes = given->memory_bytes;
    ret_options->worker_count = given->worker_count;
    ret_options->hash_thread_count = given->hash_thread_count;
    ret_options->pool_count = given->pool_count;
    ret_options->ring_count = given->ring_count;
    ret_options->io_name = given->io;
    ret_options->out_shard_bytes = given->out_shard_bytes;
    ret_options->has_dtype = given->dtype_given != 0;
    ret_options->dtype = given->dtype;
    ret_options->has_out_dtype = given->out_dtype_given != 0;
    ret_options->out_dtype = given->out_dtype;
    ret_options->tensor_union = given->tensor_union != 0;
    ret_options->tensor_intersection = given->tensor_intersection != 0;
    ret_options->nonfinite =
        given->nonfinite == ONEFOLD_NONFINITE_KEEP ? OF_NONFINITE_KEEP : OF_NONFINITE_FAIL;
    ret_options->copy_tokenizer = given->copy_tokenizer != 0;
    ret_options->write_card = given->write_model_card != 0;
    ret_options->sums = given->sums;
    ret_options->no_links = given->no_symlinks != 0;
    ret_options->hf_cache = given->hf_cache;
    ret_options->compare = given->compare != 0;
    of_nodes_find(&nodes, NULL);
    ret_options->machine_cpu_count = of_host_cpu_count();
    ret_options->machine_node_count = nodes.count;
    ret_options->machine_memory_bytes = of_host_memory_limit();
    return ONEFOLD_OK;
}

/* The file is named in every message about it. */
static onefold_status load_stats(const char *path, struct of_arena *arena,
                                 const struct of_stats_file **ret_stats, onefold_error *err)
{
    char *data = NULL;
    uint64_t length = 0;
    struct of_stats_file *stats = NULL;
    onefold_status status;

    OF_TRY(of_file_slurp(of_file_here, path, 0, STATS_BYTES_MAX, &data, &length, err));
    status = of_stats_parse((struct of_str){data, (size_t)length}, arena, &stats, err);
    of_mem_free(data);
    if (status != ONEFOLD_OK) {
        return of_err_prefix(err, "%s", of_str_escape(of_str_from(path)).text);
    }
    *ret_stats = stats;
    return ONEFOLD_OK;
}

onefold_status onefold_plan_build(const onefold_recipe *recipe, const onefold_plan_options *options,
                                  onefold_plan **ret_plan, onefold_error *err)
{
    onefold_error dummy;
    onefold_plan_options standard;
    struct of_plan_options translated;
    onefold_plan *handle;
    onefold_status status;

    err = of_api_err(err, &dummy);
    onefold_plan_options_init(&standard);
    if (options == NULL) {
        options = &standard;
    }
    if (recipe == NULL || ret_plan == NULL) {
        return of_err_set(err, "argument", "onefold_plan_build: no recipe given");
    }
    OF_TRY(translate_plan_options(options, &translated, err));
    handle = of_mem_get(sizeof(*handle));
    if (handle == NULL) {
        return of_err_set(err, "memory", "no memory to plan");
    }
    of_api_report_init(&handle->report, options->notice, options->notice_context);
    of_arena_init(&handle->arena, STATS_ARENA_BYTES_MAX);
    status = options->stats_path != NULL
                 ? load_stats(options->stats_path, &handle->arena, &translated.stats, err)
                 : ONEFOLD_OK;
    if (status == ONEFOLD_OK) {
        status = of_plan_build(recipe->recipe, &translated, &handle->report, &handle->plan, err);
    }
    if (status != ONEFOLD_OK) {
        onefold_plan_free(handle);
        return status;
    }
    /* The caller's context may be gone before the plan is. */
    handle->report.fn = NULL;
    *ret_plan = handle;
    return ONEFOLD_OK;
}

void onefold_plan_free(onefold_plan *plan)
{
    if (plan == NULL) {
        return;
    }
    of_plan_free(plan->plan);
    of_arena_finish(&plan->arena);
    of_mem_free(plan);
}

void onefold_plan_get_info(const onefold_plan *plan, onefold_plan_info *ret_info)
{
    const struct of_plan *inner;

    if (ret_info == NULL) {
        return;
    }
    memset(ret_info, 0, sizeof(*ret_info));
    if (plan == NULL) {
        return;
    }
    inner = plan->plan;
    ret_info->read_bytes = inner->read_bytes;
    ret_info->write_bytes = inner->write_bytes;
    ret_info->tensor_count = inner->step_count;
    ret_info->shard_count = inner->output.shard_count;
    ret_info->memory_bytes = inner->how.memory_bytes;
    ret_info->input_count = inner->input_count;
    ret_info->worker_count = inner->how.worker_count;
    of_hash_hex(inner->hash.bytes, sizeof(inner->hash.bytes), ret_info->hash);
}

struct write_call {
    onefold_write_fn *write;
    void *context;
};

static bool pass_write(void *context, const char *data, uint64_t length)
{
    const struct write_call *call = context;

    return call->write(call->context, data, length) != 0;
}

onefold_status onefold_plan_write(const onefold_plan *plan, int form, onefold_write_fn *write,
                                  void *context, onefold_error *err)
{
    onefold_error dummy;
    struct write_call call = {.write = write, .context = context};

    err = of_api_err(err, &dummy);
    if (plan == NULL || write == NULL || form < ONEFOLD_PLAN_TEXT || form > ONEFOLD_PLAN_JSON) {
        return of_err_set(err, "argument", "onefold_plan_write: no plan, or no such form");
    }
    return of_plan_write(plan->plan, (enum of_plan_form)form, pass_write, &call, err);
}

/* ---- Runs ---- */

void onefold_cancel_request(onefold_cancel *cancel, int signal_number)
{
    if (cancel != NULL) {
        cancel->signal_number = signal_number;
    }
}

void onefold_run_options_init(onefold_run_options *options)
{
    if (options != NULL) {
        memset(options, 0, sizeof(*options));
    }
}

void of_api_progress(void *context, const struct of_progress *progress)
{
    const struct of_api_progress *call = context;
    const onefold_progress passed = {.done_bytes = progress->done_bytes,
                                     .total_bytes = progress->total_bytes,
                                     .elapsed_ns = progress->elapsed_ns,
                                     .pass = progress->pass,
                                     .pass_count = progress->pass_count,
                                     .waiting_for = progress->waiting_for};

    call->fn(call->context, &passed);
}

onefold_status of_api_run_prepare(const onefold_run_options *options, struct of_api_run *ret_run,
                                  onefold_error *err)
{
    memset(ret_run, 0, sizeof(*ret_run));
    of_api_report_init(&ret_run->report, options->notice, options->notice_context);
    if (!of_api_is_zero(options->reserved, OF_LENGTH(options->reserved))) {
        return of_err_set(err, "argument", "onefold_run_options was not initialised");
    }
    ret_run->progress.fn = options->progress;
    ret_run->progress.context = options->progress_context;
    ret_run->options.force = options->force != 0;
    ret_run->options.restart = options->restart != 0;
    ret_run->options.report = &ret_run->report;
    ret_run->options.progress = options->progress != NULL ? of_api_progress : NULL;
    ret_run->options.progress_context = &ret_run->progress;
    ret_run->options.cancel = options->cancel != NULL ? &options->cancel->signal_number : NULL;
    ret_run->options.cpu_cap = options->cpu;
    return ONEFOLD_OK;
}

/* A run with an output, which a plan for comparing has not. */
static onefold_status prepare_merge(const onefold_plan *plan, const char *output_path,
                                    const onefold_run_options *options, struct of_api_run *ret_run,
                                    onefold_error *err)
{
    if (plan->plan->compare) {
        return of_err_set(err, "argument", "the plan was built to compare; nothing can be written");
    }
    if (output_path == NULL || output_path[0] == '\0') {
        return of_err_set(err, "argument", "the path of the output is empty");
    }
    OF_TRY(of_api_run_prepare(options, ret_run, err));
    ret_run->options.output_path = output_path;
    return ONEFOLD_OK;
}

onefold_status onefold_run_check(const onefold_plan *plan, const char *output_path,
                                 const onefold_run_options *options, onefold_error *err)
{
    onefold_error dummy;
    onefold_run_options standard;
    struct of_api_run call;

    err = of_api_err(err, &dummy);
    onefold_run_options_init(&standard);
    if (plan == NULL) {
        return of_err_set(err, "argument", "onefold_run_check: no plan given");
    }
    OF_TRY(prepare_merge(plan, output_path, options != NULL ? options : &standard, &call, err));
    return of_run_check(plan->plan, &call.options, err);
}

static void fill_stats(const struct of_run_stats *from, onefold_run_stats *ret_stats)
{
    memset(ret_stats, 0, sizeof(*ret_stats));
    ret_stats->read_bytes = from->read_bytes;
    ret_stats->cache_bytes = from->cache_bytes;
    ret_stats->written_bytes = from->written_bytes;
    ret_stats->shared_bytes = from->shared_bytes;
    ret_stats->tile_count = from->tile_count;
    ret_stats->split_count = from->split_count;
    ret_stats->wall_ns = from->wall_ns;
    ret_stats->io_wait_ns = from->io_wait_ns;
    ret_stats->worker_idle_ns = from->worker_idle_ns;
    ret_stats->hash_busy_ns = from->hash_busy_ns;
    ret_stats->peak_memory_bytes = from->peak_memory_bytes;
    ret_stats->cpu_seconds = from->cpu_seconds;
    ret_stats->tensor_count = from->tensor_count;
    ret_stats->direct_in = from->direct_in ? 1 : 0;
    ret_stats->direct_out = from->direct_out ? 1 : 0;
    ret_stats->has_lambda = from->has_lambda ? 1 : 0;
    ret_stats->lambda = from->lambda;
    ret_stats->beta = from->beta;
    ret_stats->huge_pages = from->huge_pages ? 1 : 0;
    memcpy(ret_stats->io, from->io_name, sizeof(ret_stats->io));
    memcpy(ret_stats->cpu, from->cpu_name, sizeof(ret_stats->cpu));
    of_hash_hex(from->checkpoint_digest.bytes, sizeof(from->checkpoint_digest.bytes),
                ret_stats->checkpoint_digest);
    of_hash_hex(from->plan_hash.bytes, sizeof(from->plan_hash.bytes), ret_stats->plan_hash);
    if (from->has_signing_root) {
        of_hash_hex(from->signing_root.bytes, sizeof(from->signing_root.bytes),
                    ret_stats->signing_root);
    }
}

onefold_status onefold_run(const onefold_plan *plan, const char *output_path,
                           const onefold_run_options *options, onefold_run_stats *ret_stats,
                           onefold_error *err)
{
    onefold_error dummy;
    onefold_run_options standard;
    struct of_api_run call;
    struct of_run_stats stats;
    onefold_status status;

    err = of_api_err(err, &dummy);
    onefold_run_options_init(&standard);
    if (plan == NULL) {
        return of_err_set(err, "argument", "onefold_run: no plan given");
    }
    OF_TRY(prepare_merge(plan, output_path, options != NULL ? options : &standard, &call, err));
    memset(&stats, 0, sizeof(stats));
    status = of_run(plan->plan, &call.options, &stats, err);
    if (ret_stats != NULL) {
        fill_stats(&stats, ret_stats);
    }
    return status;
}
