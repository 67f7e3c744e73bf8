/* SPDX-License-Identifier: Apache-2.0 */
/* Everything of one run, and its loop. Only run.c makes one; loop.c moves it. */
#ifndef OF_RUN_LOOP_H
#define OF_RUN_LOOP_H

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "plan/plan.h"
#include "run/buffers.h"
#include "run/hasher.h"
#include "run/job.h"
#include "run/lane.h"
#include "run/outputs.h"
#include "run/pace.h"
#include "run/retire.h"
#include "run/run.h"
#include "run/sink.h"
#include "run/slot.h"
#include "run/solved.h"
#include "run/source.h"
#include "run/staff.h"
#include "run/stage.h"
#include "run/stats.h"
#include "run/sums.h"
#include "run/target.h"
#include "sys/crew.h"
#include "sys/io.h"
#include "sys/pool.h"

#include <stdbool.h>
#include <stdint.h>

/* One of each; nothing is global. */
struct of_run {
    const struct of_plan *plan;
    const struct of_run_options *options;
    struct of_arena arena;
    struct of_target target;
    struct of_stage stage;
    struct of_sink sink;
    struct of_outputs outputs;
    struct of_retire retire;
    struct of_sums sums; /* of the survey */
    struct of_solved solved;
    struct of_hasher hasher;
    struct of_source source;
    struct of_nodes nodes;
    struct of_pool pool;
    struct of_io io;
    struct of_crew crew;
    struct of_ticker ticker;
    struct of_meter meter;
    struct of_kern kern;
    struct of_job_context job;
    struct of_slot_sizes sizes;
    struct of_buffers buffers;
    struct of_slot *slots;
    uint32_t slot_count;
    bool has_io;
    bool has_crew;
    bool writes;  /* there is an output: false for a survey alone */
    bool surveys; /* a pass for statistics comes first; job.survey while it lasts */

    /* The loop's. */
    struct of_lanes lanes;  /* order of the pass's visits */
    struct of_pace pace;    /* of its reads */
    struct of_staff staff;  /* of its workers */
    uint32_t busy_count;    /* slots that are not FREE */
    uint32_t writing_count; /* writes underway */
    uint64_t feed_count;    /* visits that were given a slot */
    bool cancelled;
    bool output_failed;    /* the output cannot be made, whatever other visits would find */
    uint64_t failed_visit; /* number of the lowest visit that failed; UINT64_MAX = none */
    uint64_t failed_grain; /* its first one */
    onefold_error error;   /* its error */
    struct of_shown waiting_for;
};

/* Runs all visits of one pass: job.survey says which. On failure everything in flight has come back
 * and every slot is FREE. */
OF_NODISCARD onefold_status of_loop(struct of_run *run, onefold_error *err);

#endif
