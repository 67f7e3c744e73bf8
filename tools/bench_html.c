/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTML page of `onefold bench`: the machine, drawings, tables. One file that opens anywhere and
 * loads nothing; style, text and numbers as on the page of `onefold compare`.
 */
#include "bench_html.h"

#include "compare_html_parts.h"

#include <math.h>
#include <string.h>

/* What the page of compare has no use for. */
static const char more_style[] =
    ".other{fill:var(--two)}.third{fill:var(--soft)}.fourth{fill:var(--"
    "ink)}\n.charts .panel h3{margin:0}\n";

static void put_head(FILE *to, const struct bench_result *result)
{
    (void)fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                "style-src 'unsafe-inline'\"/>\n"
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
                "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
                "<meta name=\"generator\" content=\"onefold " ONEFOLD_VERSION "\"/>\n"
                "<title>onefold bench, ",
                to);
    html_text(to, result->machine.cpu);
    (void)fprintf(to, "</title>\n<style>\n%s%s</style>\n</head>\n<body>\n<header>\n", html_style,
                  more_style);
    (void)fputs("<h1>onefold bench</h1>\n<p class=\"lead\"><b>", to);
    html_text(to, result->machine.cpu);
    (void)fprintf(to, "</b>, %u usable %s, %s of memory</p>\n</header>\n",
                  result->machine.cpu_count, result->machine.cpu_count == 1 ? "CPU" : "CPUs",
                  out_bytes(result->machine.memory_bytes).text);
    (void)fputs("<nav aria-label=\"Sections\"><ul><li><a href=\"#machine\">Machine</a></li>", to);
    if (result->wish != NULL) {
        (void)fputs("<li><a href=\"#merges\">Merges</a></li>"
                    "<li><a href=\"#time\">Where the time went</a></li>"
                    "<li><a href=\"#numbers\">All numbers</a></li>",
                    to);
    }
    (void)fputs("<li><a href=\"#kernels\">Kernels</a></li>"
                "<li><a href=\"#terms\">Terms</a></li></ul></nav>\n<main>\n",
                to);
}

static void open_section(FILE *to, const char *id, const char *title)
{
    (void)fprintf(to, "<section id=\"%s\" aria-labelledby=\"%s-h\"><h2 id=\"%s-h\">%s</h2>\n", id,
                  id, id, title);
}

/* ---- Machine ---- */

static void put_fact(FILE *to, const char *name, const char *text)
{
    if (text[0] != '\0') {
        (void)fprintf(to, "<tr><th scope=\"row\">%s</th><td class=\"left\">", name);
        html_name(to, text);
        (void)fputs("</td></tr>\n", to);
    }
}

static void put_machine(FILE *to, const struct bench_result *result)
{
    const struct bench_machine *machine = &result->machine;
    const struct bench_memory *memory = &result->memory;
    char text[400];

    open_section(to, "machine", "Machine");
    html_scroll_open(to, "Table of the machine", false);
    (void)fputs("<table><thead><tr><th scope=\"col\">what</th><th scope=\"col\" class=\"left\">"
                "value</th></tr></thead><tbody>\n",
                to);
    put_fact(to, "processor", machine->cpu);
    put_fact(to, "system", machine->system);
    put_fact(to, "file system", machine->file_system);
    (void)snprintf(text, sizeof(text), "%s%s%s", machine->device,
                   machine->disk[0] != '\0' ? ", " : "", machine->disk);
    put_fact(to, "disk", text);
    if (machine->limit_bytes < machine->memory_bytes) {
        put_fact(to, "memory of the control group", out_bytes(machine->limit_bytes).text);
    }
    (void)snprintf(text, sizeof(text), "%.1f GB/s by one core, %.1f by all", memory->read_one,
                   memory->read_all);
    put_fact(to, "memory read", text);
    (void)snprintf(text, sizeof(text), "%.1f GB/s by one core, %.1f by all", memory->copy_one,
                   memory->copy_all);
    put_fact(to, "memory copied", text);
    if (result->wish != NULL) {
        (void)snprintf(text, sizeof(text), "%u rounds, sums %s, %u workers, memory bound %s",
                       result->wish->run_count, result->sums, result->worker_count,
                       result->memory_bound_bytes > 0 ? out_bytes(result->memory_bound_bytes).text
                                                      : "as it is by default");
        put_fact(to, "merges", text);
    }
    put_fact(to, "measured", machine->when);
    (void)fputs("</tbody></table>", to);
    html_scroll_close(to);
    (void)fputs("</section>\n", to);
}

/* ---- Merges ---- */

static void put_group_title(FILE *to, const struct bench_group *group)
{
    (void)fprintf(to, "<h3>%s, base and %u %s of %s</h3>\n", onefold_dtype_name(group->dtype),
                  group->model_count, group->model_count == 1 ? "model" : "models",
                  out_bytes(group->model_bytes).text);
}

/* Of the merges, so that panels of one group can be compared with one another. */
static double largest_ratio(const struct bench_result *result, const struct bench_group *group,
                            bool merges)
{
    double largest = 0;

    for (uint32_t i = 0; i < group->job_count; i++) {
        const struct bench_job *job = &group->jobs[i];
        struct bench_span span;

        if ((job->kind == BENCH_MERGE) == merges &&
            bench_span_of(result, group, job, BENCH_RATIO, &span) && span.max > largest) {
            largest = span.max;
        }
    }
    return largest;
}

static void put_skipped(FILE *to, const struct bench_group *group)
{
    bool open = false;

    for (uint32_t i = 0; i < group->job_count; i++) {
        const struct bench_job *job = &group->jobs[i];

        if (!bench_skip_is_new(group, i)) {
            continue;
        }
        (void)fputs(open ? "" : "<ul class=\"findings\">\n", to);
        open = true;
        (void)fputs("<li class=\"note\"><p><b>Skipped</b>", to);
        html_text(to, bench_job_name(job));
        (void)fputs(": ", to);
        html_text(to, job->skipped);
        (void)fputs("</p></li>\n", to);
    }
    (void)fputs(open ? "</ul>\n" : "", to);
}

static void put_merges(FILE *to, const struct bench_result *result)
{
    open_section(to, "merges", "Merges");
    (void)fputs("<p>Time over the time that the same bytes take when they are only read and "
                "written, with direct I/O, in the same round. Bars show the middle round, lines "
                "the least and the largest.</p>\n",
                to);
    for (uint32_t i = 0; i < result->group_count; i++) {
        const struct bench_group *group = &result->groups[i];
        const double largest = largest_ratio(result, group, true);

        put_group_title(to, group);
        put_skipped(to, group);
        (void)fputs("<div class=\"charts\">\n", to);
        for (uint32_t k = 0; k < result->wish->rule_count; k++) {
            bench_html_ratios(to, result, group, &result->wish->rules[k], largest);
        }
        bench_html_ratios(to, result, group, NULL, largest_ratio(result, group, false));
        (void)fputs("</div>\n", to);
    }
    (void)fputs("</section>\n", to);
}

static void put_times(FILE *to, const struct bench_result *result)
{
    open_section(to, "time", "Where the time went");
    (void)fputs("<p>Shares of the time of the middle round. They overlap: device, workers and hash "
                "thread work side by side, and what is near 100% is the limit.</p>\n",
                to);
    for (uint32_t i = 0; i < result->group_count; i++) {
        put_group_title(to, &result->groups[i]);
        (void)fputs("<div class=\"charts\">\n", to);
        for (uint32_t k = 0; k < result->wish->rule_count; k++) {
            bench_html_times(to, result, &result->groups[i], &result->wish->rules[k]);
        }
        (void)fputs("</div>\n", to);
    }
    (void)fputs("</section>\n", to);
}

/* ---- Tables ---- */

struct column {
    const char *name;
    enum bench_value value;
    int part; /* of the span: 0 least, 1 middle, 2 largest */
    int decimals;
    double factor;
};

static const struct column columns[] = {
    {"&#215; raw, least", BENCH_RATIO, 0, 2, 1},
    {"&#215; raw, middle", BENCH_RATIO, 1, 2, 1},
    {"&#215; raw, largest", BENCH_RATIO, 2, 2, 1},
    {"&#215; cat", BENCH_RATIO_CAT, 1, 2, 1},
    {"seconds", BENCH_SECONDS, 1, 3, 1},
    {"GB/s", BENCH_SPEED, 1, 2, 1},
    {"CPU seconds", BENCH_CPU_SECONDS, 1, 2, 1},
    {"CPU s per GB", BENCH_CPU_PER_GB, 1, 3, 1},
    {"peak MiB", BENCH_PEAK_MIB, 1, 0, 1},
    {"cached MiB", BENCH_CACHE_MIB, 1, 0, 1},
    {"device %", BENCH_DEVICE, 1, 0, 100},
    {"workers %", BENCH_WORKERS, 1, 0, 100},
    {"hash %", BENCH_HASH, 1, 0, 100},
    {"ends %", BENCH_OUTSIDE, 1, 0, 100},
};

enum { COLUMN_COUNT = sizeof(columns) / sizeof(columns[0]) };

static void put_row(FILE *to, const struct bench_result *result, const struct bench_group *group,
                    const struct bench_job *job)
{
    (void)fputs("<tr><th scope=\"row\">", to);
    html_name(to, bench_job_name(job));
    if (job->kind == BENCH_RAW) {
        (void)fprintf(to, "%s, %u read%s%s", bench_raw_way_words[job->raw_way], job->passes,
                      job->passes > 1 ? "s" : "", job->with_base ? "" : ", no base");
    } else if (job->kind == BENCH_CAT && !job->with_base) {
        (void)fputs(", no base", to);
    }
    (void)fprintf(to, "</th><td>%s</td><td>%s</td>", job->io != NULL ? job->io : "&#8211;",
                  job->kind == BENCH_RAW ? "&#8211;" : bench_cache_words[job->cache]);
    for (int i = 0; i < COLUMN_COUNT; i++) {
        struct bench_span span;
        double value = (double)NAN;

        if (bench_span_of(result, group, job, columns[i].value, &span)) {
            value = columns[i].part == 0 ? span.min : columns[i].part == 1 ? span.median : span.max;
        }
        (void)fprintf(to, "<td>%s</td>",
                      html_fixed(value * columns[i].factor, columns[i].decimals).text);
    }
    (void)fputs("</tr>\n", to);
}

static void put_numbers(FILE *to, const struct bench_result *result)
{
    open_section(to, "numbers", "All numbers");
    for (uint32_t i = 0; i < result->group_count; i++) {
        const struct bench_group *group = &result->groups[i];

        put_group_title(to, group);
        html_scroll_open(to, "Table of the merges", group->job_count > 20);
        (void)fputs("<table><thead><tr><th scope=\"col\">what</th><th scope=\"col\">I/O</th>"
                    "<th scope=\"col\">page cache</th>",
                    to);
        for (int k = 0; k < COLUMN_COUNT; k++) {
            (void)fprintf(to, "<th scope=\"col\">%s</th>", columns[k].name);
        }
        (void)fputs("</tr></thead><tbody>\n", to);
        for (int kind = BENCH_RAW; kind <= BENCH_MERGE; kind++) {
            for (uint32_t k = 0; k < group->job_count; k++) {
                if ((int)group->jobs[k].kind == kind) {
                    put_row(to, result, group, &group->jobs[k]);
                }
            }
        }
        (void)fputs("</tbody></table>", to);
        html_scroll_close(to);
    }
    (void)fputs("</section>\n", to);
}

static void put_kernels(FILE *to, const struct bench_result *result)
{
    open_section(to, "kernels", "Kernels");
    (void)fprintf(to,
                  "<p>GB/s of all arrays that a kernel reads, by one core, arrays of one grain, "
                  "which the second-level cache holds. The line is what one core reads from memory "
                  "here, %s GB/s: a kernel beyond it waits for memory in a merge.</p>\n"
                  "<div class=\"charts\">\n",
                  html_num(result->memory.read_one).text);
    bench_html_kernels(to, result);
    (void)fputs("</div></section>\n", to);
}

static void put_terms(FILE *to, const struct bench_result *result)
{
    open_section(to, "terms", "Terms");
    (void)fputs(
        "<dl class=\"terms\">\n"
        "<dt>Raw limit</dt><dd>The bytes that the merge reads and writes, read and written with "
        "direct I/O from and to huge pages, synced, nothing computed. Looked at: every line of "
        "what was read is loaded into a CPU, as no program can avoid that uses it. 512 KiB: with "
        "requests half as long, which some disks like better.</dd>\n"
        "<dt>Cold, warm</dt><dd>Inputs taken out of the page cache before, or read into it.</dd>\n"
        "<dt>cat, cat + cp</dt><dd>All inputs to /dev/null; that, and then the base copied and "
        "synced.</dd>\n"
        "<dt>Peak</dt><dd>Resident memory of the process at the most.</dd>\n"
        "<dt>Cached</dt><dd>Pages of inputs and output that the run left in the page cache and "
        "that "
        "were not there before.</dd>\n"
        "<dt>Device, workers, hash, ends</dt><dd>Shares of the time: nothing to do but wait for "
        "reads and writes; workers computing; whole-file sums being computed; start, "
        "plan and end of the process.</dd>\n"
        "</dl></section>\n",
        to);
    (void)fputs("</main>\n<footer>onefold " ONEFOLD_VERSION ", ", to);
    html_text(to, result->machine.when);
    (void)fputs("</footer>\n</body>\n</html>\n", to);
}

void bench_html_page(FILE *to, const void *context)
{
    const struct bench_result *result = context;

    put_head(to, result);
    put_machine(to, result);
    if (result->wish != NULL) {
        put_merges(to, result);
        put_times(to, result);
        put_numbers(to, result);
    }
    put_kernels(to, result);
    put_terms(to, result);
}
