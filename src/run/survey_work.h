/* SPDX-License-Identifier: Apache-2.0 */
/* Worker side of the survey: sums per grain and counts per step of a visit (plan.h). */
#ifndef OF_RUN_SURVEY_WORK_H
#define OF_RUN_SURVEY_WORK_H

#include "run/job.h"

/* Works off the slot's round: fills slot->sums and slot->survey_counts. */
void of_survey_work(const struct of_job_context *job, struct of_slot *slot, void *scratch);

#endif
