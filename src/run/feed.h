/* SPDX-License-Identifier: Apache-2.0 */
/* Input side of a slot: which inputs the next round takes, and their reads, widened to the
 * alignment that each file needs. Control thread. */
#ifndef OF_RUN_FEED_H
#define OF_RUN_FEED_H

#include "base/attr.h"
#include "base/err.h"
#include "plan/plan.h"
#include "run/buffers.h"
#include "run/job.h"
#include "run/slot.h"
#include "run/source.h"
#include "sys/io.h"

#include <stdbool.h>

/* Bytes of inputs that a pass does not read because they are not selected. */
uint64_t of_feed_unselected_bytes(const struct of_job_context *job);
/* How many visits may be fed now. Few are fed ahead of the reads: a tile is cut when it is fed, so
 * what a trial (run/trial.h) decides reaches only those that are fed later, and memory that is used
 * in turn shall be little. */
uint32_t of_feed_room(const struct of_slot *slots, uint32_t slot_count);
/* Puts a visit into a free slot and chooses its first round; a survey needs no place for output.
 * The slot is READING afterwards; it may need no read at all (pending_count and unissued_count 0).
 */
void of_feed_begin(struct of_slot *slot, const struct of_job_context *job,
                   const struct of_visit *visit);
/* Chooses the next round of a slot that has inputs left. */
void of_feed_next_round(struct of_slot *slot, const struct of_job_context *job);
/* Issues what can be issued now; the rest stays in unissued_count and is tried again later, when a
 * descriptor, a place in the ring or a set of areas is free. */
OF_NODISCARD onefold_status of_feed_issue(struct of_slot *slot, struct of_source *source,
                                          struct of_io *io, struct of_buffers *buffers,
                                          onefold_error *err);
/* A read of the slot came back: sets the area's data, issues the next read of an area of places
 * (with `go_on`), or explains the failure. */
OF_NODISCARD onefold_status of_feed_complete(struct of_slot *slot, struct of_area *area,
                                             struct of_source *source, struct of_io *io, bool go_on,
                                             onefold_error *err);
/* Gives the areas of the round back (the base's only after the last). Fails when bytes were lost
 * under the worker. */
OF_NODISCARD onefold_status of_feed_release(struct of_slot *slot, struct of_source *source,
                                            struct of_io *io, bool all, onefold_error *err);

#endif
