/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onefold-hash: prints and checks digests of files, with the manners of xxhsum and sha256sum; with
 * --tensors those of the tensors of a checkpoint. It writes nothing, so a signal simply ends it.
 */
#include "exit.h"
#include "hash.h"
#include "out.h"

#include <onefold/onefold.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_DIFFERS = 1, EXIT_USAGE = 2 };
enum { THREADS_MAX = 256 };

/* ---- Options ---- */

enum option {
    OPTION_SHA256,
    OPTION_TAG,
    OPTION_CHECK,
    OPTION_QUIET,
    OPTION_STATUS,
    OPTION_STRICT,
    OPTION_WARN,
    OPTION_IGNORE_MISSING,
    OPTION_TENSORS,
    OPTION_THREADS,
    OPTION_JSON,
    OPTION_VERSION,
    OPTION_HELP,
    OPTION_COUNT
};

struct option_row {
    const char *name; /* without the dashes */
    char letter;      /* 0 = none */
    const char *value;
    const char *help;
};

static const struct option_row rows[OPTION_COUNT] = {
    [OPTION_SHA256] = {"sha256", 0, NULL, "SHA-256 instead of XXH128"},
    [OPTION_TAG] = {"tag", 0, NULL, "lines of the form \"XXH128 (name) = hex\""},
    [OPTION_CHECK] = {"check", 'c', NULL, "read lists and check the files they name"},
    [OPTION_QUIET] = {"quiet", 'q', NULL, "with -c: no line for a file that is OK"},
    [OPTION_STATUS] = {"status", 0, NULL, "with -c: no output, only the exit status"},
    [OPTION_STRICT] = {"strict", 0, NULL, "with -c: a malformed line is a failure"},
    [OPTION_WARN] = {"warn", 'w', NULL, "with -c: say which lines are malformed"},
    [OPTION_IGNORE_MISSING] = {"ignore-missing", 0, NULL, "with -c: skip files that do not exist"},
    [OPTION_TENSORS] = {"tensors", 0, NULL,
                        "for checkpoints: the tree digest of each tensor, then of the whole"},
    [OPTION_THREADS] = {"num-threads", 'j', "N", "files read at a time (default: usable CPUs)"},
    [OPTION_JSON] = {"json", 0, NULL, "one JSON object instead of lines"},
    [OPTION_VERSION] = {"version", 'V', NULL, "print the version"},
    [OPTION_HELP] = {"help", 'h', NULL, "print this text"},
};

static void print_help(void)
{
    printf(
        "usage: onefold-hash [OPTION]... [FILE]...\n"
        "       onefold-hash -c [OPTION]... [LIST]...\n"
        "       onefold-hash --tensors [OPTION]... PATH...\n"
        "Prints the XXH128 of each file, or checks lists of such lines. Without a file, or for a\n"
        "file named -, standard input is read. Lists of sha256sum and xxhsum are understood.\n\n"
        "  -H0 -H1 -H2           XXH32, XXH64, XXH128 (the default); also -H32 -H64 -H128\n");
    for (int i = 0; i < OPTION_COUNT; i++) {
        char left[40];

        (void)snprintf(left, sizeof(left), "--%s%s%s", rows[i].name,
                       rows[i].value != NULL ? " " : "",
                       rows[i].value != NULL ? rows[i].value : "");
        if (rows[i].letter != 0) {
            printf("  -%c, %-17s %s\n", rows[i].letter, left, rows[i].help);
        } else {
            printf("      %-17s %s\n", left, rows[i].help);
        }
    }
    printf("\nExit status: 0 all fine; 1 a mismatch, a file that is missing or cannot be read, a "
           "list\n"
           "without a valid line; 2 wrong usage.\n");
}

struct parse {
    struct hash_options options;
    bool help;
    bool version;
    const char *id; /* of the refusal, NULL = none */
    char message[240];
};

static bool refuse(struct parse *parse, const char *id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(struct parse *parse, const char *id, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(parse->message, sizeof(parse->message), format, args);
    va_end(args);
    parse->id = id;
    return false;
}

static bool set_threads(struct parse *parse, const char *text)
{
    char *end = NULL;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < 1 ||
        value > THREADS_MAX) {
        return refuse(parse, "usage-value", "-j: a number from 1 to %d expected", THREADS_MAX);
    }
    parse->options.thread_count = (uint32_t)value;
    return true;
}

static bool set_kind(struct parse *parse, const char *text)
{
    static const char *const words[][2] = {[HASH_XXH32] = {"0", "32"},
                                           [HASH_XXH64] = {"1", "64"},
                                           [HASH_XXH128] = {"2", "128"},
                                           [HASH_SHA256] = {"256", "256"}};

    for (int kind = 0; kind < HASH_KIND_COUNT; kind++) {
        if (strcmp(text, words[kind][0]) == 0 || strcmp(text, words[kind][1]) == 0) {
            parse->options.kind = (enum hash_kind)kind;
            return true;
        }
    }
    if (strcmp(text, "3") == 0) {
        return refuse(parse, "usage-refused",
                      "-H3: lines of XXH3-64 changed their form between versions of xxhsum, "
                      "and without a tag they are read as XXH64; use -H2");
    }
    return refuse(parse, "usage-value",
                  "-H%s: 0, 1 or 2 expected (XXH32, XXH64, XXH128), or --sha256",
                  onefold_text_show(text, strlen(text)).text);
}

static bool set_option(struct parse *parse, enum option option, const char *value)
{
    struct hash_options *options = &parse->options;

    switch (option) {
    case OPTION_SHA256:
        options->kind = HASH_SHA256;
        break;
    case OPTION_TAG:
        options->tag = true;
        break;
    case OPTION_CHECK:
        options->check = true;
        break;
    case OPTION_QUIET:
        options->quiet = true;
        break;
    case OPTION_STATUS:
        options->status = true;
        break;
    case OPTION_STRICT:
        options->strict = true;
        break;
    case OPTION_WARN:
        options->warn = true;
        break;
    case OPTION_IGNORE_MISSING:
        options->ignore_missing = true;
        break;
    case OPTION_TENSORS:
        options->tensors = true;
        break;
    case OPTION_THREADS:
        return set_threads(parse, value);
    case OPTION_JSON:
        options->json = true;
        break;
    case OPTION_VERSION:
        parse->version = true;
        break;
    case OPTION_HELP:
    case OPTION_COUNT:
        parse->help = true;
        break;
    }
    return true;
}

/* `word` without its dashes; *at moves on when the value is the next word. */
static bool take_long(struct parse *parse, const char *word, char **argv, int *at)
{
    const char *names[OPTION_COUNT];
    const char *equals = strchr(word, '=');
    size_t length = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const char *near;

    for (int i = 0; i < OPTION_COUNT; i++) {
        names[i] = rows[i].name;
        if (strncmp(rows[i].name, word, length) != 0 || rows[i].name[length] != '\0') {
            continue;
        }
        if (rows[i].value == NULL && equals != NULL) {
            return refuse(parse, "usage-value", "--%s takes no value", rows[i].name);
        }
        if (rows[i].value != NULL && equals == NULL && argv[*at + 1] == NULL) {
            return refuse(parse, "usage-value", "--%s needs a value", rows[i].name);
        }
        if (rows[i].value != NULL && equals == NULL) {
            (*at)++;
        }
        return set_option(parse, (enum option)i, equals != NULL ? equals + 1 : argv[*at]);
    }
    if (strcmp(word, "oms") == 0 || strncmp(word, "ignore-paths", 12) == 0) {
        return refuse(parse, "usage-refused",
                      "--%s: digests for model signing come in a later version",
                      onefold_text_show(word, length).text);
    }
    near = onefold_text_nearest(word, names, OPTION_COUNT);
    return refuse(parse, "usage-option", "unknown option --%s%s%s%s",
                  onefold_text_show(word, length).text, near != NULL ? "; did you mean --" : "",
                  near != NULL ? near : "", near != NULL ? "?" : "");
}

/* Letters may stand together: -cq. -j and -H take the rest of the word, -j also the next one. */
static bool take_letters(struct parse *parse, const char *word, char **argv, int *at)
{
    for (const char *letter = word; *letter != '\0'; letter++) {
        int found = OPTION_COUNT;

        if (*letter == 'H') {
            return set_kind(parse, letter + 1);
        }
        if (*letter == 'b') {
            return refuse(parse, "usage-refused", "-b: speeds are measured by: onefold bench");
        }
        for (int i = 0; i < OPTION_COUNT; i++) {
            if (rows[i].letter == *letter) {
                found = i;
            }
        }
        if (found == OPTION_COUNT) {
            return refuse(parse, "usage-option", "unknown option -%s",
                          onefold_text_show(letter, 1).text);
        }
        if (rows[found].value == NULL) {
            (void)set_option(parse, (enum option)found, NULL);
            continue;
        }
        if (letter[1] != '\0') {
            return set_option(parse, (enum option)found, letter + 1);
        }
        if (argv[*at + 1] == NULL) {
            return refuse(parse, "usage-value", "-%c needs a value", *letter);
        }
        (*at)++;
        return set_option(parse, (enum option)found, argv[*at]);
    }
    return true;
}

static void check_together(struct parse *parse)
{
    const struct hash_options *options = &parse->options;

    if (options->check && options->tensors) {
        (void)refuse(parse, "usage-option", "--check and --tensors exclude each other");
    } else if (options->tag && (options->check || options->tensors)) {
        (void)refuse(parse, "usage-option", "--tag is for printing digests of files");
    } else if (!options->check &&
               (options->status || options->strict || options->warn || options->ignore_missing)) {
        (void)refuse(parse, "usage-option",
                     "--status, --strict, --warn and --ignore-missing are for --check");
    } else if (options->tensors && options->name_count == 0) {
        (void)refuse(parse, "usage-arguments", "--tensors needs the path of a checkpoint");
    } else if (options->name_count == 0 && isatty(STDIN_FILENO) == 1) {
        (void)refuse(parse, "usage-arguments", "no file given, and standard input is a terminal");
    }
}

static void parse_arguments(int argc, char **argv, struct parse *ret_parse)
{
    struct parse *parse = ret_parse;
    bool flags_over = false;

    memset(parse, 0, sizeof(*parse));
    parse->options.kind = HASH_XXH128;
    parse->options.names = hash_get((size_t)argc + 1, sizeof(char *));
    for (int i = 1; i < argc && parse->id == NULL; i++) {
        char *word = argv[i];

        if (flags_over || word[0] != '-' || word[1] == '\0') {
            parse->options.names[parse->options.name_count++] = word;
        } else if (strcmp(word, "--") == 0) {
            flags_over = true;
        } else if (word[1] == '-') {
            (void)take_long(parse, word + 2, argv, &i);
        } else {
            (void)take_letters(parse, word + 1, argv, &i);
        }
    }
    if (parse->options.thread_count == 0) {
        parse->options.thread_count = onefold_host_cpu_count();
    }
    if (parse->id == NULL && !parse->help && !parse->version) {
        check_together(parse);
    }
}

/* ---- Report ---- */

static void say(struct hash_report *report, const char *level, const char *id, const char *file,
                const char *message)
{
    if (report->json) {
        (void)fprintf(report->notices, "%s{\"level\":\"%s\",",
                      report->notice_count++ > 0 ? "," : "", level);
        out_json_member(report->notices, "id", id);
        (void)putc(',', report->notices);
        out_json_member(report->notices, "file", file);
        (void)putc(',', report->notices);
        out_json_member(report->notices, "message", message);
        (void)fputs(",\"hint\":null}", report->notices);
    } else if (!report->silent) {
        (void)fflush(stdout); /* the two streams in the order of events */
        (void)fprintf(stderr, "onefold-hash: %s%s%s [%s]\n",
                      file != NULL ? onefold_text_show(file, strlen(file)).text : "",
                      file != NULL ? ": " : "", message, id);
    }
}

void hash_say_error(struct hash_report *report, const char *id, const char *file,
                    const char *message)
{
    report->failed = true;
    report->id = report->id != NULL ? report->id : id;
    say(report, "error", id, file, message);
}

void hash_say_warning(struct hash_report *report, const char *id, const char *file,
                      const char *message)
{
    say(report, "warning", id, file, message);
}

/* The one object of JSON mode. The id in capitals, with '_' for '-'. */
static void print_object(const char *id, int code, const char *message, const char *data,
                         const char *notices)
{
    printf("{\"schema_version\":\"1\",\"status\":\"%s\",\"verb\":\"hash\",",
           code == 0 ? "ok" : "error");
    if (code != 0) {
        printf("\"exit_code\":%d,\"error_code\":\"", code);
        for (; *id != '\0'; id++) {
            (void)putchar(*id == '-' ? '_' : *id >= 'a' && *id <= 'z' ? *id - 'a' + 'A' : *id);
        }
        printf("\",\"state\":\"none\",");
        out_json_member(stdout, "message", message);
        printf(",\"hint\":null,");
    }
    printf("\"data\":%s,\"notices\":[%s]}\n", data[0] != '\0' ? data : "{}", notices);
}

/* ---- Printing digests ---- */

static void print_json_file(FILE *to, size_t index, enum hash_kind kind, const struct hash_job *job)
{
    (void)fputs(index > 0 ? ",{" : "{", to);
    out_json_member(to, "name", job->name);
    (void)putc(',', to);
    out_json_member(to, "kind", hash_kinds[kind].tag);
    if (job->status == ONEFOLD_OK) {
        (void)fprintf(to, ",\"bytes\":%llu,\"digest\":\"",
                      (unsigned long long)job->sums.size_bytes);
        hash_print_hex(to, hash_digest_of(&job->sums, kind), hash_kinds[kind].bytes);
        (void)fputs("\"}", to);
    } else {
        (void)fputs(",\"bytes\":null,\"digest\":null}", to);
    }
}

static void print_files(const struct hash_options *options, struct hash_report *report)
{
    static const char *standard_input = "-";
    size_t count = options->name_count > 0 ? options->name_count : 1;
    struct hash_job *items = hash_get(count, sizeof(*items));
    struct hash_jobs jobs;

    for (size_t i = 0; i < count; i++) {
        items[i].name = options->name_count > 0 ? options->names[i] : standard_input;
        items[i].kinds = hash_kinds[options->kind].mask;
    }
    hash_jobs_start(&jobs, items, count, options->thread_count);
    if (report->json) {
        (void)fputs("{\"files\":[", report->data);
    }
    for (size_t i = 0; i < count; i++) {
        const struct hash_job *job = hash_jobs_wait(&jobs, i);

        if (job->status != ONEFOLD_OK) {
            hash_say_error(report, job->id, NULL, job->message);
        }
        if (report->json) {
            print_json_file(report->data, i, options->kind, job);
        } else if (job->status == ONEFOLD_OK) {
            hash_print_line(stdout, options->kind, hash_digest_of(&job->sums, options->kind),
                            job->name, options->tag);
            (void)fflush(stdout);
        }
    }
    if (report->json) {
        (void)fputs("]}", report->data);
    }
    hash_jobs_finish(&jobs);
    free(items);
}

/* ---- Tensors ---- */

struct tensors {
    struct hash_report *report;
    uint64_t count;
};

static void print_tensor(void *context, const char *name, const uint8_t digest[16])
{
    struct tensors *tensors = context;
    FILE *data = tensors->report->data;

    if (!tensors->report->json) {
        hash_print_line(stdout, HASH_XXH128, digest, name, false);
        return;
    }
    (void)fputs(tensors->count++ > 0 ? ",{" : "{", data);
    out_json_member(data, "name", name);
    (void)fputs(",\"digest\":\"", data);
    hash_print_hex(data, digest, 16);
    (void)fputs("\"}", data);
}

static void say_notice(void *context, const onefold_notice *notice)
{
    struct hash_report *report = context;

    if (notice->level == ONEFOLD_LEVEL_ERROR) {
        hash_say_error(report, notice->id, notice->file, notice->message);
    } else {
        hash_say_warning(report, notice->id, notice->file, notice->message);
    }
}

static void print_checkpoint(const struct hash_options *options, struct hash_report *report,
                             const char *path)
{
    struct tensors tensors = {.report = report};
    onefold_verify_options verify;
    uint8_t digest[16] = {0};
    onefold_error err;
    onefold_status status;

    onefold_verify_options_init(&verify);
    verify.thread_count = options->thread_count;
    verify.cpu = getenv("ONEFOLD_CPU");
    verify.notice = say_notice;
    verify.notice_context = report;
    if (report->json) {
        (void)putc('{', report->data);
        out_json_member(report->data, "path", path);
        (void)fputs(",\"tensors\":[", report->data);
    }
    status = onefold_digest_tree(path, &verify, print_tensor, &tensors, digest, &err);
    if (status != ONEFOLD_OK) {
        hash_say_error(report, err.id, NULL, err.message);
    }
    if (report->json) {
        (void)fputs("],\"digest\":", report->data);
        if (status == ONEFOLD_OK) {
            (void)putc('"', report->data);
            hash_print_hex(report->data, digest, sizeof(digest));
            (void)fputs("\"}", report->data);
        } else {
            (void)fputs("null}", report->data);
        }
    } else if (status == ONEFOLD_OK) {
        hash_print_line(stdout, HASH_XXH128, digest, path, false);
    }
}

static void print_tensors(const struct hash_options *options, struct hash_report *report)
{
    if (report->json) {
        (void)fputs("{\"checkpoints\":[", report->data);
    }
    for (size_t i = 0; i < options->name_count; i++) {
        if (report->json && i > 0) {
            (void)putc(',', report->data);
        }
        print_checkpoint(options, report, options->names[i]);
    }
    if (report->json) {
        (void)fputs("]}", report->data);
    }
}

/* ---- Main ---- */

static int fail_usage(const struct parse *parse)
{
    if (parse->options.json) {
        print_object(parse->id, EXIT_USAGE, parse->message, "", "");
    }
    (void)fprintf(stderr, "onefold-hash: error: %s [%s]\nTry 'onefold-hash --help'.\n",
                  parse->message, parse->id);
    return EXIT_USAGE;
}

static int run(const struct hash_options *options)
{
    struct hash_report report = {.json = options->json, .silent = options->status};
    char *data_text = NULL;
    char *notices_text = NULL;
    size_t data_length = 0;
    size_t notices_length = 0;
    int code;

    if (options->json) {
        report.data = open_memstream(&data_text, &data_length);
        report.notices = open_memstream(&notices_text, &notices_length);
        if (report.data == NULL || report.notices == NULL) {
            (void)fputs("onefold-hash: no memory [memory]\n", stderr);
            exit(EXIT_DIFFERS);
        }
    }
    if (options->check) {
        hash_check(options, &report);
    } else if (options->tensors) {
        print_tensors(options, &report);
    } else {
        print_files(options, &report);
    }
    code = report.failed ? EXIT_DIFFERS : 0;
    if (options->json) {
        (void)fclose(report.data);
        (void)fclose(report.notices);
        print_object(report.id != NULL ? report.id : "internal", code,
                     "the answer is no: see data and notices", data_text, notices_text);
        free(data_text);
        free(notices_text);
    }
    return code;
}

int main(int argc, char **argv)
{
    struct parse parse;
    int code = 0;

    exit_prepare();
    (void)signal(SIGPIPE, SIG_DFL); /* a filter ends when its reader does */
    parse_arguments(argc, argv, &parse);
    if (parse.id != NULL) {
        code = fail_usage(&parse);
    } else if (parse.help) {
        print_help();
    } else if (parse.version) {
        printf("onefold-hash %s\n", onefold_version());
    } else {
        code = run(&parse.options);
    }
    free(parse.options.names);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fprintf(stderr, "onefold-hash: standard output: %s [output-io]\n", strerror(errno));
        return EXIT_DIFFERS;
    }
    return code;
}
