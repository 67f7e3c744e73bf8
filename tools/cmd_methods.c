/* SPDX-License-Identifier: Apache-2.0 */
/* onefold methods: merge rules, from their descriptors. */
#include "exit.h"
#include "verbs.h"

#include <math.h>
#include <string.h>

enum { NAMES_MAX = 128 };

static const char *base_text(const char *base)
{
    return strcmp(base, "required") == 0 ? "needs base_model"
           : strcmp(base, "donor") == 0  ? "base_model is the donor of config and tokenizer only"
                                         : "has no use for base_model";
}

static void print_range(const onefold_param_info *param)
{
    if (strcmp(param->kind, "number") != 0 && strcmp(param->kind, "integer") != 0) {
        return;
    }
    if (param->is_fact) {
        printf(", greater than 0"); /* as every fact */
    } else if (param->min_excluded) {
        printf(", greater than %g", param->min);
    } else if (isfinite(param->min) && isfinite(param->max)) {
        printf(", %g to %g", param->min, param->max);
    } else if (isfinite(param->min)) {
        printf(", at least %g", param->min);
    } else if (isfinite(param->max)) {
        printf(", at most %g", param->max);
    }
}

static void print_words(const onefold_param_info *param)
{
    for (uint64_t i = 0; param->words != NULL && param->words[i] != NULL; i++) {
        printf("%s%s", i == 0 ? ", " : " or ", param->words[i]);
    }
}

static void print_param(const onefold_param_info *param)
{
    const bool is_switch = strcmp(param->kind, "boolean") == 0;

    printf("  %s: %s", param->name, param->kind);
    print_range(param);
    print_words(param);
    printf(", %s", param->is_fact     ? "a fact on each entry of models"
                   : param->per_input ? "per input"
                   : param->is_whole  ? "one for the whole merge"
                                      : "per output tensor");
    if (param->required) {
        printf(", required");
    } else if (param->has_standard && param->words != NULL) {
        printf(", default %s", param->words[(int)param->standard]);
    } else if (param->has_standard && is_switch) {
        printf(", default %s", param->standard != 0.0 ? "true" : "false");
    } else if (param->has_standard) {
        printf(", default %g", param->standard);
    }
    printf("\n      %s\n", param->help != NULL ? param->help : "");
}

static void print_page(uint64_t index, const onefold_method_info *info)
{
    onefold_param_info param;

    printf("%s: %s\n\n", info->name, info->summary);
    if (info->input_count_max >= 4096) {
        printf("inputs     %u or more\n", info->input_count_min);
    } else {
        printf("inputs     %u to %u\n", info->input_count_min, info->input_count_max);
    }
    printf("base       %s\n", base_text(info->base));
    printf("passes     %u\n", info->passes);
    if (info->takes_lambda) {
        printf("lambda     yes, in the %s form unless the recipe's scale says otherwise\n",
               info->lambda_scale);
    }
    if (info->reference != NULL && info->reference[0] != '\0') {
        printf("reference  %s\n", info->reference);
    }
    printf("\nparameters%s\n", info->param_count == 0 && !info->takes_lambda ? ": none" : "");
    for (uint64_t i = 0; onefold_method_param_at(index, i, &param); i++) {
        print_param(&param);
    }
    if (info->takes_lambda) {
        printf("  lambda: number, per output tensor, default 1\n"
               "      factor of the result, in the form that scale declares\n"
               "  beta: number, per output tensor\n"
               "      factor of the mean form, in place of lambda\n");
    }
}

static void json_number(FILE *to, const char *key, double value, int given)
{
    if (given && isfinite(value)) {
        (void)fprintf(to, ",\"%s\":%.17g", key, value);
    } else {
        (void)fprintf(to, ",\"%s\":null", key);
    }
}

static void json_words(FILE *to, const char *const *words)
{
    for (uint64_t i = 0; words != NULL && words[i] != NULL; i++) {
        (void)fprintf(to, "%s\"%s\"", i == 0 ? ",\"words\":[" : ",", words[i]);
    }
    if (words != NULL) {
        (void)putc(']', to);
    }
}

static void json_method(FILE *to, uint64_t index, const onefold_method_info *info)
{
    onefold_param_info param;

    (void)putc('{', to);
    out_json_member(to, "name", info->name);
    (void)putc(',', to);
    out_json_member(to, "summary", info->summary);
    (void)putc(',', to);
    out_json_member(to, "reference", info->reference);
    (void)fprintf(to,
                  ",\"scale\":\"%s\",\"base\":\"%s\",\"passes\":%u,\"inputs_min\":%u,"
                  "\"inputs_max\":%u,\"lambda\":%s,\"parameters\":[",
                  info->scale, info->base, info->passes, info->input_count_min,
                  info->input_count_max, info->takes_lambda ? "true" : "false");
    for (uint64_t i = 0; onefold_method_param_at(index, i, &param); i++) {
        (void)fputs(i > 0 ? ",{" : "{", to);
        out_json_member(to, "name", param.name);
        (void)fprintf(to, ",\"kind\":\"%s\",\"per_input\":%s,\"required\":%s,\"fact\":%s",
                      param.kind, param.per_input ? "true" : "false",
                      param.required ? "true" : "false", param.is_fact ? "true" : "false");
        json_number(to, "default", param.standard, param.has_standard);
        json_number(to, "min", param.min, 1);
        json_number(to, "max", param.max, 1);
        (void)fprintf(to, ",\"whole\":%s,\"min_excluded\":%s", param.is_whole ? "true" : "false",
                      param.min_excluded ? "true" : "false");
        json_words(to, param.words);
        (void)putc(',', to);
        out_json_member(to, "help", param.help);
        (void)putc('}', to);
    }
    (void)fputs("]}", to);
}

static onefold_status no_such_method(const char *name, onefold_error *err)
{
    const char *names[NAMES_MAX];
    onefold_method_info info;
    uint64_t count = 0;
    const char *nearest;

    while (count < NAMES_MAX && onefold_method_at(count, &info)) {
        names[count++] = info.name;
    }
    nearest = onefold_text_nearest(name, names, count);
    return exit_set(err, ONEFOLD_E_ARGUMENT, "method-unknown", "`onefold methods` lists them",
                    "no method \"%s\"%s%s%s", onefold_text_show(name, strlen(name)).text,
                    nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
                    nearest != NULL ? "\"?" : "");
}

onefold_status cmd_methods(const struct opts *opts, struct out *out, onefold_error *err)
{
    const char *wanted = opts->argument_count > 0 ? opts->arguments[0] : NULL;
    FILE *to = out->json ? out_data(out) : stdout;
    onefold_method_info info;
    uint64_t found = 0;

    if (opts->argument_count > 1) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-arguments", NULL,
                        "methods: at most one NAME expected");
    }
    if (out->json) {
        (void)fputs("{\"methods\":[", to);
    }
    for (uint64_t i = 0; onefold_method_at(i, &info); i++) {
        if (wanted != NULL && strcmp(info.name, wanted) != 0) {
            continue;
        }
        if (out->json) {
            (void)fputs(found > 0 ? "," : "", to);
            json_method(to, i, &info);
        } else if (wanted != NULL) {
            print_page(i, &info);
        } else {
            printf("%-18s %s\n", info.name, info.summary);
        }
        found++;
    }
    if (out->json) {
        (void)fputs("]}", to);
    }
    return found == 0 && wanted != NULL ? no_such_method(wanted, err) : ONEFOLD_OK;
}
