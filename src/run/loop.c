/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of the control thread. It alone changes slots: what came back from the disk, the workers
 * and the hash threads is noted first, then every slot is moved as far as it can go, then the loop
 * sleeps in reap until something else comes back.
 *
 * After an error in the inputs, visits before the failed one are still read and worked off, because
 * one of them may fail too: the lowest one is reported, so that the same input gives the same
 * message whatever the threads did. With several lanes some of them may have to be fed yet. Visits
 * after it are given up as soon as nothing of theirs is in flight. After an error of the output,
 * which depends on time anyhow, nothing is fed any more.
 */
#include "run/loop.h"

#include "base/check.h"
#include "base/num.h"
#include "run/feed.h"
#include "sys/clock.h"

#include <errno.h>

/* ---- Failure ---- */

/* Is it below whatever has failed so far? In the order of the output, which grains have. */
static bool is_lower(const struct of_run *run, const struct of_visit *visit)
{
    return run->failed_visit == UINT64_MAX || visit->first_grain < run->failed_grain;
}

static void fail(struct of_run *run, const struct of_visit *visit, const onefold_error *error)
{
    if (is_lower(run, visit)) {
        run->failed_visit = visit->number;
        run->failed_grain = visit->first_grain;
        run->error = *error;
    }
}

static void fail_output(struct of_run *run, const struct of_visit *visit,
                        const onefold_error *error)
{
    run->output_failed = true;
    fail(run, visit, error);
}

static bool is_stopping(const struct of_run *run)
{
    return run->cancelled || run->failed_visit != UINT64_MAX;
}

/* Nothing more is done for this visit. */
static bool is_given_up(const struct of_run *run, const struct of_slot *slot)
{
    return run->cancelled || !is_lower(run, &slot->visit);
}

/* Only tiles below are fed: what comes before in that one has been. */
static uint64_t feed_limit(const struct of_run *run)
{
    return run->cancelled || run->output_failed ? 0 : run->failed_visit;
}

/* Output files are summed up while they are made. */
static bool is_hashed(const struct of_run *run)
{
    return run->writes && run->plan->sums != 0;
}

static void free_slot(struct of_run *run, struct of_slot *slot)
{
    onefold_error ignored;

    /* Whatever was lost under the visit does not matter when its result is thrown away; a visit
     * that succeeded has given its areas back long ago. */
    if (of_feed_release(slot, &run->source, &run->io, true, &ignored) != ONEFOLD_OK) {
        of_assert(is_stopping(run));
    }
    of_buffers_give_back(&run->buffers, slot);
    of_slot_enter(slot, OF_SLOT_FREE);
    of_lanes_leave(&run->lanes, &slot->turn);
    run->busy_count--;
}

/* ---- What came back ---- */

static void note_read(struct of_run *run, struct of_slot *slot, struct of_area *area)
{
    onefold_error error;

    of_err_clear(&error);
    if (of_feed_complete(slot, area, &run->source, &run->io, !is_given_up(run, slot), &error) !=
        ONEFOLD_OK) {
        fail(run, &slot->visit, &error);
    }
}

static const char *write_error_id(int result_errno)
{
    switch (result_errno) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return "space-run";
    case EROFS:
    case ENODEV:
    case ENXIO:
    case ESTALE:
        return "output-gone";
    case ETIMEDOUT:
        return "io-stuck";
    default:
        return "output-io";
    }
}

/* The bytes of the visit are in the file: the sink may now complete the shard. */
static void note_written(struct of_run *run, struct of_slot *slot)
{
    const struct of_visit *visit = &slot->visit;
    onefold_error error;

    slot->write_pending = false;
    of_err_clear(&error);
    if (is_stopping(run)) {
        return; /* no sync for a file that will be removed */
    }
    if (of_sink_end_write(&run->sink, visit->out_shard, visit->out_offset, visit->out_bytes,
                          &error) != ONEFOLD_OK) {
        fail_output(run, visit, &error);
    }
}

static void note_write(struct of_run *run, struct of_slot *slot)
{
    const struct of_io_req *req = &slot->write;
    const unsigned long long end = req->offset + req->length;
    onefold_error error;

    if (req->result_errno == 0) {
        note_written(run, slot);
        return;
    }
    slot->write_pending = false;
    of_err_set_sys(&error, write_error_id(req->result_errno), req->result_errno,
                   "%s: cannot write bytes %llu to %llu",
                   run->plan->output.shards[slot->visit.out_shard].name,
                   (unsigned long long)req->offset, end);
    fail_output(run, &slot->visit, &error);
}

static void reap(struct of_run *run, bool wait)
{
    struct of_io_req *req = of_io_reap(&run->io, wait);

    while (req != NULL) {
        struct of_io_req *next = req->next;
        struct of_slot *slot = req->owner;

        if (req->kind == OF_IO_WRITE) {
            run->writing_count--;
            note_write(run, slot);
        } else {
            /* The request is the first member of its area. */
            note_read(run, slot, (struct of_area *)(void *)req);
        }
        of_meter_moved(&run->meter);
        req = next;
    }
}

static void note_worked(struct of_run *run, struct of_slot *slot)
{
    onefold_error lost;

    of_err_clear(&lost);
    /* Bytes that vanished under the worker explain whatever it found in them. */
    if (of_feed_release(slot, &run->source, &run->io, slot->is_last_round, &lost) != ONEFOLD_OK) {
        slot->error = lost;
    }
    if (slot->is_last_round) {
        of_buffers_give_back(&run->buffers, slot);
    }
    if (slot->error.status != ONEFOLD_OK) {
        fail(run, &slot->visit, &slot->error);
    }
    if (is_given_up(run, slot)) {
        free_slot(run, slot);
    } else if (slot->is_last_round) {
        of_slot_enter(slot, OF_SLOT_DONE);
    } else {
        of_feed_next_round(slot, &run->job);
    }
}

/* Returns whether anything came back. */
static bool take_back(struct of_run *run)
{
    static const struct of_visit first = {0};
    struct of_slot *slot;
    onefold_error error;
    bool any = of_buffers_take(&run->buffers, &error);

    if (any && error.status != ONEFOLD_OK) {
        fail(run, &first, &error); /* no visit's own, and none can go on */
    }

    while ((slot = of_crew_take(&run->crew)) != NULL) {
        note_worked(run, slot);
        any = true;
    }
    while (is_hashed(run) && (slot = of_hasher_take(&run->hasher)) != NULL) {
        slot->hash_pending--;
        any = true;
    }
    return any;
}

/* ---- Moving slots ---- */

static bool move_free(struct of_run *run, struct of_slot *slot)
{
    struct of_visit visit;

    if (!of_buffers_may_feed(&run->buffers, slot) ||
        !of_lanes_feed(&run->lanes, feed_limit(run), of_pace_parts(&run->pace), &visit,
                       &slot->turn)) {
        return false;
    }
    of_pace_fed(&run->pace, &visit, slot->turn.ends_tile);
    of_feed_begin(slot, &run->job, &visit);
    slot->feed_number = run->feed_count++;
    run->busy_count++;
    return true;
}

static bool move_reading(struct of_run *run, struct of_slot *slot)
{
    if (is_given_up(run, slot)) {
        if (slot->pending_count > 0) {
            return false;
        }
        free_slot(run, slot);
        return true;
    }
    if (slot->pending_count == 0 && slot->unissued_count == 0) {
        of_slot_enter(slot, OF_SLOT_READY);
        of_slot_enter(slot, OF_SLOT_WORKING);
        of_crew_give(&run->crew, slot->pool, slot);
        return true;
    }
    return false;
}

/* The slot with reads to issue that was fed first, or NULL. */
static struct of_slot *find_unissued(struct of_run *run)
{
    struct of_slot *oldest = NULL;

    for (uint32_t i = 0; i < run->slot_count; i++) {
        struct of_slot *slot = &run->slots[i];

        if (slot->state == OF_SLOT_READING && slot->unissued_count > 0 && !is_given_up(run, slot) &&
            (oldest == NULL || slot->feed_number < oldest->feed_number)) {
            oldest = slot;
        }
    }
    return oldest;
}

/* Reads in the order of the visits, as far as there is room for them; returns whether any was
 * issued. No slot gets ahead of an older one, or all would wait for that in the end. */
static bool issue_reads(struct of_run *run)
{
    struct of_slot *slot;
    bool any = false;

    while ((slot = find_unissued(run)) != NULL) {
        const uint32_t unissued = slot->unissued_count;
        onefold_error error;

        of_err_clear(&error);
        if (of_feed_issue(slot, &run->source, &run->io, &run->buffers, &error) != ONEFOLD_OK) {
            fail(run, &slot->visit, &error);
            return true;
        }
        any = any || slot->unissued_count != unissued;
        if (slot->unissued_count > 0) {
            break;
        }
    }
    return any;
}

/* The input that all of the visit is copied from, byte by byte, or UINT32_MAX. */
static uint32_t find_source(const struct of_plan *plan, const struct of_visit *visit,
                            struct of_range *ret_range)
{
    const uint32_t source = plan->steps[visit->first_step].source;

    for (uint32_t i = 0; i < visit->step_count; i++) {
        const struct of_step *step = &plan->steps[visit->first_step + i];

        if (step->kind != OF_STEP_COPY || step->source != source) {
            return UINT32_MAX;
        }
    }
    of_plan_visit_range(plan, visit, source, ret_range);
    return ret_range->shard != OF_PLACE_ABSENT && ret_range->place_bytes == 0 &&
                   ret_range->byte_count == visit->out_bytes
               ? source
               : UINT32_MAX;
}

/* Copied bytes need not be written where the file system can share the blocks of the input; they
 * were read all the same, for their digests. */
static bool share(struct of_run *run, const struct of_slot *slot)
{
    const struct of_visit *visit = &slot->visit;
    onefold_error ignored;
    struct of_range range;
    uint32_t source;
    int32_t entry;
    bool shared;

    if (!run->sink.may_share) {
        return false;
    }
    source = find_source(run->plan, visit, &range);
    if (source == UINT32_MAX ||
        of_source_acquire(&run->source, source, range.shard, &entry, &ignored) != ONEFOLD_OK ||
        entry < 0) {
        return false;
    }
    shared = of_sink_share(&run->sink, &slot->write, run->source.entries[entry].fd,
                           range.offset + (slot->write.offset - visit->out_offset));
    of_source_release(&run->source, entry);
    return shared;
}

static bool move_done(struct of_run *run, struct of_slot *slot)
{
    const struct of_visit *visit = &slot->visit;
    onefold_error error;

    if (is_stopping(run)) {
        free_slot(run, slot);
        return true;
    }
    if (run->job.survey) {
        of_slot_enter(slot, OF_SLOT_LEAVING); /* with nothing but its sums */
        return true;
    }
    of_err_clear(&error);
    of_slot_enter(slot, OF_SLOT_LEAVING);
    if (of_sink_begin_write(&run->sink, visit->out_shard, visit->out_offset, slot->out,
                            visit->out_bytes, &slot->write, &error) != ONEFOLD_OK) {
        fail_output(run, visit, &error);
        return true;
    }
    slot->write_pending = true;
    if (slot->write.length == 0 || share(run, slot)) {
        note_written(run, slot);
        return true;
    }
    slot->write.owner = slot;
    slot->write.ring = slot->index;
    slot->write_unissued = true;
    return true;
}

/* The slot with a write to issue that was fed first, or NULL. */
static struct of_slot *find_unwritten(struct of_run *run)
{
    struct of_slot *oldest = NULL;

    for (uint32_t i = 0; i < run->slot_count; i++) {
        struct of_slot *slot = &run->slots[i];

        if (slot->state == OF_SLOT_LEAVING && slot->write_unissued &&
            (oldest == NULL || slot->feed_number < oldest->feed_number)) {
            oldest = slot;
        }
    }
    return oldest;
}

/* A disk may finish what it was given all at once: slots whose writes are not underway by then are
 * what it gets next, so half of them are kept for that. */
static void issue_writes(struct of_run *run)
{
    const struct of_how *how = &run->plan->how;
    const uint32_t most = (uint32_t)of_num_max(how->slot_count / 2, how->set_count);
    struct of_slot *slot;

    while (run->io.in_flight < run->io.depth && run->writing_count < most &&
           (slot = find_unwritten(run)) != NULL) {
        slot->write_unissued = false;
        run->writing_count++;
        of_io_submit(&run->io, &slot->write);
    }
}

static void retire_slot(struct of_run *run, struct of_slot *slot)
{
    onefold_error error;

    slot->retired = true;
    of_lanes_retire(&run->lanes, &slot->turn);
    if (run->job.survey) {
        of_sums_visit(&run->sums, slot);
        return;
    }
    of_err_clear(&error);
    if (of_retire_visit(&run->retire, slot, &error) != ONEFOLD_OK) {
        fail_output(run, &slot->visit, &error);
    } else if (is_hashed(run)) {
        slot->hash_pending = of_hasher_give(&run->hasher, slot);
    }
}

static bool move_leaving(struct of_run *run, struct of_slot *slot)
{
    if (!slot->retired && !is_stopping(run) && of_lanes_is_due(&run->lanes, &slot->turn)) {
        retire_slot(run, slot);
        return true;
    }
    if (slot->write_unissued && is_stopping(run)) {
        slot->write_unissued = false;
        slot->write_pending = false;
    }
    if (slot->write_pending || slot->hash_pending > 0 || (!slot->retired && !is_stopping(run))) {
        return false;
    }
    free_slot(run, slot);
    return true;
}

/* Moves every slot one step; returns whether any moved. */
static bool move_slots(struct of_run *run)
{
    uint32_t room = of_feed_room(run->slots, run->slot_count);
    bool any = false;

    for (uint32_t i = 0; i < run->slot_count; i++) {
        struct of_slot *slot = &run->slots[i];

        switch (slot->state) {
        case OF_SLOT_FREE:
            if (room > 0 && move_free(run, slot)) {
                room--;
                any = true;
            }
            break;
        case OF_SLOT_READING:
            any = move_reading(run, slot) || any;
            break;
        case OF_SLOT_DONE:
            any = move_done(run, slot) || any;
            break;
        case OF_SLOT_LEAVING:
            any = move_leaving(run, slot) || any;
            break;
        case OF_SLOT_READY:
        case OF_SLOT_WORKING:
            break;
        }
    }
    return any;
}

/* ---- The loop ---- */

/* File of the oldest visit that waits for the disk, or NULL. */
static const char *find_waiting(struct of_run *run)
{
    const struct of_plan *plan = run->plan;
    const struct of_slot *oldest = NULL;

    for (uint32_t i = 0; i < run->slot_count; i++) {
        const struct of_slot *slot = &run->slots[i];
        const bool waits = (slot->state == OF_SLOT_READING && slot->pending_count > 0) ||
                           (slot->state == OF_SLOT_LEAVING && slot->write_pending);

        if (waits && (oldest == NULL || slot->visit.first_grain < oldest->visit.first_grain)) {
            oldest = slot;
        }
    }
    if (oldest == NULL) {
        return NULL;
    }
    if (oldest->state == OF_SLOT_LEAVING) {
        return plan->output.shards[oldest->visit.out_shard].name;
    }
    for (uint32_t i = 0; i <= oldest->area_count; i++) {
        const struct of_area *area = &oldest->areas[i];

        if (area->wanted && area->issued && area->data == NULL && area->cache_fd < 0) {
            struct of_range range;

            of_plan_visit_range(plan, &oldest->visit, area->input, &range);
            run->waiting_for =
                of_checkpoint_shard_path(plan->inputs[area->input].checkpoint, range.shard);
            return run->waiting_for.text;
        }
    }
    return NULL;
}

static void look_around(struct of_run *run)
{
    const volatile sig_atomic_t *cancel = run->options->cancel;
    const char *waiting_for = of_meter_is_stuck(&run->meter) ? find_waiting(run) : NULL;

    if (cancel != NULL && *cancel != 0) {
        run->cancelled = true;
    }
    of_meter_show(&run->meter, run->io.read_bytes + run->source.cache_bytes + run->io.written_bytes,
                  waiting_for, false);
}

static struct of_staff_note note_now(struct of_run *run)
{
    return (struct of_staff_note){.read_bytes = run->io.read_bytes,
                                  .cache_bytes = run->source.cache_bytes,
                                  .busy_ns = atomic_load(&run->crew.busy_ns),
                                  .now_ns = of_clock_ns()};
}

/* How much is underway from now on, and how many workers work. */
static void keep_pace(struct of_run *run)
{
    const struct of_staff_note note = note_now(run);
    const uint32_t used_count = run->staff.used_count;

    of_pace_note(&run->pace, note.read_bytes, note.cache_bytes, atomic_load(&run->pool.loaded),
                 note.now_ns);
    run->source.flight_bytes = of_pace_flight_bytes(&run->pace);
    if (of_staff_note(&run->staff, &note) != used_count) {
        of_crew_use(&run->crew, run->staff.used_count);
    }
}

/* Tiles of the plan that are behind us. */
static uint64_t passed_count(const struct of_run *run)
{
    return run->job.survey ? run->sums.next_visit : of_lanes_passed_count(&run->lanes);
}

onefold_status of_loop(struct of_run *run, onefold_error *err)
{
    /* One lane is the order of the plan. */
    const uint32_t lane_count = run->job.survey ? 1 : run->plan->how.hash_thread_count;
    const struct of_staff_note start = note_now(run);

    run->failed_visit = UINT64_MAX;
    run->buffers.needs_outs = !run->job.survey;
    of_lanes_begin(&run->lanes, run->plan, lane_count, run->job.survey);
    run->sums.next_visit = run->lanes.next_visit;
    of_pace_begin(&run->pace);
    of_staff_begin(&run->staff, &start);
    for (;;) {
        bool moved;

        look_around(run);
        moved = take_back(run);
        keep_pace(run);
        moved = issue_reads(run) || moved;
        moved = move_slots(run) || moved;
        moved = issue_reads(run) || moved;
        issue_writes(run);
        if (!of_lanes_are_dry(&run->lanes, feed_limit(run))) {
            of_buffers_want_more(&run->buffers); /* outputs for the pass after a survey, too */
        }
        if (run->busy_count == 0 && of_lanes_are_dry(&run->lanes, feed_limit(run))) {
            break;
        }
        reap(run, !moved);
    }
    if (run->failed_visit != UINT64_MAX && !run->cancelled) {
        *err = run->error;
        return err->status;
    }
    if (run->cancelled) {
        return of_err_set(err, "cancelled", "stopped after %llu of %llu tiles%s",
                          (unsigned long long)passed_count(run),
                          (unsigned long long)run->plan->visit_count,
                          run->job.survey ? " of the pass for statistics" : "");
    }
    of_assert(passed_count(run) == run->plan->visit_count);
    return ONEFOLD_OK;
}
