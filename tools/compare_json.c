/* SPDX-License-Identifier: Apache-2.0 */
/* The value of "data" of onefold compare --json. What is no number, or infinite, is null. */
#include "verbs.h"

#include <math.h>
#include <string.h>

/* One line for each member. */
/* clang-format off */
#define NUMBER(name)      "\"" name "\":{\"type\":[\"number\",\"null\"]},"
#define NUMBERS(name)     "\"" name "\":{\"type\":\"array\",\"items\":{\"type\":[\"number\",\"null\"]}},"
#define COUNTS(name)      "\"" name "\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}},"
#define MATRIX(name)      "\"" name "\":{\"type\":\"array\",\"items\":{\"type\":\"array\"}},"
#define TYPED(name, type) "\"" name "\":{\"type\":\"" type "\"},"
#define OBJECTS(name)     "\"" name "\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"

const char compare_schema[] =
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\","
    "\"required\":[\"base\",\"inputs\",\"lambda\",\"beta\",\"groups\",\"steps\",\"findings\"],"
    "\"properties\":{"
    TYPED("base", "string")
    "\"inputs\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
    TYPED("lambda", "number")
    TYPED("beta", "number")
    OBJECTS("groups")
        TYPED("name", "string")
        TYPED("tensors", "integer")
        TYPED("elements", "integer")
        NUMBERS("norms") MATRIX("gram") MATRIX("cosine")
        NUMBER("norm_ratio") NUMBER("mean_cosine") NUMBER("diversity") NUMBER("drift_variance")
        NUMBERS("recall") NUMBERS("interference")
        COUNTS("agreement") NUMBERS("agreement_null")
        NUMBER("agreement_mean") NUMBER("agreement_null_mean")
        COUNTS("zeros") NUMBER("overlap") NUMBER("tail") NUMBER("tail_gaussian")
        COUNTS("nan") COUNTS("inf")
        "\"kind\":{\"enum\":[\"model\",\"layer\",\"kind\"]}}}},"
    OBJECTS("steps")
        NUMBER("lambda") NUMBER("beta")
        "\"lambdas\":{\"type\":[\"array\",\"null\"]},"
        "\"source\":{\"type\":\"string\"}}}},"
    OBJECTS("findings")
        TYPED("id", "string")
        TYPED("text", "string")
        "\"level\":{\"enum\":[\"note\",\"warning\",\"error\"]}}}},"
    "\"saved\":{\"type\":[\"string\",\"null\"]},"
    "\"html\":{\"type\":[\"string\",\"null\"]},"
    TYPED("bytes_read", "integer")
    TYPED("seconds", "number")
    "\"peak_memory\":{\"type\":\"integer\"}}}";
/* clang-format on */

static void number(FILE *to, double value)
{
    if (isfinite(value)) {
        (void)fprintf(to, "%.17g", value);
    } else {
        (void)fputs("null", to);
    }
}

static void member(FILE *to, const char *key, double value)
{
    (void)fprintf(to, ",\"%s\":", key);
    number(to, value);
}

static void numbers(FILE *to, const double *values, uint64_t count)
{
    (void)putc('[', to);
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0) {
            (void)putc(',', to);
        }
        number(to, values[i]);
    }
    (void)putc(']', to);
}

static void member_numbers(FILE *to, const char *key, const double *values, uint64_t count)
{
    (void)fprintf(to, ",\"%s\":", key);
    numbers(to, values, count);
}

static void member_matrix(FILE *to, const char *key, const double *values, uint64_t count)
{
    (void)fprintf(to, ",\"%s\":[", key);
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0) {
            (void)putc(',', to);
        }
        numbers(to, values + i * count, count);
    }
    (void)putc(']', to);
}

static void member_counts(FILE *to, const char *key, const uint64_t *values, uint64_t count)
{
    (void)fprintf(to, ",\"%s\":[", key);
    for (uint64_t i = 0; i < count; i++) {
        (void)fprintf(to, "%s%llu", i > 0 ? "," : "", (unsigned long long)values[i]);
    }
    (void)putc(']', to);
}

static void write_group(FILE *to, const onefold_compare_group *group, uint32_t count)
{
    static const char *const kinds[] = {[ONEFOLD_GROUP_MODEL] = "model",
                                        [ONEFOLD_GROUP_LAYER] = "layer",
                                        [ONEFOLD_GROUP_KIND] = "kind"};

    (void)fprintf(to, "{\"kind\":\"%s\",", kinds[group->kind]);
    out_json_member(to, "name", group->name);
    (void)fprintf(to, ",\"tensors\":%llu,\"elements\":%llu",
                  (unsigned long long)group->tensor_count, (unsigned long long)group->elem_count);
    member_numbers(to, "norms", group->norms, count);
    member_matrix(to, "gram", group->gram, count);
    member_matrix(to, "cosine", group->cosine, count);
    member(to, "norm_ratio", group->norm_ratio);
    member(to, "mean_cosine", group->mean_cosine);
    member(to, "diversity", group->diversity);
    member(to, "drift_variance", group->drift_variance);
    member_numbers(to, "recall", group->recall, count);
    member_numbers(to, "interference", group->interference, count);
    member_counts(to, "agreement", group->agreement, (uint64_t)count + 1);
    member_numbers(to, "agreement_null", group->agreement_null, (uint64_t)count + 1);
    member(to, "agreement_mean", group->agreement_mean);
    member(to, "agreement_null_mean", group->agreement_null_mean);
    member_counts(to, "zeros", group->zeros, count);
    member(to, "overlap", group->overlap);
    member(to, "tail", group->tail);
    member(to, "tail_gaussian", group->tail_gaussian);
    member_counts(to, "nan", group->nan_count, (uint64_t)count + 1);
    member_counts(to, "inf", group->inf_count, (uint64_t)count + 1);
    (void)putc('}', to);
}

static void write_steps(FILE *to, const onefold_compare_result *result)
{
    (void)fputs(",\"steps\":[", to);
    for (uint64_t i = 0; i < result->step_count; i++) {
        const onefold_compare_step *step = &result->steps[i];

        (void)fputs(i > 0 ? ",{" : "{", to);
        out_json_member(to, "source", step->source);
        member(to, "lambda", step->lambda);
        member(to, "beta", step->beta);
        if (step->lambdas != NULL) {
            member_numbers(to, "lambdas", step->lambdas, result->input_count);
        } else {
            (void)fputs(",\"lambdas\":null", to);
        }
        (void)putc('}', to);
    }
    (void)putc(']', to);
}

static void write_findings(FILE *to, const onefold_compare_result *result)
{
    static const char *const levels[] = {[ONEFOLD_LEVEL_NOTE] = "note",
                                         [ONEFOLD_LEVEL_WARNING] = "warning",
                                         [ONEFOLD_LEVEL_ERROR] = "error"};

    (void)fputs(",\"findings\":[", to);
    for (uint64_t i = 0; i < result->finding_count; i++) {
        const onefold_compare_finding *finding = &result->findings[i];

        (void)fprintf(to, "%s{\"level\":\"%s\",", i > 0 ? "," : "", levels[finding->level]);
        out_json_member(to, "id", finding->id);
        (void)putc(',', to);
        out_json_member(to, "text", finding->text);
        (void)putc('}', to);
    }
    (void)putc(']', to);
}

void compare_json(FILE *to, const onefold_compare_result *result, const struct opts *opts)
{
    (void)putc('{', to);
    out_json_member(to, "base", result->base_name);
    (void)fputs(",\"inputs\":[", to);
    for (uint32_t i = 0; i < result->input_count; i++) {
        if (i > 0) {
            (void)putc(',', to);
        }
        out_json_text(to, result->names[i], strlen(result->names[i]));
    }
    (void)putc(']', to);
    member(to, "lambda", result->lambda);
    member(to, "beta", result->beta);
    (void)fputs(",\"groups\":[", to);
    for (uint64_t i = 0; i < result->group_count; i++) {
        if (i > 0) {
            (void)putc(',', to);
        }
        write_group(to, &result->groups[i], result->input_count);
    }
    (void)putc(']', to);
    write_steps(to, result);
    write_findings(to, result);
    (void)putc(',', to);
    out_json_member(to, "saved", opts->save);
    (void)putc(',', to);
    out_json_member(to, "html", opts->html);
    (void)fprintf(to, ",\"bytes_read\":%llu,\"seconds\":%.6f,\"peak_memory\":%llu}",
                  (unsigned long long)result->read_bytes, result->seconds,
                  (unsigned long long)result->peak_memory_bytes);
}
