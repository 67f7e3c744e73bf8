/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run: from a plan to a folder. Read this file first; it sets the stage and clears it, the rest
 * of the floor is:
 *
 *   target   the path asked for; what speaks against it          before anything is written
 *   stage    OUT.onefold-partial: lock, take over, commit
 *   outputs  side files, index, recipe, card | manifest, lists   before | after the tensors
 *   writer   one small file: buffer, hash, sync
 *
 *   loop     the control thread: what came back, then every slot one step further
 *   slot     buffers and state of one visit                      FREE READING WORKING DONE LEAVING
 *   feed     next round of a slot, its reads
 *   source   descriptors of the input shards, and what the page cache holds of them
 *   fetch    worker side: bytes that the page cache holds
 *   job      worker side: unpack, fold, finish, pack, leaves    | element: rules over all values
 *   sink     output shards: created at full size, written at final offsets, synced when complete
 *   lane     order of visits: as many output shards in the making as there are hash threads
 *   retire   visits of a lane in plan order: tensor digests, counts | leaves: their file
 *   hasher   hash threads: whole-file sums, straight from the slots
 *   stats    progress, and the thread that wakes the loop
 *
 *   survey_work, sums    the pass for statistics before the blend, or alone: worker side, plan
 * order solved               what the rule makes of them
 *
 *   verify, scan, sum_file                                       reading outputs back
 *
 * In order: look at the target; lock the staging folder; create and reserve every shard, copy the
 * side files (memory for these is given back before the tiles get theirs); then pool, backend and
 * threads; the loop, during which nothing allocates (twice when the rule needs statistics of all
 * tensors first); threads end; inputs are looked at again; manifest and lists; commit. Whatever
 * fails on the way, the staging folder is removed and no folder of the output's name appears.
 */
#include "run/run.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"
#include "run/feed.h"
#include "run/loop.h"
#include "run/survey.h"
#include "run/view.h"
#include "sys/clock.h"
#include "sys/host.h"

#include <stdio.h>
#include <string.h>

/* Backend whose reads are windows over the page cache. */
static const char map_name[] = "mmap";
/* Requests in flight at most; more does not make any disk faster. */
enum { IO_DEPTH_MAX = 256 };

/* ---- Before the tensors ---- */

static onefold_status choose_kernels(struct of_run *run, onefold_error *err)
{
    if (of_kern_init(&run->kern, run->options->cpu_cap) == NULL) {
        return of_err_set(err, "argument", "\"%s\" is no instruction set of this program",
                          of_str_escape(of_str_from(run->options->cpu_cap)).text);
    }
    return ONEFOLD_OK;
}

static onefold_status prepare(struct of_run *run, onefold_error *err)
{
    const struct of_plan *plan = run->plan;
    const struct of_run_options *options = run->options;
    const struct of_stage_options stage_options = {
        .wait_ns = OF_STAGE_WAIT_NS, .report = options->report, .cancel = options->cancel};

    OF_TRY(choose_kernels(run, err));
    OF_TRY(of_target_open(&run->target, options->output_path, &run->arena, err));
    OF_TRY(of_target_check(&run->target, plan, options->force, err));
    OF_TRY(of_stage_open(&run->stage, &run->target, plan, &stage_options, err));
    /* The run we may have waited for could have made the target. */
    OF_TRY(of_target_check(&run->target, plan, options->force, err));
    OF_TRY(of_target_check_space(&run->target, plan, options->report, err));
    OF_TRY(of_sink_init(&run->sink, plan, run->stage.folder_fd, &run->arena, err));
    OF_TRY(of_hasher_init(&run->hasher, plan, &run->kern, &run->arena, err));
    OF_TRY(of_sink_create(&run->sink, of_hasher_header, &run->hasher, err));
    OF_TRY(of_outputs_init(&run->outputs, plan, run->stage.folder_fd, options->report, &run->arena,
                           err));
    OF_TRY(of_outputs_early(&run->outputs, err));
    return of_retire_init(&run->retire, plan, &run->outputs.leaves, options->report, &run->arena,
                          err);
}

/* ---- Buffers, backend, threads ---- */

/* What the largest visit needs, and where its reads arrive. */
static void measure(const struct of_run *run, struct of_slot_sizes *ret_sizes)
{
    const struct of_plan *plan = run->plan;
    struct of_slot_sizes sizes = {.how = &plan->how, .leaf_count_max = 1, .step_count_max = 1};

    sizes.survey = run->surveys ? &plan->survey : NULL;

    for (uint32_t i = 0; i < plan->unit_count; i++) {
        struct of_visit visit;

        if (plan->units[i].first_visit == plan->visit_count) {
            continue; /* nothing but empty tensors */
        }
        /* The first visit of a unit is its largest. */
        of_plan_visit(plan, plan->units[i].first_visit, &visit);
        sizes.leaf_count_max = (uint32_t)of_num_max(sizes.leaf_count_max, visit.grain_count);
        sizes.step_count_max = (uint32_t)of_num_max(sizes.step_count_max, visit.step_count);
    }
    *ret_sizes = sizes;
}

static onefold_status make_slots(struct of_run *run, onefold_error *err)
{
    const struct of_how *how = &run->plan->how;

    run->slots = OF_ARENA_NEW(&run->arena, struct of_slot, how->slot_count);
    if (run->slots == NULL) {
        return of_err_set(err, "memory", "no memory for the slots of the run");
    }
    for (uint32_t i = 0; i < how->slot_count; i++) {
        OF_TRY(of_slot_init(&run->slots[i], i, &run->sizes, &run->arena, err));
        of_buffers_place(how, &run->pool, &run->slots[i]);
        run->slot_count++;
    }
    return ONEFOLD_OK;
}

static onefold_status start_io(struct of_run *run, onefold_error *err)
{
    const struct of_how *how = &run->plan->how;
    struct of_io_options io_options = {.pool = run->pool.data,
                                       .pool_bytes = run->pool.size_bytes,
                                       .pool_loaded = &run->pool.loaded,
                                       .ring_count = how->ring_count,
                                       .part_count = how->pool_count,
                                       .nodes = &run->nodes};
    const uint64_t depth = (uint64_t)how->slot_count * (how->area_count + 2);
    onefold_error fallback;

    io_options.depth = (uint32_t)of_num_min(of_num_max(depth, 8), IO_DEPTH_MAX);
    of_err_clear(&fallback);
    if (run->options->backend != NULL) {
        OF_TRY(of_io_init_with(&run->io, run->options->backend, &io_options, err));
    } else {
        OF_TRY(of_io_init(&run->io, how->io_name, &io_options, &fallback, err));
    }
    run->has_io = true;
    if (fallback.status != ONEFOLD_OK) {
        of_report_note(run->options->report, "io-fallback", NULL, "%s", fallback.message);
    }
    return ONEFOLD_OK;
}

/* Where the user left it to us how to read, bytes that the page cache holds are taken from there
 * (docs/decisions/009-cached-bytes-copied-by-the-worker.md). */
static bool may_ask_cache(const struct of_run *run)
{
    const struct of_how *how = &run->plan->how;

    return run->options->backend == NULL && how->io_name == NULL && how->direct == OF_DIRECT_AUTO;
}

/* Windows of the workers, which have nothing to do yet. Those that cannot be had are done without:
 * bytes are copied then. */
static void open_panes(struct of_run *run)
{
    const uint64_t pane_bytes = run->plan->how.pane_bytes;

    for (uint32_t i = 0; i < run->crew.thread_count && may_ask_cache(run); i++) {
        struct of_job_scratch *scratch = (void *)of_crew_scratch(&run->crew.options, i);
        onefold_error ignored;

        if (pane_bytes == 0 || of_panes_open(&scratch->panes, pane_bytes, &ignored) != ONEFOLD_OK) {
            break;
        }
    }
}

/* The workers are gone. */
static void close_panes(struct of_run *run, uint32_t worker_count)
{
    for (uint32_t i = 0; i < worker_count; i++) {
        struct of_job_scratch *scratch = (void *)of_crew_scratch(&run->crew.options, i);

        of_panes_close(&scratch->panes);
    }
}

static onefold_status start_threads(struct of_run *run, onefold_error *err)
{
    const struct of_how *how = &run->plan->how;
    const bool has_sums = run->writes && run->plan->sums != 0;
    const struct of_crew_options crew_options = {.worker_count = how->worker_count,
                                                 .group_count = how->pool_count,
                                                 .item_count = how->slot_count,
                                                 .errand_count = how->hash_thread_count +
                                                                 how->xxh128_thread_count,
                                                 .work = of_job_work,
                                                 .done = of_job_done,
                                                 .context = &run->job,
                                                 .scratch = run->pool.data,
                                                 .scratch_bytes = how->scratch_bytes,
                                                 .group_bytes = run->pool.part_bytes,
                                                 .nodes = &run->nodes};

    run->job = (struct of_job_context){.plan = run->plan,
                                       .kern = &run->kern,
                                       .io = &run->io,
                                       .hasher = has_sums ? &run->hasher : NULL,
                                       .rows = run->plan->rows};
    of_pace_init(&run->pace, run->plan, run->options->split);
    of_loader_tell(&run->buffers.loader, of_job_done, &run->job);
    /* The workers last: where threads are few, it is they of whom fewer will do. */
    if (has_sums) {
        OF_TRY(of_hasher_start(&run->hasher, &run->io, &run->crew, how, err));
        if (run->hasher.stream_count < how->hash_thread_count) {
            of_report_note(run->options->report, "threads-fewer", NULL,
                           "%u of %u hash threads could be had", run->hasher.stream_count,
                           how->hash_thread_count);
        }
    }
    OF_TRY(of_ticker_start(&run->ticker, &run->io,
                           run->options->progress != NULL || run->options->cancel != NULL, err));
    OF_TRY(of_crew_init(&run->crew, &crew_options, err));
    of_staff_init(&run->staff, run->crew.thread_count, how->pool_count);
    run->has_crew = true;
    open_panes(run);
    if (run->crew.thread_count < how->worker_count) {
        of_report_note(run->options->report, "threads-fewer", NULL,
                       "%u of %u worker threads could be had", run->crew.thread_count,
                       how->worker_count);
    }
    return ONEFOLD_OK;
}

/* Before anything else: memory comes while folders are made and files are opened. */
static onefold_status make_buffers(struct of_run *run, onefold_error *err)
{
    const struct of_how *how = &run->plan->how;

    of_assert(of_chunks_scratch_bytes(run->plan) <= how->scratch_bytes);
    measure(run, &run->sizes);
    of_nodes_find(&run->nodes, NULL);
    OF_TRY(of_pool_init_parts(&run->pool, of_buffers_part_bytes(how), how->pool_count, &run->nodes,
                              err));
    OF_TRY(make_slots(run, err));
    of_buffers_init(&run->buffers, how, &run->pool, run->slots);
    return ONEFOLD_OK;
}

static onefold_status start(struct of_run *run, onefold_error *err)
{
    OF_TRY(start_io(run, err));
    OF_TRY(of_source_init(
        &run->source, run->plan,
        &(struct of_source_options){.buffered_only = strcmp(run->io.backend->name, map_name) == 0,
                                    .ask_cache = may_ask_cache(run)},
        &run->arena, err));
    return start_threads(run, err);
}

/* Ends threads and gives the tiles' memory back; nothing is in flight any more. */
static void stop(struct of_run *run, struct of_run_stats *stats)
{
    of_ticker_stop(&run->ticker);
    of_buffers_finish(&run->buffers);
    if (run->has_crew) {
        const uint32_t worker_count = run->crew.thread_count;

        of_crew_finish(&run->crew);
        close_panes(run, worker_count);
        stats->worker_idle_ns = run->crew.idle_ns;
        run->has_crew = false;
    }
    of_hasher_stop(&run->hasher);
    stats->hash_busy_ns = run->hasher.busy_ns_most;
    if (run->has_io) {
        stats->read_bytes = run->io.read_bytes + run->source.cache_bytes;
        stats->cache_bytes = run->source.cache_bytes;
        stats->io_wait_ns = run->io.wait_ns;
        (void)snprintf(stats->io_name, sizeof(stats->io_name), "%s", run->io.backend->name);
        of_io_finish(&run->io);
        run->has_io = false;
    }
    stats->written_bytes = run->sink.written_bytes;
    stats->shared_bytes = run->sink.shared_bytes;
    stats->tile_count = run->pace.tile_count;
    stats->split_count = run->pace.split_count;
    stats->direct_in = run->source.used_direct;
    stats->direct_out = run->sink.align > 1;
    stats->huge_pages = run->pool.huge;
    of_pool_finish(&run->pool);
}

/* ---- After the tensors ---- */

static onefold_status publish(struct of_run *run, onefold_error *err)
{
    OF_TRY(of_source_check_unchanged(&run->source, err));
    OF_TRY(of_sink_sync(&run->sink, err));
    OF_TRY(
        of_outputs_late(&run->outputs, &run->retire, &run->solved, &run->hasher, &run->arena, err));
    if (run->options->cancel != NULL && *run->options->cancel != 0) {
        return of_err_set(err, "cancelled", "stopped before the output was complete");
    }
    return of_stage_commit(&run->stage, run->options->force, run->options->report, err);
}

/* What every run has, also one without an output. */
static void fill_common(const struct of_run *run, uint64_t start_ns, struct of_run_stats *stats)
{
    struct of_kern scalar;
    const char *isa = of_kern_init(&scalar, run->options->cpu_cap);

    (void)snprintf(stats->cpu_name, sizeof(stats->cpu_name), "%s", isa);
    stats->wall_ns = of_clock_ns() - start_ns;
    stats->peak_memory_bytes = of_host_memory_peak();
    stats->cpu_seconds = of_host_cpu_seconds();
    stats->tensor_count = run->plan->step_count;
    stats->plan_hash = run->plan->hash;
    stats->has_lambda = run->solved.has_lambda;
    stats->lambda = run->solved.lambda;
    stats->beta = run->solved.beta;
}

static void fill_stats(const struct of_run *run, struct of_run_stats *stats)
{
    for (uint32_t i = 0; i < run->outputs.file_count; i++) {
        stats->written_bytes += run->outputs.files[i].size_bytes;
    }
    for (uint32_t i = 0; i < run->plan->output.shard_count; i++) {
        stats->written_bytes -= run->plan->output.shards[i].file_bytes;
    }
    stats->checkpoint_digest = run->outputs.checkpoint;
    stats->has_signing_root = run->outputs.has_root;
    stats->signing_root = run->outputs.root;
}

/* ---- Passes ---- */

static onefold_status pass(struct of_run *run, onefold_error *err)
{
    onefold_status status;

    of_mem_freeze();
    status = of_loop(run, err);
    of_mem_thaw();
    return status;
}

/* The control thread adds what the workers summed up, so its arithmetic matters here. */
static onefold_status survey(struct of_run *run, onefold_error *err)
{
    struct of_float_env env;
    onefold_status status;

    run->job.survey = true;
    of_float_enter(&env);
    status = pass(run, err);
    of_float_leave(&env);
    run->job.survey = false;
    return status;
}

/* Coefficients from the sums of the survey, or from saved ones. */
static onefold_status solve(struct of_run *run, onefold_error *err)
{
    const struct of_plan *plan = run->plan;
    const uint64_t count = of_plan_vector_count(plan);
    double *entries = OF_ARENA_NEW(&run->arena, double, of_num_max(count * count, 1));

    if (entries == NULL) {
        return of_err_set(err, "memory", "no memory for the inner products of %u inputs",
                          plan->input_count);
    }
    for (uint64_t i = 0; i < count * count; i++) {
        entries[i] = plan->stats != NULL ? plan->stats->gram[i] : __builtin_nan("");
    }
    if (run->surveys) {
        of_sums_gram(&run->sums, entries);
    }
    OF_TRY(of_solved_make(&run->solved, plan, entries, &run->arena, run->options->report, err));
    run->job.rows = run->solved.rows;
    /* A vector that is made of all inputs needs all of them. */
    if (run->solved.some_left_out && plan->extra == NULL) {
        run->job.selected = run->solved.selected;
        run->meter.total_bytes -= of_feed_unselected_bytes(&run->job);
    }
    return ONEFOLD_OK;
}

static onefold_status make_passes(struct of_run *run, onefold_error *err)
{
    onefold_status status = ONEFOLD_OK;

    if (run->surveys) {
        status = survey(run, err);
        run->meter.pass++;
    }
    if (status == ONEFOLD_OK && run->plan->method->solve != NULL) {
        status = solve(run, err);
    }
    if (status == ONEFOLD_OK) {
        status = pass(run, err);
    }
    of_meter_show(&run->meter, run->meter.total_bytes, NULL, status == ONEFOLD_OK);
    return status;
}

static void begin_meter(struct of_run *run, uint64_t total_bytes, uint32_t pass_count)
{
    of_meter_init(&run->meter, run->options->progress, run->options->progress_context, total_bytes);
    run->meter.pass_count = pass_count;
}

static onefold_status carry_out(struct of_run *run, struct of_run_stats *stats, onefold_error *err)
{
    const struct of_plan *plan = run->plan;
    onefold_status status;

    if (plan->compare) {
        return of_err_set(err, "argument", "this plan is for compare: it makes no output");
    }
    run->writes = true;
    run->surveys = plan->survey.need != OF_GRAM_NONE && plan->stats == NULL;
    status = make_buffers(run, err);
    if (status == ONEFOLD_OK) {
        status = prepare(run, err);
    }
    if (status == ONEFOLD_OK && run->surveys) {
        status = of_sums_init(&run->sums, plan, NULL, NULL, &run->arena, err);
    }
    if (status == ONEFOLD_OK) {
        begin_meter(run, plan->read_bytes + plan->write_bytes, run->surveys ? 2 : 1);
        status = start(run, err);
    }
    if (status == ONEFOLD_OK) {
        status = make_passes(run, err);
    }
    stop(run, stats);
    return status == ONEFOLD_OK ? publish(run, err) : status;
}

/* Releases everything, also half-built. Returns what is left on disk. */
static onefold_state finish(struct of_run *run)
{
    onefold_state state;

    of_source_finish(&run->source);
    of_retire_finish(&run->retire);
    of_hasher_finish(&run->hasher);
    of_outputs_finish(&run->outputs);
    of_sink_finish(&run->sink);
    state = of_stage_finish(&run->stage);
    of_target_finish(&run->target);
    of_arena_finish(&run->arena);
    return state;
}

static void begin(struct of_run *run, const struct of_plan *plan,
                  const struct of_run_options *options)
{
    *run = (struct of_run){.plan = plan, .options = options};
    of_solved_init(&run->solved, plan);
    run->target.parent_fd = -1;
    run->stage.folder_fd = -1;
    run->stage.journal_fd = -1;
    of_arena_init(&run->arena, 0);
}

onefold_status of_run_check(const struct of_plan *plan, const struct of_run_options *options,
                            onefold_error *err)
{
    struct of_run run;
    struct of_identity identity;
    enum of_file_kind kind;
    onefold_status status;

    begin(&run, plan, options);
    status = of_target_open(&run.target, options->output_path, &run.arena, err);
    if (status == ONEFOLD_OK) {
        status = of_target_check(&run.target, plan, options->force, err);
    }
    /* A folder that a killed run left takes room that the run will have; how much is not known. */
    if (status == ONEFOLD_OK &&
        !of_file_probe(run.target.parent_fd, run.target.stage_name, &kind, &identity)) {
        status = of_target_check_space(&run.target, plan, options->report, err);
    }
    of_target_finish(&run.target);
    of_arena_finish(&run.arena);
    return status;
}

onefold_status of_run(const struct of_plan *plan, const struct of_run_options *options,
                      struct of_run_stats *ret_stats, onefold_error *err)
{
    const uint64_t start_ns = of_clock_ns();
    struct of_run_stats stats = {0};
    struct of_run run;
    onefold_state state;
    onefold_status status;

    begin(&run, plan, options);
    status = carry_out(&run, &stats, err);
    if (status == ONEFOLD_OK) {
        fill_common(&run, start_ns, &stats);
        fill_stats(&run, &stats);
        *ret_stats = stats;
    }
    state = finish(&run);
    /* What commit and lock say about the state is more exact than what finish sees. */
    if (status != ONEFOLD_OK && err->state == ONEFOLD_STATE_NONE) {
        err->state = state;
    }
    return status;
}

static onefold_status carry_out_survey(struct of_run *run, const struct of_survey_options *options,
                                       struct of_run_stats *stats, onefold_error *err)
{
    const struct of_plan *plan = run->plan;
    onefold_status status;

    run->surveys = true;
    OF_TRY(choose_kernels(run, err));
    OF_TRY(of_sums_init(&run->sums, plan, options->step, options->context, &run->arena, err));
    begin_meter(run, plan->read_bytes, 1);
    status = make_buffers(run, err);
    if (status == ONEFOLD_OK) {
        status = start(run, err);
    }
    if (status == ONEFOLD_OK) {
        status = survey(run, err);
        of_meter_show(&run->meter, run->meter.total_bytes, NULL, status == ONEFOLD_OK);
    }
    stop(run, stats);
    return status == ONEFOLD_OK ? of_source_check_unchanged(&run->source, err) : status;
}

onefold_status of_survey_run(const struct of_plan *plan, const struct of_survey_options *options,
                             struct of_run_stats *ret_stats, onefold_error *err)
{
    const uint64_t start_ns = of_clock_ns();
    struct of_run_stats stats = {0};
    struct of_run run;
    onefold_status status;

    begin(&run, plan, options->run);
    status = carry_out_survey(&run, options, &stats, err);
    if (status == ONEFOLD_OK) {
        fill_common(&run, start_ns, &stats);
        *ret_stats = stats;
    }
    (void)finish(&run);
    return status;
}
