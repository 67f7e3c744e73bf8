/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drawings over the layers of the stacks: a small panel of norms for each input before the range of
 * all, and lines for cosine, norm ratio and agreement. Tensors outside a stack are in the tables.
 */
#include "compare_html_parts.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* One point of a line: neighbouring layers when there are more than fit. */
struct point {
    const onefold_compare_group *first;
    const onefold_compare_group *last;
    bool starts; /* first of its stack: the line begins anew */
};

struct layers {
    uint64_t count; /* layers in stacks */
    uint32_t point_count;
    struct point points[HTML_POINTS_MAX];
};

struct plot {
    double left, right, top, bottom; /* pixels */
    double low, high;                /* values */
    bool log;
    uint32_t point_count;
};

/* What a line shows of a group; `input` matters for norms only. */
typedef double quantity_fn(const onefold_compare_group *group, uint32_t input);

static double quantity_norm(const onefold_compare_group *group, uint32_t input)
{
    return html_at(group->norms, input);
}

static double quantity_cosine(const onefold_compare_group *group, uint32_t input)
{
    (void)input;
    return group->mean_cosine;
}

static double quantity_ratio(const onefold_compare_group *group, uint32_t input)
{
    (void)input;
    return group->norm_ratio;
}

static double quantity_agreement(const onefold_compare_group *group, uint32_t input)
{
    (void)input;
    return group->agreement_mean;
}

/* ---- Layers to points ---- */

static bool same_stack(const char *a, const char *b)
{
    const uint64_t length = html_stack_length(a);

    return length == html_stack_length(b) && memcmp(a, b, length) == 0;
}

static void layers_init(struct layers *layers, const onefold_compare_result *result)
{
    const onefold_compare_group *previous = NULL;
    uint64_t group_count;
    uint64_t index = 0;
    const onefold_compare_group *groups = html_groups(result, ONEFOLD_GROUP_LAYER, &group_count);

    layers->count = 0;
    for (uint64_t i = 0; i < group_count; i++) {
        layers->count += html_stack_length(groups[i].name) > 0 ? 1 : 0;
    }
    layers->point_count =
        layers->count < HTML_POINTS_MAX ? (uint32_t)layers->count : HTML_POINTS_MAX;
    for (uint64_t i = 0; i < group_count; i++) {
        if (layers->count > 0 && html_stack_length(groups[i].name) > 0) {
            struct point *point = &layers->points[index * layers->point_count / layers->count];

            if (point->first == NULL) {
                point->first = &groups[i];
                point->starts = previous == NULL || !same_stack(previous->name, groups[i].name);
            }
            point->last = &groups[i];
            previous = &groups[i];
            index++;
        }
    }
}

/* Mean of the finite values of the layers that share a point; NaN when there are none. */
static double point_value(const struct point *point, quantity_fn *quantity, uint32_t input)
{
    double sum = 0;
    uint32_t count = 0;

    for (const onefold_compare_group *group = point->first; group != NULL && group <= point->last;
         group++) {
        const double value = quantity(group, input);

        if (html_stack_length(group->name) > 0 && isfinite(value)) {
            sum += value;
            count++;
        }
    }
    return count == 0 ? (double)NAN : sum / count;
}

/* ---- Scales ---- */

/* The next of a few round numbers: ends of scales that read well. */
static double round_up(double value)
{
    static const double round[] = {1, 1.5, 2, 2.5, 3, 4, 5, 6, 8};
    const double unit = value > 0 ? pow(10, floor(log10(value))) : 1;

    for (uint64_t i = 0; i < sizeof(round) / sizeof(round[0]); i++) {
        if (value <= round[i] * unit) {
            return value <= 0 ? 0 : round[i] * unit;
        }
    }
    return 10 * unit;
}

static double plot_x(const struct plot *plot, uint32_t point)
{
    const double share =
        plot->point_count < 2 ? 0.5 : (double)point / (double)(plot->point_count - 1);

    return plot->left + (plot->right - plot->left) * share;
}

static double plot_y(const struct plot *plot, double value)
{
    const double inside = fmin(fmax(value, plot->low), plot->high);
    const double share = plot->log ? log(inside / plot->low) / log(plot->high / plot->low)
                                   : (inside - plot->low) / (plot->high - plot->low);

    return plot->bottom - (plot->bottom - plot->top) * share;
}

static void put_rule(FILE *to, const struct plot *plot, double value, const char *class, bool label)
{
    const double y = plot_y(plot, value);

    (void)fprintf(to, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", class,
                  plot->left, y, plot->right, y);
    if (label) {
        (void)fprintf(to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
                      plot->left - 6, y + 4.5, html_tick(value).text);
    }
}

/* Numbers of the first and last layer, and of the ends of stacks when there are few of them. */
static void put_layer_numbers(FILE *to, const struct plot *plot, const struct layers *layers)
{
    const uint32_t end = layers->point_count - 1;
    uint32_t starts = 0;
    double free_from = -1;

    for (uint32_t i = 0; i <= end; i++) {
        starts += layers->points[i].starts ? 1 : 0;
    }
    for (uint32_t i = 0; i <= end; i++) {
        const struct point *point = &layers->points[i];
        const bool last = i == end || layers->points[i + 1].starts;
        const bool wanted = i == 0 || i == end || (starts <= 4 && (point->starts || last));
        const onefold_compare_group *group = last && !point->starts ? point->last : point->first;
        const double x = plot_x(plot, i);

        /* A label is some 24 pixels wide, and the last one must find its place. */
        if (!wanted || group == NULL || x <= free_from || (i != end && x > plot->right - 28)) {
            continue;
        }
        (void)fprintf(to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>", x,
                      plot->bottom + 16,
                      i == 0 && end > 0   ? "start"
                      : i == end && i > 0 ? "end"
                                          : "middle",
                      html_layer_number(group->name));
        free_from = x + 28;
    }
}

static void put_line(FILE *to, const struct plot *plot, const struct layers *layers,
                     quantity_fn *quantity, uint32_t input)
{
    bool down = false;

    (void)fputs("<path class=\"line\" d=\"", to);
    for (uint32_t i = 0; i < layers->point_count; i++) {
        const double value = point_value(&layers->points[i], quantity, input);

        if (isnan(value)) {
            down = false;
            continue;
        }
        down = down && !layers->points[i].starts;
        /* "h0" draws a dot where a line has one point only. */
        (void)fprintf(to, "%c%.1f,%.1f%s", down ? 'L' : 'M', plot_x(plot, i), plot_y(plot, value),
                      down ? "" : "h0");
        down = true;
    }
    (void)fputs("\"/>", to);
}

/* ---- Norms, one panel for each input ---- */

struct range {
    double low[HTML_POINTS_MAX];
    double high[HTML_POINTS_MAX];
    double smallest_peak; /* of the inputs' largest values */
    double largest_peak;
    double smallest; /* positive value */
};

static void range_of(struct range *range, const onefold_compare_result *result,
                     const struct layers *layers)
{
    *range = (struct range){.smallest_peak = (double)INFINITY, .smallest = (double)INFINITY};
    for (uint32_t i = 0; i < layers->point_count; i++) {
        range->low[i] = (double)NAN;
        range->high[i] = (double)NAN;
    }
    for (uint32_t t = 0; t < result->input_count; t++) {
        double peak = 0;

        for (uint32_t i = 0; i < layers->point_count; i++) {
            const double value = point_value(&layers->points[i], quantity_norm, t);

            range->low[i] = fmin(range->low[i], value);
            range->high[i] = fmax(range->high[i], value);
            peak = fmax(peak, value);
            range->smallest = value > 0 ? fmin(range->smallest, value) : range->smallest;
        }
        range->smallest_peak = peak > 0 ? fmin(range->smallest_peak, peak) : range->smallest_peak;
        range->largest_peak = fmax(range->largest_peak, peak);
    }
}

static void put_band(FILE *to, const struct plot *plot, const struct layers *layers,
                     const struct range *range)
{
    uint32_t begin = 0;

    (void)fputs("<path id=\"norm-band\" class=\"band\" d=\"", to);
    while (begin < layers->point_count) {
        uint32_t end = begin;

        if (isnan(range->low[begin])) {
            begin++;
            continue;
        }
        while (end < layers->point_count && !isnan(range->low[end]) &&
               (end == begin || !layers->points[end].starts)) {
            end++;
        }
        for (uint32_t i = begin; i < end; i++) {
            (void)fprintf(to, "%c%.1f,%.1f", i == begin ? 'M' : 'L', plot_x(plot, i),
                          plot_y(plot, range->high[i]));
        }
        for (uint32_t i = end; i-- > begin;) {
            (void)fprintf(to, "L%.1f,%.1f", plot_x(plot, i), plot_y(plot, range->low[i]));
        }
        (void)fputs("z", to);
        begin = end;
    }
    (void)fputs("\"/>", to);
}

static void put_panel(FILE *to, const onefold_compare_result *result, const struct layers *layers,
                      const struct plot *plot, const struct range *range, uint32_t input)
{
    uint64_t count;
    const onefold_compare_group *model = html_groups(result, ONEFOLD_GROUP_MODEL, &count);

    (void)fprintf(to, "<figure class=\"panel\"><h3><span class=\"no\">%" PRIu32 "</span> ",
                  input + 1);
    html_text(to, result->names[input]);
    (void)fprintf(to,
                  "</h3><svg role=\"img\" aria-labelledby=\"norm%" PRIu32 "-title norm%" PRIu32
                  "-desc\" viewBox=\"0 0 200 104\" font-size=\"12\"><title id=\"norm%" PRIu32
                  "-title\">Norm per layer of ",
                  input, input, input);
    html_text(to, result->names[input]);
    (void)fprintf(to,
                  "</title><desc id=\"norm%" PRIu32
                  "-desc\">Line: this model. Grey band: smallest to largest of all models.</desc>",
                  input);
    if (result->input_count > 1 && input == 0) {
        put_band(to, plot, layers, range);
    } else if (result->input_count > 1) {
        (void)fputs("<use href=\"#norm-band\"/>", to);
    }
    put_rule(to, plot, plot->high, "grid", true);
    put_rule(to, plot, plot->low, "axis", true);
    put_line(to, plot, layers, quantity_norm, input);
    put_layer_numbers(to, plot, layers);
    (void)fprintf(to, "</svg><figcaption>whole model %s</figcaption></figure>\n",
                  html_num(model == NULL ? (double)NAN : html_at(model->norms, input)).text);
}

static void put_panels_lead(FILE *to, const onefold_compare_result *result,
                            const struct layers *layers, const struct plot *plot)
{
    (void)fputs("<p class=\"soft\">Length of the task vector in each layer, left to right in the "
                "order of the layers",
                to);
    if (result->input_count > 1) {
        (void)fputs("; one scale for all panels. The grey band runs from the smallest to the "
                    "largest of all models",
                    to);
    }
    (void)fprintf(to, ".%s", plot->log ? " The scale is logarithmic." : "");
    if (layers->count > layers->point_count) {
        (void)fprintf(to, " The %s layers share %" PRIu32 " points: each is a mean of neighbours.",
                      html_count(layers->count).text, layers->point_count);
    }
    if (result->input_count > HTML_PANELS_MAX) {
        (void)fprintf(to, " Shown are the first %d of %" PRIu32 " models.", HTML_PANELS_MAX,
                      result->input_count);
    }
    (void)fputs("</p>\n", to);
}

void html_layer_panels(FILE *to, const onefold_compare_result *result)
{
    static const struct plot empty = {.left = 34, .right = 196, .top = 8, .bottom = 82};
    struct layers layers = {0};
    struct range range;
    struct plot plot = empty;

    layers_init(&layers, result);
    if (layers.point_count == 0) {
        (void)fputs("<p class=\"soft\">No tensor belongs to a numbered layer.</p>\n", to);
        return;
    }
    range_of(&range, result, &layers);
    plot.point_count = layers.point_count;
    plot.high = round_up(range.largest_peak);
    plot.high = plot.high > 0 ? plot.high : 1;
    /* Far apart, the smaller models would lie flat on the axis. */
    plot.log = isfinite(range.smallest_peak) && range.largest_peak > 8 * range.smallest_peak;
    if (plot.log) {
        plot.low = fmax(range.smallest, plot.high * 1e-5);
        plot.low = pow(10, floor(log10(plot.low)));
    }
    put_panels_lead(to, result, &layers, &plot);
    (void)fputs("<div class=\"panels\">\n", to);
    for (uint32_t t = 0; t < result->input_count && t < HTML_PANELS_MAX; t++) {
        put_panel(to, result, &layers, &plot, &range, t);
    }
    (void)fputs("</div>\n", to);
}

/* ---- Lines over the layers ---- */

struct layer_chart {
    const char *id;
    const char *title;
    const char *caption;
    quantity_fn *quantity;
    double reference; /* finite; always on the scale, drawn as a dashed line */
};

static void put_layer_chart(FILE *to, const struct layers *layers, const struct layer_chart *chart)
{
    struct plot plot = {.left = 46, .right = 334, .top = 10, .bottom = 118};
    double low = chart->reference;
    double high = low;
    double step;
    bool any = false;

    plot.point_count = layers->point_count;
    for (uint32_t i = 0; i < layers->point_count; i++) {
        const double value = point_value(&layers->points[i], chart->quantity, 0);

        low = fmin(low, value);
        high = fmax(high, value);
        any = any || !isnan(value);
    }
    if (!any) {
        return;
    }
    /* The ends are round numbers, at most a quarter of the span away. */
    step = high > low ? round_up((high - low) / 4) : 1;
    plot.low = floor(low / step) * step;
    plot.high = high > low ? ceil(high / step) * step : plot.low + step;
    (void)fprintf(to,
                  "<figure class=\"panel\"><h3>%s</h3><svg role=\"img\" aria-labelledby=\"%s-title "
                  "%s-desc\" viewBox=\"0 0 340 140\" font-size=\"13\"><title "
                  "id=\"%s-title\">%s</title><desc id=\"%s-desc\">A line over the layers, left to "
                  "right in their order; the numbers are in the table of layers.</desc>",
                  chart->title, chart->id, chart->id, chart->id, chart->title, chart->id);
    put_rule(to, &plot, plot.high, "grid", true);
    put_rule(to, &plot, plot.low, "axis", true);
    /* Its label must not lie on those of the ends. */
    put_rule(to, &plot, chart->reference, "dash",
             plot_y(&plot, chart->reference) > plot.top + 14 &&
                 plot_y(&plot, chart->reference) < plot.bottom - 14);
    put_line(to, &plot, layers, chart->quantity, 0);
    put_layer_numbers(to, &plot, layers);
    (void)fprintf(to, "</svg><figcaption>%s</figcaption></figure>\n", chart->caption);
}

void html_layer_charts(FILE *to, const onefold_compare_result *result)
{
    uint64_t count;
    const onefold_compare_group *model = html_groups(result, ONEFOLD_GROUP_MODEL, &count);
    struct layers layers = {0};

    layers_init(&layers, result);
    if (layers.point_count == 0 || model == NULL) {
        return;
    }
    (void)fputs("<div class=\"charts\">\n", to);
    put_layer_chart(to, &layers,
                    &(struct layer_chart){"lcos", "Mean cosine",
                                          "Mean over all pairs of models; dashed: 0, unrelated.",
                                          quantity_cosine, 0});
    put_layer_chart(to, &layers,
                    &(struct layer_chart){"lratio", "Norm ratio",
                                          "Largest norm over smallest; dashed: 1, equal.",
                                          quantity_ratio, 1});
    put_layer_chart(to, &layers,
                    &(struct layer_chart){
                        "lsign", "Sign agreement",
                        "Mean agreement; dashed: what independent fair signs "
                        "would give.",
                        quantity_agreement,
                        isfinite(model->agreement_null_mean) ? model->agreement_null_mean : 0});
    (void)fputs("</div>\n", to);
}
