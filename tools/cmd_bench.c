/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onefold bench: what kernels, hashes and memory reach here; with a folder also whole merges of
 * generated checkpoints, beside the raw limit of the disk and beside what somebody would do without
 * this program. Works in a folder of its own, DIR/onefold-bench.XXXXXX, and removes it.
 */
#include "bench.h"
#include "exit.h"
#include "page.h"
#include "verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REPEATS_STANDARD = 5 };

/* Bytes per nanosecond are GB/s. */
static void add_kernel(void *context, const onefold_bench_row *row)
{
    struct bench *bench = context;
    struct bench_result *result = &bench->result;
    const double speed = row->best_ns > 0 ? (double)row->bytes / row->best_ns : 0.0;

    if (result->kernel_count < BENCH_KERNELS_MAX) {
        result->kernels[result->kernel_count++] =
            (struct bench_kernel){.name = row->kernel, .isa = row->isa, .speed = speed};
    }
    if (!bench->out->json) {
        printf("%-28s %-8s %8.2f\n", row->kernel, row->isa, speed);
        (void)fflush(stdout);
    }
}

static onefold_status measure_machine(struct bench *bench, const char *dir, onefold_error *err)
{
    const uint32_t repeats =
        bench->opts->repeat.given ? (uint32_t)bench->opts->repeat.value : REPEATS_STANDARD;

    bench_describe(dir, &bench->result.machine);
    bench_measure_memory(bench->result.machine.cpu_count, repeats, &bench->result.memory);
    if (!bench->out->json) {
        bench_text_memory(&bench->result);
        printf("%-28s %-8s %8s\n", "kernel", "isa", "GB/s");
    }
    return onefold_bench_kernels(repeats, add_kernel, bench, err);
}

static onefold_status write_page(const struct bench *bench, const char *path, onefold_error *err)
{
    const int problem = page_write(path, bench_html_page, &bench->result);

    if (problem == 0) {
        return ONEFOLD_OK;
    }
    return exit_set(err, problem == ENOMEM ? ONEFOLD_E_MEMORY : ONEFOLD_E_IO,
                    problem == ENOMEM ? "memory" : "output-io", "choose another place with --html",
                    "%s: the page cannot be written: %s",
                    onefold_text_show(path, strlen(path)).text, strerror(problem));
}

/* A folder that is not there would be found out after an hour otherwise. */
static onefold_status check_page(const char *path, onefold_error *err)
{
    const char *name = strrchr(path, '/');
    char folder[4096] = ".";

    if (name != NULL && (size_t)(name - path) + 2 < sizeof(folder)) {
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)(name - path) + 1, path);
    }
    if (access(folder, W_OK) == 0) {
        return ONEFOLD_OK;
    }
    return exit_set(err, ONEFOLD_E_IO, "output-io", "choose another place with --html",
                    "%s: the page cannot be written: %s",
                    onefold_text_show(path, strlen(path)).text, strerror(errno));
}

static onefold_status run(struct bench *bench, const char *dir, onefold_error *err)
{
    onefold_status status = ONEFOLD_OK;

    /* What is refused is refused before anything takes its time. */
    if (bench->opts->html != NULL) {
        status = check_page(bench->opts->html, err);
    }
    if (status == ONEFOLD_OK && dir != NULL) {
        bench->cancel = exit_listen();
        status = bench_folder_make(bench, dir, err);
    }
    if (status == ONEFOLD_OK) {
        status = measure_machine(bench, dir, err);
    }
    if (status == ONEFOLD_OK && dir != NULL) {
        status = bench_run_groups(bench, err);
    }
    bench_folder_remove(bench);
    if (status == ONEFOLD_OK && bench->out->json) {
        bench_json(out_data(bench->out), &bench->result);
    }
    if (status == ONEFOLD_OK && bench->opts->html != NULL) {
        status = write_page(bench, bench->opts->html, err);
    }
    return status;
}

onefold_status cmd_bench(const struct opts *opts, struct out *out, onefold_error *err)
{
    static struct bench bench;
    const char *dir = opts->argument_count > 0 ? opts->arguments[0] : NULL;
    onefold_status status;

    if (opts->argument_count > 1) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-arguments", NULL,
                        "bench: at most one DIR expected");
    }
    bench.out = out;
    bench.opts = opts;
    bench.folder = -1;
    bench.result.wish = dir != NULL ? &bench.wish : NULL;
    bench.result.sums = opts->sums != NULL ? opts->sums : "sha256,xxh128";
    bench.result.memory_bound_bytes = opts->memory.given ? opts->memory.value : 0;
    status = bench_wish_read(opts, dir != NULL, &bench.wish, err);
    if (status == ONEFOLD_OK) {
        status = run(&bench, dir, err);
    }
    for (uint32_t i = 0; i < bench.result.group_count; i++) {
        bench_jobs_free(&bench.groups[i]);
    }
    free(bench.groups);
    return status;
}
