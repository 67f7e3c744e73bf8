/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of the HTML page: each scrolls in a box of its own, its first column stays in sight. */
#include "compare_html_parts.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void html_scroll_open(FILE *to, const char *label, bool tall)
{
    (void)fprintf(to, "<div class=\"scroll%s\" tabindex=\"0\" role=\"region\" aria-label=\"%s\">",
                  tall ? " tall" : "", label);
}

void html_scroll_close(FILE *to)
{
    (void)fputs("</div>\n", to);
}

static void put_head(FILE *to, const char *text)
{
    (void)fprintf(to, "<th scope=\"col\">%s</th>", text);
}

static void put_cell(FILE *to, struct html_number number)
{
    (void)fprintf(to, "<td>%s</td>", number.text);
}

/* A bar beside a number, as a share of the largest. */
static void put_mini(FILE *to, double share)
{
    if (isfinite(share) && share >= 0 && share <= 1) {
        (void)fprintf(to,
                      "<svg class=\"mini\" viewBox=\"0 0 60 8\" width=\"60\" height=\"8\" "
                      "aria-hidden=\"true\"><rect class=\"track\" x=\"0\" y=\"0\" width=\"60\" "
                      "height=\"8\" rx=\"2\"/><rect class=\"bar\" x=\"0\" y=\"0\" width=\"%.1f\" "
                      "height=\"8\" rx=\"2\"/></svg>",
                      60 * share);
    }
}

static void put_left_out(FILE *to, uint64_t shown, uint64_t all, const char *things)
{
    if (shown < all) {
        (void)fprintf(to, "<caption>The first %s of %s %s; <code>--json</code> has all.</caption>",
                      html_count(shown).text, html_count(all).text, things);
    }
}

/* ---- Models ---- */

/* Name of a rule as people know it. */
static const char *rule_name(const char *source)
{
    static const struct {
        const char *source;
        const char *name;
    } names[] = {{"average", "plain average"}, {"feddyn", "FedDyn server step"},
                 {"fedexp", "FedExP"},         {"inverse_norm", "inverse norm"},
                 {"metagpt", "MetaGPT"},       {"model_stock", "Model Stock, whole model"}};

    for (uint64_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i].source, source) == 0) {
            return names[i].name;
        }
    }
    return source;
}

/* A column for each rule that has a factor of its own for every input. */
static void put_lambdas(FILE *to, const onefold_compare_result *result, uint32_t input)
{
    for (uint64_t i = 0; i < result->step_count; i++) {
        if (result->steps[i].lambdas != NULL) {
            put_cell(to, html_num(input < result->input_count ? result->steps[i].lambdas[input]
                                                              : (double)NAN));
        }
    }
}

static void put_models_head(FILE *to, const onefold_compare_result *result)
{
    (void)fputs("<thead><tr>", to);
    put_head(to, "Model");
    put_head(to, "Norm of the<br/>task vector");
    put_head(to, "Recall at the<br/>planned step");
    put_head(to, "Interference<br/>/ own norm&#178;");
    put_head(to, "Exactly zero");
    if (html_any_nonfinite(result)) {
        put_head(to, "NaN");
        put_head(to, "Infinite");
    }
    for (uint64_t i = 0; i < result->step_count; i++) {
        if (result->steps[i].lambdas != NULL) {
            (void)fputs("<th scope=\"col\">&#955; of<br/>", to);
            html_text(to, rule_name(result->steps[i].source));
            (void)fputs("</th>", to);
        }
    }
    (void)fputs("</tr></thead>\n", to);
}

static void put_nonfinite(FILE *to, const onefold_compare_result *result,
                          const onefold_compare_group *group, uint32_t input)
{
    if (html_any_nonfinite(result)) {
        put_cell(to, html_count(group->nan_count[input]));
        put_cell(to, html_count(group->inf_count[input]));
    }
}

static void put_model_row(FILE *to, const onefold_compare_result *result,
                          const onefold_compare_group *model, uint32_t input, double largest)
{
    const double norm = html_at(model->norms, input);

    (void)fprintf(to, "<tr><th scope=\"row\"><span class=\"no\">%" PRIu32 "</span>&#160;",
                  input + 1);
    html_name(to, result->names[input]);
    (void)fprintf(to, "</th><td>%s", html_num(norm).text);
    put_mini(to, norm / largest);
    (void)fputs("</td>", to);
    put_cell(to, html_num(html_at(model->recall, input)));
    put_cell(
        to, html_num(norm > 0 ? html_at(model->interference, input) / (norm * norm) : (double)NAN));
    put_cell(to, model->zeros == NULL ? html_num((double)NAN)
                                      : html_share(model->zeros[input], model->elem_count));
    put_nonfinite(to, result, model, input);
    put_lambdas(to, result, input);
    (void)fputs("</tr>\n", to);
}

void html_models_table(FILE *to, const onefold_compare_result *result,
                       const onefold_compare_group *model)
{
    const uint32_t shown =
        result->input_count < HTML_ROWS_MAX ? result->input_count : HTML_ROWS_MAX;
    double largest = 0;

    for (uint32_t t = 0; t < result->input_count; t++) {
        largest = fmax(largest, html_at(model->norms, t));
    }
    html_scroll_open(to, "Table of the models", result->input_count > 12);
    (void)fputs("<table>", to);
    put_left_out(to, shown, result->input_count, "models");
    put_models_head(to, result);
    (void)fputs("<tbody>\n", to);
    for (uint32_t t = 0; t < shown; t++) {
        put_model_row(to, result, model, t, largest);
    }
    if (html_any_nonfinite(result)) {
        (void)fputs("<tr><th scope=\"row\">base: ", to);
        html_name(to, result->base_name);
        (void)fputs("</th><td>&#8211;</td><td>&#8211;</td><td>&#8211;</td><td>&#8211;</td>", to);
        put_nonfinite(to, result, model, result->input_count);
        put_lambdas(to, result, result->input_count);
        (void)fputs("</tr>\n", to);
    }
    (void)fputs("</tbody></table>", to);
    html_scroll_close(to);
}

/* ---- Cosines ---- */

void html_cosine_table(FILE *to, const onefold_compare_result *result,
                       const onefold_compare_group *model)
{
    const uint32_t shown = result->input_count < HTML_MAP_MAX ? result->input_count : HTML_MAP_MAX;

    (void)fputs("<details><summary>All cosines as a table</summary>\n", to);
    html_scroll_open(to, "Table of cosines", true);
    (void)fputs("<table>", to);
    put_left_out(to, shown, result->input_count, "models");
    (void)fputs("<thead><tr><th scope=\"col\">Model</th>", to);
    for (uint32_t t = 0; t < shown; t++) {
        (void)fprintf(to, "<th scope=\"col\">%" PRIu32 "</th>", t + 1);
    }
    (void)fputs("</tr></thead>\n<tbody>\n", to);
    for (uint32_t row = 0; row < shown; row++) {
        (void)fprintf(to, "<tr><th scope=\"row\"><span class=\"no\">%" PRIu32 "</span>&#160;",
                      row + 1);
        html_name(to, result->names[row]);
        (void)fputs("</th>", to);
        for (uint32_t column = 0; column < shown; column++) {
            put_cell(
                to, html_fixed(html_at(model->cosine, (uint64_t)row * result->input_count + column),
                               3));
        }
        (void)fputs("</tr>\n", to);
    }
    (void)fputs("</tbody></table>", to);
    html_scroll_close(to);
    (void)fputs("</details>\n", to);
}

enum { PAIRS_MAX = 5 };

struct pair {
    uint32_t first;
    uint32_t second;
    double cosine;
};

/* Keeps the pairs in `pairs` that come first in descending order of sign * cosine. */
static void keep_pair(struct pair *pairs, uint32_t *count, struct pair pair, double sign)
{
    uint32_t place = *count;

    while (place > 0 && sign * pair.cosine > sign * pairs[place - 1].cosine) {
        place--;
    }
    if (place >= PAIRS_MAX) {
        return;
    }
    *count += *count < PAIRS_MAX ? 1 : 0;
    for (uint32_t i = *count - 1; i > place; i--) {
        pairs[i] = pairs[i - 1];
    }
    pairs[place] = pair;
}

static void put_pairs(FILE *to, const onefold_compare_result *result, const char *title,
                      const struct pair *pairs, uint32_t count)
{
    (void)fprintf(to, "<h3>%s</h3>\n<ul class=\"key\">\n", title);
    for (uint32_t i = 0; i < count; i++) {
        (void)fputs("<li><span>", to);
        html_text_short(to, result->names[pairs[i].first], 40);
        (void)fprintf(to, " <span class=\"no\">(%" PRIu32 ")</span> and ", pairs[i].first + 1);
        html_text_short(to, result->names[pairs[i].second], 40);
        (void)fprintf(to, " <span class=\"no\">(%" PRIu32 ")</span></span><b>%s</b></li>\n",
                      pairs[i].second + 1, html_fixed(pairs[i].cosine, 3).text);
    }
    (void)fputs("</ul>\n", to);
}

void html_pairs(FILE *to, const onefold_compare_result *result, const onefold_compare_group *model)
{
    struct pair high[PAIRS_MAX] = {0};
    struct pair low[PAIRS_MAX] = {0};
    uint32_t high_count = 0;
    uint32_t low_count = 0;
    uint64_t all = 0;

    for (uint32_t a = 0; a < result->input_count; a++) {
        for (uint32_t b = a + 1; b < result->input_count; b++) {
            const struct pair pair = {
                a, b, html_at(model->cosine, (uint64_t)a * result->input_count + b)};

            if (!isnan(pair.cosine)) {
                keep_pair(high, &high_count, pair, 1);
                keep_pair(low, &low_count, pair, -1);
                all++;
            }
        }
    }
    if (all == 0) {
        (void)fputs("<p class=\"soft\">No pair has a cosine.</p>\n", to);
    } else if (all <= PAIRS_MAX) {
        put_pairs(to, result, "Pairs, most alike first", high, high_count);
    } else {
        put_pairs(to, result, "Most alike", high, high_count);
        put_pairs(to, result, "Least alike", low, low_count);
    }
}

/* ---- Agreement ---- */

void html_histogram_table(FILE *to, const onefold_compare_result *result,
                          const onefold_compare_group *model)
{
    const uint64_t total = html_agreement_total(result, model);

    (void)fputs("<details><summary>The histogram as a table</summary>\n", to);
    html_scroll_open(to, "Table of sign agreement", true);
    (void)fputs("<table class=\"num\"><thead><tr><th scope=\"col\">Level</th>", to);
    put_head(to, "Agreement");
    put_head(to, "Elements");
    put_head(to, "Share");
    put_head(to, "By chance");
    (void)fputs("</tr></thead>\n<tbody>\n", to);
    for (uint32_t k = 0; k <= result->input_count && k < HTML_ROWS_MAX; k++) {
        (void)fprintf(to, "<tr><th scope=\"row\">%" PRIu32 " of %" PRIu32 "</th>", k,
                      result->input_count);
        put_cell(to, html_fixed((double)k / result->input_count, 3));
        put_cell(to, html_count(model->agreement[k]));
        put_cell(to, html_share(model->agreement[k], total));
        put_cell(to, html_percent(html_at(model->agreement_null, k)));
        (void)fputs("</tr>\n", to);
    }
    (void)fputs("</tbody></table>", to);
    html_scroll_close(to);
    (void)fputs("</details>\n", to);
}

/* ---- Layers and kinds ---- */

/* What chance and normal values give depends on the number of inputs only: it is in the head. */
static void put_groups_head(FILE *to, const onefold_compare_result *result,
                            const onefold_compare_group *group)
{
    (void)fputs("<thead><tr>", to);
    put_head(to, group->kind == ONEFOLD_GROUP_LAYER ? "Layer" : "Kind of tensor");
    put_head(to, "Tensors");
    put_head(to, "Elements");
    if (result->input_count == 1) {
        put_head(to, "Norm");
    } else {
        put_head(to, "Norm<br/>ratio");
        put_head(to, "Mean<br/>cosine");
        put_head(to, "Diversity");
        (void)fprintf(to, "<th scope=\"col\">Sign agreement<br/>(chance %s)</th>",
                      html_fixed(group->agreement_null_mean, 3).text);
    }
    put_head(to, "Exactly<br/>zero");
    if (result->input_count > 1) {
        put_head(to, "Owner<br/>overlap");
        (void)fprintf(to, "<th scope=\"col\">Tail<br/>(Gauss %s)</th>",
                      html_num(group->tail_gaussian).text);
    }
    if (html_any_nonfinite(result)) {
        put_head(to, "NaN,<br/>infinite");
    }
    (void)fputs("</tr></thead>\n", to);
}

static void put_group_row(FILE *to, const onefold_compare_result *result,
                          const onefold_compare_group *group)
{
    uint64_t zeros = 0;
    uint64_t nonfinite = 0;

    for (uint64_t t = 0; group->zeros != NULL && t < result->input_count; t++) {
        zeros += group->zeros[t];
    }
    for (uint64_t t = 0; group->nan_count != NULL && t <= result->input_count; t++) {
        nonfinite += group->nan_count[t] + group->inf_count[t];
    }
    (void)fputs("<tr><th scope=\"row\">", to);
    html_name(to, group->name);
    (void)fputs("</th>", to);
    put_cell(to, html_count(group->tensor_count));
    put_cell(to, html_short_count(group->elem_count));
    if (result->input_count == 1) {
        put_cell(to, html_num(html_at(group->norms, 0)));
    } else {
        put_cell(to, html_num(group->norm_ratio));
        put_cell(to, html_fixed(group->mean_cosine, 3));
        put_cell(to, html_num(group->diversity));
        put_cell(to, html_fixed(group->agreement_mean, 3));
    }
    put_cell(to, html_share(zeros, group->elem_count * result->input_count));
    if (result->input_count > 1) {
        put_cell(to, html_num(group->overlap));
        put_cell(to, html_num(group->tail));
    }
    if (html_any_nonfinite(result)) {
        put_cell(to, html_count(nonfinite));
    }
    (void)fputs("</tr>\n", to);
}

void html_groups_table(FILE *to, const onefold_compare_result *result, int kind)
{
    uint64_t count;
    const onefold_compare_group *groups = html_groups(result, kind, &count);
    const uint64_t shown = count < HTML_ROWS_MAX ? count : HTML_ROWS_MAX;
    const bool layers = kind == ONEFOLD_GROUP_LAYER;

    html_scroll_open(to, layers ? "Table of the layers" : "Table of the kinds of tensor",
                     shown > 14);
    (void)fputs("<table>", to);
    put_left_out(to, shown, count, layers ? "layers" : "kinds");
    put_groups_head(to, result, groups);
    (void)fputs("<tbody>\n", to);
    for (uint64_t i = 0; i < shown; i++) {
        put_group_row(to, result, &groups[i]);
    }
    (void)fputs("</tbody></table>", to);
    html_scroll_close(to);
}

void html_norms_table(FILE *to, const onefold_compare_result *result)
{
    uint64_t count;
    const onefold_compare_group *groups = html_groups(result, ONEFOLD_GROUP_LAYER, &count);
    const uint32_t columns =
        result->input_count < HTML_MAP_MAX ? result->input_count : HTML_MAP_MAX;
    const uint64_t rows_max = HTML_CELLS_MAX / columns;
    const uint64_t rows_most = rows_max < HTML_ROWS_MAX ? rows_max : HTML_ROWS_MAX;
    const uint64_t rows = count < rows_most ? count : rows_most;

    (void)fputs("<details><summary>Norms by layer and model as a table</summary>\n", to);
    html_scroll_open(to, "Table of norms by layer and model", true);
    (void)fputs("<table>", to);
    if (rows < count || columns < result->input_count) {
        (void)fprintf(to,
                      "<caption>%s of %s layers, %" PRIu32 " of %" PRIu32
                      " models; <code>--json</code> has all.</caption>",
                      html_count(rows).text, html_count(count).text, columns, result->input_count);
    }
    (void)fputs("<thead><tr><th scope=\"col\">Layer</th>", to);
    for (uint32_t t = 0; t < columns; t++) {
        (void)fprintf(to, "<th scope=\"col\"><span class=\"no\">%" PRIu32 "</span><br/>", t + 1);
        html_text_short(to, result->names[t], 14);
        (void)fputs("</th>", to);
    }
    (void)fputs("</tr></thead>\n<tbody>\n", to);
    for (uint64_t i = 0; i < rows; i++) {
        (void)fputs("<tr><th scope=\"row\">", to);
        html_name(to, groups[i].name);
        (void)fputs("</th>", to);
        for (uint32_t t = 0; t < columns; t++) {
            put_cell(to, html_num(html_at(groups[i].norms, t)));
        }
        (void)fputs("</tr>\n", to);
    }
    (void)fputs("</tbody></table>", to);
    html_scroll_close(to);
    (void)fputs("</details>\n", to);
}

/* ---- Steps ---- */

static void put_step(FILE *to, const char *name, const onefold_compare_step *step, double largest,
                     bool planned)
{
    (void)fputs(planned ? "<tr class=\"planned\"><th scope=\"row\"><b>" : "<tr><th scope=\"row\">",
                to);
    html_text(to, name);
    (void)fputs(planned ? "</b></th>" : "</th>", to);
    if (step->lambdas != NULL) {
        (void)fputs("<td>one per model</td>", to);
    } else {
        put_cell(to, html_num(step->lambda));
    }
    (void)fprintf(to, "<td>%s", html_num(step->beta).text);
    put_mini(to, step->beta / largest);
    (void)fputs("</td></tr>\n", to);
}

void html_steps_table(FILE *to, const onefold_compare_result *result)
{
    const onefold_compare_step planned = {.lambda = result->lambda, .beta = result->beta};
    double largest = fmax(0, result->beta);

    for (uint64_t i = 0; i < result->step_count; i++) {
        largest = fmax(largest, isfinite(result->steps[i].beta) ? result->steps[i].beta : 0);
    }
    html_scroll_open(to, "Table of steps", false);
    (void)fputs("<table><thead><tr>", to);
    put_head(to, "Step");
    put_head(to, "&#955;<br/>(of the sum)");
    put_head(to, "&#946;<br/>(of the mean)");
    (void)fputs("</tr></thead>\n<tbody>\n", to);
    put_step(to, "planned here", &planned, largest, true);
    for (uint64_t i = 0; i < result->step_count && i < HTML_ROWS_MAX; i++) {
        put_step(to, rule_name(result->steps[i].source), &result->steps[i], largest, false);
    }
    (void)fputs("</tbody></table>", to);
    html_scroll_close(to);
}
