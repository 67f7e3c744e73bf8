/* SPDX-License-Identifier: Apache-2.0 */
/* onefold bench for people: the machine, and a table for each group. */
#include "bench.h"

#include <string.h>

void bench_text_memory(const struct bench_result *result)
{
    const struct bench_machine *machine = &result->machine;
    const struct bench_memory *memory = &result->memory;

    printf("%s, %u usable CPUs, %s of memory, %s\n", machine->cpu, machine->cpu_count,
           out_bytes(machine->memory_bytes).text, machine->system);
    if (machine->limit_bytes < machine->memory_bytes) {
        printf("control group: %s of memory\n", out_bytes(machine->limit_bytes).text);
    }
    if (machine->file_system[0] != '\0') {
        printf("%s on %s%s%s\n", machine->file_system, machine->device,
               machine->disk[0] != '\0' ? ", " : "", machine->disk);
    }
    printf("memory, GB/s: read %.1f by one core, %.1f by all; copied %.1f and %.1f\n\n",
           memory->read_one, memory->read_all, memory->copy_one, memory->copy_all);
}

static void put_span(const struct bench_result *result, const struct bench_group *group,
                     const struct bench_job *job, enum bench_value value)
{
    struct bench_span span;

    if (bench_span_of(result, group, job, value, &span)) {
        printf(" %6.2f %6.2f %6.2f", span.min, span.median, span.max);
    } else {
        printf(" %6s %6s %6s", "-", "-", "-");
    }
}

/* The middle one alone. */
static void put_middle(const struct bench_result *result, const struct bench_group *group,
                       const struct bench_job *job, enum bench_value value, int width, int decimals,
                       double factor)
{
    struct bench_span span;

    if (bench_span_of(result, group, job, value, &span)) {
        printf(" %*.*f", width, decimals, span.median * factor);
    } else {
        printf(" %*s", width, "-");
    }
}

static void put_name(const struct bench_job *job)
{
    char name[BENCH_NAME_MAX];

    if (job->kind == BENCH_RAW) {
        (void)snprintf(name, sizeof(name), "raw limit%s, %u read%s%s",
                       bench_raw_way_words[job->raw_way], job->passes, job->passes > 1 ? "s" : "",
                       job->with_base ? "" : ", no base");
    } else {
        (void)snprintf(name, sizeof(name), "%s%s", bench_job_name(job),
                       job->kind == BENCH_CAT && !job->with_base ? ", no base" : "");
    }
    printf("%-30s %-8s %-5s", name, job->io != NULL ? job->io : "-",
           job->kind == BENCH_RAW ? "-" : bench_cache_words[job->cache]);
}

static void put_job(const struct bench_result *result, const struct bench_group *group,
                    const struct bench_job *job)
{
    put_name(job);
    if (job->skipped[0] != '\0') {
        printf("  skipped: %s\n", job->skipped);
        return;
    }
    put_span(result, group, job, BENCH_RATIO);
    put_middle(result, group, job, BENCH_RATIO_CAT, 6, 2, 1);
    put_middle(result, group, job, BENCH_SECONDS, 8, 3, 1);
    put_middle(result, group, job, BENCH_SPEED, 6, 2, 1);
    put_middle(result, group, job, BENCH_CPU_SECONDS, 7, 2, 1);
    put_middle(result, group, job, BENCH_CPU_PER_GB, 6, 3, 1);
    put_middle(result, group, job, BENCH_PEAK_MIB, 6, 0, 1);
    put_middle(result, group, job, BENCH_CACHE_MIB, 7, 0, 1);
    put_middle(result, group, job, BENCH_DEVICE, 5, 0, 100);
    put_middle(result, group, job, BENCH_WORKERS, 5, 0, 100);
    put_middle(result, group, job, BENCH_HASH, 5, 0, 100);
    put_middle(result, group, job, BENCH_OUTSIDE, 5, 0, 100);
    (void)putchar('\n');
}

void bench_text_group(const struct bench_result *result, const struct bench_group *group)
{
    printf("\n%s, base and %u model%s of %s, %u round%s; sums %s, %u workers\n",
           onefold_dtype_name(group->dtype), group->model_count, group->model_count == 1 ? "" : "s",
           out_bytes(group->model_bytes).text, result->wish->run_count,
           result->wish->run_count == 1 ? "" : "s", result->sums, result->worker_count);
    printf("%-30s %-8s %-5s %20s %6s %8s %6s %7s %6s %6s %7s %5s %5s %5s %5s\n", "", "", "",
           "x raw: min median max", "x cat", "s", "GB/s", "CPU s", "per GB", "peak", "cached",
           "dev", "work", "hash", "ends");
    for (int kind = BENCH_RAW; kind <= BENCH_MERGE; kind++) {
        for (uint32_t i = 0; i < group->job_count; i++) {
            if ((int)group->jobs[i].kind == kind) {
                put_job(result, group, &group->jobs[i]);
            }
        }
    }
    printf("peak and cached in MiB; dev, work, hash, ends: per cent of the time waiting for the "
           "device,\nworkers busy, sums being made, and before and after the run\n");
    (void)fflush(stdout);
}
