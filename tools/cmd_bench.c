/* SPDX-License-Identifier: Apache-2.0 */
/* onefold bench: what kernels, hashes and memory reach here; with a folder also its disk and a
 * whole merge (bench_pipeline.c). */
#include "exit.h"
#include "verbs.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* Larger than any cache, so that the copy runs at the speed of memory. */
#define COPY_BYTES (UINT64_C(128) << 20)

enum { REPEATS_STANDARD = 5, REPEATS_MAX = 1000 };

struct table {
    struct out *out;
    FILE *to;
    uint64_t count;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* Bytes per nanosecond are GB/s. */
static void add_kernel(void *context, const onefold_bench_row *row)
{
    struct table *table = context;
    const double speed = row->best_ns > 0 ? (double)row->bytes / row->best_ns : 0.0;

    if (table->out->json) {
        (void)fputs(table->count > 0 ? ",{" : "{", table->to);
        out_json_member(table->to, "kernel", row->kernel);
        (void)putc(',', table->to);
        out_json_member(table->to, "isa", row->isa);
        (void)fprintf(table->to, ",\"gb_per_s\":%.3f}", speed);
    } else {
        printf("%-28s %-8s %8.2f\n", row->kernel, row->isa, speed);
        (void)fflush(stdout);
    }
    table->count++;
}

/* GB copied per second (each byte read once and written once), best of `repeats`; 0 without memory.
 */
static double measure_copy(uint32_t repeats)
{
    char *area =
        mmap(NULL, COPY_BYTES * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    double best = 0.0;

    if (area == MAP_FAILED) {
        return 0.0;
    }
    memset(area, 1, COPY_BYTES * 2);
    for (uint32_t i = 0; i < repeats; i++) {
        const uint64_t start = now_ns();
        uint64_t spent;

        memcpy(area + (i % 2) * COPY_BYTES, area + (1 - i % 2) * COPY_BYTES, COPY_BYTES);
        __asm__ volatile("" : : "r"(area) : "memory");
        spent = now_ns() - start;
        if (spent > 0 && (double)COPY_BYTES / (double)spent > best) {
            best = (double)COPY_BYTES / (double)spent;
        }
    }
    (void)munmap(area, COPY_BYTES * 2);
    return best;
}

onefold_status cmd_bench(const struct opts *opts, struct out *out, onefold_error *err)
{
    const uint32_t repeats =
        opts->repeat.given && opts->repeat.value > 0
            ? (uint32_t)(opts->repeat.value < REPEATS_MAX ? opts->repeat.value : REPEATS_MAX)
            : REPEATS_STANDARD;
    struct table table = {.out = out, .to = out->json ? out_data(out) : stdout};
    onefold_status status;
    double copy;

    if (opts->argument_count > 1) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-arguments", NULL,
                        "bench: at most one DIR expected");
    }
    copy = measure_copy(repeats);
    if (out->json) {
        (void)fprintf(table.to, "{\"cpus\":%u,\"memory_copy_gb_per_s\":%.3f,\"kernels\":[",
                      onefold_host_cpu_count(), copy);
    } else {
        printf("usable CPUs %u, memory copy %.2f GB/s\n\n%-28s %-8s %8s\n",
               onefold_host_cpu_count(), copy, "kernel", "isa", "GB/s");
    }
    status = onefold_bench_kernels(repeats, add_kernel, &table, err);
    if (out->json) {
        (void)fputs("]", table.to);
    }
    if (status == ONEFOLD_OK && opts->argument_count == 1) {
        status = bench_pipeline(opts->arguments[0], opts, out, err);
    }
    if (out->json) {
        (void)fputs("}", table.to);
    }
    return status;
}
