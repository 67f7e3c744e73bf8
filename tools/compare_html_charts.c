/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drawings of whole models: the cosine heat map, the histogram of sign agreement, the gauges. Every
 * number that colour or length shows is written as well, in the drawing or in the table beside it.
 */
#include "compare_html_parts.h"

#include <inttypes.h>
#include <math.h>

/* ---- Gauges ---- */

void html_gauge(FILE *to, double low, double high, double value, double mark)
{
    const double span = high - low;

    (void)fputs("<svg class=\"gauge\" viewBox=\"0 0 200 16\" aria-hidden=\"true\">"
                "<rect class=\"track\" x=\"6\" y=\"6\" width=\"188\" height=\"4\" rx=\"2\"/>",
                to);
    if (!isnan(mark) && mark >= low && mark <= high) {
        const double x = 6 + 188 * (mark - low) / span;

        (void)fprintf(to, "<line class=\"mark\" x1=\"%.1f\" y1=\"1\" x2=\"%.1f\" y2=\"15\"/>", x,
                      x);
    }
    if (!isnan(value)) {
        const double inside = value < low ? low : value > high ? high : value;

        (void)fprintf(to, "<circle class=\"dot\" cx=\"%.1f\" cy=\"8\" r=\"6\"/>",
                      6 + 188 * (inside - low) / span);
    }
    (void)fputs("</svg>", to);
}

/* ---- Heat map ---- */

struct map {
    uint32_t count; /* inputs shown */
    uint32_t cell_width;
    uint32_t cell_height;
    uint32_t name_columns; /* of the longest name shown; 0: numbers only */
    uint32_t left;         /* where the cells begin */
    uint32_t top;
    bool values; /* cells are large enough for their numbers */
};

static struct map map_of(const onefold_compare_result *result)
{
    struct map map = {.count = result->input_count, .top = 22};

    if (map.count > HTML_MAP_MAX) {
        map.count = HTML_MAP_MAX;
    }
    map.values = map.count <= 16;
    map.cell_width = map.count <= 8 ? 36 : map.count <= 16 ? 36 : map.count <= 32 ? 20 : 11;
    map.cell_height = map.count <= 16 ? 30 : map.cell_width;
    for (uint32_t t = 0; map.cell_height >= 20 && t < map.count; t++) {
        const uint32_t columns = html_text_width(result->names[t], 14);

        map.name_columns = columns > map.name_columns ? columns : map.name_columns;
    }
    map.left = 28 + map.name_columns * 7;
    return map;
}

/* Steps are finer near 0, where the cosines of fine-tunes lie: square root of the size. */
static void put_step(FILE *to, double cosine)
{
    const int step = isnan(cosine) ? 0 : (int)lround(10 * sqrt(fmin(fabs(cosine), 1)));

    if (step == 0) {
        (void)putc('z', to);
    } else {
        (void)fprintf(to, "%c%d", cosine < 0 ? 'n' : 'p', step);
    }
}

static void put_cell(FILE *to, const struct map *map, uint32_t row, uint32_t column, double cosine)
{
    const uint32_t x = map->left + column * map->cell_width;
    const uint32_t y = map->top + row * map->cell_height;

    (void)fputs("<g class=\"", to);
    put_step(to, row == column && !isnan(cosine) ? 0 : cosine);
    (void)fprintf(to,
                  "\"><title>%" PRIu32 " and %" PRIu32 ": %s</title><rect x=\"%" PRIu32
                  "\" y=\"%" PRIu32 "\" width=\"%" PRIu32 "\" height=\"%" PRIu32 "\"/>",
                  row + 1, column + 1, html_fixed(cosine, 3).text, x, y, map->cell_width - 1,
                  map->cell_height - 1);
    if (map->values) {
        (void)fprintf(to, "<text x=\"%" PRIu32 "\" y=\"%" PRIu32 "\">%s</text>",
                      x + map->cell_width / 2, y + map->cell_height / 2 + 4,
                      row == column && !isnan(cosine) ? "1" : html_fixed(cosine, 2).text);
    }
    (void)fputs("</g>", to);
}

static void put_map_labels(FILE *to, const struct map *map, const onefold_compare_result *result)
{
    /* In the smallest cells only every fourth number has room. */
    const uint32_t every = map->cell_width < 16 ? 4 : 1;

    for (uint32_t t = 0; t < map->count; t++) {
        const uint32_t y = map->top + t * map->cell_height + map->cell_height / 2 + 4;

        if (t % every != 0) {
            continue;
        }
        (void)fprintf(to,
                      "<text x=\"%" PRIu32 "\" y=\"14\" text-anchor=\"middle\">%" PRIu32
                      "</text><text x=\"%" PRIu32 "\" y=\"%" PRIu32
                      "\" text-anchor=\"end\">%" PRIu32 "</text>",
                      map->left + t * map->cell_width + map->cell_width / 2, t + 1, map->left - 7,
                      y, t + 1);
        if (map->name_columns > 0) {
            (void)fprintf(to, "<text class=\"ink\" x=\"0\" y=\"%" PRIu32 "\"><title>", y);
            html_text(to, result->names[t]);
            (void)fputs("</title>", to);
            html_text_short(to, result->names[t], 14);
            (void)fputs("</text>", to);
        }
    }
}

/* The scale under the map, with the numbers at which the steps lie. */
static void put_map_scale(FILE *to)
{
    static const double ticks[] = {-1, -0.5, -0.2, 0, 0.2, 0.5, 1};

    (void)fputs("<svg viewBox=\"0 0 300 34\" width=\"300\" height=\"34\" aria-hidden=\"true\">",
                to);
    for (int step = -10; step <= 10; step++) {
        (void)fputs("<g class=\"", to);
        put_step(to, (step < 0 ? -1 : 1) * (double)(step * step) / 100);
        (void)fprintf(to, "\"><rect x=\"%d\" y=\"2\" width=\"13\" height=\"12\"/></g>",
                      13 + (step + 10) * 13);
    }
    for (uint64_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
        const double place = (ticks[i] < 0 ? -1 : 1) * sqrt(fabs(ticks[i]));

        (void)fprintf(to,
                      "<text x=\"%.1f\" y=\"29\" font-size=\"11\" text-anchor=\"middle\">%s</text>",
                      13 + 10.5 * 13 + place * 130,
                      html_fixed(ticks[i], fabs(ticks[i]) == 1 || ticks[i] == 0 ? 0 : 1).text);
    }
    (void)fputs("</svg>", to);
}

void html_heat_map(FILE *to, const onefold_compare_result *result,
                   const onefold_compare_group *model)
{
    const struct map map = map_of(result);
    const uint32_t width = map.left + map.count * map.cell_width;
    const uint32_t height = map.top + map.count * map.cell_height;

    (void)fputs("<figure class=\"map\">", to);
    html_scroll_open(to, "Cosine heat map", false);
    (void)fprintf(to,
                  "<svg role=\"img\" aria-labelledby=\"map-title map-desc\" viewBox=\"0 0 %" PRIu32
                  " %" PRIu32 "\" width=\"%" PRIu32 "\" height=\"%" PRIu32
                  "\" style=\"min-width:%" PRIu32 "px\" font-size=\"12\">"
                  "<title id=\"map-title\">Cosines between the task vectors</title>"
                  "<desc id=\"map-desc\">One row and one column for each model. The numbers are in "
                  "the table below the drawing.</desc>",
                  width, height, width, height, width * 17 / 20);
    put_map_labels(to, &map, result);
    (void)fputs("<g text-anchor=\"middle\" font-size=\"11\">", to);
    for (uint32_t row = 0; row < map.count; row++) {
        for (uint32_t column = 0; column < map.count; column++) {
            put_cell(to, &map, row, column,
                     html_at(model->cosine, (uint64_t)row * result->input_count + column));
        }
    }
    (void)fputs("</g></svg>", to);
    html_scroll_close(to);
    put_map_scale(to);
    if (map.count < result->input_count) {
        (void)fprintf(to, "<figcaption>The first %" PRIu32 " of %" PRIu32 " models.</figcaption>",
                      map.count, result->input_count);
    }
    (void)fputs("</figure>\n", to);
}

/* ---- Histogram ---- */

struct bars {
    uint64_t total; /* elements */
    uint32_t count;
    uint32_t levels; /* levels that share a bar */
    double top;      /* share at the upper end of the scale */
    double step;     /* pixels per bar */
};

enum { BARS_LEFT = 40, BARS_RIGHT = 350, BARS_TOP = 12, BARS_BOTTOM = 158 };

static double observed_share(const onefold_compare_result *result, const struct bars *bars,
                             const onefold_compare_group *model, uint32_t bar)
{
    uint64_t sum = 0;

    for (uint32_t k = bar * bars->levels; k < (bar + 1) * bars->levels && k <= result->input_count;
         k++) {
        sum += model->agreement[k];
    }
    return bars->total == 0 ? 0 : (double)sum / (double)bars->total;
}

static double chance_share(const onefold_compare_result *result, const struct bars *bars,
                           const onefold_compare_group *model, uint32_t bar)
{
    double sum = 0;

    for (uint32_t k = bar * bars->levels; k < (bar + 1) * bars->levels && k <= result->input_count;
         k++) {
        sum += model->agreement_null[k];
    }
    return sum;
}

static struct bars bars_of(const onefold_compare_result *result, const onefold_compare_group *model)
{
    static const double tops[] = {0.04, 0.08, 0.12, 0.2, 0.32, 0.4, 0.6, 0.8, 1};
    struct bars bars = {.total = html_agreement_total(result, model)};
    double largest = 0;

    bars.levels = result->input_count / HTML_BARS_MAX + 1;
    bars.count = result->input_count / bars.levels + 1;
    bars.step = (double)(BARS_RIGHT - BARS_LEFT) / bars.count;
    for (uint32_t bar = 0; bar < bars.count; bar++) {
        largest = fmax(largest, observed_share(result, &bars, model, bar));
        largest = fmax(largest, chance_share(result, &bars, model, bar));
    }
    bars.top = 1;
    for (uint64_t i = sizeof(tops) / sizeof(tops[0]); i-- > 0;) {
        bars.top = tops[i] >= largest ? tops[i] : bars.top;
    }
    return bars;
}

static double bar_y(const struct bars *bars, double share)
{
    return BARS_BOTTOM - (BARS_BOTTOM - BARS_TOP) * share / bars->top;
}

static void put_bars_axes(FILE *to, const struct bars *bars)
{
    const uint32_t every = (bars->count + 12) / 13;

    for (int i = 0; i <= 4; i++) {
        const double share = bars->top * i / 4;

        (void)fprintf(to,
                      "<line class=\"%s\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>"
                      "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s%%</text>",
                      i == 0 ? "axis" : "grid", BARS_LEFT, bar_y(bars, share), BARS_RIGHT,
                      bar_y(bars, share), BARS_LEFT - 5, bar_y(bars, share) + 4,
                      html_fixed(100 * share, fmod(bars->top * 25, 1) > 0.001 ? 1 : 0).text);
    }
    for (uint32_t bar = 0; bar < bars->count; bar += every) {
        (void)fprintf(to, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%" PRIu32 "</text>",
                      BARS_LEFT + (bar + 0.5) * bars->step, BARS_BOTTOM + 15, bar * bars->levels);
    }
    (void)fprintf(to,
                  "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">agreement: size of the sum of "
                  "the signs</text>",
                  (BARS_LEFT + BARS_RIGHT) / 2, BARS_BOTTOM + 32);
}

void html_histogram(FILE *to, const onefold_compare_result *result,
                    const onefold_compare_group *model)
{
    const struct bars bars = bars_of(result, model);

    (void)fputs(
        "<figure class=\"panel wide\">"
        "<svg role=\"img\" aria-labelledby=\"signs-title signs-desc\" viewBox=\"0 0 360 196\" "
        "font-size=\"11\"><title id=\"signs-title\">Histogram of sign agreement</title>"
        "<desc id=\"signs-desc\">Bars: share of elements at each level of agreement. Rings: the "
        "share that independent fair signs would give. The numbers are in the table "
        "below.</desc>",
        to);
    put_bars_axes(to, &bars);
    for (uint32_t bar = 0; bar < bars.count; bar++) {
        const double share = observed_share(result, &bars, model, bar);
        const double chance = chance_share(result, &bars, model, bar);
        const double x = BARS_LEFT + bar * bars.step;
        const double inset = bars.step * 0.14;

        (void)fprintf(to,
                      "<g><title>level %" PRIu32 ": %s, by chance %s</title>"
                      "<rect class=\"bar\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                      bar * bars.levels, html_percent(share).text, html_percent(chance).text,
                      x + inset, bar_y(&bars, share), bars.step - 2 * inset,
                      BARS_BOTTOM - bar_y(&bars, share));
        (void)fprintf(to,
                      "<line class=\"null\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
                      "<circle class=\"nulldot\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/></g>",
                      x + bars.step * 0.04, bar_y(&bars, chance), x + bars.step * 0.96,
                      bar_y(&bars, chance), x + bars.step / 2, bar_y(&bars, chance),
                      fmin(3.5, fmax(1.2, bars.step * 0.25)));
    }
    (void)fputs(
        "</svg><figcaption>"
        "<svg class=\"swatch\" viewBox=\"0 0 12 12\" width=\"12\" height=\"12\" "
        "aria-hidden=\"true\"><rect class=\"bar\" x=\"1\" y=\"1\" width=\"10\" height=\"10\"/>"
        "</svg>these models &#160; "
        "<svg class=\"swatch\" viewBox=\"0 0 22 12\" width=\"22\" height=\"12\" "
        "aria-hidden=\"true\"><line class=\"null\" x1=\"1\" y1=\"6\" x2=\"21\" y2=\"6\"/>"
        "<circle class=\"nulldot\" cx=\"11\" cy=\"6\" r=\"3.5\"/></svg>independent fair signs",
        to);
    if (bars.levels > 1) {
        (void)fprintf(to, "; each bar holds %" PRIu32 " levels", bars.levels);
    }
    (void)fputs("</figcaption></figure>\n", to);
}
