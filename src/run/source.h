/* SPDX-License-Identifier: Apache-2.0 */
/* Input side: descriptors of input shards, opened on demand, least recently used closed, each
 * checked to be still the file that was planned with; and whether the page cache holds a range. */
#ifndef OF_RUN_SOURCE_H
#define OF_RUN_SOURCE_H

#include "base/attr.h"
#include "base/err.h"
#include "plan/plan.h"
#include "run/cached.h"

#include <stdbool.h>
#include <stdint.h>

struct of_source_entry {
    int fd;                  /* -1 = free */
    int cache_fd;            /* buffered, where the page cache holds some of the file; else -1 */
    struct of_cached cached; /* of cache_fd */
    uint32_t file;           /* number over all inputs */
    uint32_t pin_count;      /* requests in flight */
    uint32_t align;          /* direct I/O alignment, 0 = buffered */
    uint64_t last_use;
};

struct of_source {
    const struct of_plan *plan;
    struct of_source_entry *entries;
    uint32_t entry_count;
    uint32_t *first_file; /* [input]: number of its first shard */
    int32_t *entry_of;    /* [file] */
    uint64_t use_count;
    bool want_direct; /* try O_DIRECT */
    bool must_direct; /* --direct on: a refusal is an error */
    bool used_direct; /* at least one file is read directly */
    bool used_buffered;
    bool ask_cache;
    uint64_t cache_bytes;  /* taken from the page cache by workers */
    uint64_t flight_bytes; /* of reads, underway together */
};

struct of_source_options {
    bool buffered_only; /* the backend maps (mmap), so direct descriptors make no sense */
    bool ask_cache;     /* what the page cache holds is not read from the disk */
};

OF_NODISCARD onefold_status of_source_init(struct of_source *source, const struct of_plan *plan,
                                           const struct of_source_options *options,
                                           struct of_arena *arena, onefold_error *err);
/* Pins an open descriptor of that shard: *ret_entry >= 0, or -1 when all are pinned (try later). */
OF_NODISCARD onefold_status of_source_acquire(struct of_source *source, uint32_t input,
                                              uint32_t shard_index, int32_t *ret_entry,
                                              onefold_error *err);
void of_source_release(struct of_source *source, int32_t entry);
/* A descriptor to take that range of a pinned entry from the page cache, which was found to hold
 * all of it; -1 when it does not, or was not to be asked. */
OF_NODISCARD int of_source_ask_cache(struct of_source *source, int32_t entry, uint64_t offset,
                                     uint64_t length);
/* All inputs are still what they were (id input-changed). */
OF_NODISCARD onefold_status of_source_check_unchanged(const struct of_source *source,
                                                      onefold_error *err);
void of_source_finish(struct of_source *source);

#endif
