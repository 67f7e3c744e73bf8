/* SPDX-License-Identifier: Apache-2.0 */
/* onefold bench: least, middle and largest of what the rounds gave. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

const char *const bench_cache_words[] = {"cold", "warm"};
const char *const bench_raw_way_words[] = {"", ", looked at", ", 512 KiB"};
const char *const bench_kind_words[] = {"raw", "cat", "cat_cp", "numpy", "merge"};

const char *bench_job_name(const struct bench_job *job)
{
    static const char *const names[] = {"raw limit", "cat", "cat + cp", "numpy"};

    return job->kind == BENCH_MERGE ? job->rule->name : names[job->kind];
}

bool bench_skip_is_new(const struct bench_group *group, uint32_t index)
{
    const struct bench_job *job = &group->jobs[index];

    for (uint32_t i = 0; i < index; i++) {
        if (strcmp(group->jobs[i].skipped, job->skipped) == 0 &&
            strcmp(bench_job_name(&group->jobs[i]), bench_job_name(job)) == 0) {
            return false;
        }
    }
    return job->skipped[0] != '\0';
}

static int compare(const void *a, const void *b)
{
    const double first = *(const double *)a;
    const double second = *(const double *)b;

    return first < second ? -1 : first > second ? 1 : 0;
}

static double share(double part, double all)
{
    const double value = all > 0 ? part / all : 0;

    return value < 0 ? 0 : value > 1 ? 1 : value;
}

/* Of one round; `other` is the run of the same round that it is compared with, or NULL. */
static double value_of(const struct bench_run *run, const struct bench_run *other,
                       uint32_t worker_count, enum bench_value value)
{
    const double bytes = (double)run->read_bytes + (double)run->written_bytes;
    const double mib = 1024.0 * 1024.0;

    switch (value) {
    case BENCH_SECONDS:
        return run->seconds;
    case BENCH_CPU_SECONDS:
        return run->cpu_seconds;
    case BENCH_CPU_PER_GB:
        return bytes > 0 ? run->cpu_seconds / (bytes / 1e9) : 0;
    case BENCH_SPEED:
        return run->seconds > 0 ? bytes / run->seconds / 1e9 : 0;
    case BENCH_PEAK_MIB:
        return (double)run->peak_bytes / mib;
    case BENCH_CACHE_MIB:
        return (double)run->cache_bytes / mib;
    case BENCH_RATIO:
        if (run->raw_seconds > 0) {
            return run->seconds / run->raw_seconds;
        }
        return other != NULL && other->seconds > 0 ? run->seconds / other->seconds : 0;
    case BENCH_RATIO_CAT:
        return other != NULL && other->seconds > 0 ? run->seconds / other->seconds : 0;
    case BENCH_DEVICE:
        return share(run->io_wait_seconds, run->run_seconds);
    case BENCH_WORKERS:
        return 1 - share(run->worker_idle_seconds, run->run_seconds * worker_count);
    case BENCH_HASH:
        return share(run->hash_busy_seconds, run->run_seconds);
    case BENCH_OUTSIDE:
        return share(run->seconds - run->run_seconds, run->seconds);
    }
    return 0;
}

bool bench_span_of(const struct bench_result *result, const struct bench_group *group,
                   const struct bench_job *job, enum bench_value value, struct bench_span *ret_span)
{
    const uint32_t index = value == BENCH_RATIO       ? job->raw
                           : value == BENCH_RATIO_CAT ? job->cat
                                                      : UINT32_MAX;
    const uint32_t count = result->wish->run_count;
    const struct bench_job *other = index < group->job_count ? &group->jobs[index] : NULL;
    double values[BENCH_RUNS_MAX];

    if (job->skipped[0] != '\0' || (value >= BENCH_DEVICE && job->kind != BENCH_MERGE) ||
        ((value == BENCH_RATIO || value == BENCH_RATIO_CAT) && other == NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        values[i] = value_of(&job->runs[i], other != NULL ? &other->runs[i] : NULL,
                             result->worker_count, value);
    }
    qsort(values, count, sizeof(values[0]), compare);
    ret_span->min = values[0];
    ret_span->max = values[count - 1];
    ret_span->median =
        count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
    return true;
}
