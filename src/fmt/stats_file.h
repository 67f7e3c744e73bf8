/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saved statistics: the inner products of the task vectors of a set of inputs, as JSON, tied to the
 * identity of the inputs, so that a later merge by a Gram rule reads them once instead of twice.
 * Numbers are hexadecimal floats: the same bits come back. Untrusted: ids stats-*.
 */
#ifndef OF_FMT_STATS_FILE_H
#define OF_FMT_STATS_FILE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdint.h>

enum { OF_STATS_VERSION = 1 };

struct of_stats_file {
    uint32_t input_count; /* T; the base is not counted */
    /* SHA-256 over the header digests, sizes and modification times of the shards of the base and
     * of each input in recipe order, and over the names of the tensors that took part. */
    struct of_sha256_digest *inputs; /* [T] */
    struct of_sha256_digest base;
    struct of_sha256_digest tensors; /* names, shapes and types of what the sums cover */
    double *gram;                    /* [T * T], whole */
};

OF_NODISCARD onefold_status of_stats_parse(struct of_str text, struct of_arena *arena,
                                           struct of_stats_file **ret_stats, onefold_error *err);
/* Canonical: keys sorted, newline at the end. Appended to *text. */
void of_stats_emit(const struct of_stats_file *stats, struct of_text *text);

#endif
