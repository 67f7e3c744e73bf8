/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merges two fine-tunes of one base model with the library: base + 0.5 * sum(model - base).
 *
 *     merge_two BASE MODEL MODEL OUT
 *
 * Shows the whole way: write a recipe, build a plan, look at it, run it with progress and a way to
 * stop, and read the result back. Builds with nothing but pkg-config (see Makefile).
 */
#include <onefold/onefold.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

static onefold_cancel cancel;

static void stop(int signal_number)
{
    onefold_cancel_request(&cancel, signal_number); /* safe in a handler */
}

/* The library prints nothing; what it has to say comes here. */
static void on_notice(void *context, const onefold_notice *notice)
{
    (void)context;
    fprintf(stderr, "%s%s%s\n", notice->file != NULL ? notice->file : "",
            notice->file != NULL ? ": " : "", notice->message);
}

static void on_progress(void *context, const onefold_progress *progress)
{
    (void)context;
    if (progress->total_bytes > 0) {
        fprintf(stderr, "\r%3.0f%%",
                100.0 * (double)progress->done_bytes / (double)progress->total_bytes);
    }
}

static onefold_status merge(const char *recipe_text, const char *out, onefold_error *err)
{
    onefold_recipe *recipe = NULL;
    onefold_plan *plan = NULL;
    onefold_plan_options plan_options;
    onefold_plan_info info;
    onefold_run_options run_options;
    onefold_run_stats stats;
    onefold_status status;

    onefold_plan_options_init(&plan_options);
    plan_options.memory_bytes = 128u << 20; /* the run stays inside, whatever the models' size */
    plan_options.notice = on_notice;

    status = onefold_recipe_parse(recipe_text, strlen(recipe_text), "recipe", on_notice, NULL,
                                  &recipe, err);
    if (status == ONEFOLD_OK) {
        status = onefold_plan_build(recipe, &plan_options, &plan, err);
    }
    if (status == ONEFOLD_OK) {
        onefold_plan_get_info(plan, &info);
        printf("%llu tensors, %llu bytes to read, %llu to write\n",
               (unsigned long long)info.tensor_count, (unsigned long long)info.read_bytes,
               (unsigned long long)info.write_bytes);

        onefold_run_options_init(&run_options);
        run_options.notice = on_notice;
        run_options.progress = on_progress;
        run_options.cancel = &cancel;
        status = onefold_run(plan, out, &run_options, &stats, err);
    }
    if (status == ONEFOLD_OK) {
        printf("%s: digest %s, peak memory %llu bytes\n", out, stats.checkpoint_digest,
               (unsigned long long)stats.peak_memory_bytes);
    }
    onefold_plan_free(plan);
    onefold_recipe_free(recipe);
    return status;
}

static onefold_status read_back(const char *out, onefold_error *err)
{
    onefold_verify_options options;
    onefold_verify_result result;
    onefold_status status;

    onefold_verify_options_init(&options);
    options.notice = on_notice;
    status = onefold_verify(out, &options, &result, err);
    if (status == ONEFOLD_OK) {
        printf("%llu files verified\n", (unsigned long long)result.file_count);
    }
    return status;
}

int main(int argc, char **argv)
{
    char recipe[4096];
    onefold_error err;
    int length;

    if (argc != 5) {
        fprintf(stderr, "usage: merge_two BASE MODEL MODEL OUT\n");
        return 2;
    }
    /* A quoted scalar of YAML; paths with quotes or backslashes would need escaping. */
    length = snprintf(recipe, sizeof(recipe),
                      "merge_method: task_arithmetic\n"
                      "base_model: \"%s\"\n"
                      "models:\n"
                      "  - model: \"%s\"\n"
                      "  - model: \"%s\"\n"
                      "parameters:\n"
                      "  weight: 1\n"
                      "  lambda: 0.5\n",
                      argv[1], argv[2], argv[3]);
    if (length < 0 || (size_t)length >= sizeof(recipe)) {
        fprintf(stderr, "the paths are too long\n");
        return 2;
    }
    signal(SIGINT, stop);
    if (merge(recipe, argv[4], &err) != ONEFOLD_OK || read_back(argv[4], &err) != ONEFOLD_OK) {
        fprintf(stderr, "merge_two: %s [%s]\n", err.message, err.id);
        return 1;
    }
    return 0;
}
