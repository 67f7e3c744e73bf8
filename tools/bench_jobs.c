/* SPDX-License-Identifier: Apache-2.0 */
/* onefold bench: which jobs a group has, and which of them cannot be done here. */
#include "bench.h"

#include "exit.h"
#include "verbs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where `meson install` puts the script. */
#define SCRIPT_STANDARD ONEFOLD_DATA_DIR "/memmap_merge.py"

enum { REQUIRED_PARAMS_MAX = 8 };

bool bench_reads_base(const onefold_method_info *rule)
{
    return rule->input_count_max != 1;
}

uint32_t bench_first_model(const onefold_method_info *rule)
{
    return strcmp(rule->base, "required") == 0 || !bench_reads_base(rule) ? 1 : 0;
}

/* ---- Settings of the rules ---- */

/* As many faulty models as the rule bears, but few, so that it does its ordinary work. */
static uint32_t faulty_count(const char *rule, uint32_t models)
{
    if (strcmp(rule, "bulyan") == 0) {
        return models >= 7 ? 1 : 0;
    }
    return models >= 8 ? 2 : models >= 5 ? 1 : 0;
}

/* "NAME=VALUE" for a parameter without a default; NULL for one that nobody has thought of here: the
 * plan is refused then, and the refusal shown. */
static const char *setting_of(const char *rule, const char *name, uint32_t models)
{
    static const char *const faulty[] = {"f=0", "f=1", "f=2"};

    if (strcmp(name, "rho") == 0) {
        return "rho=0.5";
    }
    if (strcmp(name, "radius") == 0) {
        return "radius=1";
    }
    if (strcmp(name, "trim") == 0) {
        return models >= 5 ? "trim=2" : models >= 3 ? "trim=1" : "trim=0";
    }
    if (strcmp(name, "f") == 0) {
        return faulty[faulty_count(rule, models)];
    }
    if (strcmp(name, "m") == 0) {
        return models >= 6 ? "m=3" : "m=1";
    }
    return NULL;
}

static uint64_t rule_index(const onefold_method_info *rule)
{
    onefold_method_info info;
    uint64_t index = 0;

    while (onefold_method_at(index, &info) && strcmp(info.name, rule->name) != 0) {
        index++;
    }
    return index;
}

void bench_rule_options(const onefold_method_info *rule, const struct bench_group *group,
                        struct opts *ret_opts)
{
    const uint32_t model_count = group->model_count + 1 - bench_first_model(rule);
    const uint64_t index = rule_index(rule);
    onefold_param_info param;

    ret_opts->method = rule->name;
    ret_opts->base = strcmp(rule->base, "required") == 0 ? "base.safetensors" : NULL;
    /* A sum is scaled, as everybody does who adds task vectors. */
    ret_opts->lambda = rule->takes_lambda && strcmp(rule->scale, "sum") == 0 ? "0.4" : NULL;
    ret_opts->steps = strcmp(rule->name, "fednova") == 0 ? "10" : NULL;
    for (uint64_t i = 0; onefold_method_param_at(index, i, &param); i++) {
        const char *setting = param.required && !param.is_fact
                                  ? setting_of(rule->name, param.name, model_count)
                                  : NULL;

        if (setting != NULL && ret_opts->set.count < REQUIRED_PARAMS_MAX) {
            ret_opts->set.items[ret_opts->set.count++] = setting;
        }
    }
}

/* ---- What a rule reads and writes ---- */

struct asked {
    const struct bench *bench;
    const struct bench_group *group;
    const onefold_method_info *rule;
};

struct planned {
    onefold_status status;
    uint64_t read_bytes;
    uint64_t written_bytes;
    uint32_t worker_count;
    char message[BENCH_NOTE_MAX];
};

/* Kept until the next call. */
static const char **model_names(uint32_t first, uint32_t count)
{
    static char texts[BENCH_MODELS_MAX + 1][BENCH_NAME_MAX];
    static const char *names[BENCH_MODELS_MAX + 2]; /* and the output */

    for (uint32_t i = 0; i < count; i++) {
        bench_model_name(first + i, texts[i], BENCH_NAME_MAX);
        names[i] = texts[i];
    }
    return names;
}

/* In a process of its own, whose memory goes with it. */
static void plan_rule(const void *context, void *result)
{
    const struct asked *asked = context;
    struct planned *planned = result;
    struct opts opts = *asked->bench->opts;
    const uint32_t first = bench_first_model(asked->rule);
    const uint32_t count = asked->group->model_count + 1 - first;
    struct planning planning;
    onefold_plan_info info;
    onefold_error err;

    planned->status = ONEFOLD_E_MEMORY;
    opts.arguments = model_names(first, count);
    opts.arguments[count] = "out";
    opts.argument_count = count + 1;
    bench_rule_options(asked->rule, asked->group, &opts);
    planned->status = planning_make(&opts, asked->bench->out, 1, &planning, &err);
    if (planned->status != ONEFOLD_OK) {
        (void)snprintf(planned->message, sizeof(planned->message), "%.200s [%s]", err.message,
                       err.id);
        return;
    }
    onefold_plan_get_info(planning.plan, &info);
    planned->read_bytes = info.read_bytes;
    planned->written_bytes = info.write_bytes;
    planned->worker_count = info.worker_count;
}

/* ---- The list ---- */

static struct bench_job *add_job(const struct bench *bench, struct bench_group *group,
                                 enum bench_kind kind, onefold_error *err)
{
    struct bench_job *jobs =
        realloc(group->jobs, ((size_t)group->job_count + 1) * sizeof(*group->jobs));
    struct bench_job *job;

    if (jobs != NULL) {
        group->jobs = jobs;
        job = &jobs[group->job_count];
        memset(job, 0, sizeof(*job));
        job->kind = kind;
        job->cat = UINT32_MAX;
        job->raw = UINT32_MAX;
        job->with_base = true;
        job->passes = 1;
        job->runs = calloc(bench->wish.run_count, sizeof(*job->runs));
        if (job->runs != NULL) {
            group->job_count++;
            return job;
        }
    }
    (void)exit_set(err, ONEFOLD_E_MEMORY, "memory", NULL, "bench: no memory for %u rounds",
                   bench->wish.run_count);
    return NULL;
}

/* Index of the raw job with these reads and writes, made when there is none. */
static onefold_status find_raw(const struct bench *bench, struct bench_group *group,
                               const struct bench_job *like, enum bench_raw_way way,
                               uint32_t *ret_index, onefold_error *err)
{
    struct bench_job *job;

    for (uint32_t i = 0; i < group->job_count; i++) {
        job = &group->jobs[i];
        if (job->kind == BENCH_RAW && job->raw_way == way && job->with_base == like->with_base &&
            job->passes == like->passes && job->written_bytes == like->written_bytes) {
            *ret_index = i;
            return ONEFOLD_OK;
        }
    }
    *ret_index = group->job_count;
    job = add_job(bench, group, BENCH_RAW, err);
    if (job == NULL) {
        return err->status;
    }
    job->raw_way = way;
    job->with_base = like->with_base;
    job->passes = like->passes;
    job->written_bytes = like->written_bytes;
    return ONEFOLD_OK;
}

/* The raw limit of these reads and writes, and the other ways to it that are wanted. */
static onefold_status add_raw(const struct bench *bench, struct bench_group *group,
                              const struct bench_job *like, uint32_t *ret_index, onefold_error *err)
{
    static const struct {
        uint32_t bit;
        enum bench_raw_way way;
    } others[] = {{BENCH_AGAINST_LOOK, BENCH_RAW_LOOKED_AT},
                  {BENCH_AGAINST_SHORT, BENCH_RAW_SHORT}};

    if (find_raw(bench, group, like, BENCH_RAW_PLAIN, ret_index, err) != ONEFOLD_OK) {
        return err->status;
    }
    for (size_t i = 0;
         i < sizeof(others) / sizeof(others[0]) && (bench->wish.caches & (1U << BENCH_COLD)); i++) {
        uint32_t other;

        if (!(bench->wish.against & others[i].bit)) {
            continue;
        }
        if (find_raw(bench, group, like, others[i].way, &other, err) != ONEFOLD_OK) {
            return err->status;
        }
        group->jobs[other].raw = *ret_index;
    }
    return ONEFOLD_OK;
}

/* The same for cat, of the same files and with the page cache in the same state. */
static onefold_status find_cat(const struct bench *bench, struct bench_group *group, bool with_base,
                               enum bench_cache cache, uint32_t *ret_index, onefold_error *err)
{
    struct bench_job *job;

    for (uint32_t i = 0; i < group->job_count; i++) {
        job = &group->jobs[i];
        if (job->kind == BENCH_CAT && job->with_base == with_base && job->cache == cache) {
            *ret_index = i;
            return ONEFOLD_OK;
        }
    }
    *ret_index = group->job_count;
    job = add_job(bench, group, BENCH_CAT, err);
    if (job == NULL) {
        return err->status;
    }
    job->with_base = with_base;
    job->cache = cache;
    return ONEFOLD_OK;
}

static onefold_status plan_job(struct bench *bench, const struct bench_group *group,
                               const onefold_method_info *rule, struct bench_job *ret_like,
                               onefold_error *err)
{
    const struct asked asked = {.bench = bench, .group = group, .rule = rule};
    const uint64_t files = group->model_count + (bench_reads_base(rule) ? 1U : 0U);
    const uint64_t once = group->model_bytes * files;
    struct planned planned = {.status = ONEFOLD_OK};
    struct bench_child child;

    memset(ret_like, 0, sizeof(*ret_like));
    if (bench_fork(bench, plan_rule, &asked, &planned, sizeof(planned), &child, err) !=
        ONEFOLD_OK) {
        return err->status;
    }
    ret_like->with_base = bench_reads_base(rule);
    if (child.code != 0 || planned.status != ONEFOLD_OK) {
        (void)snprintf(ret_like->skipped, sizeof(ret_like->skipped), "%s",
                       planned.message[0] != '\0' ? planned.message : "the plan failed");
        return ONEFOLD_OK;
    }
    bench->result.worker_count = planned.worker_count;
    ret_like->written_bytes = planned.written_bytes;
    ret_like->passes = (uint32_t)((planned.read_bytes + once / 2) / once);
    ret_like->passes = ret_like->passes > 0 ? ret_like->passes : 1;
    return ONEFOLD_OK;
}

/* One merge of a rule for each backend and state of the cache. */
static onefold_status add_rule(struct bench *bench, struct bench_group *group,
                               const onefold_method_info *rule, onefold_error *err)
{
    struct bench_job like;
    uint32_t raw = UINT32_MAX;

    if (plan_job(bench, group, rule, &like, err) != ONEFOLD_OK ||
        (like.skipped[0] == '\0' && add_raw(bench, group, &like, &raw, err) != ONEFOLD_OK)) {
        return err->status;
    }
    for (int io = 0; opt_io_words[io] != NULL; io++) {
        for (int cache = BENCH_COLD; cache <= BENCH_WARM; cache++) {
            struct bench_job *job;
            uint32_t cat = UINT32_MAX;

            if (!(bench->wish.io & (1U << io)) || !(bench->wish.caches & (1U << cache))) {
                continue;
            }
            if ((bench->wish.against & BENCH_AGAINST_CAT) && like.skipped[0] == '\0' &&
                find_cat(bench, group, like.with_base, (enum bench_cache)cache, &cat, err) !=
                    ONEFOLD_OK) {
                return err->status;
            }
            job = add_job(bench, group, BENCH_MERGE, err);
            if (job == NULL) {
                return err->status;
            }
            job->rule = rule;
            job->model_count = group->model_count + 1 - bench_first_model(rule);
            job->io = opt_io_words[io];
            job->cache = (enum bench_cache)cache;
            job->raw = raw;
            job->cat = cat;
            job->with_base = like.with_base;
            job->passes = like.passes;
            job->written_bytes = like.written_bytes;
            memcpy(job->skipped, like.skipped, sizeof(job->skipped));
        }
    }
    return ONEFOLD_OK;
}

/* Finds a python that has numpy; *ret_reason says why the script cannot run here, empty = it can.
 */
static onefold_status check_numpy(struct bench *bench, char *ret_reason, onefold_error *err)
{
    /* The one that scripts get, and the one of the system, which packages give numpy to. */
    static const char *const pythons[] = {"python3", "/usr/bin/python3"};
    const char *script = bench->wish.script;

    ret_reason[0] = '\0';
    if (access(script, R_OK) != 0) {
        (void)snprintf(ret_reason, BENCH_NOTE_MAX,
                       "%.200s is not here; give benchmarks/memmap_merge.py with --script", script);
        return ONEFOLD_OK;
    }
    for (size_t i = 0; i < sizeof(pythons) / sizeof(pythons[0]); i++) {
        const char *const argv[] = {pythons[i], "-c", "import numpy", NULL};
        struct bench_child child;

        if (bench_spawn(bench, argv, true, &child, err) != ONEFOLD_OK) {
            return err->status;
        }
        if (child.code == 0) {
            bench->python = pythons[i];
            return ONEFOLD_OK;
        }
    }
    (void)snprintf(ret_reason, BENCH_NOTE_MAX, "python3 with numpy is not here");
    return ONEFOLD_OK;
}

/* cat, cat and cp, and numpy; the last two write the output that a merge of all files writes. */
static onefold_status add_others(struct bench *bench, struct bench_group *group, onefold_error *err)
{
    struct bench_job like = {.with_base = true, .passes = 1, .written_bytes = group->model_bytes};
    char reason[BENCH_NOTE_MAX] = "";
    uint32_t raw = UINT32_MAX;

    for (uint32_t i = 0; i < group->job_count && raw == UINT32_MAX; i++) {
        const struct bench_job *job = &group->jobs[i];

        raw = job->kind == BENCH_RAW && job->raw_way == BENCH_RAW_PLAIN && job->with_base &&
                      job->passes == 1
                  ? i
                  : raw;
    }
    if ((raw == UINT32_MAX && add_raw(bench, group, &like, &raw, err) != ONEFOLD_OK) ||
        ((bench->wish.against & BENCH_AGAINST_NUMPY) &&
         check_numpy(bench, reason, err) != ONEFOLD_OK)) {
        return err->status;
    }
    for (int cache = BENCH_COLD; cache <= BENCH_WARM; cache++) {
        static const enum bench_kind kinds[] = {BENCH_CAT, BENCH_CAT_CP, BENCH_NUMPY};

        for (size_t i = 0; i < 3 && (bench->wish.caches & (1U << cache)); i++) {
            const uint32_t bit = kinds[i] == BENCH_NUMPY ? BENCH_AGAINST_NUMPY : BENCH_AGAINST_CAT;
            struct bench_job *job;
            uint32_t index;

            if (!(bench->wish.against & bit)) {
                continue;
            }
            if (kinds[i] == BENCH_CAT) {
                if (find_cat(bench, group, true, (enum bench_cache)cache, &index, err) !=
                    ONEFOLD_OK) {
                    return err->status;
                }
                group->jobs[index].raw = raw;
                continue;
            }
            job = add_job(bench, group, kinds[i], err);
            if (job == NULL) {
                return err->status;
            }
            job->cache = (enum bench_cache)cache;
            job->raw = raw;
            if (kinds[i] == BENCH_NUMPY) {
                memcpy(job->skipped, reason, sizeof(reason));
            }
        }
    }
    return ONEFOLD_OK;
}

onefold_status bench_jobs_make(struct bench *bench, struct bench_group *group, onefold_error *err)
{
    static char script[4096];

    if (bench->wish.script == NULL) {
        bench->wish.script = SCRIPT_STANDARD;
    } else if (bench->wish.script[0] != '/' && realpath(bench->wish.script, script) != NULL) {
        bench->wish.script = script; /* the script runs in our folder */
    }
    for (uint32_t i = 0; i < bench->wish.rule_count; i++) {
        if (add_rule(bench, group, &bench->wish.rules[i], err) != ONEFOLD_OK) {
            return err->status;
        }
    }
    return add_others(bench, group, err);
}

void bench_jobs_free(struct bench_group *group)
{
    for (uint32_t i = 0; i < group->job_count; i++) {
        free(group->jobs[i].runs);
    }
    free(group->jobs);
    group->jobs = NULL;
    group->job_count = 0;
}
