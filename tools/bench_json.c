/* SPDX-License-Identifier: Apache-2.0 */
/* The value of "data" that `onefold bench --json` prints; docs/formats/bench.md describes it. */
#include "bench.h"

#include "verbs.h"

#include <string.h>

#define TYPE(name, type) "\"" name "\":{\"type\":\"" type "\"}"
#define SPAN                                                                                    \
    "{\"type\":[\"object\",\"null\"],\"required\":[\"min\",\"median\",\"max\"],\"properties\":" \
    "{" TYPE("min", "number") "," TYPE("median", "number") "," TYPE("max", "number") "}}"

const char bench_schema[] = "{\"$schema\":\"https://json-schema.org/draft/2020-12/"
                            "schema\",\"type\":\"object\","
                            "\"required\":[\"bench_version\",\"machine\",\"memory\",\"kernels\"],"
                            "\"properties\":"
                            "{" TYPE("bench_version", "integer") "," TYPE("cpus", "integer") "," TYPE("memory_copy_gb_per_s", "number") "," TYPE("machine", "object") "," TYPE(
                                "memory",
                                "object") ",\"kernels\":{\"type\":\"array\","
                                          "\"items\":{\"type\":\"object\","
                                          "\"required\":[\"kernel\",\"isa\","
                                          "\"gb_per_s\"],\"properties\":"
                                          "{" TYPE("kernel", "string") "," TYPE("isa", "string") "," TYPE("gb_per_s", "number") "}}}," TYPE(
                                              "settings",
                                              "object") ",\"groups\":{"
                                                        "\"type\":\"array\","
                                                        "\"items\":{\"type\":"
                                                        "\"object\","
                                                        "\"required\":["
                                                        "\"dtype\","
                                                        "\"models\",\"model_"
                                                        "bytes\",\"jobs\"],"
                                                        "\"properties\":"
                                                        "{" TYPE(
                                                            "dtype",
                                                            "st"
                                                            "ri"
                                                            "n"
                                                            "g") "," TYPE("models",
                                                                          "integer") "," TYPE("mode"
                                                                                              "l_"
                                                                                              "byte"
                                                                                              "s",
                                                                                              "inte"
                                                                                              "ger") ",\"jo"
                                                                                                     "bs\":"
                                                                                                     "{\"ty"
                                                                                                     "pe\":"
                                                                                                     "\"arr"
                                                                                                     "ay\","
                                                                                                     "\"ite"
                                                                                                     "ms\":"
                                                                                                     "{\"ty"
                                                                                                     "pe\":"
                                                                                                     "\"obj"
                                                                                                     "ect\""
                                                                                                     ",\"re"
                                                                                                     "quire"
                                                                                                     "d\":["
                                                                                                     "\"kin"
                                                                                                     "d\","
                                                                                                     "\"run"
                                                                                                     "s\"],"
                                                                                                     "\"pro"
                                                                                                     "perti"
                                                                                                     "es\":"
                                                                                                     "{" TYPE(
                                                                                                         "k"
                                                                                                         "i"
                                                                                                         "n"
                                                                                                         "d",
                                                                                                         "s"
                                                                                                         "t"
                                                                                                         "r"
                                                                                                         "i"
                                                                                                         "n"
                                                                                                         "g") ",\"ratio\":" SPAN
                                                                                                              ",\"seconds\":" SPAN
                                                                                                              "," TYPE(
                                                                                                                  "runs",
                                                                                                                  "array") "}}}}}}}}";

static void put_machine(FILE *to, const struct bench_machine *machine)
{
    (void)fputs("\"machine\":{", to);
    out_json_member(to, "cpu", machine->cpu);
    (void)putc(',', to);
    out_json_member(to, "system", machine->system);
    (void)fprintf(to, ",\"memory_bytes\":%llu,\"memory_limit_bytes\":",
                  (unsigned long long)machine->memory_bytes);
    if (machine->limit_bytes == UINT64_MAX) {
        (void)fputs("null,", to);
    } else {
        (void)fprintf(to, "%llu,", (unsigned long long)machine->limit_bytes);
    }
    out_json_member(to, "file_system",
                    machine->file_system[0] != '\0' ? machine->file_system : NULL);
    (void)putc(',', to);
    out_json_member(to, "device", machine->device[0] != '\0' ? machine->device : NULL);
    (void)putc(',', to);
    out_json_member(to, "disk", machine->disk[0] != '\0' ? machine->disk : NULL);
    (void)putc(',', to);
    out_json_member(to, "when", machine->when);
    (void)putc('}', to);
}

static void put_settings(FILE *to, const struct bench_result *result)
{
    const struct bench_wish *wish = result->wish;

    (void)fprintf(to,
                  ",\"settings\":{\"size_bytes\":%llu,\"tensor_bytes\":%llu,\"runs\":%u,"
                  "\"workers\":%u,",
                  (unsigned long long)wish->size_bytes, (unsigned long long)wish->tensor_bytes,
                  wish->run_count, result->worker_count);
    out_json_member(to, "sums", result->sums);
    if (result->memory_bound_bytes > 0) {
        (void)fprintf(to, ",\"memory\":%llu}", (unsigned long long)result->memory_bound_bytes);
    } else {
        (void)fputs(",\"memory\":null}", to);
    }
}

static void put_span(FILE *to, const struct bench_result *result, const struct bench_group *group,
                     const struct bench_job *job, const char *name, enum bench_value value)
{
    struct bench_span span;

    if (bench_span_of(result, group, job, value, &span)) {
        (void)fprintf(to, ",\"%s\":{\"min\":%.6f,\"median\":%.6f,\"max\":%.6f}", name, span.min,
                      span.median, span.max);
    } else {
        (void)fprintf(to, ",\"%s\":null", name);
    }
}

static void put_run(FILE *to, const struct bench_job *job, const struct bench_run *run)
{
    (void)fprintf(to,
                  "{\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"peak_memory\":%llu,"
                  "\"cache_bytes\":%llu,\"wrong_cache_bytes\":%llu,\"bytes_read\":%llu,"
                  "\"bytes_written\":%llu",
                  run->seconds, run->cpu_seconds, (unsigned long long)run->peak_bytes,
                  (unsigned long long)run->cache_bytes, (unsigned long long)run->wrong_bytes,
                  (unsigned long long)run->read_bytes, (unsigned long long)run->written_bytes);
    if (run->raw_seconds > 0) {
        (void)fprintf(to, ",\"raw_seconds\":%.6f", run->raw_seconds);
    }
    if (job->kind == BENCH_MERGE) {
        (void)fprintf(to,
                      ",\"run_seconds\":%.6f,\"io_wait_seconds\":%.6f,"
                      "\"worker_idle_seconds\":%.6f,\"hash_busy_seconds\":%.6f",
                      run->run_seconds, run->io_wait_seconds, run->worker_idle_seconds,
                      run->hash_busy_seconds);
    } else if (job->kind == BENCH_RAW) {
        (void)fprintf(to, ",\"direct\":%s", run->direct ? "true" : "false");
    }
    (void)putc('}', to);
}

static void put_values(FILE *to, const struct bench_result *result, const struct bench_group *group,
                       const struct bench_job *job)
{
    put_span(to, result, group, job, "ratio", BENCH_RATIO);
    put_span(to, result, group, job, "ratio_to_cat", BENCH_RATIO_CAT);
    put_span(to, result, group, job, "seconds", BENCH_SECONDS);
    put_span(to, result, group, job, "gb_per_s", BENCH_SPEED);
    put_span(to, result, group, job, "cpu_seconds", BENCH_CPU_SECONDS);
    put_span(to, result, group, job, "cpu_seconds_per_gb", BENCH_CPU_PER_GB);
    put_span(to, result, group, job, "device_share", BENCH_DEVICE);
    put_span(to, result, group, job, "workers_share", BENCH_WORKERS);
    put_span(to, result, group, job, "hash_share", BENCH_HASH);
    put_span(to, result, group, job, "outside_share", BENCH_OUTSIDE);
}

static void put_index(FILE *to, const char *name, uint32_t index)
{
    if (index == UINT32_MAX) {
        (void)fprintf(to, ",\"%s\":null", name);
    } else {
        (void)fprintf(to, ",\"%s\":%u", name, index);
    }
}

static void put_job(FILE *to, const struct bench_result *result, const struct bench_group *group,
                    const struct bench_job *job)
{
    (void)putc('{', to);
    out_json_member(to, "kind", bench_kind_words[job->kind]);
    (void)putc(',', to);
    out_json_member(to, "rule", job->kind == BENCH_MERGE ? job->rule->name : NULL);
    (void)putc(',', to);
    out_json_member(to, "io", job->io);
    (void)putc(',', to);
    out_json_member(to, "cache", bench_cache_words[job->cache]);
    if (job->kind == BENCH_RAW) {
        (void)fprintf(to, ",\"looks\":%s,\"request_bytes\":%llu",
                      job->raw_way == BENCH_RAW_LOOKED_AT ? "true" : "false",
                      (unsigned long long)bench_raw_request_bytes(job));
    }
    (void)fprintf(to, ",\"with_base\":%s,\"models\":%u,\"passes\":%u",
                  job->with_base ? "true" : "false", job->model_count, job->passes);
    put_index(to, "raw", job->raw);
    put_index(to, "cat", job->cat);
    (void)putc(',', to);
    out_json_member(to, "skipped", job->skipped[0] != '\0' ? job->skipped : NULL);
    put_values(to, result, group, job);
    (void)fputs(",\"runs\":[", to);
    for (uint32_t i = 0; job->skipped[0] == '\0' && i < result->wish->run_count; i++) {
        (void)fputs(i > 0 ? "," : "", to);
        put_run(to, job, &job->runs[i]);
    }
    (void)fputs("]}", to);
}

static void put_group(FILE *to, const struct bench_result *result, const struct bench_group *group)
{
    (void)putc('{', to);
    out_json_member(to, "dtype", onefold_dtype_name(group->dtype));
    (void)fprintf(to, ",\"models\":%u,\"model_bytes\":%llu,\"jobs\":[", group->model_count,
                  (unsigned long long)group->model_bytes);
    for (uint32_t i = 0; i < group->job_count; i++) {
        (void)fputs(i > 0 ? "," : "", to);
        put_job(to, result, group, &group->jobs[i]);
    }
    (void)fputs("]}", to);
}

void bench_json(FILE *to, const struct bench_result *result)
{
    const struct bench_memory *memory = &result->memory;

    (void)fprintf(to, "{\"bench_version\":1,\"cpus\":%u,\"memory_copy_gb_per_s\":%.3f,",
                  result->machine.cpu_count, memory->copy_one);
    put_machine(to, &result->machine);
    (void)fprintf(to,
                  ",\"memory\":{\"read_one_gb_per_s\":%.3f,\"read_all_gb_per_s\":%.3f,"
                  "\"copy_one_gb_per_s\":%.3f,\"copy_all_gb_per_s\":%.3f},\"kernels\":[",
                  memory->read_one, memory->read_all, memory->copy_one, memory->copy_all);
    for (uint32_t i = 0; i < result->kernel_count; i++) {
        const struct bench_kernel *kernel = &result->kernels[i];

        (void)fputs(i > 0 ? ",{" : "{", to);
        out_json_member(to, "kernel", kernel->name);
        (void)putc(',', to);
        out_json_member(to, "isa", kernel->isa);
        (void)fprintf(to, ",\"gb_per_s\":%.3f}", kernel->speed);
    }
    (void)putc(']', to);
    if (result->wish != NULL) {
        put_settings(to, result);
        (void)fputs(",\"groups\":[", to);
        for (uint32_t i = 0; i < result->group_count; i++) {
            (void)fputs(i > 0 ? "," : "", to);
            put_group(to, result, &result->groups[i]);
        }
        (void)putc(']', to);
    }
    (void)putc('}', to);
}
