/* SPDX-License-Identifier: Apache-2.0 */
/* Whole merges for tests: a recipe text and options in, a folder and its facts out. */
#ifndef OF_TESTS_MERGING_H
#define OF_TESTS_MERGING_H

#include "plan/plan.h"
#include "run/run.h"

#include <stdbool.h>
#include <stdint.h>

/* What was reported, counted; the last of each level is kept. */
struct merging_notices {
    uint32_t count[3]; /* by level */
    char last_id[3][64];
    char last_message[3][512];
    bool seen_stale;
    bool seen_wait;
};

struct merging {
    struct of_plan_options plan_options;
    struct of_run_options run_options;
    uint64_t flight_bytes; /* of reads underway, in place of the plan's; 0 = as planned */
    struct merging_notices notices;

    /* Set by merging_run. */
    onefold_error error;
    struct of_run_stats stats;
    uint64_t visit_count;
    uint64_t slot_count;
    uint64_t area_count;
    uint64_t step_count;
    uint64_t unit_count;
};

/* Standard options, output path included. */
void merging_init(struct merging *merging, const char *output_path);
/* Parses, plans, runs. */
onefold_status merging_run(struct merging *merging, const char *recipe);

#endif
