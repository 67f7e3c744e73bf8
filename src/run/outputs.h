/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything of the output that is not a shard: side files, config, index, recipe and card before
 * the first tensor is read, so that what goes wrong goes wrong early; manifest and checksum lists
 * after the last.
 */
#ifndef OF_RUN_OUTPUTS_H
#define OF_RUN_OUTPUTS_H

#include "base/attr.h"
#include "base/err.h"
#include "plan/plan.h"
#include "run/hasher.h"
#include "run/leaves.h"
#include "run/retire.h"
#include "run/solved.h"
#include "run/writer.h"

#include <stdbool.h>
#include <stdint.h>

struct of_outputs {
    const struct of_plan *plan;
    struct of_report *report;
    struct of_writer writer;
    struct of_leaves leaves;   /* open while the run lasts */
    struct of_out_file *files; /* finished ones */
    uint32_t file_count;
    uint32_t capacity;
    struct of_digest checkpoint; /* after late */
    bool has_root;
    struct of_sha256_digest root; /* model signing (integrity.md section 5.1), after late */
};

OF_NODISCARD onefold_status of_outputs_init(struct of_outputs *outputs, const struct of_plan *plan,
                                            int folder, struct of_report *report,
                                            struct of_arena *arena, onefold_error *err);
/* What does not depend on tensor data; opens the file of leaves. */
OF_NODISCARD onefold_status of_outputs_early(struct of_outputs *outputs, onefold_error *err);
/* Closes the leaves; shards, manifest, lists. All visits have retired, the hasher has stopped. */
OF_NODISCARD onefold_status of_outputs_late(struct of_outputs *outputs,
                                            const struct of_retire *retire,
                                            const struct of_solved *solved,
                                            struct of_hasher *hasher, struct of_arena *arena,
                                            onefold_error *err);
void of_outputs_finish(struct of_outputs *outputs);

/* What a run found that goes into onefold.json. `files` are sorted by name. */
struct of_findings_of_run {
    const struct of_out_file *files;
    uint32_t file_count;
    const struct of_retire *retire;
    const struct of_solved *solved;
    const struct of_digest *checkpoint;
};
/* The text of onefold.json into an open writer. */
OF_NODISCARD onefold_status of_manifest_write(struct of_writer *writer, const struct of_plan *plan,
                                              const struct of_findings_of_run *found,
                                              onefold_error *err);

#endif
