/* SPDX-License-Identifier: Apache-2.0 */
/* onefold merge: plan, run, say what came out. */
#include "exit.h"
#include "verbs.h"

#include <string.h>

static void print_data(FILE *to, const char *target, const onefold_run_stats *stats)
{
    (void)putc('{', to);
    out_json_member(to, "output", target);
    (void)fprintf(
        to,
        ",\"plan_hash\":\"%s\",\"bytes_read\":%llu,\"bytes_cached\":%llu,\"bytes_written\":%llu,"
        "\"bytes_shared\":%llu,\"tiles\":%llu,\"split_tiles\":%llu,"
        "\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"peak_memory\":%llu,\"tensors\":%llu",
        stats->plan_hash, (unsigned long long)stats->read_bytes,
        (unsigned long long)stats->cache_bytes, (unsigned long long)stats->written_bytes,
        (unsigned long long)stats->shared_bytes, (unsigned long long)stats->tile_count,
        (unsigned long long)stats->split_count, (double)stats->wall_ns / 1e9, stats->cpu_seconds,
        (unsigned long long)stats->peak_memory_bytes, (unsigned long long)stats->tensor_count);
    (void)fprintf(to,
                  ",\"io\":\"%s\",\"direct_in\":%s,\"direct_out\":%s,\"huge_pages\":%s,"
                  "\"cpu\":\"%s\",\"io_wait_seconds\":%.6f,\"worker_idle_seconds\":%.6f,"
                  "\"hash_busy_seconds\":%.6f,\"checkpoint_digest\":\"%s\"",
                  stats->io, stats->direct_in ? "true" : "false",
                  stats->direct_out ? "true" : "false", stats->huge_pages ? "true" : "false",
                  stats->cpu, (double)stats->io_wait_ns / 1e9, (double)stats->worker_idle_ns / 1e9,
                  (double)stats->hash_busy_ns / 1e9, stats->checkpoint_digest);
    if (stats->has_lambda) {
        (void)fprintf(to, ",\"lambda\":%.17g,\"beta\":%.17g", stats->lambda, stats->beta);
    } else {
        (void)fputs(",\"lambda\":null,\"beta\":null", to);
    }
    if (stats->signing_root[0] != '\0') {
        (void)fprintf(to, ",\"model_signing_root\":\"sha256:%s\"}", stats->signing_root);
    } else {
        (void)fputs(",\"model_signing_root\":null}", to);
    }
}

/* Which way the inputs came, and why. */
static void say_way(struct out *out, const onefold_run_stats *stats)
{
    const char *way = strcmp(stats->io, "mmap") == 0 ? "in windows over the page cache"
                      : stats->direct_in             ? "past the page cache"
                                                     : "through the page cache";

    if (stats->cache_bytes == 0) {
        out_say(out, "inputs: read %s (%s)", way, stats->io);
    } else if (stats->cache_bytes >= stats->read_bytes) {
        out_say(out, "inputs: all in the page cache, taken from there");
    } else {
        out_say(out, "inputs: %s in the page cache, taken from there, the rest read %s (%s)",
                out_bytes(stats->cache_bytes).text, way, stats->io);
    }
    if (stats->split_count > 0) {
        out_say(out, "tiles: %llu of %llu in parts; what is faster is found out meanwhile",
                (unsigned long long)stats->split_count, (unsigned long long)stats->tile_count);
    }
}

static void say_result(struct out *out, const onefold_run_stats *stats)
{
    const double seconds = (double)stats->wall_ns / 1e9;
    const double bytes = (double)stats->read_bytes + (double)stats->written_bytes;

    out_say(out, "read %s, wrote %s in %.2f s (%.2f GB/s), peak memory %.0f MiB",
            out_bytes(stats->read_bytes).text, out_bytes(stats->written_bytes).text, seconds,
            seconds > 0 ? bytes / seconds / 1e9 : 0.0,
            (double)stats->peak_memory_bytes / (1024.0 * 1024.0));
    say_way(out, stats);
    if (stats->shared_bytes > 0) {
        out_say(out, "output: %s not written, they share the blocks of the input",
                out_bytes(stats->shared_bytes).text);
    }
    /* Rules with either form of the step are compared at equal beta. */
    if (stats->has_lambda) {
        out_say(out, "lambda %.6g (of the sum), beta %.6g (of the mean)", stats->lambda,
                stats->beta);
    }
    out_say(out, "checkpoint digest %s", stats->checkpoint_digest);
    if (stats->signing_root[0] != '\0') {
        out_say(out, "model signing root sha256:%s", stats->signing_root);
    }
}

onefold_status cmd_merge(const struct opts *opts, struct out *out, onefold_error *err)
{
    struct planning planning;
    onefold_run_options options;
    onefold_run_stats stats;
    onefold_status status = planning_make(opts, out, !opts->dry_run, &planning, err);

    if (status == ONEFOLD_OK && opts->dry_run) {
        status = planning_print(&planning, opts, out, err);
    } else if (status == ONEFOLD_OK) {
        planning_run_options(opts, out, &options);
        options.cancel = exit_listen();
        memset(&stats, 0, sizeof(stats));
        status = onefold_run(planning.plan, planning.target, &options, &stats, err);
        if (status == ONEFOLD_E_ARGUMENT && options.cpu != NULL) {
            status = exit_prefix(err, "ONEFOLD_CPU");
        }
        /* The listening goes on: a late signal must not turn a finished merge into a killed one. */
        if (status == ONEFOLD_OK) {
            out->lies_on_disk = true;
            if (out->json) {
                print_data(out_data(out), planning.target, &stats);
            }
            say_result(out, &stats);
        }
    }
    if (status == ONEFOLD_OK && !opts->dry_run && !out->json) {
        printf("%s\n", planning.target);
    }
    planning_finish(&planning);
    return status;
}
