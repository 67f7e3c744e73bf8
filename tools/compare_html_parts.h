/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the HTML page share: text, numbers, charts, tables. */
#ifndef TOOLS_COMPARE_HTML_PARTS_H
#define TOOLS_COMPARE_HTML_PARTS_H

#include <onefold/compare.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The page stays small enough for a telephone, whatever was compared. What is left out is said. */
enum {
    HTML_MAP_MAX = 64,      /* inputs in the heat map */
    HTML_PANELS_MAX = 64,   /* inputs with a panel of norms per layer */
    HTML_POINTS_MAX = 200,  /* points of a line; more layers share points */
    HTML_BARS_MAX = 66,     /* bars of the histogram; more levels share bars */
    HTML_ROWS_MAX = 400,    /* rows of a table */
    HTML_CELLS_MAX = 12000, /* cells of the table of norms per layer */
    HTML_FINDINGS_MAX = 100
};

struct html_number {
    char text[40];
};

/* ---- Text and numbers, compare_html_text.c ---- */

/* Text of unknown origin, for content and attributes. */
void html_text(FILE *to, const char *text);
/* The same for content; lines may break after dots, slashes and underscores. */
void html_name(FILE *to, const char *text);
/* At most `width` columns: the middle gives way, since names differ at their ends. */
void html_text_short(FILE *to, const char *text, uint32_t width);
/* Columns that html_text_short takes. */
uint32_t html_text_width(const char *text, uint32_t width);

struct html_number html_num(double value);                  /* three significant digits */
struct html_number html_tick(double value);                 /* the same without zeros at the end */
struct html_number html_fixed(double value, int decimals);  /* for cosines */
struct html_number html_percent(double share);              /* "12.3%" */
struct html_number html_count(uint64_t count);              /* "1,234,567" */
struct html_number html_short_count(uint64_t count);        /* "16.8 M" */
struct html_number html_share(uint64_t part, uint64_t all); /* per cent; "–" of nothing */

/* ---- The data ---- */

/* values[index], or NaN when there are none. */
double html_at(const double *values, uint64_t index);
/* The first group of a kind, and how many there are. NULL and 0 when there is none. */
const onefold_compare_group *html_groups(const onefold_compare_result *result, int kind,
                                         uint64_t *ret_count);
/* Length of the name before ".NUMBER" at its end, or 0 when it has no number: not of a stack. */
uint64_t html_stack_length(const char *name);
/* The number at the end of a name, as text. */
const char *html_layer_number(const char *name);
uint64_t html_agreement_total(const onefold_compare_result *result,
                              const onefold_compare_group *group);
bool html_any_nonfinite(const onefold_compare_result *result);

/* ---- Style, compare_html_style.c ---- */
extern const char html_style[];

/* ---- Charts ---- */
void html_heat_map(FILE *to, const onefold_compare_result *result,
                   const onefold_compare_group *model);
void html_histogram(FILE *to, const onefold_compare_result *result,
                    const onefold_compare_group *model);
/* A track from `low` to `high` with a dot at `value` and a tick at `mark` (NaN: none). */
void html_gauge(FILE *to, double low, double high, double value, double mark);
void html_layer_charts(FILE *to, const onefold_compare_result *result);
void html_layer_panels(FILE *to, const onefold_compare_result *result);

/* ---- Tables, compare_html_tables.c ---- */
void html_models_table(FILE *to, const onefold_compare_result *result,
                       const onefold_compare_group *model);
void html_cosine_table(FILE *to, const onefold_compare_result *result,
                       const onefold_compare_group *model);
void html_pairs(FILE *to, const onefold_compare_result *result, const onefold_compare_group *model);
void html_histogram_table(FILE *to, const onefold_compare_result *result,
                          const onefold_compare_group *model);
void html_groups_table(FILE *to, const onefold_compare_result *result, int kind);
void html_norms_table(FILE *to, const onefold_compare_result *result);
void html_steps_table(FILE *to, const onefold_compare_result *result);

/* A box that scrolls sideways by itself and can be reached by keyboard. */
void html_scroll_open(FILE *to, const char *label, bool tall);
void html_scroll_close(FILE *to);

#endif
