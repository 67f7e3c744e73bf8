/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTML page of `onefold compare`: what was found first, then the numbers. One file that opens
 * anywhere and loads nothing, so that it can be mailed and kept; its security policy forbids what
 * it does not need.
 */
#include "compare_html.h"

#include "compare_html_parts.h"
#include "out.h"
#include "page.h"

#include <onefold/onefold.h>

#include <inttypes.h>
#include <math.h>

static const char *const level_words[] = {[ONEFOLD_LEVEL_NOTE] = "note",
                                          [ONEFOLD_LEVEL_WARNING] = "warning",
                                          [ONEFOLD_LEVEL_ERROR] = "error"};

/* Sections that the page has, decided once so that the links agree with them. */
struct page {
    const onefold_compare_result *result;
    const onefold_compare_group *model; /* NULL: no statistics at all */
    uint64_t layer_count;
    uint64_t kind_count;
    bool several; /* more than one input: pairs exist */
};

/* ---- Head ---- */

static void put_link(FILE *to, bool present, const char *id, const char *text)
{
    if (present) {
        (void)fprintf(to, "<li><a href=\"#%s\">%s</a></li>", id, text);
    }
}

static void put_head(FILE *to, const struct page *page)
{
    const onefold_compare_result *result = page->result;
    const bool model = page->model != NULL;
    const char *models = result->input_count == 1 ? "model" : "models";

    (void)fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                "style-src 'unsafe-inline'\"/>\n"
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
                "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
                "<meta name=\"generator\" content=\"onefold " ONEFOLD_VERSION "\"/>\n<title>",
                to);
    (void)fprintf(to, "%" PRIu32 " %s compared, base ", result->input_count, models);
    html_text(to, result->base_name);
    (void)fprintf(to, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<header>\n", html_style);
    (void)fprintf(to, "<h1>%" PRIu32 " %s compared</h1>\n<p class=\"lead\">Base model: <b>",
                  result->input_count, models);
    html_name(to, result->base_name);
    (void)fputs("</b></p>\n", to);
    if (model) {
        (void)fprintf(to, "<p class=\"lead\">%s parameters in %s tensors. ",
                      html_short_count(page->model->elem_count).text,
                      html_count(page->model->tensor_count).text);
        (void)fprintf(to, "Planned step: &#955; = %s of the sum, &#946; = %s of the mean.</p>\n",
                      html_num(result->lambda).text, html_num(result->beta).text);
    }
    (void)fputs("</header>\n<nav aria-label=\"Sections\"><ul>", to);
    put_link(to, true, "findings", "Findings");
    put_link(to, model, "overview", "Overview");
    put_link(to, model, "models", "Models");
    put_link(to, model && page->several, "directions", "Directions");
    put_link(to, model && page->several, "signs", "Signs");
    put_link(to, page->layer_count > 0, "layers", "Layers");
    put_link(to, page->kind_count > 0, "kinds", "Kinds of tensor");
    put_link(to, model, "steps", "Steps");
    put_link(to, model, "terms", "Terms");
    (void)fputs("</ul></nav>\n<main>\n", to);
}

/* ---- Findings ---- */

static void put_findings(FILE *to, const onefold_compare_result *result)
{
    uint64_t shown = 0;

    (void)fputs("<section id=\"findings\" aria-labelledby=\"findings-h\">"
                "<h2 id=\"findings-h\">What the numbers say</h2>\n",
                to);
    if (result->finding_count == 0) {
        (void)fputs("<p>Nothing stands out.</p>\n", to);
    } else {
        (void)fputs("<ul class=\"findings\">\n", to);
    }
    for (int level = ONEFOLD_LEVEL_ERROR; level >= ONEFOLD_LEVEL_NOTE; level--) {
        for (uint64_t i = 0; i < result->finding_count && shown < HTML_FINDINGS_MAX; i++) {
            const onefold_compare_finding *finding = &result->findings[i];

            if (finding->level != level) {
                continue;
            }
            (void)fprintf(to, "<li class=\"%s\"><p><b>%c%s:</b>", level_words[level],
                          level_words[level][0] - 'a' + 'A', level_words[level] + 1);
            html_text(to, finding->text);
            (void)fputs("</p><code>", to);
            html_text(to, finding->id);
            (void)fputs("</code></li>\n", to);
            shown++;
        }
    }
    if (result->finding_count > 0) {
        (void)fputs("</ul>\n", to);
    }
    if (shown < result->finding_count) {
        (void)fprintf(to, "<p class=\"soft\">And %s more; <code>--json</code> has all.</p>\n",
                      html_count(result->finding_count - shown).text);
    }
    (void)fputs(
        "<p class=\"soft\">Weights show how the models differ, not how well a merge of them "
        "will work: that is measured on validation data.</p>\n</section>\n",
        to);
}

/* ---- Overview ---- */

struct tile {
    const char *title;
    struct html_number number;
    double low, high, value, mark; /* of the gauge */
};

static void put_tile(FILE *to, const struct tile *tile, const char *text)
{
    (void)fprintf(to, "<div><dt>%s</dt><dd class=\"big\">%s</dd><dd>", tile->title,
                  tile->number.text);
    html_gauge(to, tile->low, tile->high, tile->value, tile->mark);
    (void)fprintf(to, "%s</dd></div>\n", text);
}

/* Tiles on lengths and directions. */
static void put_vector_tiles(FILE *to, const struct page *page)
{
    const onefold_compare_group *model = page->model;
    const double inputs = page->result->input_count;
    double energy = 0;
    char text[160];

    for (uint32_t t = 0; t < page->result->input_count; t++) {
        energy += html_at(model->norms, t) * html_at(model->norms, t) / inputs;
    }
    put_tile(to,
             &(struct tile){"Norm ratio", html_num(model->norm_ratio), 0, 1,
                            log10(model->norm_ratio), log10(3)},
             "largest over smallest; above 3 one model dominates");
    put_tile(to,
             &(struct tile){"Mean cosine", html_fixed(model->mean_cosine, 3), -1, 1,
                            model->mean_cosine, 0},
             "of all pairs; 0 is unrelated, 1 the same direction");
    (void)snprintf(text, sizeof(text), "%s is identical, 1 orthogonal, more is conflicting",
                   html_num(1 / inputs).text);
    put_tile(
        to,
        &(struct tile){"Gradient diversity", html_num(model->diversity), 0, 2, model->diversity, 1},
        text);
    (void)snprintf(text, sizeof(text), "%s of the mean squared norm is not shared by all",
                   html_percent(model->drift_variance / energy).text);
    put_tile(to,
             &(struct tile){"Drift variance", html_num(model->drift_variance), 0, 1,
                            model->drift_variance / energy, (double)NAN},
             text);
}

/* Tiles on single elements. */
static void put_element_tiles(FILE *to, const struct page *page)
{
    const onefold_compare_group *model = page->model;
    const double inputs = page->result->input_count;
    uint64_t zeros = 0;
    double zero_share;
    char text[160];

    for (uint32_t t = 0; model->zeros != NULL && t < page->result->input_count; t++) {
        zeros += model->zeros[t];
    }
    zero_share =
        model->elem_count == 0 ? (double)NAN : (double)zeros / ((double)model->elem_count * inputs);
    if (page->several) {
        (void)snprintf(text, sizeof(text), "mean over the elements; chance gives %s",
                       html_fixed(model->agreement_null_mean, 3).text);
        put_tile(to,
                 &(struct tile){"Sign agreement", html_fixed(model->agreement_mean, 3), 0, 1,
                                model->agreement_mean, model->agreement_null_mean},
                 text);
        (void)snprintf(text, sizeof(text), "1: each element has one owner; %s: shared by all",
                       html_num(1 / inputs).text);
        put_tile(to,
                 &(struct tile){"Owner overlap", html_num(model->overlap), 1 / inputs, 1,
                                model->overlap, (double)NAN},
                 text);
        if (page->result->input_count >= 4) {
            (void)snprintf(text, sizeof(text), "normal values give %s; above it: heavy tails",
                           html_num(model->tail_gaussian).text);
        } else {
            (void)snprintf(text, sizeof(text), "says nothing for fewer than 4 models");
        }
        put_tile(to,
                 &(struct tile){"Tail", html_num(model->tail), 1, fmax(inputs - 1, 2),
                                inputs < 4 ? (double)NAN : model->tail, model->tail_gaussian},
                 text);
    }
    put_tile(
        to, &(struct tile){"Exactly zero", html_percent(zero_share), 0, 1, zero_share, (double)NAN},
        "elements equal to the base, mean over the models");
}

static void put_overview(FILE *to, const struct page *page)
{
    (void)fputs("<section id=\"overview\" aria-labelledby=\"overview-h\">"
                "<h2 id=\"overview-h\">Overview</h2>\n"
                "<p class=\"soft\">A task vector is a model minus the base. The tick on a track is "
                "the point of comparison that its text names.</p>\n<dl class=\"tiles\">\n",
                to);
    if (page->several) {
        put_vector_tiles(to, page);
    } else {
        const double norm = html_at(page->model->norms, 0);

        (void)fprintf(to,
                      "<div><dt>Norm</dt><dd class=\"big\">%s</dd><dd>of the task vector</dd>"
                      "</div>\n",
                      html_num(norm).text);
    }
    put_element_tiles(to, page);
    (void)fputs("</dl>\n", to);
    if (!page->several) {
        (void)fputs("<p class=\"soft\">Directions and agreement need at least two models.</p>\n",
                    to);
    }
    (void)fputs(html_any_nonfinite(page->result)
                    ? "<p><strong>There are values that are not finite;</strong> the table of "
                      "models counts them.</p>\n"
                    : "<p class=\"soft\">No value is NaN or infinite, neither in the models nor in "
                      "the base.</p>\n",
                to);
    (void)fputs("</section>\n", to);
}

/* ---- The other sections ---- */

static void put_models(FILE *to, const struct page *page)
{
    (void)fputs("<section id=\"models\" aria-labelledby=\"models-h\">"
                "<h2 id=\"models-h\">Models</h2>\n"
                "<p class=\"soft\">How far each model is from the base, how much of its change the "
                "planned step keeps (recall, 1 is all), and how much the others add across "
                "it.</p>\n",
                to);
    html_models_table(to, page->result, page->model);
    (void)fputs("</section>\n", to);
}

static void put_directions(FILE *to, const struct page *page)
{
    (void)fputs("<section id=\"directions\" aria-labelledby=\"directions-h\">"
                "<h2 id=\"directions-h\">Directions</h2>\n"
                "<p class=\"soft\">Cosine of each pair of task vectors. The colours are finer near "
                "0, where most fine-tunes lie.</p>\n<div class=\"side\">\n",
                to);
    html_heat_map(to, page->result, page->model);
    (void)fputs("<div>\n", to);
    html_pairs(to, page->result, page->model);
    (void)fputs("</div>\n</div>\n", to);
    html_cosine_table(to, page->result, page->model);
    (void)fputs("</section>\n", to);
}

static void put_signs(FILE *to, const struct page *page)
{
    const onefold_compare_group *model = page->model;

    (void)fputs("<section id=\"signs\" aria-labelledby=\"signs-h\">"
                "<h2 id=\"signs-h\">Agreement of signs</h2>\n",
                to);
    (void)fprintf(to,
                  "<p class=\"soft\">For each element: how far the votes +1, &#8722;1 and 0 of the "
                  "models point one way. Mean %s of 1; independent fair signs would give %s.</p>\n",
                  html_fixed(model->agreement_mean, 3).text,
                  html_fixed(model->agreement_null_mean, 3).text);
    if (html_agreement_total(page->result, model) > 0 && model->agreement_null != NULL) {
        html_histogram(to, page->result, model);
        html_histogram_table(to, page->result, model);
    }
    (void)fputs("</section>\n", to);
}

static void put_layers(FILE *to, const struct page *page)
{
    (void)fputs("<section id=\"layers\" aria-labelledby=\"layers-h\">"
                "<h2 id=\"layers-h\">Layers</h2>\n<h3>Norms</h3>\n",
                to);
    html_layer_panels(to, page->result);
    html_norms_table(to, page->result);
    if (page->several) {
        (void)fputs("<h3>All models together</h3>\n", to);
        html_layer_charts(to, page->result);
    }
    html_groups_table(to, page->result, ONEFOLD_GROUP_LAYER);
    (void)fputs("</section>\n", to);
}

static void put_kinds(FILE *to, const struct page *page)
{
    (void)fputs("<section id=\"kinds\" aria-labelledby=\"kinds-h\">"
                "<h2 id=\"kinds-h\">Kinds of tensor</h2>\n"
                "<p class=\"soft\">One role over all layers: signs, exact zeros and tails.</p>\n",
                to);
    html_groups_table(to, page->result, ONEFOLD_GROUP_KIND);
    (void)fputs("</section>\n", to);
}

static void put_steps(FILE *to, const struct page *page)
{
    (void)fputs("<section id=\"steps\" aria-labelledby=\"steps-h\">"
                "<h2 id=\"steps-h\">Steps</h2>\n"
                "<p class=\"soft\">What rules without data would choose. They are starting points "
                "for a search on validation data; none is applied unless asked for.</p>\n",
                to);
    html_steps_table(to, page->result);
    (void)fputs("</section>\n", to);
}

static void put_terms(FILE *to)
{
    (void)fputs(
        "<section id=\"terms\" aria-labelledby=\"terms-h\"><h2 id=\"terms-h\">Terms</h2>\n"
        "<dl class=\"terms\">\n"
        "<dt>Task vector, norm</dt><dd>Model minus base, over all float tensors; its length. Norms "
        "far apart hint at unequal training, but steps, learning rate and data all move "
        "them.</dd>\n"
        "<dt>Gradient diversity</dt><dd>Sum of the squared norms over the squared norm of the "
        "sum.</dd>\n"
        "<dt>Drift variance</dt><dd>Mean squared distance of the task vectors from their "
        "mean.</dd>\n"
        "<dt>Recall</dt><dd>The merged change projected on a model&#8217;s own: 1 keeps all of it, "
        "0 nothing, less than 0 goes against it.</dd>\n"
        "<dt>Interference</dt><dd>Squared length of the part of the merged change that is "
        "orthogonal to a model&#8217;s own, over its squared norm.</dd>\n"
        "<dt>Sign agreement</dt><dd>Size of the sum of the signs over the number of models. Near "
        "chance, masks made of signs are random.</dd>\n"
        "<dt>Owner overlap</dt><dd>Mean of the largest change over the sum of all, element by "
        "element.</dd>\n"
        "<dt>Tail</dt><dd>Mean of T &#931; r&#8308; / (&#931; r&#178;)&#178;, r the distances from "
        "the mean of an element. Above the Gaussian value a few models stand far out, which "
        "favours "
        "the median.</dd>\n"
        "<dt>&#955; and &#946;</dt><dd>The same step, as a factor of the sum and of the mean of "
        "the "
        "task vectors: &#946; = T &#955;.</dd>\n"
        "</dl></section>\n",
        to);
}

static void put_foot(FILE *to, const onefold_compare_result *result)
{
    (void)fprintf(to, "</main>\n<footer>onefold " ONEFOLD_VERSION " read %s",
                  out_bytes(result->read_bytes).text);
    (void)fprintf(to, " in %s s with %s of memory.</footer>\n</body>\n</html>\n",
                  html_num(result->seconds).text, out_bytes(result->peak_memory_bytes).text);
}

void compare_html_page(FILE *to, const onefold_compare_result *result)
{
    struct page page = {.result = result, .several = result->input_count > 1};
    uint64_t count;

    page.model = result->input_count == 0 ? NULL : html_groups(result, ONEFOLD_GROUP_MODEL, &count);
    if (page.model != NULL) {
        (void)html_groups(result, ONEFOLD_GROUP_LAYER, &page.layer_count);
        (void)html_groups(result, ONEFOLD_GROUP_KIND, &page.kind_count);
    }
    put_head(to, &page);
    put_findings(to, result);
    if (page.model != NULL) {
        put_overview(to, &page);
        put_models(to, &page);
        if (page.several) {
            put_directions(to, &page);
            put_signs(to, &page);
        }
        if (page.layer_count > 0) {
            put_layers(to, &page);
        }
        if (page.kind_count > 0) {
            put_kinds(to, &page);
        }
        put_steps(to, &page);
        put_terms(to);
    }
    put_foot(to, result);
}

static void put_page(FILE *to, const void *result)
{
    compare_html_page(to, result);
}

int compare_html_write(const char *path, const onefold_compare_result *result)
{
    return page_write(path, put_page, result);
}
