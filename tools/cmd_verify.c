/* SPDX-License-Identifier: Apache-2.0 */
/* onefold verify: reads a checkpoint back and reports every finding. */
#include "exit.h"
#include "verbs.h"

#include <string.h>

static void print_data(FILE *to, const char *path, const onefold_verify_result *result)
{
    (void)putc('{', to);
    out_json_member(to, "path", path);
    (void)fprintf(to,
                  ",\"manifest\":%s,\"leaves\":%s,\"sha256_list\":%s,\"xxh128_list\":%s,"
                  "\"files\":%llu,\"tensors\":%llu,\"bytes_read\":%llu,\"seconds\":%.6f,"
                  "\"findings\":%llu,",
                  result->had_manifest ? "true" : "false", result->had_leaves ? "true" : "false",
                  result->had_sha256_list ? "true" : "false",
                  result->had_xxh128_list ? "true" : "false",
                  (unsigned long long)result->file_count, (unsigned long long)result->tensor_count,
                  (unsigned long long)result->read_bytes, (double)result->wall_ns / 1e9,
                  (unsigned long long)result->finding_count);
    out_json_member(to, "checkpoint_digest",
                    result->checkpoint_digest[0] != '\0' ? result->checkpoint_digest : NULL);
    (void)putc('}', to);
}

/* What was checked, and what could not be. */
static void print_summary(const char *path, const struct opts *opts,
                          const onefold_verify_result *result)
{
    const double seconds = (double)result->wall_ns / 1e9;

    printf("%s: OK, %llu files, %llu tensors", onefold_text_show(path, strlen(path)).text,
           (unsigned long long)result->file_count, (unsigned long long)result->tensor_count);
    if (result->read_bytes > 0) {
        printf(", %s in %.2f s (%.2f GB/s)", out_bytes(result->read_bytes).text, seconds,
               seconds > 0 ? (double)result->read_bytes / seconds / 1e9 : 0.0);
    }
    printf("\nchecked: structure%s%s%s%s\n", result->had_manifest ? ", manifest" : "",
           result->had_leaves && !opts->structure ? ", content" : "",
           result->had_sha256_list && !opts->fast && !opts->structure ? ", SHA256SUMS" : "",
           result->had_xxh128_list && !opts->structure ? ", XXH128SUMS" : "");
    if (result->checkpoint_digest[0] != '\0') {
        printf("checkpoint digest %s\n", result->checkpoint_digest);
    }
}

onefold_status cmd_verify(const struct opts *opts, struct out *out, onefold_error *err)
{
    onefold_verify_options options;
    onefold_verify_result result;
    const char *path;
    onefold_status status;

    if (opts->argument_count != 1) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-arguments", NULL,
                        "verify: one DIR expected, %u given", opts->argument_count);
    }
    path = opts->arguments[0];
    onefold_verify_options_init(&options);
    options.structure_only = opts->structure;
    options.fast = opts->fast;
    options.thread_count = planning_threads(opts);
    options.memory_bytes = opts->memory.value;
    options.io = planning_io(opts);
    options.direct = planning_direct(opts);
    options.notice = out_notice;
    options.notice_context = out;
    options.progress = out_progress;
    options.progress_context = out;
    options.cancel = exit_listen();
    options.cpu = planning_cpu();
    memset(&result, 0, sizeof(result));
    out->findings = true;
    status = onefold_verify(path, &options, &result, err);
    out->findings = false;
    if (out->json && (status == ONEFOLD_OK || status == ONEFOLD_E_DIFFERS)) {
        print_data(out_data(out), path, &result);
    } else if (status == ONEFOLD_OK && !out->quiet) {
        print_summary(path, opts, &result);
    }
    return status;
}
