/* SPDX-License-Identifier: Apache-2.0 */
/*
 * <onefold/compare.h>: runs the survey of a plan that was built for comparing, hands its sums to
 * groups of tensors, and turns them into statistics and words. The survey's callback only adds; all
 * memory is there before the run starts, and the matrices that people read are made after it, when
 * its slots are gone.
 */
#include "api/compare_parts.h"

#include "api/stats_save.h"
#include "base/num.h"
#include "base/str.h"
#include "run/survey.h"

#include <math.h>
#include <string.h>

/* Sums of groups come out of the budget's reserve; the finished matrices out of what the slots
 * leave. */
enum { SUMS_PART = 32, RESULT_PART = 2 };

struct onefold_comparison {
    struct of_arena arena;
    struct of_compare_groups groups;
    onefold_compare_result result;
};

/* ---- The survey ---- */

struct gathering {
    const struct of_plan *plan;
    struct of_compare_groups *groups;
};

static void take_step(void *context, uint32_t step, const double *sums, const uint64_t *counts)
{
    struct gathering *gathering = context;

    if (of_plan_is_surveyed(gathering->plan, step)) {
        of_compare_groups_add(gathering->groups, step, gathering->plan->tensors[step].elem_count,
                              sums, counts);
    }
}

static onefold_status survey(onefold_comparison *comparison, const struct of_plan *plan,
                             const struct of_run_options *run, onefold_error *err)
{
    struct gathering gathering = {.plan = plan, .groups = &comparison->groups};
    const struct of_survey_options options = {.step = take_step, .context = &gathering, .run = run};
    struct of_run_stats stats;

    memset(&stats, 0, sizeof(stats));
    OF_TRY(of_survey_run(plan, &options, &stats, err));
    comparison->result.read_bytes = stats.read_bytes;
    comparison->result.seconds = (double)stats.wall_ns / 1e9;
    comparison->result.peak_memory_bytes = stats.peak_memory_bytes;
    return ONEFOLD_OK;
}

/* ---- The result ---- */

static const char *shown(const char *label, struct of_arena *arena)
{
    const struct of_shown text = of_str_escape(of_str_from(label));

    return of_arena_copy(arena, text.text, strlen(text.text));
}

static bool fill_names(onefold_comparison *comparison, const struct of_plan *plan)
{
    struct of_arena *arena = &comparison->arena;
    const char **names = OF_ARENA_NEW(arena, const char *, (uint64_t)plan->input_count + 1);

    if (names == NULL) {
        return false;
    }
    for (uint32_t i = 0; i <= plan->input_count; i++) {
        names[i] = shown(plan->inputs[i].label, arena);
        if (names[i] == NULL) {
            return false;
        }
    }
    comparison->result.input_count = plan->input_count;
    comparison->result.names = names;
    comparison->result.base_name = names[plan->input_count];
    return true;
}

/* Where the step differs between tensors, the mean over the elements stands for it. Without one the
 * plain average does. */
static void fill_planned(onefold_compare_result *result, const struct of_plan *plan)
{
    double sum = 0.0;
    double elems = 0.0;

    result->lambda = 1.0 / plan->input_count;
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const double count = (double)plan->tensors[i].elem_count;
        const double lambda =
            of_plan_is_surveyed(plan, i) ? plan->rows[plan->steps[i].row].lambda : (double)NAN;

        if (plan->has_row_lambda && !isnan(lambda)) {
            sum += lambda * count;
            elems += count;
        }
    }
    if (elems > 0.0) {
        result->lambda = sum / elems;
    }
    result->beta = result->lambda * plan->input_count;
}

static bool fill_groups(onefold_comparison *comparison)
{
    const struct of_compare_groups *groups = &comparison->groups;
    onefold_compare_result *result = &comparison->result;
    onefold_compare_group *filled =
        OF_ARENA_NEW(&comparison->arena, onefold_compare_group, groups->count);

    if (filled == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < groups->count; i++) {
        if (!of_compare_fill(&groups->groups[i], &groups->shape, result->lambda, &comparison->arena,
                             &filled[i])) {
            return false;
        }
    }
    result->groups = filled;
    result->group_count = groups->count;
    return true;
}

static bool fill_words(onefold_comparison *comparison, const struct of_plan *plan)
{
    double *steps = OF_ARENA_NEW(&comparison->arena, double, plan->input_count);
    bool given = true;

    if (steps == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < plan->input_count; i++) {
        given = given && plan->inputs[i].steps.given;
        steps[i] = plan->inputs[i].steps.value;
    }
    return of_compare_words(given ? steps : NULL, comparison->groups.is_coarse, &comparison->arena,
                            &comparison->result);
}

static onefold_status fill(onefold_comparison *comparison, const struct of_plan *plan,
                           onefold_error *err)
{
    fill_planned(&comparison->result, plan);
    if (!fill_groups(comparison) ||
        !of_compare_steps(&comparison->result.groups[0], plan->input_count, &comparison->arena,
                          &comparison->result) ||
        !fill_words(comparison, plan)) {
        return of_err_set(err, comparison->arena.limit_hit ? "memory-bound" : "memory",
                          "no memory for the results of the comparison");
    }
    return ONEFOLD_OK;
}

/* Elements that were left out would be missing in the inner products of a merge. */
static bool has_nonfinite(const onefold_compare_result *result)
{
    const onefold_compare_group *model = &result->groups[0];
    bool found = false;

    for (uint32_t i = 0; i <= result->input_count; i++) {
        found = found || model->nan_count[i] != 0 || model->inf_count[i] != 0;
    }
    return found;
}

/* ---- The call ---- */

static onefold_status compare(onefold_comparison *comparison, const struct of_plan *plan,
                              const struct of_run_options *run, const char *stats_path,
                              onefold_error *err)
{
    const uint64_t memory_bytes = plan->how.memory_bytes;
    struct of_stats_save save = {.fd = -1};
    onefold_status status = ONEFOLD_OK;

    of_arena_init(&comparison->arena, memory_bytes / RESULT_PART);
    OF_TRY(of_compare_groups_make(plan, memory_bytes / SUMS_PART, &comparison->arena,
                                  &comparison->groups, err));
    if (!fill_names(comparison, plan)) {
        return of_err_set(err, "memory", "no memory for a comparison");
    }
    /* A place that cannot be written to is found before the models are read. */
    if (stats_path != NULL) {
        status = of_stats_save_begin(&save, plan, stats_path, err);
    }
    if (status == ONEFOLD_OK) {
        status = survey(comparison, plan, run, err);
    }
    if (status == ONEFOLD_OK) {
        status = fill(comparison, plan, err);
    }
    if (status == ONEFOLD_OK && stats_path != NULL && has_nonfinite(&comparison->result)) {
        status = of_err_set(err, "stats-value",
                            "the statistics are not saved: values of the inputs are not finite");
    } else if (status == ONEFOLD_OK && stats_path != NULL) {
        status = of_stats_save_end(&save, plan, comparison->result.groups[0].gram, err);
    }
    of_stats_save_finish(&save);
    return status;
}

onefold_status onefold_compare(const onefold_plan *plan, const onefold_run_options *options,
                               const char *stats_path, onefold_comparison **ret_comparison,
                               onefold_error *err)
{
    onefold_error dummy;
    onefold_run_options standard;
    struct of_api_run call;
    onefold_comparison *comparison;
    onefold_status status;

    err = of_api_err(err, &dummy);
    onefold_run_options_init(&standard);
    if (plan == NULL || ret_comparison == NULL || !of_api_plan(plan)->compare) {
        return of_err_set(err, "argument", "onefold_compare: no plan that was built to compare");
    }
    if (stats_path != NULL && stats_path[0] == '\0') {
        return of_err_set(err, "argument", "onefold_compare: the path of the statistics is empty");
    }
    OF_TRY(of_api_run_prepare(options != NULL ? options : &standard, &call, err));
    comparison = of_mem_get(sizeof(*comparison));
    if (comparison == NULL) {
        return of_err_set(err, "memory", "no memory for a comparison");
    }
    status = compare(comparison, of_api_plan(plan), &call.options, stats_path, err);
    if (status != ONEFOLD_OK) {
        onefold_comparison_free(comparison);
        return status;
    }
    *ret_comparison = comparison;
    return ONEFOLD_OK;
}

const onefold_compare_result *onefold_comparison_result(const onefold_comparison *comparison)
{
    return comparison != NULL ? &comparison->result : NULL;
}

void onefold_comparison_free(onefold_comparison *comparison)
{
    if (comparison == NULL) {
        return;
    }
    of_arena_finish(&comparison->arena);
    of_mem_free(comparison);
}
