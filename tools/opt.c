/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the command line by the table of options, and prints the table. */
#include "opt.h"

#include "exit.h"

#include <onefold/text.h>

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES_MAX = 64, HELP_COLUMN = 30 };

/* ---- Values ---- */

struct unit {
    const char *name;
    uint64_t bytes;
};

static const struct unit units[] = {
    {"", 1},
    {"K", 1000},
    {"KB", 1000},
    {"M", 1000000},
    {"MB", 1000000},
    {"G", 1000000000},
    {"GB", 1000000000},
    {"T", 1000000000000},
    {"TB", 1000000000000},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
    {"TiB", UINT64_C(1) << 40},
};

static bool same_letters(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) {
            return false;
        }
    }
    return *a == *b;
}

/* whole * unit + fraction / scale * unit, rounded down; false past 2^63, where no file is. */
static bool scaled(uint64_t whole, uint64_t fraction, uint64_t scale, uint64_t unit,
                   uint64_t *ret_bytes)
{
    unsigned __int128 sum = (unsigned __int128)whole * unit;

    sum += (unsigned __int128)fraction * unit / scale;
    if (sum >> 63) {
        return false;
    }
    *ret_bytes = (uint64_t)sum;
    return true;
}

onefold_status opt_parse_size(const char *text, int billions, uint64_t *ret_bytes,
                              onefold_error *err)
{
    const onefold_shown shown = onefold_text_show(text, strlen(text));
    const char *at = text;
    uint64_t whole = 0;
    uint64_t fraction = 0;
    uint64_t scale = 1;
    uint64_t unit = 0;

    for (; isdigit((unsigned char)*at) && whole < UINT64_MAX / 16; at++) {
        whole = whole * 10 + (uint64_t)(*at - '0');
    }
    if (at != text && *at == '.') {
        for (at++; isdigit((unsigned char)*at) && scale < UINT64_C(1000000000000000); at++) {
            fraction = fraction * 10 + (uint64_t)(*at - '0');
            scale *= 10;
        }
    }
    if (at != text && strcmp(at, "B") == 0) {
        if (!billions) {
            return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL,
                            "size \"%s\": B means billion in --out-shard-size only; write bytes "
                            "without a unit, or KB, MB, GB, KiB, MiB, GiB",
                            shown.text);
        }
        unit = 1000000000;
    }
    for (size_t i = 0; unit == 0 && at != text && i < sizeof(units) / sizeof(units[0]); i++) {
        if (same_letters(at, units[i].name)) {
            unit = units[i].bytes;
        }
    }
    if (unit == 0 || !scaled(whole, fraction, scale, unit, ret_bytes)) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL,
                        "\"%s\" is not a size such as 4096, 512MiB or 1.5GB", shown.text);
    }
    return ONEFOLD_OK;
}

bool opt_is_number(const char *text)
{
    char *end = NULL;
    double value;

    /* strtod also takes hexadecimal, "inf" and "nan", which recipes refuse. */
    if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0') {
        return false;
    }
    value = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(value);
}

static onefold_status parse_count(const char *text, uint64_t *ret_value, onefold_error *err)
{
    uint64_t value = 0;

    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0' || strlen(text) > 20) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL,
                        "\"%s\" is not a whole number", onefold_text_show(text, strlen(text)).text);
    }
    errno = 0;
    value = strtoull(text, NULL, 10);
    if (errno != 0) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL, "%s is too large", text);
    }
    *ret_value = value;
    return ONEFOLD_OK;
}

static onefold_status parse_word(const char *text, const char *const *words, int *ret_index,
                                 onefold_error *err)
{
    char list[128] = "";
    size_t used = 0;

    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret_index = i + 1;
            return ONEFOLD_OK;
        }
        used +=
            (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL, "\"%s\" is none of: %s",
                    onefold_text_show(text, strlen(text)).text, list);
}

/* "a,b": a mask over the words. */
static onefold_status parse_words(const char *text, const char *const *words, uint32_t *ret_mask,
                                  onefold_error *err)
{
    const char *at = text;
    uint32_t mask = 0;

    do {
        const size_t length = strcspn(at, ",");
        char word[NAME_BYTES_MAX];
        int index;

        (void)snprintf(word, sizeof(word), "%.*s", (int)(length < 63 ? length : 63), at);
        if (parse_word(word, words, &index, err) != ONEFOLD_OK) {
            return err->status;
        }
        mask |= 1U << (index - 1);
        at += length + (at[length] == ',' ? 1 : 0);
    } while (*at != '\0');
    *ret_mask = mask;
    return ONEFOLD_OK;
}

static onefold_status store_value(const struct opt_row *row, const char *text, struct opts *opts,
                                  onefold_error *err)
{
    void *to = (char *)opts + row->at;
    struct opt_size *size = to;
    struct opt_dtype *dtype = to;
    struct opt_list *list = to;

    switch (row->kind) {
    case OPT_TEXT:
        *(const char **)to = text;
        return ONEFOLD_OK;
    case OPT_REPEATED:
        if (list->count == OPT_LIST_MAX) {
            return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL,
                            "given more than %d times", (int)OPT_LIST_MAX);
        }
        list->items[list->count++] = text;
        return ONEFOLD_OK;
    case OPT_SIZE:
    case OPT_SHARD_SIZE:
        size->given = 1;
        return opt_parse_size(text, row->kind == OPT_SHARD_SIZE, &size->value, err);
    case OPT_NUMBER:
        size->given = 1;
        return parse_count(text, &size->value, err);
    case OPT_WORD:
        return parse_word(text, row->words, to, err);
    case OPT_WORDS:
        return parse_words(text, row->words, to, err);
    case OPT_DTYPE:
        dtype->given = 1;
        if (!onefold_dtype_parse(text, &dtype->value)) {
            return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL,
                            "\"%s\" is none of: bfloat16, float16, float32",
                            onefold_text_show(text, strlen(text)).text);
        }
        return ONEFOLD_OK;
    case OPT_SWITCH:
    case OPT_COUNTED:
    case OPT_IGNORED:
    case OPT_IGNORED_VALUE:
    case OPT_REFUSED:
        break;
    }
    return ONEFOLD_OK;
}

/* ---- One option ---- */

static bool takes_value(const struct opt_row *row)
{
    return row->value != NULL;
}

static const struct opt_row *find_row(const char *name, size_t length)
{
    for (uint32_t i = 0; i < opt_row_count; i++) {
        if (strlen(opt_rows[i].name) == length && memcmp(opt_rows[i].name, name, length) == 0) {
            return &opt_rows[i];
        }
    }
    return NULL;
}

static const struct opt_row *find_letter(char letter)
{
    for (uint32_t i = 0; i < opt_row_count; i++) {
        if (opt_rows[i].letter == letter) {
            return &opt_rows[i];
        }
    }
    return NULL;
}

static onefold_status unknown_option(const char *name, size_t length, onefold_error *err)
{
    const char *names[OPT_ROWS_MAX];
    char word[NAME_BYTES_MAX];
    const char *nearest;

    for (uint32_t i = 0; i < opt_row_count; i++) {
        names[i] = opt_rows[i].kind == OPT_REFUSED ? NULL : opt_rows[i].name;
    }
    (void)snprintf(word, sizeof(word), "%.*s", (int)(length < 63 ? length : 63), name);
    nearest = onefold_text_nearest(word, names, opt_row_count);
    return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-option", NULL, "unknown option --%s%s%s%s",
                    onefold_text_show(name, length).text,
                    nearest != NULL ? "; did you mean --" : "", nearest != NULL ? nearest : "",
                    nearest != NULL ? "?" : "");
}

/* Where parsing stands. */
struct walk {
    char **argv;
    int argc;
    int next;
    struct out *out;
    struct opts *opts;
    const char *last_note;
};

/* `value` is what stood behind "=" or the letter, or NULL; `on` is 0 for --no-NAME. */
static onefold_status take_option(struct walk *walk, const struct opt_row *row, const char *value,
                                  int on, onefold_error *err)
{
    int *flag = (int *)(void *)((char *)walk->opts + row->at);

    walk->opts->seen[row - opt_rows] = true;
    if (row->kind == OPT_REFUSED) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-refused", NULL, "--%s %s", row->name,
                        row->help);
    }
    if (!takes_value(row)) {
        if (value != NULL) {
            return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL, "--%s takes no value",
                            row->name);
        }
        if (row->kind == OPT_COUNTED) {
            *flag += 1;
        } else if (row->kind == OPT_SWITCH) {
            *flag = on;
        } else if (walk->last_note != row->help) {
            out_note(walk->out, "option-ignored", "--%s: %s", row->name, row->help);
            walk->last_note = row->help;
        }
        return ONEFOLD_OK;
    }
    if (value == NULL) {
        if (walk->next >= walk->argc) {
            return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL, "--%s needs a value: %s",
                            row->name, row->value);
        }
        value = walk->argv[walk->next++];
    }
    if (row->kind == OPT_IGNORED_VALUE) {
        if (walk->last_note != row->help) {
            out_note(walk->out, "option-ignored", "--%s: %s", row->name, row->help);
            walk->last_note = row->help;
        }
        return ONEFOLD_OK;
    }
    if (store_value(row, value, walk->opts, err) != ONEFOLD_OK) {
        return exit_prefix(err, "--%s", row->name);
    }
    return ONEFOLD_OK;
}

static onefold_status take_long(struct walk *walk, const char *text, onefold_error *err)
{
    const char *equals = strchr(text, '=');
    const size_t length = equals != NULL ? (size_t)(equals - text) : strlen(text);
    const char *value = equals != NULL ? equals + 1 : NULL;
    const struct opt_row *row = find_row(text, length);

    if (row != NULL) {
        return take_option(walk, row, value, 1, err);
    }
    if (length > 3 && memcmp(text, "no-", 3) == 0) {
        row = find_row(text + 3, length - 3);
        if (row != NULL && (row->kind == OPT_SWITCH || row->kind == OPT_IGNORED)) {
            return take_option(walk, row, value, 0, err);
        }
    }
    return unknown_option(text, length, err);
}

static onefold_status take_letters(struct walk *walk, const char *text, onefold_error *err)
{
    for (; *text != '\0'; text++) {
        const struct opt_row *row = find_letter(*text);
        const char *value = NULL;

        if (row == NULL) {
            return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-option", NULL, "unknown option -%s",
                            onefold_text_show(text, 1).text);
        }
        if (takes_value(row) && text[1] != '\0') {
            value = text + 1;
        }
        if (take_option(walk, row, value, 1, err) != ONEFOLD_OK) {
            return err->status;
        }
        if (value != NULL) {
            return ONEFOLD_OK;
        }
    }
    return ONEFOLD_OK;
}

onefold_status opt_parse(int argc, char **argv, struct out *out, struct opts *ret_opts,
                         onefold_error *err)
{
    struct walk walk = {.argv = argv, .argc = argc, .next = 1, .out = out, .opts = ret_opts};
    bool ended = false;
    uint32_t kept = 0;

    memset(ret_opts, 0, sizeof(*ret_opts));
    ret_opts->progress = 1;
    ret_opts->copy_tokenizer = 1;
    ret_opts->write_model_card = 1;
    while (walk.next < argc) {
        char *text = argv[walk.next++];
        onefold_status status = ONEFOLD_OK;

        if (!ended && strcmp(text, "--") == 0) {
            ended = true;
        } else if (!ended && text[0] == '-' && text[1] == '-') {
            status = take_long(&walk, text + 2, err);
        } else if (!ended && text[0] == '-' && text[1] != '\0') {
            status = take_letters(&walk, text + 1, err);
        } else if (ret_opts->verb == NULL) {
            ret_opts->verb = text;
        } else {
            argv[1 + kept++] = text; /* never ahead of walk.next: it was read before */
        }
        if (status != ONEFOLD_OK) {
            return status;
        }
    }
    ret_opts->arguments = (const char **)(void *)(argv + 1);
    ret_opts->argument_count = kept;
    return ONEFOLD_OK;
}

onefold_status opt_check_verb(const struct opts *opts, uint32_t verb, const char *verb_name,
                              onefold_error *err)
{
    for (uint32_t i = 0; i < opt_row_count; i++) {
        const uint32_t *mask = (const void *)((const char *)opts + opt_rows[i].at);

        if (opts->seen[i] && !(opt_rows[i].verbs & verb)) {
            return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-option", NULL,
                            "--%s is not an option of \"onefold %s\"", opt_rows[i].name, verb_name);
        }
        if (opts->seen[i] && opt_rows[i].kind == OPT_WORDS && verb != OPT_BENCH &&
            (*mask & (*mask - 1)) != 0) {
            return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL,
                            "--%s: \"onefold %s\" takes one of them", opt_rows[i].name, verb_name);
        }
    }
    return ONEFOLD_OK;
}

/* ---- Printing the table ---- */

static bool is_shown(const struct opt_row *row, uint32_t verb)
{
    return (row->verbs & verb) && row->kind != OPT_IGNORED && row->kind != OPT_IGNORED_VALUE &&
           row->kind != OPT_REFUSED;
}

/* "-j, --num-threads N" */
static void print_left(const struct opt_row *row)
{
    char left[128];
    int used;

    if (row->letter != 0) {
        used = snprintf(left, sizeof(left), "  -%c, --%s", row->letter, row->name);
    } else {
        used = snprintf(left, sizeof(left), "      --%s", row->name);
    }
    if (row->words != NULL) {
        for (int i = 0; row->words[i] != NULL; i++) {
            used += snprintf(left + used, sizeof(left) - (size_t)used, "%s%s", i > 0 ? "|" : " ",
                             row->words[i]);
        }
    } else if (row->value != NULL) {
        used += snprintf(left + used, sizeof(left) - (size_t)used, " %s", row->value);
    }
    if (used >= HELP_COLUMN) {
        printf("%s\n%*s", left, HELP_COLUMN, "");
    } else {
        printf("%-*s", HELP_COLUMN, left);
    }
}

void opt_print_help(uint32_t verb)
{
    for (uint32_t i = 0; i < opt_row_count; i++) {
        if (is_shown(&opt_rows[i], verb)) {
            print_left(&opt_rows[i]);
            printf("%s\n", opt_rows[i].help);
        }
    }
}

void opt_print_words(uint32_t verb)
{
    for (uint32_t i = 0; i < opt_row_count; i++) {
        if (is_shown(&opt_rows[i], verb)) {
            printf("--%s\n", opt_rows[i].name);
        }
    }
}
