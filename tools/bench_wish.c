/* SPDX-License-Identifier: Apache-2.0 */
/* What `onefold bench` is asked for: the lists of the command line, their defaults, what is
 * refused.
 */
#include "bench.h"

#include "exit.h"
#include "verbs.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_STANDARD     UINT64_C(1000000000)
#define SIZE_MAX_SANE     (UINT64_C(1) << 42)
#define TENSOR_STANDARD   (UINT64_C(32) << 20) /* one weight matrix of a middling model */
#define TENSOR_MIN        UINT64_C(64)
#define TENSOR_MAX        (UINT64_C(1) << 40)
#define TENSORS_MAX       UINT64_C(1000000) /* of one model: headers have a limit */
#define RUNS_STANDARD     3
#define RULES_STANDARD    "task_arithmetic,median,krum"
#define NUMBER_DIGITS_MAX 9

static onefold_status not_a_list(onefold_error *err, const char *name, const char *text,
                                 const char *wanted)
{
    return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL, "--%s: \"%s\" is not %s", name,
                    onefold_text_show(text, strlen(text)).text, wanted);
}

/* Copies the next word of "a,b,c" out and steps over it; false at the end. A word that is too long
 * is cut, and then is none that anybody knows. */
static bool next_word(const char **at, char *ret_word)
{
    size_t length;

    if (*at == NULL) {
        return false;
    }
    length = strcspn(*at, ",");
    (void)snprintf(ret_word, BENCH_NAME_MAX, "%.*s", (int)(length < 60 ? length : 60), *at);
    *at = (*at)[length] == ',' ? *at + length + 1 : NULL;
    return true;
}

static onefold_status read_models(const char *list, struct bench_wish *wish, onefold_error *err)
{
    const char *const text = list != NULL ? list : "3";
    const char *at = text;
    char word[BENCH_NAME_MAX];

    while (next_word(&at, word)) {
        const size_t length = strlen(word);
        unsigned long count = 0;

        if (length > 0 && length <= NUMBER_DIGITS_MAX && word[strspn(word, "0123456789")] == '\0') {
            count = strtoul(word, NULL, 10);
        }
        if (count < 1 || count > BENCH_MODELS_MAX || wish->model_count == BENCH_LIST_MAX) {
            return not_a_list(err, "models", text, "a list of numbers from 1 to 1000");
        }
        wish->models[wish->model_count++] = (uint32_t)count;
    }
    return ONEFOLD_OK;
}

static onefold_status read_dtypes(const char *list, struct bench_wish *wish, onefold_error *err)
{
    const char *const text = list != NULL ? list : "bf16";
    const char *at = text;
    char word[BENCH_NAME_MAX];

    while (next_word(&at, word)) {
        const onefold_dtype dtype = strcmp(word, "bf16") == 0  ? ONEFOLD_DTYPE_BF16
                                    : strcmp(word, "f16") == 0 ? ONEFOLD_DTYPE_F16
                                    : strcmp(word, "f32") == 0 ? ONEFOLD_DTYPE_F32
                                                               : ONEFOLD_DTYPE_COUNT;

        if (dtype == ONEFOLD_DTYPE_COUNT || wish->dtype_count == BENCH_LIST_MAX) {
            return not_a_list(err, "dtypes", text, "a list of bf16, f16 and f32");
        }
        wish->dtypes[wish->dtype_count++] = dtype;
    }
    return ONEFOLD_OK;
}

static bool find_rule(const char *name, onefold_method_info *ret_rule)
{
    for (uint64_t i = 0; onefold_method_at(i, ret_rule); i++) {
        if (strcmp(ret_rule->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static onefold_status unknown_rule(const char *word, onefold_error *err)
{
    const char *names[BENCH_LIST_MAX];
    onefold_method_info info;
    uint32_t count = 0;
    const char *nearest;

    while (count < BENCH_LIST_MAX && onefold_method_at(count, &info)) {
        names[count++] = info.name;
    }
    nearest = onefold_text_nearest(word, names, count);
    return exit_set(
        err, ONEFOLD_E_ARGUMENT, "usage-value", NULL, "--rules: unknown rule \"%s\"%s%s%s",
        onefold_text_show(word, strlen(word)).text, nearest != NULL ? "; did you mean \"" : "",
        nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

static onefold_status read_rules(const char *list, struct bench_wish *wish, onefold_error *err)
{
    const char *at = list != NULL ? list : RULES_STANDARD;
    char word[BENCH_NAME_MAX];

    if (strcmp(at, "all") == 0) {
        while (wish->rule_count < BENCH_LIST_MAX &&
               onefold_method_at(wish->rule_count, &wish->rules[wish->rule_count])) {
            wish->rule_count++;
        }
        return ONEFOLD_OK;
    }
    while (next_word(&at, word)) {
        if (wish->rule_count == BENCH_LIST_MAX ||
            !find_rule(word, &wish->rules[wish->rule_count])) {
            return unknown_rule(word, err);
        }
        wish->rule_count++;
    }
    return ONEFOLD_OK;
}

static onefold_status check_sizes(const struct bench_wish *wish, onefold_error *err)
{
    uint32_t most = 1;
    uint64_t model;

    for (uint32_t i = 0; i < wish->model_count; i++) {
        most = wish->models[i] > most ? wish->models[i] : most;
    }
    model = wish->size_bytes / (most + 1);
    if (model < 16 * BENCH_ALIGN || wish->size_bytes > SIZE_MAX_SANE) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL,
                        "--size: from 64KiB for each of %u files to 4TiB in all", most + 1);
    }
    if (wish->tensor_bytes < TENSOR_MIN || wish->tensor_bytes > TENSOR_MAX ||
        wish->tensor_bytes % 4 != 0 || model / wish->tensor_bytes > TENSORS_MAX) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL,
                        "--tensor-size: from 64 bytes to 1TiB, a multiple of 4, and at most a "
                        "million tensors in a model");
    }
    return ONEFOLD_OK;
}

/* What only says something about merges. */
static onefold_status refuse_loose(const struct opts *opts, onefold_error *err)
{
    const char *name = opts->size.given          ? "size"
                       : opts->tensor_size.given ? "tensor-size"
                       : opts->runs.given        ? "runs"
                       : opts->models != NULL    ? "models"
                       : opts->rules != NULL     ? "rules"
                       : opts->dtypes != NULL    ? "dtypes"
                       : opts->cache != 0        ? "cache"
                       : opts->against != 0      ? "against"
                       : opts->script != NULL    ? "script"
                       : opts->sums != NULL      ? "sums"
                       : opts->io != 0           ? "io"
                       : opts->direct != 0       ? "direct"
                       : opts->memory.given      ? "memory"
                                                 : NULL;

    if (name != NULL) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-option", NULL,
                        "bench: --%s goes with DIR, the folder to make files in", name);
    }
    return ONEFOLD_OK;
}

onefold_status bench_wish_read(const struct opts *opts, bool with_folder,
                               struct bench_wish *ret_wish, onefold_error *err)
{
    uint32_t sums;

    memset(ret_wish, 0, sizeof(*ret_wish));
    if (opts->repeat.given && (opts->repeat.value < 1 || opts->repeat.value > BENCH_RUNS_MAX)) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL, "--repeat: from 1 to 1000");
    }
    if (!with_folder) {
        return refuse_loose(opts, err);
    }
    if (opts->runs.given && (opts->runs.value < 1 || opts->runs.value > BENCH_RUNS_MAX)) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL, "--runs: from 1 to 1000");
    }
    if (opts->memory.given && opts->memory.value == 0) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL, "--memory cannot be 0");
    }
    ret_wish->size_bytes = opts->size.given ? opts->size.value : SIZE_STANDARD;
    ret_wish->tensor_bytes = opts->tensor_size.given ? opts->tensor_size.value : TENSOR_STANDARD;
    ret_wish->run_count = opts->runs.given ? (uint32_t)opts->runs.value : RUNS_STANDARD;
    ret_wish->io = opts->io != 0 ? opts->io : 15;
    ret_wish->caches = opts->cache != 0 ? opts->cache : 3;
    ret_wish->against =
        (opts->against != 0 ? opts->against : BENCH_AGAINST_ALL) | BENCH_AGAINST_RAW;
    ret_wish->script = opts->script;
    if ((opts->sums != NULL && planning_sums(opts->sums, &sums, err) != ONEFOLD_OK) ||
        read_models(opts->models, ret_wish, err) != ONEFOLD_OK ||
        read_dtypes(opts->dtypes, ret_wish, err) != ONEFOLD_OK ||
        read_rules(opts->rules, ret_wish, err) != ONEFOLD_OK) {
        return err->status;
    }
    return check_sizes(ret_wish, err);
}
