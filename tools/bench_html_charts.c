/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drawings of the page of `onefold bench`: bars of ratios with whiskers from the least to the
 * largest round, bars of where the time went, bars of kernels beside the bandwidth of memory. All
 * are narrow, so that a telephone shows them as they are, and stand side by side on a desk.
 */
#include "bench_html.h"

#include "compare_html_parts.h"

#include <string.h>

enum {
    WIDTH = 340,
    ROW = 36,        /* of a ratio: a line of text and a bar */
    LINE = 13,       /* of a small bar with its label */
    LABEL = 62,      /* room for the label of a small bar */
    VALUE = 44,      /* room for its value */
    KERNEL_ROWS = 24 /* bars to a panel */
};

bool bench_html_belongs(const struct bench_job *job, const onefold_method_info *rule)
{
    if (job->skipped[0] != '\0') {
        return false;
    }
    if (rule == NULL) {
        return job->kind != BENCH_MERGE && job->kind != BENCH_RAW && job->raw != UINT32_MAX;
    }
    return job->kind == BENCH_MERGE && strcmp(job->rule->name, rule->name) == 0;
}

static uint32_t count_rows(const struct bench_group *group, const onefold_method_info *rule)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < group->job_count; i++) {
        count += bench_html_belongs(&group->jobs[i], rule) ? 1 : 0;
    }
    return count;
}

static void open_figure(FILE *to, const char *name, uint32_t height, const char *what)
{
    (void)fputs("<figure class=\"panel\"><h3>", to);
    html_name(to, name);
    (void)fprintf(to, "</h3><svg viewBox=\"0 0 %d %u\" role=\"img\"><title>", WIDTH, height);
    html_text(to, name);
    (void)fprintf(to, "</title><desc>%s; the table has the numbers.</desc>\n", what);
}

static void close_figure(FILE *to)
{
    (void)fputs("</svg></figure>\n", to);
}

static void put_text(FILE *to, double x, double y, const char *style, const char *text)
{
    (void)fprintf(to, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, style);
    html_text(to, text);
    (void)fputs("</text>", to);
}

static void put_bar(FILE *to, double x, double y, double width, double height, const char *class)
{
    (void)fprintf(to,
                  "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                  "rx=\"1.5\"/>",
                  class, x, y, width, height);
}

static void put_line(FILE *to, double x1, double y1, double x2, double y2, const char *class)
{
    (void)fprintf(to, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", class,
                  x1, y1, x2, y2);
}

/* "uring, cold"; without a backend "cat, cold". */
static void put_label(FILE *to, const struct bench_job *job, double y)
{
    char text[BENCH_NAME_MAX];

    (void)snprintf(text, sizeof(text), "%s, %s", job->io != NULL ? job->io : bench_job_name(job),
                   bench_cache_words[job->cache]);
    put_text(to, 0, y, "font-size=\"11\"", text);
}

/* ---- Ratios ---- */

static void put_ratio(FILE *to, const struct bench_job *job, const struct bench_span *span,
                      double scale, double y)
{
    const double low = span->min * scale;
    const double high = span->max * scale;
    char text[BENCH_NAME_MAX];

    put_label(to, job, y + 11);
    (void)snprintf(text, sizeof(text), "%.2f (%.2f to %.2f)", span->median, span->min, span->max);
    put_text(to, WIDTH, y + 11, "class=\"ink\" font-size=\"11\" text-anchor=\"end\"", text);
    put_bar(to, 0, y + 17, span->median * scale, 9, "bar");
    put_line(to, low, y + 21.5, high, y + 21.5, "mark");
    put_line(to, low, y + 18.5, low, y + 24.5, "mark");
    put_line(to, high, y + 18.5, high, y + 24.5, "mark");
    (void)putc('\n', to);
}

void bench_html_ratios(FILE *to, const struct bench_result *result, const struct bench_group *group,
                       const onefold_method_info *rule, double largest)
{
    const uint32_t rows = count_rows(group, rule);
    const double scale = (WIDTH - 4) / (largest > 1.1 ? largest : 1.1);
    const double end = (double)rows * ROW;
    uint32_t row = 0;

    if (rows == 0) {
        return;
    }
    open_figure(to, rule != NULL ? rule->name : "Otherwise", rows * ROW + 16,
                "Bars of the time over the raw limit, with lines from the least to the largest");
    for (uint32_t i = 0; i < group->job_count; i++) {
        struct bench_span span;

        if (bench_html_belongs(&group->jobs[i], rule) &&
            bench_span_of(result, group, &group->jobs[i], BENCH_RATIO, &span)) {
            put_ratio(to, &group->jobs[i], &span, scale, (double)ROW * row++);
        }
    }
    for (uint32_t i = 0; i < rows; i++) {
        put_line(to, scale, (double)i * ROW + 14, scale, (double)i * ROW + 29, "null");
    }
    put_text(to, scale < 24 ? 24 : scale, end + 8, "font-size=\"10\" text-anchor=\"middle\"",
             "1 = raw");
    close_figure(to);
}

/* ---- Where the time went ---- */

static void put_share(FILE *to, const char *name, double share, double y, const char *class)
{
    char text[BENCH_NAME_MAX];

    put_text(to, 0, y + 9, "font-size=\"10\"", name);
    put_bar(to, LABEL, y + 2, WIDTH - LABEL - VALUE, 7, "track");
    put_bar(to, LABEL, y + 2, share * (WIDTH - LABEL - VALUE), 7, class);
    (void)snprintf(text, sizeof(text), "%.0f%%", share * 100);
    put_text(to, WIDTH, y + 9, "class=\"ink\" font-size=\"10\" text-anchor=\"end\"", text);
}

void bench_html_times(FILE *to, const struct bench_result *result, const struct bench_group *group,
                      const onefold_method_info *rule)
{
    static const enum bench_value values[] = {BENCH_DEVICE, BENCH_WORKERS, BENCH_HASH,
                                              BENCH_OUTSIDE};
    static const char *const names[] = {"device", "workers", "hash", "ends"};
    static const char *const classes[] = {"bar", "bar other", "bar third", "bar fourth"};
    const uint32_t height = 16 + 4 * LINE + 6;
    const uint32_t rows = count_rows(group, rule);
    uint32_t row = 0;

    if (rows == 0) {
        return;
    }
    open_figure(to, rule->name, rows * height, "Bars of the shares of the time");
    for (uint32_t i = 0; i < group->job_count; i++) {
        const struct bench_job *job = &group->jobs[i];
        const double y = (double)row * height;
        struct bench_span span;

        if (!bench_html_belongs(job, rule)) {
            continue;
        }
        row++;
        put_label(to, job, y + 11);
        for (int k = 0; k < 4; k++) {
            if (bench_span_of(result, group, job, values[k], &span)) {
                put_share(to, names[k], span.median, y + 15 + (double)k * LINE, classes[k]);
            }
        }
        (void)putc('\n', to);
    }
    close_figure(to);
}

/* ---- Kernels ---- */

static double fastest(const struct bench_result *result)
{
    double most = result->memory.read_all;

    for (uint32_t i = 0; i < result->kernel_count; i++) {
        most = result->kernels[i].speed > most ? result->kernels[i].speed : most;
    }
    return most > 0 ? most : 1;
}

static bool same_kernel(const struct bench_result *result, uint32_t i)
{
    return i > 0 && strcmp(result->kernels[i].name, result->kernels[i - 1].name) == 0;
}

/* Rows first .. end - 1, which begin and end between kernels. */
static void put_kernels(FILE *to, const struct bench_result *result, uint32_t first, uint32_t end)
{
    const double width = WIDTH - LABEL - VALUE;
    const double scale = width / fastest(result);
    const double memory = LABEL + result->memory.read_one * scale;
    char title[3 * BENCH_NAME_MAX];
    uint32_t names = 0;
    double y = 0;

    for (uint32_t i = first; i < end; i++) {
        names += same_kernel(result, i) ? 0 : 1;
    }
    (void)snprintf(title, sizeof(title), "%s to %s", result->kernels[first].name,
                   result->kernels[end - 1].name);
    open_figure(to, title, names * 20 + (end - first) * LINE + 6,
                "Bars of GB per second, and a line at what one core reads from memory");
    for (uint32_t i = first; i < end; i++) {
        const struct bench_kernel *kernel = &result->kernels[i];
        char text[BENCH_NAME_MAX];

        if (!same_kernel(result, i)) {
            put_text(to, 0, y + 14, "class=\"ink\" font-size=\"11\"", kernel->name);
            y += 20;
        }
        put_text(to, 0, y + 7, "font-size=\"10\"", kernel->isa);
        put_bar(to, LABEL, y, kernel->speed * scale, 8, "bar");
        put_line(to, memory, y - 1, memory, y + 10, "null");
        (void)snprintf(text, sizeof(text), "%.1f", kernel->speed);
        put_text(to, WIDTH, y + 7, "class=\"ink\" font-size=\"10\" text-anchor=\"end\"", text);
        (void)putc('\n', to);
        y += LINE;
    }
    close_figure(to);
}

void bench_html_kernels(FILE *to, const struct bench_result *result)
{
    uint32_t first = 0;

    for (uint32_t i = 1; i <= result->kernel_count; i++) {
        const bool ends = i == result->kernel_count;

        if (ends || (i - first >= KERNEL_ROWS && !same_kernel(result, i))) {
            put_kernels(to, result, first, i);
            first = i;
        }
    }
}
