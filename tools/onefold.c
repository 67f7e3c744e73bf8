/* SPDX-License-Identifier: Apache-2.0 */
/* onefold: the table of verbs. A verb is one file, cmd_VERB.c, and one row here. */
#include "exit.h"
#include "verbs.h"

#include <string.h>

struct verb {
    const char *name;
    uint32_t bit;
    bool writes;
    const char *arguments; /* lines of usage, separated by newlines */
    const char *summary;
    const char *schema; /* JSON schema of "data" */
    const char *hint;   /* after a wrong command line */
    verb_fn *run;
};

/* ---- Schemas of "data" ---- */

#define HEAD                   "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\""
#define REQUIRED(list)         ",\"required\":[" list "],\"properties\":{"
#define AS(name, type)         "\"" name "\":{\"type\":\"" type "\"}"
#define AND(name, type)        "," AS(name, type)
#define AND_TEXT_OR_NULL(name) ",\"" name "\":{\"type\":[\"string\",\"null\"]}"

/* clang-format off */
static const char merge_schema[] =
    HEAD REQUIRED("\"output\",\"plan_hash\",\"bytes_read\",\"bytes_written\",\"seconds\",\"peak_memory\"")
    AS("output", "string")
    AND("plan_hash", "string")
    AND("bytes_read", "integer")
    AND("bytes_cached", "integer")
    AND("bytes_written", "integer")
    AND("bytes_shared", "integer")
    AND("tiles", "integer")
    AND("split_tiles", "integer")
    AND("seconds", "number")
    AND("cpu_seconds", "number")
    AND("peak_memory", "integer")
    AND("tensors", "integer")
    AND("io", "string")
    AND("direct_in", "boolean")
    AND("direct_out", "boolean")
    AND("huge_pages", "boolean")
    AND("cpu", "string")
    AND("io_wait_seconds", "number")
    AND("worker_idle_seconds", "number")
    AND("hash_busy_seconds", "number")
    AND("checkpoint_digest", "string")
    AND_TEXT_OR_NULL("model_signing_root") "}}";

static const char inspect_schema[] =
    HEAD REQUIRED("\"checkpoints\"")
    "\"checkpoints\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    AS("path", "string")
    AND("folder", "string")
    AND("tensor_count", "integer")
    AND("bytes", "integer")
    AND("dtypes", "object")
    AND("metadata", "object")
    AND("stacks", "array")
    AND("shards", "array")
    AND("tensors", "array") "}}}}}";

static const char verify_schema[] =
    HEAD REQUIRED("\"path\",\"findings\"")
    AS("path", "string")
    AND("manifest", "boolean")
    AND("leaves", "boolean")
    AND("sha256_list", "boolean")
    AND("xxh128_list", "boolean")
    AND("files", "integer")
    AND("tensors", "integer")
    AND("bytes_read", "integer")
    AND("seconds", "number")
    AND("findings", "integer")
    AND_TEXT_OR_NULL("checkpoint_digest") "}}";

static const char methods_schema[] = HEAD REQUIRED("\"methods\"") AS("methods", "array") "}}";
/* clang-format on */

/* ---- Verbs ---- */

static const struct verb verbs[] = {
    {"merge", OPT_MERGE, true, "RECIPE OUT\n--method NAME [--base MODEL] [--lambda X] INPUT... OUT",
     "fold checkpoints into OUT", merge_schema, "try \"onefold merge --help\"", cmd_merge},
    {"plan", OPT_PLAN, true, "RECIPE [OUT]\n--method NAME [--base MODEL] [--lambda X] INPUT... OUT",
     "print what merge would do, from headers only", HEAD "}", "try \"onefold plan --help\"",
     cmd_plan},
    {"compare", OPT_COMPARE, false, "RECIPE\n--base MODEL [--lambda X] MODEL...",
     "look at the models before merging: lengths, angles, signs, and what they suggest",
     compare_schema, "try \"onefold compare --help\"", cmd_compare},
    {"inspect", OPT_INSPECT, false, "PATH...", "show what checkpoints hold, from headers only",
     inspect_schema, "try \"onefold inspect --help\"", cmd_inspect},
    {"verify", OPT_VERIFY, false, "DIR", "read a checkpoint back and check all there is to check",
     verify_schema, "try \"onefold verify --help\"", cmd_verify},
    {"methods", OPT_METHODS, false, "[NAME]", "list merge rules, or show one with its parameters",
     methods_schema, "try \"onefold methods --help\"", cmd_methods},
    {"bench", OPT_BENCH, false, "[DIR]",
     "measure kernels and memory, and with DIR whole merges there beside the raw disk",
     bench_schema, "try \"onefold bench --help\"", cmd_bench},
};

enum { VERB_COUNT = sizeof(verbs) / sizeof(verbs[0]) };

static const char *const later_verbs[] = {"sweep", "seal"};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return &verbs[i];
        }
    }
    return NULL;
}

static void print_help(void)
{
    printf("usage: onefold VERB [OPTION]... [ARGUMENT]...\n\n"
           "Folds many model checkpoints into one, in one streaming pass, in a fixed amount of "
           "memory.\n\n");
    for (size_t i = 0; i < VERB_COUNT; i++) {
        printf("  %-10s %s\n", verbs[i].name, verbs[i].summary);
    }
    printf(
        "\n\"onefold VERB --help\" shows the options of a verb; onefold(1) is the manual.\n"
        "Exit codes: 0 done, 1 the answer is no, 2 usage or recipe, 3 input, 4 space or memory,\n"
        "5 I/O error, 6 internal error, 128 + n stopped by signal n.\n");
}

static void print_verb_help(const struct verb *verb)
{
    const char *line = verb->arguments;
    const char *lead = "usage:";

    while (*line != '\0') {
        const size_t length = strcspn(line, "\n");

        printf("%s onefold %s [OPTION]... %.*s\n", lead, verb->name, (int)length, line);
        line += length + (line[length] == '\n' ? 1 : 0);
        lead = "      ";
    }
    printf("\n%c%s.\n\n", verb->summary[0] - 'a' + 'A', verb->summary + 1);
    opt_print_help(verb->bit);
}

/* onefold --complete [VERB]: words for the shell, one a line. */
static int complete(const char *name)
{
    const struct verb *verb = name != NULL ? find_verb(name) : NULL;

    if (verb != NULL) {
        opt_print_words(verb->bit);
    } else {
        for (size_t i = 0; i < VERB_COUNT; i++) {
            printf("%s\n", verbs[i].name);
        }
        printf("--help\n--version\n");
    }
    return 0;
}

static onefold_status unknown_verb(const char *name, onefold_error *err)
{
    const char *names[VERB_COUNT];
    const char *nearest;

    for (size_t i = 0; i < sizeof(later_verbs) / sizeof(later_verbs[0]); i++) {
        if (strcmp(name, later_verbs[i]) == 0) {
            return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-refused", NULL,
                            "\"onefold %s\" comes with a later version", name);
        }
    }
    for (size_t i = 0; i < VERB_COUNT; i++) {
        names[i] = verbs[i].name;
    }
    nearest = onefold_text_nearest(name, names, VERB_COUNT);
    return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-verb", NULL, "unknown verb \"%s\"%s%s%s",
                    onefold_text_show(name, strlen(name)).text,
                    nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
                    nearest != NULL ? "\"?" : "");
}

/* A wrong command line is answered in the form asked for, even where the wish stands behind the
 * mistake. */
static void look_ahead(int argc, char **argv, struct out *out)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const struct verb *verb = find_verb(argv[i]);

        if (strcmp(argv[i], "--json") == 0) {
            out->json = true;
        } else if (strcmp(argv[i], "--quiet") == 0) {
            out->quiet = true;
        } else if (verb != NULL && out->verb[0] == '\0') {
            out->verb = verb->name;
        }
    }
}

static onefold_status run(const struct opts *opts, struct out *out, onefold_error *err)
{
    const struct verb *verb = opts->verb != NULL ? find_verb(opts->verb) : NULL;
    onefold_status status;

    if (opts->version) {
        printf("onefold %s\n", onefold_version());
        out->json = false;
        return ONEFOLD_OK;
    }
    if (opts->help && (opts->verb == NULL || verb != NULL)) {
        if (verb != NULL) {
            print_verb_help(verb);
        } else {
            print_help();
        }
        out->json = false;
        return ONEFOLD_OK;
    }
    if (opts->verb == NULL) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-verb", NULL, "a verb is missing");
    }
    if (verb == NULL) {
        return unknown_verb(opts->verb, err);
    }
    if (opts->schema) {
        printf("%s\n", verb->schema);
        out->json = false;
        return ONEFOLD_OK;
    }
    out->verb = verb->name;
    out->writes = verb->writes;
    status = opt_check_verb(opts, verb->bit, verb->name, err);
    return status == ONEFOLD_OK ? verb->run(opts, out, err) : status;
}

int main(int argc, char **argv)
{
    struct opts opts;
    struct out out;
    onefold_error err;
    onefold_status status;
    int code;

    exit_prepare();
    if (argc > 1 && strcmp(argv[1], "--complete") == 0) {
        return complete(argc > 2 ? argv[2] : NULL);
    }
    out_init(&out);
    look_ahead(argc, argv, &out);
    (void)exit_set(&err, ONEFOLD_OK, "", NULL, "%s", "");
    status = opt_parse(argc, argv, &out, &opts, &err);
    if (status == ONEFOLD_OK) {
        out.json = opts.json != 0;
        out.quiet = opts.quiet != 0;
        out.verbose = opts.verbose != 0;
        out.progress = opts.progress != 0;
        status = run(&opts, &out, &err);
    }
    if (status == ONEFOLD_OK) {
        (void)exit_set(&err, ONEFOLD_OK, "", NULL, "%s", "");
    } else if (err.hint == NULL && err.id != NULL && strncmp(err.id, "usage-", 6) == 0) {
        const struct verb *verb = find_verb(out.verb);

        err.hint = verb != NULL ? verb->hint : "try \"onefold --help\"";
    }
    code = exit_finish(&out, &err);
    out_close(&out);
    return code;
}
