/* SPDX-License-Identifier: Apache-2.0 */
/* Rounds and reads of a slot. */
#include "run/feed.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"

#include <errno.h>

/* So many visits wait to be read at the most: enough for what a disk reports together. */
enum { FED_AHEAD = 4 };

/* A copy of bytes that are not compared needs those of its source only. */
static bool is_lone_copy(const struct of_visit *visit, const struct of_step *steps)
{
    return visit->step_count == 1 && steps->kind == OF_STEP_COPY && !steps->compare;
}

/* Does the pass do without an input because the rule gave it a coefficient of 0? Steps that merge
 * in another way may need it all the same. */
static bool is_unselected(const struct of_visit *visit, const struct of_job_context *job,
                          uint32_t input)
{
    const struct of_step *steps = &job->plan->steps[visit->first_step];

    if (job->selected == NULL || input == job->plan->input_count || job->selected[input]) {
        return false;
    }
    for (uint32_t i = 0; i < visit->step_count; i++) {
        if (steps[i].kind != OF_STEP_MERGE || job->rows[steps[i].row].is_alone) {
            return false;
        }
    }
    return true;
}

static bool is_needed(const struct of_slot *slot, const struct of_job_context *job, uint32_t input,
                      struct of_range *ret_range)
{
    const struct of_step *steps = &job->plan->steps[slot->visit.first_step];

    if ((is_lone_copy(&slot->visit, steps) && input != steps->source) ||
        is_unselected(&slot->visit, job, input)) {
        return false;
    }
    of_plan_visit_range(job->plan, &slot->visit, input, ret_range);
    return ret_range->shard != OF_PLACE_ABSENT && ret_range->byte_count > 0;
}

static void want(struct of_slot *slot, struct of_area *area, uint32_t input,
                 const struct of_range *range)
{
    area->input = input;
    area->data = NULL;
    area->wanted = true;
    area->issued = false;
    area->byte_count = range->byte_count;
    area->place_bytes = range->place_bytes;
    area->next_step = 0;
    area->cache_fd = -1;
    area->req = (struct of_io_req){
        .kind = OF_IO_READ, .owner = slot, .ring = slot->index, .offset = range->offset};
    slot->unissued_count++;
}

/* Takes up to area_count needed inputs from next_input on. */
static void choose_round(struct of_slot *slot, const struct of_job_context *job)
{
    const uint32_t input_count = job->plan->input_count;
    struct of_range range;

    slot->round_count = 0;
    while (slot->next_input < input_count && slot->round_count < slot->area_count) {
        if (is_needed(slot, job, slot->next_input, &range)) {
            want(slot, &slot->areas[slot->round_count], slot->next_input, &range);
            slot->round_count++;
        }
        slot->next_input++;
    }
    while (slot->next_input < input_count && !is_needed(slot, job, slot->next_input, &range)) {
        slot->next_input++;
    }
    slot->is_last_round = slot->next_input == input_count;
}

static bool has_merge_step(const struct of_slot *slot, const struct of_plan *plan)
{
    for (uint32_t i = 0; i < slot->visit.step_count; i++) {
        if (plan->steps[slot->visit.first_step + i].kind == OF_STEP_MERGE) {
            return true;
        }
    }
    return false;
}

uint64_t of_feed_unselected_bytes(const struct of_job_context *job)
{
    const struct of_plan *plan = job->plan;
    uint64_t bytes = 0;

    for (uint64_t number = 0; job->selected != NULL && number < plan->visit_count; number++) {
        struct of_visit visit;
        struct of_range range;

        of_plan_visit(plan, number, &visit);
        for (uint32_t i = 0; i < plan->input_count; i++) {
            if (is_unselected(&visit, job, i)) {
                of_plan_visit_range(plan, &visit, i, &range);
                bytes += range.byte_count;
            }
        }
    }
    return bytes;
}

uint32_t of_feed_room(const struct of_slot *slots, uint32_t slot_count)
{
    uint32_t waiting = 0;

    for (uint32_t i = 0; i < slot_count; i++) {
        waiting += slots[i].state == OF_SLOT_READING && slots[i].is_first_round &&
                   slots[i].unissued_count > 0;
    }
    return waiting < FED_AHEAD ? FED_AHEAD - waiting : 0;
}

void of_feed_begin(struct of_slot *slot, const struct of_job_context *job,
                   const struct of_visit *visit)
{
    const struct of_plan *plan = job->plan;
    struct of_area *base = of_slot_base_area(slot);
    struct of_range range;

    of_slot_enter(slot, OF_SLOT_READING);
    slot->visit = *visit;
    slot->next_input = 0;
    slot->unissued_count = 0;
    slot->pending_count = 0;
    slot->is_first_round = true;
    slot->retired = false;
    slot->write_pending = false;
    slot->write_unissued = false;
    slot->hash_pending = 0;
    slot->is_hashed = false;
    of_err_clear(&slot->error);
    for (uint32_t i = 0; i < slot->visit.step_count; i++) {
        slot->counts[i] = (struct of_step_count){0};
    }
    base->data = NULL;
    base->wanted = false;
    base->input = plan->input_count;
    if (plan->has_base && is_needed(slot, job, plan->input_count, &range)) {
        want(slot, base, plan->input_count, &range);
    }
    choose_round(slot, job);
    if (!job->survey) {
        of_slot_place(slot, plan, !slot->is_last_round && has_merge_step(slot, plan));
    }
}

void of_feed_next_round(struct of_slot *slot, const struct of_job_context *job)
{
    of_slot_enter(slot, OF_SLOT_READING);
    slot->is_first_round = false;
    choose_round(slot, job);
}

/* Reads `byte_count` bytes at req.offset to `buffer`, widened to whole blocks. */
static void submit_read(struct of_area *area, uint64_t byte_count, uint8_t *buffer,
                        struct of_io *io)
{
    const uint64_t skip_bytes = area->req.offset % area->align;

    area->req.offset -= skip_bytes;
    area->req.length = of_num_align_up(skip_bytes + byte_count, area->align);
    area->req.length_must = skip_bytes + byte_count;
    area->req.buffer = buffer;
    of_io_submit(io, &area->req);
}

/* The next step's bytes to its place. False: all were read. */
static bool submit_step(const struct of_slot *slot, const struct of_plan *plan,
                        struct of_area *area, struct of_io *io)
{
    while (area->next_step < slot->visit.step_count) {
        const uint32_t i = area->next_step++;
        struct of_range range;

        of_plan_step_range(plan, slot->visit.first_step + i, area->input, &range);
        if (range.byte_count > 0) {
            area->req.offset = range.offset;
            submit_read(area, range.byte_count, area->buffer + i * area->place_bytes, io);
            return true;
        }
    }
    return false;
}

/* More bytes in flight make the disk slower (docs/decisions/010-bytes-in-flight.md); one read
 * always may. */
static bool is_room_to_read(const struct of_area *area, const struct of_source *source,
                            const struct of_io *io)
{
    const uint64_t byte_count = area->place_bytes > 0 ? area->place_bytes : area->byte_count;

    return io->in_flight < io->depth &&
           (io->reading_bytes == 0 || io->reading_bytes + byte_count <= source->flight_bytes);
}

/* Where the page cache holds the bytes of the area, all of them; else -1. */
static int ask_cache(const struct of_slot *slot, const struct of_area *area,
                     struct of_source *source, int32_t entry)
{
    int cache_fd = -1;

    if (area->place_bytes == 0) {
        return of_source_ask_cache(source, entry, area->req.offset, area->byte_count);
    }
    for (uint32_t i = 0; i < slot->visit.step_count; i++) {
        struct of_range range;

        of_plan_step_range(source->plan, slot->visit.first_step + i, area->input, &range);
        if (range.byte_count == 0) {
            continue;
        }
        cache_fd = of_source_ask_cache(source, entry, range.offset, range.byte_count);
        if (cache_fd < 0) {
            return -1;
        }
    }
    return cache_fd;
}

/* From where the area's bytes come: *ret_entry is pinned, and *ret_cache_fd >= 0 when the page
 * cache holds them. *ret_entry is -1 when there is no descriptor or no set of areas for them now.
 */
static onefold_status find_source(struct of_slot *slot, const struct of_area *area,
                                  struct of_source *source, struct of_buffers *buffers,
                                  int32_t *ret_entry, int *ret_cache_fd, onefold_error *err)
{
    struct of_range range;

    of_plan_visit_range(source->plan, &slot->visit, area->input, &range);
    OF_TRY(of_source_acquire(source, area->input, range.shard, ret_entry, err));
    if (*ret_entry < 0) {
        return ONEFOLD_OK;
    }
    *ret_cache_fd = ask_cache(slot, area, source, *ret_entry);
    if (*ret_cache_fd >= 0) {
        return ONEFOLD_OK;
    }
    of_buffers_lend(buffers, slot);
    if (slot->area_set < 0) {
        of_source_release(source, *ret_entry);
        *ret_entry = -1;
    }
    return ONEFOLD_OK;
}

/* Bytes at the area's buffer. */
static uint64_t room_of(const struct of_slot *slot, const struct of_area *area,
                        const struct of_how *how)
{
    return area == of_slot_base_area(slot) ? how->base_area_bytes : how->area_bytes;
}

/* One read. *ret_issued is false when there is no room for it now. */
static onefold_status issue_area(struct of_slot *slot, struct of_area *area,
                                 struct of_source *source, struct of_io *io,
                                 struct of_buffers *buffers, bool *ret_issued, onefold_error *err)
{
    const uint64_t area_bytes = room_of(slot, area, &source->plan->how);
    int32_t entry;
    int cache_fd = -1;

    *ret_issued = false;
    if (!is_room_to_read(area, source, io)) {
        return ONEFOLD_OK;
    }
    OF_TRY(find_source(slot, area, source, buffers, &entry, &cache_fd, err));
    if (entry < 0) {
        return ONEFOLD_OK;
    }
    area->source_entry = entry;
    area->issued = true;
    *ret_issued = true;
    area->req.fd = source->entries[entry].fd;
    area->align = of_num_max(source->entries[entry].align, 1);
    area->skip_bytes = 0;
    of_assert(area->byte_count <= area_bytes);
    if (cache_fd >= 0) {
        area->cache_fd = cache_fd;
        return ONEFOLD_OK;
    }
    slot->pending_count++;
    if (area->place_bytes > 0) {
        of_assert(slot->visit.step_count * area->place_bytes <= area_bytes);
        /* A range without bytes is not wanted. */
        of_assert(submit_step(slot, source->plan, area, io));
        return ONEFOLD_OK;
    }
    area->skip_bytes = area->req.offset % area->align;
    submit_read(area, area->byte_count, area->buffer, io);
    of_assert(area->req.length <= area_bytes);
    return ONEFOLD_OK;
}

onefold_status of_feed_issue(struct of_slot *slot, struct of_source *source, struct of_io *io,
                             struct of_buffers *buffers, onefold_error *err)
{
    /* A visit of several rounds would otherwise wait in a later one for visits that wait for it. */
    if (!slot->is_last_round) {
        of_buffers_lend(buffers, slot);
        if (slot->area_set < 0) {
            return ONEFOLD_OK;
        }
    }

    /* The base first: no input can be folded without it. */
    for (uint32_t n = 0; n <= slot->area_count && slot->unissued_count > 0; n++) {
        const uint32_t i = n == 0 ? slot->area_count : n - 1;
        struct of_area *area = &slot->areas[i];
        bool issued = false;

        if (!area->wanted || area->issued) {
            continue;
        }
        OF_TRY(issue_area(slot, area, source, io, buffers, &issued, err));
        if (!issued) {
            return ONEFOLD_OK;
        }
        slot->unissued_count--;
    }
    return ONEFOLD_OK;
}

/* "site-a/model-00001.safetensors" of an area's shard. */
static struct of_shown area_file(const struct of_slot *slot, const struct of_area *area,
                                 const struct of_plan *plan)
{
    struct of_range range;

    of_plan_visit_range(plan, &slot->visit, area->input, &range);
    return of_checkpoint_shard_path(plan->inputs[area->input].checkpoint, range.shard);
}

onefold_status of_feed_complete(struct of_slot *slot, struct of_area *area,
                                struct of_source *source, struct of_io *io, bool go_on,
                                onefold_error *err)
{
    const struct of_plan *plan = source->plan;
    const struct of_io_req *req = &area->req;
    const unsigned long long done = req->offset + req->done_bytes;
    const unsigned long long must = req->offset + req->length_must;

    if (req->result_errno == 0 && area->place_bytes > 0 && go_on &&
        submit_step(slot, plan, area, io)) {
        return ONEFOLD_OK;
    }
    of_source_release(source, area->source_entry);
    area->source_entry = -1;
    slot->pending_count--;
    if (req->result_errno == ENODATA) {
        return of_err_set(err, "input-changed",
                          "%s: the file shrank while it was read: bytes %llu to %llu are gone",
                          area_file(slot, area, plan).text, done, must);
    }
    if (req->result_errno != 0) {
        return of_err_set_sys(err, req->result_errno == ETIMEDOUT ? "io-stuck" : "input-io",
                              req->result_errno, "%s: cannot read bytes %llu to %llu",
                              area_file(slot, area, plan).text, (unsigned long long)req->offset,
                              must);
    }
    area->data = area->place_bytes > 0 ? area->buffer : req->data + area->skip_bytes;
    return ONEFOLD_OK;
}

static onefold_status release_area(struct of_slot *slot, struct of_area *area,
                                   struct of_source *source, struct of_io *io, onefold_error *err)
{
    const struct of_plan *plan = source->plan;
    const bool was_read = area->wanted && area->issued;

    area->wanted = false;
    area->data = NULL;
    if (was_read && area->cache_fd >= 0) {
        of_source_release(source, area->source_entry);
        area->source_entry = -1;
        area->cache_fd = -1;
        area->data_at = 0;
        source->cache_bytes += area->byte_count;
        return ONEFOLD_OK;
    }
    if (!was_read || of_io_release(io, &area->req)) {
        return ONEFOLD_OK;
    }
    /* Pages vanished under the worker: the file shrank, or the disk failed. The identity tells. */
    OF_TRY(of_checkpoint_check_unchanged(plan->inputs[area->input].checkpoint, err));
    return of_err_set(err, "input-io", "%s: a page of the file could not be loaded",
                      area_file(slot, area, plan).text);
}

onefold_status of_feed_release(struct of_slot *slot, struct of_source *source, struct of_io *io,
                               bool all, onefold_error *err)
{
    onefold_status status = ONEFOLD_OK;

    for (uint32_t i = 0; i <= slot->area_count; i++) {
        onefold_error lost;
        onefold_status one;

        if (i == slot->area_count && !all) {
            break;
        }
        one = release_area(slot, &slot->areas[i], source, io, &lost);
        if (one != ONEFOLD_OK && status == ONEFOLD_OK) {
            *err = lost;
            status = one;
        }
    }
    return status;
}
