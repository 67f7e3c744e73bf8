/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A comparison for people: tables in plain ASCII, and on a terminal that can show them the cosines
 * as a heat map and shares as bars. A column is as wide as its longest entry; nothing depends on
 * the width of the terminal, so that a page and a file look alike.
 */
#include "verbs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Names are cut, tables of many rows are summed up, matrices of many inputs become lists. */
enum { NAME_WIDTH_MAX = 24, ROWS_SHOWN_MAX = 16, MATRIX_MAX = 12, CELLS_MAX = 36, PAIRS_SHOWN = 5 };
enum { BAR_WIDTH = 30, LINE_WIDTH = 78 };

struct page {
    FILE *to;
    const onefold_compare_result *result;
    bool pictures; /* blocks and shades */
    bool colours;
    int name_width;
};

/* ---- Cells ---- */

/* Characters of UTF-8 text; what is escaped needs no more. */
static int width_of(const char *text)
{
    int width = 0;

    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80 ? 1 : 0;
    }
    return width;
}

/* The name in `width` columns, the end of one too long replaced by '~'. */
static void put_name(FILE *to, const char *name, int width)
{
    const bool cut = width_of(name) > width;
    int used = 0;

    for (; *name != '\0'; name++) {
        if (((unsigned char)*name & 0xc0) != 0x80 && used++ == (cut ? width - 1 : width)) {
            break;
        }
        (void)putc(*name, to);
    }
    if (cut) {
        (void)putc('~', to);
    } else {
        (void)fprintf(to, "%*s", width - used, "");
    }
}

static void put_number(FILE *to, int width, double value)
{
    if (isnan(value)) {
        (void)fprintf(to, "%*s", width, "-");
    } else {
        (void)fprintf(to, "%*.4g", width, value);
    }
}

static void put_fixed(FILE *to, int width, double value)
{
    if (isnan(value)) {
        (void)fprintf(to, "%*s", width, "-");
    } else {
        (void)fprintf(to, "%*.3f", width, value);
    }
}

static void put_share(FILE *to, int width, double part, double whole)
{
    if (whole > 0.0) {
        (void)fprintf(to, "%*.2f%%", width - 1, 100.0 * part / whole);
    } else {
        (void)fprintf(to, "%*s", width, "-");
    }
}

static void put_bar(const struct page *page, double share)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const double length = isfinite(share) && share > 0.0 ? fmin(share, 1.0) * BAR_WIDTH : 0.0;
    const int parts = (int)(length * 8.0 + 0.5);

    for (int i = 0; i < (page->pictures ? parts / 8 : (int)(length + 0.5)); i++) {
        (void)fputs(page->pictures ? "█" : "#", page->to);
    }
    if (page->pictures) {
        (void)fputs(eighths[parts % 8], page->to);
    }
}

/* ---- Inputs ---- */

static void print_inputs(const struct page *page)
{
    const onefold_compare_result *result = page->result;
    const onefold_compare_group *model = &result->groups[0];

    (void)fprintf(page->to, "\n");
    put_name(page->to, "model", page->name_width);
    (void)fprintf(page->to, "%10s%10s%14s%10s%8s%8s\n", "norm", "recall", "interference", "zeros",
                  "NaN", "inf");
    for (uint32_t i = 0; i <= result->input_count; i++) {
        const bool is_base = i == result->input_count;

        put_name(page->to, is_base ? result->base_name : result->names[i], page->name_width);
        if (is_base) {
            (void)fprintf(page->to, "%10s%10s%14s%10s", "(base)", "", "", "");
        } else {
            put_number(page->to, 10, model->norms[i]);
            put_number(page->to, 10, model->recall[i]);
            put_number(page->to, 14, model->interference[i]);
            put_share(page->to, 10, (double)model->zeros[i], (double)model->elem_count);
        }
        (void)fprintf(page->to, "%8llu%8llu\n", (unsigned long long)model->nan_count[i],
                      (unsigned long long)model->inf_count[i]);
    }
    (void)fprintf(page->to, "recall and interference at lambda %.4g (beta %.4g)\n", result->lambda,
                  result->beta);
}

static void print_norms(const struct page *page)
{
    const onefold_compare_group *model = &page->result->groups[0];
    double largest = 0.0;

    for (uint32_t i = 0; i < page->result->input_count; i++) {
        largest = fmax(largest, model->norms[i]);
    }
    (void)fprintf(page->to, "\nnorms of the task vectors, largest / smallest ");
    put_number(page->to, 1, model->norm_ratio);
    (void)putc('\n', page->to);
    for (uint32_t i = 0; i < page->result->input_count; i++) {
        (void)fputs("  ", page->to);
        put_name(page->to, page->result->names[i], page->name_width);
        put_number(page->to, 10, model->norms[i]);
        (void)fputs("  ", page->to);
        put_bar(page, largest > 0.0 ? model->norms[i] / largest : 0.0);
        (void)putc('\n', page->to);
    }
}

/* ---- Cosines ---- */

static const char *shade_of(double value)
{
    static const char *const shades[] = {"·", "░", "▒", "▓", "█"};
    const double size = fabs(value);

    return isnan(value) ? " "
                        : shades[size < .05   ? 0
                                 : size < .25 ? 1
                                 : size < .5  ? 2
                                 : size < .75 ? 3
                                              : 4];
}

/* Red: the same way. Blue: against each other. */
static void start_colour(const struct page *page, double value)
{
    if (page->colours && fabs(value) >= .05) {
        (void)fputs(value > 0 ? "\033[31m" : "\033[34m", page->to);
    }
}

static void end_colour(const struct page *page, double value)
{
    if (page->colours && fabs(value) >= .05) {
        (void)fputs("\033[0m", page->to);
    }
}

static void put_cosine(const struct page *page, double value)
{
    start_colour(page, value);
    if (page->pictures) {
        (void)fprintf(page->to, " %s", shade_of(value));
    }
    if (page->result->input_count <= MATRIX_MAX) {
        put_fixed(page->to, 7, value);
    }
    end_colour(page, value);
}

static void print_matrix(const struct page *page)
{
    const uint32_t count = page->result->input_count;
    const bool wide = count <= MATRIX_MAX;

    (void)fprintf(page->to, "  %*s", page->name_width + 4, "");
    for (uint32_t t = 0; t < count; t++) {
        (void)fprintf(page->to, "%*u", (wide ? 7 : 0) + (page->pictures ? 2 : 0), (t + 1) % 100);
    }
    (void)putc('\n', page->to);
    for (uint32_t s = 0; s < count; s++) {
        (void)fprintf(page->to, "  %3u ", s + 1);
        put_name(page->to, page->result->names[s], page->name_width);
        for (uint32_t t = 0; t < count; t++) {
            put_cosine(page, page->result->groups[0].cosine[(uint64_t)s * count + t]);
        }
        (void)putc('\n', page->to);
    }
}

struct pair {
    double cosine;
    uint32_t s;
    uint32_t t;
};

/* Keeps the `PAIRS_SHOWN` pairs with the largest cosine (sign 1) or the smallest (sign -1). */
static void keep_pair(struct pair *pairs, uint32_t *count, struct pair pair, double sign)
{
    uint32_t at = *count;

    if (isnan(pair.cosine)) {
        return;
    }
    while (at > 0 && sign * pairs[at - 1].cosine < sign * pair.cosine) {
        at--;
    }
    if (at == PAIRS_SHOWN) {
        return;
    }
    *count += *count < PAIRS_SHOWN ? 1 : 0;
    memmove(&pairs[at + 1], &pairs[at], (*count - at - 1) * sizeof(pairs[0]));
    pairs[at] = pair;
}

static void print_pairs(const struct page *page)
{
    static const char *const titles[] = {"largest", "smallest"};
    const uint32_t count = page->result->input_count;

    for (int turn = 0; turn < 2; turn++) {
        struct pair pairs[PAIRS_SHOWN];
        uint32_t kept = 0;

        for (uint32_t s = 0; s < count; s++) {
            for (uint32_t t = s + 1; t < count; t++) {
                const double cosine = page->result->groups[0].cosine[(uint64_t)s * count + t];

                keep_pair(pairs, &kept, (struct pair){cosine, s, t}, turn == 0 ? 1.0 : -1.0);
            }
        }
        for (uint32_t i = 0; i < kept; i++) {
            (void)fprintf(page->to, "  %-9s%7.3f  ", i == 0 ? titles[turn] : "", pairs[i].cosine);
            put_name(page->to, page->result->names[pairs[i].s], page->name_width);
            (void)fprintf(page->to, "  ");
            put_name(page->to, page->result->names[pairs[i].t], page->name_width);
            (void)putc('\n', page->to);
        }
    }
}

static void print_cosines(const struct page *page)
{
    const onefold_compare_group *model = &page->result->groups[0];
    const uint32_t count = page->result->input_count;

    (void)fprintf(page->to, "\ncosines of the task vectors, mean ");
    put_number(page->to, 1, model->mean_cosine);
    (void)putc('\n', page->to);
    if (count <= MATRIX_MAX || (page->pictures && count <= CELLS_MAX)) {
        print_matrix(page);
    }
    if (count > MATRIX_MAX) {
        print_pairs(page);
    }
}

/* ---- The whole model ---- */

static void put_fact(const struct page *page, const char *name, double value, const char *meaning)
{
    (void)fprintf(page->to, "  %-20s", name);
    put_number(page->to, 10, value);
    (void)fprintf(page->to, "  %s\n", meaning);
}

static void print_whole(const struct page *page)
{
    const onefold_compare_group *model = &page->result->groups[0];
    char text[80];

    (void)fprintf(page->to, "\nthe whole model\n");
    (void)snprintf(text, sizeof(text), "%.3g: identical, 1: unrelated, more: against each other",
                   1.0 / page->result->input_count);
    put_fact(page, "gradient diversity", model->diversity, text);
    put_fact(page, "drift variance", model->drift_variance, "mean squared distance to the mean");
    (void)snprintf(text, sizeof(text), "%.3g: shared by all, 1: one owner per value",
                   1.0 / page->result->input_count);
    put_fact(page, "overlap", model->overlap, text);
    (void)snprintf(text, sizeof(text), "%.3g for normal values%s", model->tail_gaussian,
                   page->result->input_count < 4 ? "; says nothing for fewer than 4 models" : "");
    put_fact(page, "tails", model->tail, text);
}

static void print_agreement(const struct page *page)
{
    const onefold_compare_group *model = &page->result->groups[0];
    const uint32_t count = page->result->input_count;
    double total = 0.0;

    for (uint32_t i = 0; i <= count; i++) {
        total += (double)model->agreement[i];
    }
    (void)fprintf(page->to, "\nagreement of signs, mean ");
    put_number(page->to, 1, model->agreement_mean);
    (void)fprintf(page->to, " (by chance %.4g)\n", model->agreement_null_mean);
    (void)fprintf(page->to, "  %8s%10s%11s\n", "|sum|/T", "share", "by chance");
    for (uint32_t i = 0; i <= count; i++) {
        if (model->agreement[i] == 0 && model->agreement_null[i] < 5e-5) {
            continue;
        }
        (void)fprintf(page->to, "  %4u/%-3u", i, count);
        put_share(page->to, 10, (double)model->agreement[i], total);
        (void)fprintf(page->to, "%10.2f%%  ", 100.0 * model->agreement_null[i]);
        put_bar(page, total > 0.0 ? (double)model->agreement[i] / total : 0.0);
        (void)putc('\n', page->to);
    }
}

/* ---- Steps ---- */

static void print_steps(const struct page *page)
{
    const onefold_compare_result *result = page->result;

    (void)fprintf(page->to, "\nsteps of rules that need no data\n  %-14s%10s%10s\n", "", "lambda",
                  "beta");
    (void)fprintf(page->to, "  %-14s", "planned");
    put_number(page->to, 10, result->lambda);
    put_number(page->to, 10, result->beta);
    (void)putc('\n', page->to);
    for (uint64_t i = 0; i < result->step_count; i++) {
        const onefold_compare_step *step = &result->steps[i];

        (void)fprintf(page->to, "  %-14s", step->source);
        if (step->lambdas == NULL) {
            put_number(page->to, 10, step->lambda);
            put_number(page->to, 10, step->beta);
        }
        for (uint32_t t = 0; step->lambdas != NULL && t < result->input_count; t++) {
            if (t > 0 && t % 6 == 0) {
                (void)fprintf(page->to, "\n  %-14s", "");
            }
            put_number(page->to, 10, step->lambdas[t]);
        }
        (void)putc('\n', page->to);
    }
}

/* ---- Layers and kinds ---- */

static void print_group(const struct page *page, const onefold_compare_group *group, int width)
{
    const uint32_t count = page->result->input_count;
    double zeros = 0.0;
    uint64_t odd = 0;

    for (uint32_t i = 0; i < count; i++) {
        zeros += (double)group->zeros[i] / count;
    }
    for (uint32_t i = 0; i <= count; i++) {
        odd += group->nan_count[i] + group->inf_count[i];
    }
    (void)fputs("  ", page->to);
    put_name(page->to, group->name, width);
    (void)fprintf(page->to, "%12llu", (unsigned long long)group->elem_count);
    put_number(page->to, 12, group->norm_ratio);
    put_fixed(page->to, 9, group->mean_cosine);
    put_number(page->to, 11, group->diversity);
    put_fixed(page->to, 11, group->agreement_mean);
    put_share(page->to, 10, zeros, (double)group->elem_count);
    (void)fprintf(page->to, "%s\n", odd > 0 ? "  not finite" : "");
}

struct extremes {
    const onefold_compare_group *low;
    const onefold_compare_group *high;
};

/* `at` is the place of the statistic in its struct. */
static double statistic(const onefold_compare_group *group, size_t at)
{
    double value;

    memcpy(&value, (const char *)group + at, sizeof(value));
    return value;
}

static void print_range(const struct page *page, int kind, const char *name, size_t at)
{
    struct extremes found = {NULL, NULL};

    for (uint64_t i = 0; i < page->result->group_count; i++) {
        const onefold_compare_group *group = &page->result->groups[i];
        const double value = statistic(group, at);

        if (group->kind != kind || isnan(value)) {
            continue;
        }
        if (found.low == NULL || value < statistic(found.low, at)) {
            found.low = group;
        }
        if (found.high == NULL || value > statistic(found.high, at)) {
            found.high = group;
        }
    }
    if (found.low != NULL) {
        (void)fprintf(page->to, "  %-14s from", name);
        put_number(page->to, 8, statistic(found.low, at));
        (void)fprintf(page->to, " (%s)\n  %-14s to  ", found.low->name, "");
        put_number(page->to, 8, statistic(found.high, at));
        (void)fprintf(page->to, " (%s)\n", found.high->name);
    }
}

static void print_groups(const struct page *page, int kind, const char *title, bool all)
{
    const onefold_compare_result *result = page->result;
    uint64_t count = 0;
    int width = 8;

    for (uint64_t i = 0; i < result->group_count; i++) {
        if (result->groups[i].kind == kind) {
            const int wide = width_of(result->groups[i].name);

            count++;
            width = wide > width ? wide : width;
        }
    }
    width = width < NAME_WIDTH_MAX + 8 ? width : NAME_WIDTH_MAX + 8;
    if (count < 2) {
        return;
    }
    if (!all && count > ROWS_SHOWN_MAX) {
        (void)fprintf(page->to, "\n%llu %s (-v lists them)\n", (unsigned long long)count, title);
        print_range(page, kind, "norm ratio", offsetof(onefold_compare_group, norm_ratio));
        print_range(page, kind, "mean cosine", offsetof(onefold_compare_group, mean_cosine));
        print_range(page, kind, "diversity", offsetof(onefold_compare_group, diversity));
        print_range(page, kind, "agreement", offsetof(onefold_compare_group, agreement_mean));
        return;
    }
    (void)fprintf(page->to, "\n%s\n  %*s%12s%12s%9s%11s%11s%10s\n", title, width, "", "elements",
                  "norm ratio", "cosine", "diversity", "agreement", "zeros");
    for (uint64_t i = 0; i < result->group_count; i++) {
        if (result->groups[i].kind == kind) {
            print_group(page, &result->groups[i], width);
        }
    }
}

/* ---- Words ---- */

/* Lines of at most LINE_WIDTH, later ones indented. */
static void put_wrapped(FILE *to, const char *lead, const char *text)
{
    int at = fprintf(to, "%s", lead);

    while (*text != '\0') {
        const size_t length = strcspn(text, " ");

        if (at + 1 + (int)length > LINE_WIDTH && at > 4) {
            (void)fputs("\n   ", to);
            at = 3;
        }
        at += fprintf(to, " %.*s", (int)length, text);
        text += length + (text[length] == ' ' ? 1 : 0);
    }
    (void)putc('\n', to);
}

static void print_findings(const struct page *page)
{
    static const char *const leads[] = {[ONEFOLD_LEVEL_NOTE] = "  note:",
                                        [ONEFOLD_LEVEL_WARNING] = "  warning:",
                                        [ONEFOLD_LEVEL_ERROR] = "  error:"};

    (void)fprintf(page->to, "\nwhat this suggests\n");
    for (uint64_t i = 0; i < page->result->finding_count; i++) {
        const onefold_compare_finding *finding = &page->result->findings[i];

        put_wrapped(page->to, leads[finding->level], finding->text);
    }
    if (page->result->finding_count == 0) {
        (void)fprintf(page->to, "  nothing stands out\n");
    }
    (void)fprintf(page->to, "  Weights alone do not say which rule wins; validation data does.\n");
}

/* ---- The page ---- */

static bool shows_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);

        if (value != NULL && value[0] != '\0') {
            return strstr(value, "UTF-8") != NULL || strstr(value, "utf8") != NULL ||
                   strstr(value, "UTF8") != NULL || strstr(value, "utf-8") != NULL;
        }
    }
    return false;
}

void compare_print(FILE *to, const onefold_compare_result *result, bool verbose)
{
    const char *term = getenv("TERM");
    const bool terminal = isatty(fileno(to)) == 1 && term != NULL && strcmp(term, "dumb") != 0;
    const onefold_compare_group *model = &result->groups[0];
    struct page page = {.to = to,
                        .result = result,
                        .pictures = terminal && shows_utf8(),
                        .colours = terminal && getenv("NO_COLOR") == NULL,
                        .name_width = width_of(result->base_name)};

    for (uint32_t i = 0; i < result->input_count; i++) {
        const int width = width_of(result->names[i]);

        page.name_width = width > page.name_width ? width : page.name_width;
    }
    page.name_width = page.name_width < 5 ? 5 : page.name_width;
    page.name_width = page.name_width > NAME_WIDTH_MAX ? NAME_WIDTH_MAX : page.name_width;
    (void)fprintf(to, "%u model%s against %s: %llu tensors, %llu elements, read %s in %.2f s\n",
                  result->input_count, result->input_count == 1 ? "" : "s", result->base_name,
                  (unsigned long long)model->tensor_count, (unsigned long long)model->elem_count,
                  out_bytes(result->read_bytes).text, result->seconds);
    print_inputs(&page);
    if (result->input_count > 1) {
        print_norms(&page);
        print_cosines(&page);
        print_whole(&page);
        print_agreement(&page);
        print_steps(&page);
    }
    print_groups(&page, ONEFOLD_GROUP_LAYER, "layers", verbose);
    print_groups(&page, ONEFOLD_GROUP_KIND, "kinds of tensors", verbose);
    print_findings(&page);
}
