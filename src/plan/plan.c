/* SPDX-License-Identifier: Apache-2.0 */
/* Builds a plan: the order of work of this floor, totals, and who owns what. */
#include "plan/plan.h"

#include "base/limits.h"
#include "plan/build.h"

#include <string.h>

void of_plan_options_init(struct of_plan_options *options)
{
    *options = (struct of_plan_options){.direct = OF_DIRECT_AUTO,
                                        .out_shard_bytes = UINT64_C(5000000000),
                                        .nonfinite = OF_NONFINITE_FAIL,
                                        .copy_tokenizer = true,
                                        .write_card = true,
                                        .sums = OF_SUM_SHA256 | OF_SUM_XXH128};
}

/* ---- Totals ---- */

/* A bundle holds steps of one kind, and what some inputs lack never travels with the rest. */
static bool is_surveyed(const struct of_plan *plan, const struct of_visit *visit)
{
    for (uint32_t i = 0; i < visit->step_count; i++) {
        if (of_plan_is_surveyed(plan, visit->first_step + i)) {
            return true;
        }
    }
    return false;
}

static uint64_t count_visit(const struct of_plan *plan, const struct of_visit *visit)
{
    const uint32_t inputs = plan->input_count + (plan->has_base ? 1 : 0);
    const struct of_step *step = &plan->steps[visit->first_step];
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < inputs; i++) {
        struct of_range range;

        /* A copy that is not compared reads its source only (run/feed.c). */
        if (visit->step_count == 1 && step->kind == OF_STEP_COPY && !step->compare &&
            i != step->source) {
            continue;
        }
        of_plan_visit_range(plan, visit, i, &range);
        bytes += range.byte_count;
    }
    return bytes;
}

static void count_bytes(struct of_plan *plan)
{
    const bool surveys = plan->survey.need != OF_GRAM_NONE;

    for (uint64_t number = 0; number < plan->visit_count; number++) {
        struct of_visit visit;
        uint64_t bytes;

        of_plan_visit(plan, number, &visit);
        bytes = count_visit(plan, &visit);
        plan->read_bytes += plan->compare ? 0 : bytes;
        plan->read_bytes += surveys && is_surveyed(plan, &visit) ? bytes : 0;
    }
    if (plan->compare) {
        return;
    }
    plan->write_bytes = plan->output.total_bytes;
    for (uint32_t i = 0; i < plan->output.shard_count; i++) {
        plan->write_bytes += plan->output.shards[i].header_bytes;
    }
}

static void note_side_files(struct of_build *build)
{
    struct of_plan *plan = build->plan;
    struct of_tally left = {0};

    for (uint32_t i = 0; i < plan->side.left_out_count; i++) {
        of_build_notice(build, &left, ONEFOLD_LEVEL_NOTE, "side-not-copied",
                        "file \"%s\" of the donor is not copied",
                        of_str_escape(of_str_from(plan->side.left_out[i])).text);
    }
    of_build_notice_close(build, &left, "side-not-copied", "files of the donor are not copied");
}

static void note_donor(struct of_build *build)
{
    struct of_tally donor = {0};
    bool listed = false;

    if (!build->has_base || build->method->base == OF_BASE_REQUIRED) {
        return;
    }
    for (uint32_t i = 0; i < build->input_count; i++) {
        listed =
            listed || build->origins[i].checkpoint == build->origins[build->input_count].checkpoint;
    }
    if (!listed) {
        of_build_notice(build, &donor, ONEFOLD_LEVEL_NOTE, "plan-notice",
                        "base_model gives order, types and side files and is no input of \"%s\"; "
                        "list it to have it take part",
                        build->method->name);
    }
}

/* A config.json that is not JSON is copied as it is; one that cannot be opened would end the run.
 */
static onefold_status check_donor_config(const struct of_plan *plan, onefold_error *err)
{
    if (plan->donor_config.problem_id == NULL) {
        return ONEFOLD_OK;
    }
    return of_err_set(err, plan->donor_config.problem_id, "%s: config.json cannot be read",
                      of_str_escape(of_str_from(plan->donor->folder_path)).text);
}

static onefold_status publish_notices(struct of_build *build, onefold_error *err)
{
    struct of_plan *plan = build->plan;

    plan->notices = OF_ARENA_NEW(&plan->arena, struct of_plan_notice, build->notice_count + 1U);
    if (plan->notices == NULL) {
        return of_build_no_memory(build, err);
    }
    for (uint32_t i = 0; i < build->notice_count; i++) {
        plan->notices[i] = build->notices[i];
    }
    plan->notice_count = build->notice_count;
    return ONEFOLD_OK;
}

/* ---- The work ---- */

static onefold_status open_and_match(struct of_build *build, onefold_error *err)
{
    struct of_plan *plan = build->plan;

    OF_TRY(of_origins_select(build, err));
    of_refuse_settings(build);
    if (build->error_count == 0) {
        OF_TRY(of_resolve_early(build, err));
    }
    OF_TRY(of_build_check(build, err));
    plan->method = build->method;
    OF_TRY(of_origins_open(build, err));
    OF_TRY(of_match(build, err));
    OF_TRY(of_layers_assign(build, err));
    OF_TRY(of_resolve(build, err));
    OF_TRY(of_statistics_choose(build, err));
    if (!plan->compare) {
        OF_TRY(check_donor_config(plan, err));
        OF_TRY(of_side_list_make(plan->donor, build->options->copy_tokenizer, &plan->arena,
                                 build->report, &plan->side, err));
        note_donor(build);
        note_side_files(build);
    }
    return publish_notices(build, err);
}

static onefold_status build_all(struct of_build *build, onefold_error *err)
{
    struct of_plan *plan = build->plan;
    const uint64_t records_max = of_budget_records_max(build);

    of_arena_init(&plan->arena, records_max);
    of_arena_init(&build->scratch, records_max / 2);
    plan->set = (struct of_checkpoint_set){.arena = &plan->arena,
                                           .report = build->report,
                                           .no_links = build->options->no_links,
                                           .hf_cache = build->options->hf_cache};
    plan->recipe = build->recipe;
    plan->sums = build->options->sums;
    plan->write_card = build->options->write_card;
    plan->nonfinite = build->options->nonfinite;
    if (!of_refuse_form(build)) {
        return of_build_check(build, err);
    }
    OF_TRY(open_and_match(build, err));
    /* Where their tensors are is in the layouts. */
    of_checkpoint_set_drop_tables(&plan->set);
    OF_TRY(of_budget_choose(build, err));
    count_bytes(plan);
    return of_plan_hash_make(build, err);
}

/* The limit of the arena says more than the low floor that met it could know. */
static onefold_status explain_memory(const struct of_build *build, onefold_error *err)
{
    if (err->status == ONEFOLD_E_MEMORY && strcmp(err->id, "memory") == 0) {
        return of_build_no_memory(build, err);
    }
    return err->status;
}

onefold_status of_plan_build(const struct of_recipe *recipe, const struct of_plan_options *options,
                             struct of_report *report, struct of_plan **ret_plan,
                             onefold_error *err)
{
    struct of_build build = {.recipe = recipe, .options = options, .report = report};
    onefold_status status;

    of_err_clear(err);
    build.plan = of_mem_get(sizeof(*build.plan));
    if (build.plan == NULL) {
        return of_err_set(err, "memory", "no memory for the plan");
    }
    of_arena_init(&build.plan->arena, 0);
    build.plan->set.arena = &build.plan->arena;
    status = of_budget_begin(&build, err);
    if (status == ONEFOLD_OK) {
        status = build_all(&build, err);
    }
    if (status != ONEFOLD_OK) {
        status = explain_memory(&build, err);
    }
    of_arena_finish(&build.scratch);
    of_mem_free(build.notices);
    if (status != ONEFOLD_OK) {
        of_plan_free(build.plan);
        return status;
    }
    *ret_plan = build.plan;
    return ONEFOLD_OK;
}

void of_plan_free(struct of_plan *plan)
{
    if (plan == NULL) {
        return;
    }
    of_checkpoint_set_finish(&plan->set);
    of_arena_finish(&plan->arena);
    of_mem_free(plan);
}
