/* SPDX-License-Identifier: Apache-2.0 */
/* One merge through the internal interfaces, as api.c does it. */
#include "support/merging.h"

#include <stdio.h>
#include <string.h>

static void note(void *context, const onefold_notice *notice)
{
    struct merging_notices *notices = context;

    notices->count[notice->level]++;
    (void)snprintf(notices->last_id[notice->level], sizeof(notices->last_id[0]), "%s", notice->id);
    (void)snprintf(notices->last_message[notice->level], sizeof(notices->last_message[0]), "%s",
                   notice->message);
    notices->seen_stale = notices->seen_stale || strcmp(notice->id, "stage-stale") == 0;
    notices->seen_wait = notices->seen_wait || strcmp(notice->id, "target-wait") == 0;
}

void merging_init(struct merging *merging, const char *output_path)
{
    memset(merging, 0, sizeof(*merging));
    of_plan_options_init(&merging->plan_options);
    merging->run_options.output_path = output_path;
}

onefold_status merging_run(struct merging *merging, const char *recipe_text)
{
    struct of_report report = {.fn = note, .context = &merging->notices};
    struct of_recipe *recipe = NULL;
    struct of_plan *plan = NULL;
    struct of_arena arena;
    onefold_error *err = &merging->error;
    onefold_status status;

    of_err_clear(err);
    of_arena_init(&arena, 0);
    merging->run_options.report = &report;
    status = of_recipe_parse(of_str_from(recipe_text), "recipe.yml", &arena, &report, &recipe, err);
    if (status == ONEFOLD_OK) {
        status = of_plan_build(recipe, &merging->plan_options, &report, &plan, err);
    }
    if (status == ONEFOLD_OK) {
        if (merging->flight_bytes != 0) {
            plan->how.flight_bytes = merging->flight_bytes;
        }
        merging->visit_count = plan->visit_count;
        merging->slot_count = plan->how.slot_count;
        merging->area_count = plan->how.area_count;
        merging->step_count = plan->step_count;
        merging->unit_count = plan->unit_count;
        status = of_run(plan, &merging->run_options, &merging->stats, err);
    }
    of_plan_free(plan);
    of_arena_finish(&arena);
    return status;
}
