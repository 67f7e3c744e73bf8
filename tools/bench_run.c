/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onefold bench: carries the jobs out. Each round does every job once, each time with steps of
 * another length through the list, so that no job always follows the same one: a host that caches
 * for its guests favours whoever comes second, and who comes after a copy of 2 GB through the page
 * cache finds a machine that has it to clear away.
 */
#include "bench.h"

#include "exit.h"
#include "verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = BENCH_MODELS_MAX + 64 };

static const char copy_name[] = "copy.out";
static const char merged_name[] = "out";
static const char numpy_name[] = "numpy.out";

/* An argument list, and the texts that it owns. */
struct arguments {
    const char *list[ARGUMENTS_MAX];
    uint32_t count;
    char texts[ARGUMENTS_MAX][BENCH_NAME_MAX];
    uint32_t text_count;
};

static void add(struct arguments *arguments, const char *text)
{
    if (arguments->count + 1 < ARGUMENTS_MAX) {
        arguments->list[arguments->count++] = text;
        arguments->list[arguments->count] = NULL;
    }
}

static void add_pair(struct arguments *arguments, const char *name, const char *value)
{
    if (value != NULL) {
        add(arguments, name);
        add(arguments, value);
    }
}

static void add_number(struct arguments *arguments, const char *name, uint64_t value)
{
    char *text = arguments->texts[arguments->text_count++];

    (void)snprintf(text, BENCH_NAME_MAX, "%llu", (unsigned long long)value);
    add_pair(arguments, name, text);
}

static void add_models(struct arguments *arguments, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i <= last && arguments->text_count < ARGUMENTS_MAX; i++) {
        char *text = arguments->texts[arguments->text_count++];

        bench_model_name(i, text, BENCH_NAME_MAX);
        add(arguments, text);
    }
}

/* ---- One job ---- */

/* The number behind "NAME": in a line of JSON; 0 when it is not there. Quotes inside texts are
 * escaped, so the name is found only as a name. */
static double number_of(const char *json, const char *name)
{
    char key[BENCH_NAME_MAX];
    const char *at;

    (void)snprintf(key, sizeof(key), "\"%s\":", name);
    at = strstr(json, key);
    return at != NULL ? strtod(at + strlen(key), NULL) : 0;
}

static onefold_status failed_child(const struct bench_job *job, const struct bench_child *child,
                                   onefold_error *err)
{
    return exit_set(err, ONEFOLD_E_IO, "output-io", "run the same command by hand to see more",
                    "bench: %s failed with exit code %d: %s", bench_job_name(job), child->code,
                    child->complaint);
}

static void add_child(const struct bench_child *child, struct bench_run *run)
{
    run->seconds += child->seconds;
    run->cpu_seconds += child->cpu_seconds;
    run->peak_bytes = child->peak_bytes > run->peak_bytes ? child->peak_bytes : run->peak_bytes;
}

static onefold_status run_merge(const struct bench *bench, const struct bench_group *group,
                                struct bench_job *job, struct bench_run *run, onefold_error *err)
{
    static struct arguments arguments;
    static const char *const direct_words[] = {NULL, "auto", "on", "off"};
    const struct opts *opts = bench->opts;
    struct opts rule = {.set = {.count = 0}};
    struct bench_child child;

    arguments.count = 0;
    arguments.text_count = 0;
    bench_rule_options(job->rule, group, &rule);
    add(&arguments, "/proc/self/exe");
    add(&arguments, "merge");
    add(&arguments, "--quiet");
    add(&arguments, "--json");
    add_pair(&arguments, "--io", job->io);
    add_pair(&arguments, "--direct", direct_words[opts->direct]);
    add_pair(&arguments, "--sums", opts->sums);
    if (opts->memory.given) {
        add_number(&arguments, "--memory", opts->memory.value);
    }
    if (opts->threads.given) {
        add_number(&arguments, "--num-threads", opts->threads.value);
    }
    add_pair(&arguments, "--method", rule.method);
    add_pair(&arguments, "--base", rule.base);
    add_pair(&arguments, "--lambda", rule.lambda);
    add_pair(&arguments, "--steps", rule.steps);
    for (uint32_t i = 0; i < rule.set.count; i++) {
        add_pair(&arguments, "--set", rule.set.items[i]);
    }
    add_models(&arguments, bench_first_model(job->rule), group->model_count);
    add(&arguments, merged_name);
    if (bench_spawn(bench, arguments.list, false, &child, err) != ONEFOLD_OK) {
        return err->status;
    }
    if (child.code != 0) {
        /* Refused, and not broken: this backend is not there, or the memory does not do. */
        if (child.code <= 4) {
            (void)snprintf(job->skipped, sizeof(job->skipped), "%.290s", child.complaint);
            return ONEFOLD_OK;
        }
        return failed_child(job, &child, err);
    }
    add_child(&child, run);
    run->read_bytes = (uint64_t)number_of(child.text, "bytes_read");
    run->written_bytes = (uint64_t)number_of(child.text, "bytes_written");
    run->run_seconds = number_of(child.text, "seconds");
    run->io_wait_seconds = number_of(child.text, "io_wait_seconds");
    run->worker_idle_seconds = number_of(child.text, "worker_idle_seconds");
    run->hash_busy_seconds = number_of(child.text, "hash_busy_seconds");
    return ONEFOLD_OK;
}

static onefold_status run_cat(const struct bench *bench, const struct bench_group *group,
                              const struct bench_job *job, struct bench_run *run,
                              onefold_error *err)
{
    static struct arguments arguments;
    const uint32_t first = job->with_base ? 0 : 1;
    struct bench_child child;

    arguments.count = 0;
    arguments.text_count = 0;
    add(&arguments, "cat");
    add_models(&arguments, first, group->model_count);
    if (bench_spawn(bench, arguments.list, true, &child, err) != ONEFOLD_OK) {
        return err->status;
    }
    if (child.code != 0) {
        return failed_child(job, &child, err);
    }
    add_child(&child, run);
    run->read_bytes = group->model_bytes * (group->model_count + 1 - first);
    return ONEFOLD_OK;
}

/* Seconds that it takes until the file is on the disk. */
static double sync_file(const struct bench *bench, const char *name)
{
    const int fd = openat(bench->folder, name, O_RDONLY | O_CLOEXEC);
    struct timespec before;
    struct timespec after;

    (void)clock_gettime(CLOCK_MONOTONIC, &before);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &after);
    return (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
}

/* All inputs read, and a file as large as the output written and synced: whoever looks at what he
 * has and keeps a copy. */
static onefold_status run_cat_cp(const struct bench *bench, const struct bench_group *group,
                                 const struct bench_job *job, struct bench_run *run,
                                 onefold_error *err)
{
    static const char *const argv[] = {"cp", "base.safetensors", copy_name, NULL};
    struct bench_child child;

    if (run_cat(bench, group, job, run, err) != ONEFOLD_OK ||
        bench_spawn(bench, argv, true, &child, err) != ONEFOLD_OK) {
        return err->status;
    }
    if (child.code != 0) {
        return failed_child(job, &child, err);
    }
    add_child(&child, run);
    run->seconds += sync_file(bench, copy_name);
    run->written_bytes = group->model_bytes;
    return ONEFOLD_OK;
}

/* The script leaves its output in the page cache; a merge does not, so it is synced, too. */
static onefold_status run_numpy(const struct bench *bench, const struct bench_group *group,
                                const struct bench_job *job, struct bench_run *run,
                                onefold_error *err)
{
    static struct arguments arguments;
    struct bench_child child;

    arguments.count = 0;
    arguments.text_count = 0;
    add(&arguments, bench->python);
    add(&arguments, bench->wish.script);
    add_models(&arguments, 0, group->model_count);
    add(&arguments, numpy_name);
    if (bench_spawn(bench, arguments.list, true, &child, err) != ONEFOLD_OK) {
        return err->status;
    }
    if (child.code != 0) {
        return failed_child(job, &child, err);
    }
    add_child(&child, run);
    run->seconds += sync_file(bench, numpy_name);
    run->read_bytes = group->model_bytes * (group->model_count + 1);
    run->written_bytes = group->model_bytes;
    return ONEFOLD_OK;
}

static uint64_t cached_now(const struct bench *bench, const struct bench_group *group,
                           const struct bench_job *job)
{
    uint64_t sum = 0;

    for (uint32_t i = job->with_base ? 0 : 1; i <= group->model_count; i++) {
        char name[BENCH_NAME_MAX];

        bench_model_name(i, name, sizeof(name));
        sum += bench_cached(bench, name);
    }
    return sum + bench_cached(bench, copy_name) + bench_cached(bench, merged_name) +
           bench_cached(bench, numpy_name);
}

static onefold_status run_job(const struct bench *bench, const struct bench_group *group,
                              struct bench_job *job, struct bench_run *run, onefold_error *err)
{
    const uint32_t first = job->with_base ? 0 : 1;
    uint64_t before = 0;
    uint64_t after;
    onefold_status status = bench_prepare(bench, first, group->model_count + 1 - first, job->cache,
                                          &run->wrong_bytes, &before, err);

    if (status != ONEFOLD_OK) {
        return status;
    }
    switch (job->kind) {
    case BENCH_RAW:
        status = bench_raw(bench, group, job, run, err);
        break;
    case BENCH_CAT:
        status = run_cat(bench, group, job, run, err);
        break;
    case BENCH_CAT_CP:
        status = run_cat_cp(bench, group, job, run, err);
        break;
    case BENCH_NUMPY:
        status = run_numpy(bench, group, job, run, err);
        break;
    case BENCH_MERGE:
        status = run_merge(bench, group, job, run, err);
        break;
    }
    after = cached_now(bench, group, job);
    run->cache_bytes = after > before ? after - before : 0;
    bench_remove(bench, copy_name);
    bench_remove(bench, merged_name);
    bench_remove(bench, numpy_name);
    /* What this run wrote or removed must not be paid for by the next one. */
    bench_settle(bench, run->written_bytes);
    return status;
}

/* ---- Rounds ---- */

static void say_job(const struct bench *bench, uint32_t round, const struct bench_job *job,
                    double seconds)
{
    if (bench->out->verbose) {
        out_say(bench->out, "round %u, %s%s%s%s, %s: %.3f s", round + 1, bench_job_name(job),
                bench_raw_way_words[job->raw_way], job->io != NULL ? " " : "",
                job->io != NULL ? job->io : "", bench_cache_words[job->cache], seconds);
    }
}

static void say_limit_beside(const struct bench *bench, uint32_t round, const struct bench_job *job,
                             double seconds)
{
    if (bench->out->verbose) {
        out_say(bench->out, "round %u, beside %s%s: raw limit %.3f s", round + 1,
                bench_job_name(job), bench_raw_way_words[job->raw_way], seconds);
    }
}

static void say_round(const struct bench *bench, const struct bench_group *group, uint32_t round)
{
    if (bench->out->progress && !bench->out->verbose) {
        out_say(bench->out, "%s, %u models: round %u of %u done", onefold_dtype_name(group->dtype),
                group->model_count, round + 1, bench->wish.run_count);
    }
}

/* Reads from the disk, and its time is compared with a raw limit. */
static bool has_limit_beside(const struct bench_group *group, const struct bench_job *job)
{
    return job->cache == BENCH_COLD && job->raw < group->job_count;
}

/* The raw limit once more, for this job alone. */
static onefold_status run_limit_beside(const struct bench *bench, const struct bench_group *group,
                                       const struct bench_job *job, uint32_t round,
                                       onefold_error *err)
{
    struct bench_run limit = {.seconds = 0};

    if (run_job(bench, group, &group->jobs[job->raw], &limit, err) != ONEFOLD_OK) {
        return err->status;
    }
    job->runs[round].raw_seconds = limit.seconds;
    say_limit_beside(bench, round, job, limit.seconds);
    return ONEFOLD_OK;
}

/* One job of a round, with its raw limit before it in one round and behind it in the next: whatever
 * favours the second of two then favours either as often. */
static onefold_status run_in_turn(const struct bench *bench, const struct bench_group *group,
                                  struct bench_job *job, uint32_t round, onefold_error *err)
{
    const bool beside = has_limit_beside(group, job);

    if (job->skipped[0] != '\0') {
        return ONEFOLD_OK;
    }
    if (beside && round % 2 == 0 && run_limit_beside(bench, group, job, round, err) != ONEFOLD_OK) {
        return err->status;
    }
    if (run_job(bench, group, job, &job->runs[round], err) != ONEFOLD_OK) {
        return err->status;
    }
    if (job->skipped[0] != '\0') {
        return ONEFOLD_OK;
    }
    say_job(bench, round, job, job->runs[round].seconds);
    return beside && round % 2 == 1 ? run_limit_beside(bench, group, job, round, err) : ONEFOLD_OK;
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b != 0) {
        const uint32_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* Length of the steps in which a round goes through `count` jobs: a number that has no divisor in
 * common with it, so that every job comes once; the next such number in each round. */
static uint32_t step_of(uint32_t round, uint32_t count)
{
    uint32_t step = 1;

    for (uint32_t left = round; left > 0; left--) {
        do {
            step = step + 1 < count ? step + 1 : 1;
        } while (common_divisor(step, count) != 1);
    }
    return step;
}

static onefold_status run_round(const struct bench *bench, const struct bench_group *group,
                                uint32_t round, onefold_error *err)
{
    const uint32_t step = step_of(round, group->job_count);

    for (uint32_t i = 0; i < group->job_count; i++) {
        struct bench_job *job = &group->jobs[((uint64_t)i * step + round) % group->job_count];

        if (run_in_turn(bench, group, job, round, err) != ONEFOLD_OK) {
            return err->status;
        }
    }
    say_round(bench, group, round);
    return ONEFOLD_OK;
}

/* A note for each kind of thing that was not as it should have been, and not for each run. */
static void note_oddities(const struct bench *bench, const struct bench_group *group)
{
    uint64_t wrong[2] = {0, 0};
    bool direct = true;

    for (uint32_t i = 0; i < group->job_count; i++) {
        const struct bench_job *job = &group->jobs[i];

        if (bench_skip_is_new(group, i)) {
            out_note(bench->out, "bench-skipped", "%s: %s", bench_job_name(job), job->skipped);
        }
        for (uint32_t k = 0; job->skipped[0] == '\0' && k < bench->wish.run_count; k++) {
            if (job->runs[k].wrong_bytes > wrong[job->cache]) {
                wrong[job->cache] = job->runs[k].wrong_bytes;
            }
            direct = direct && (job->kind != BENCH_RAW || job->runs[k].direct);
        }
    }
    if (wrong[BENCH_COLD] > 0) {
        out_note(bench->out, "bench-cache",
                 "up to %s of the inputs stayed in the page cache: cold runs were not quite cold",
                 out_bytes(wrong[BENCH_COLD]).text);
    }
    if (wrong[BENCH_WARM] > 0) {
        out_note(bench->out, "bench-cache",
                 "up to %s of the inputs did not stay in the page cache: warm runs were not quite "
                 "warm",
                 out_bytes(wrong[BENCH_WARM]).text);
    }
    if (!direct) {
        out_note(bench->out, "bench-direct",
                 "the file system refuses direct I/O: the raw limit went through the page cache");
    }
}

static onefold_status run_group(struct bench *bench, struct bench_group *group, onefold_error *err)
{
    char name[BENCH_NAME_MAX];
    struct stat about;

    bench_model_name(0, name, sizeof(name));
    if (fstatat(bench->folder, name, &about, 0) != 0) {
        return bench_failed(err, "look at", name);
    }
    group->model_bytes = (uint64_t)about.st_size;
    if (bench_jobs_make(bench, group, err) != ONEFOLD_OK) {
        return err->status;
    }
    for (uint32_t round = 0; round < bench->wish.run_count; round++) {
        if (run_round(bench, group, round, err) != ONEFOLD_OK) {
            return err->status;
        }
    }
    note_oddities(bench, group);
    return ONEFOLD_OK;
}

onefold_status bench_run_groups(struct bench *bench, onefold_error *err)
{
    const struct bench_wish *wish = &bench->wish;

    bench->groups = calloc((size_t)wish->dtype_count * wish->model_count, sizeof(*bench->groups));
    if (bench->groups == NULL) {
        return exit_set(err, ONEFOLD_E_MEMORY, "memory", NULL, "bench: no memory for the results");
    }
    bench->result.groups = bench->groups;
    for (uint32_t i = 0; i < wish->dtype_count; i++) {
        if (bench->out->progress) {
            out_say(bench->out, "making %u models of %s, %s each", bench->files,
                    onefold_dtype_name(wish->dtypes[i]), out_bytes(bench->model_bytes).text);
        }
        if (bench_make_models(bench, wish->dtypes[i], err) != ONEFOLD_OK) {
            return err->status;
        }
        for (uint32_t k = 0; k < wish->model_count; k++) {
            struct bench_group *group = &bench->groups[bench->result.group_count++];

            group->dtype = wish->dtypes[i];
            group->model_count = wish->models[k];
            if (run_group(bench, group, err) != ONEFOLD_OK) {
                return err->status;
            }
            if (!bench->out->json) {
                bench_text_group(&bench->result, group);
            }
        }
    }
    return ONEFOLD_OK;
}
