/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the recipe that `onefold merge --method ...` or `onefold compare --base ...` stands for. A
 * merge without a file is a merge with this text: the same checks, the same plan, and the text lies
 * in the output as mergekit_config.yml. Every word from the command line is quoted or checked
 * before it goes in.
 */
#include "exit.h"
#include "verbs.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A double-quoted scalar of YAML is a JSON string, except that bytes which are not UTF-8 cannot be
 * written at all. */
static onefold_status add_quoted(FILE *to, const char *text, onefold_error *err)
{
    char *copy = NULL;
    size_t length = 0;
    FILE *probe = open_memstream(&copy, &length);

    if (probe == NULL) {
        return exit_set(err, ONEFOLD_E_MEMORY, "memory", NULL, "no memory for a recipe");
    }
    out_json_text(probe, text, strlen(text));
    if (fclose(probe) != 0 ||
        (strstr(copy, "\\ufffd") != NULL && strstr(text, "\\ufffd") == NULL)) {
        free(copy);
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL, "\"%s\" is not UTF-8 text",
                        onefold_text_show(text, strlen(text)).text);
    }
    (void)fwrite(copy, 1, length, to);
    free(copy);
    return ONEFOLD_OK;
}

/* A reference is PATH[@REVISION][+ADAPTER]; a path on disk whose name holds @ or + is meant as it
 * stands and needs the long form. */
static onefold_status add_model(FILE *to, const char *text, onefold_error *err)
{
    const bool plain = strpbrk(text, "@+") == NULL || access(text, F_OK) != 0;

    if (!plain) {
        (void)fputs("{model: {path: ", to);
    }
    if (add_quoted(to, text, err) != ONEFOLD_OK) {
        return err->status;
    }
    if (!plain) {
        (void)fputs("}}", to);
    }
    return ONEFOLD_OK;
}

/* ---- Lists: one value for all, or one per input ---- */

enum { NUMBER_BYTES_MAX = 64 };

/* Copies item `index` of "a,b,c" out; false when there is none or it is no number. */
static bool list_item(const char *list, uint32_t index, char *ret_item)
{
    size_t length;

    for (; index > 0; index--) {
        list = strchr(list, ',');
        if (list == NULL) {
            return false;
        }
        list++;
    }
    length = strcspn(list, ",");
    if (length >= NUMBER_BYTES_MAX) {
        return false;
    }
    memcpy(ret_item, list, length);
    ret_item[length] = '\0';
    return opt_is_number(ret_item);
}

static onefold_status check_list(const char *name, const char *list, uint32_t input_count,
                                 onefold_error *err)
{
    uint32_t count = 1;
    char item[NUMBER_BYTES_MAX];

    if (list == NULL) {
        return ONEFOLD_OK;
    }
    for (const char *at = list; *at != '\0'; at++) {
        count += *at == ',' ? 1 : 0;
    }
    if (count != 1 && count != input_count) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL,
                        "--%s has %u values for %u inputs", name, count, input_count);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!list_item(list, i, item)) {
            return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL,
                            "--%s: value %u is not a number", name, i + 1);
        }
    }
    return ONEFOLD_OK;
}

/* One value stands for every input. */
static void add_fact(FILE *to, const char *indent, const char *name, const char *list,
                     uint32_t index)
{
    char item[NUMBER_BYTES_MAX];

    if (list != NULL && list_item(list, strchr(list, ',') != NULL ? index : 0, item)) {
        (void)fprintf(to, "%s%s: %s\n", indent, name, item);
    }
}

/* ---- Parameters ---- */

static bool is_plain_word(const char *text, size_t length, const char *more)
{
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)text[i]) && strchr(more, text[i]) == NULL) {
            return false;
        }
    }
    return length > 0;
}

static onefold_status check_number(const char *name, const char *text, onefold_error *err)
{
    if (text != NULL && !opt_is_number(text)) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL,
                        "--%s: \"%s\" is not a number", name,
                        onefold_text_show(text, strlen(text)).text);
    }
    return ONEFOLD_OK;
}

static onefold_status check_sets(const struct opts *opts, onefold_error *err)
{
    for (uint32_t i = 0; i < opts->set.count; i++) {
        const char *item = opts->set.items[i];
        const char *equals = strchr(item, '=');

        if (equals == NULL || !is_plain_word(item, (size_t)(equals - item), "_") ||
            !is_plain_word(equals + 1, strlen(equals + 1), "_.+-")) {
            return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL,
                            "--set: \"%s\" is not NAME=NUMBER or NAME=WORD",
                            onefold_text_show(item, strlen(item)).text);
        }
    }
    return ONEFOLD_OK;
}

/* Comparing needs a rule that has a base, takes any number of inputs, and steps by the average. */
#define COMPARE_METHOD "fedavg"

static const char *method_of(const struct opts *opts)
{
    return opts->method != NULL ? opts->method : COMPARE_METHOD;
}

/* Does the rule insist on a weight? Then one that was not given is 1 for every input. */
static bool needs_weight(const char *method)
{
    onefold_method_info info;
    onefold_param_info param;

    for (uint64_t i = 0; onefold_method_at(i, &info); i++) {
        if (strcmp(info.name, method) != 0) {
            continue;
        }
        for (uint64_t k = 0; onefold_method_param_at(i, k, &param); k++) {
            if (strcmp(param.name, "weight") == 0 && param.required) {
                return true;
            }
        }
    }
    return false;
}

static bool has_set(const struct opts *opts, const char *name)
{
    const size_t length = strlen(name);

    for (uint32_t i = 0; i < opts->set.count; i++) {
        if (strncmp(opts->set.items[i], name, length) == 0 && opts->set.items[i][length] == '=') {
            return true;
        }
    }
    return false;
}

static void add_parameters(FILE *to, const struct opts *opts)
{
    const bool standard_weight =
        opts->weight == NULL && !has_set(opts, "weight") && needs_weight(method_of(opts));

    if (!standard_weight && opts->lambda == NULL && opts->beta == NULL && opts->set.count == 0) {
        return;
    }
    (void)fputs("parameters:\n", to);
    if (standard_weight) {
        (void)fputs("  weight: 1\n", to);
    }
    if (opts->lambda != NULL) {
        (void)fprintf(to, "  lambda: %s\n", opts->lambda);
    }
    if (opts->beta != NULL) {
        (void)fprintf(to, "  beta: %s\n", opts->beta);
    }
    for (uint32_t i = 0; i < opts->set.count; i++) {
        const char *equals = strchr(opts->set.items[i], '=');

        (void)fprintf(to, "  %.*s: %s\n", (int)(equals - opts->set.items[i]), opts->set.items[i],
                      equals + 1);
    }
}

/* ---- The whole ---- */

static const char *torch_name(onefold_dtype dtype)
{
    return dtype == ONEFOLD_DTYPE_BF16  ? "bfloat16"
           : dtype == ONEFOLD_DTYPE_F16 ? "float16"
                                        : "float32";
}

static onefold_status check_options(const struct opts *opts, uint32_t input_count,
                                    onefold_error *err)
{
    onefold_status status = check_number("lambda", opts->lambda, err);

    if (status == ONEFOLD_OK) {
        status = check_number("beta", opts->beta, err);
    }
    if (status == ONEFOLD_OK) {
        status = check_list("weight", opts->weight, input_count, err);
    }
    if (status == ONEFOLD_OK) {
        status = check_list("samples", opts->samples, input_count, err);
    }
    if (status == ONEFOLD_OK) {
        status = check_list("steps", opts->steps, input_count, err);
    }
    if (status == ONEFOLD_OK) {
        status = check_list("lr-sum", opts->lr_sum, input_count, err);
    }
    if (status == ONEFOLD_OK) {
        status = check_sets(opts, err);
    }
    return status;
}

static onefold_status write_recipe(FILE *to, const struct opts *opts, uint32_t input_count,
                                   onefold_error *err)
{
    onefold_status status;

    (void)fputs("merge_method: ", to);
    status = add_quoted(to, method_of(opts), err);
    if (status == ONEFOLD_OK && opts->base != NULL) {
        (void)fputs("\nbase_model: ", to);
        status = add_model(to, opts->base, err);
    }
    (void)fputs("\nmodels:\n", to);
    for (uint32_t i = 0; status == ONEFOLD_OK && i < input_count; i++) {
        (void)fputs("  - model: ", to);
        status = add_model(to, opts->arguments[i], err);
        (void)putc('\n', to);
        add_fact(to, "    ", "samples", opts->samples, i);
        add_fact(to, "    ", "steps", opts->steps, i);
        add_fact(to, "    ", "lr_sum", opts->lr_sum, i);
        if (opts->weight != NULL) {
            (void)fputs("    parameters:\n", to);
            add_fact(to, "      ", "weight", opts->weight, i);
        }
    }
    add_parameters(to, opts);
    if (opts->scale != 0) {
        (void)fprintf(to, "scale: %s\n", opts->scale == 1 ? "sum" : "mean");
    } else if (opts->method == NULL && opts->lambda != NULL) {
        (void)fputs("scale: sum\n", to); /* the lambda that compare prints is that of the sum */
    }
    if (opts->dtype.given) {
        (void)fprintf(to, "dtype: %s\n", torch_name(opts->dtype.value));
    }
    if (opts->out_dtype.given) {
        (void)fprintf(to, "out_dtype: %s\n", torch_name(opts->out_dtype.value));
    }
    return status;
}

onefold_status recipe_text_make(const struct opts *opts, uint32_t input_count, char **ret_text,
                                size_t *ret_length, onefold_error *err)
{
    char *text = NULL;
    size_t length = 0;
    FILE *to;
    onefold_status status = check_options(opts, input_count, err);

    if (status != ONEFOLD_OK) {
        return status;
    }
    to = open_memstream(&text, &length);
    if (to == NULL) {
        return exit_set(err, ONEFOLD_E_MEMORY, "memory", NULL, "no memory for a recipe");
    }
    status = write_recipe(to, opts, input_count, err);
    if (fclose(to) != 0 && status == ONEFOLD_OK) {
        status = exit_set(err, ONEFOLD_E_MEMORY, "memory", NULL, "no memory for a recipe");
    }
    if (status != ONEFOLD_OK) {
        free(text);
        return status;
    }
    *ret_text = text;
    *ret_length = length;
    return ONEFOLD_OK;
}
