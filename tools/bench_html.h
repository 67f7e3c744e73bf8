/* SPDX-License-Identifier: Apache-2.0 */
/* The drawings of the page of `onefold bench`. */
#ifndef TOOLS_BENCH_HTML_H
#define TOOLS_BENCH_HTML_H

#include "bench.h"

/* Panels of bars, each an HTML figure. A rule: its merges; NULL: cat, cp and numpy. */
void bench_html_ratios(FILE *to, const struct bench_result *result, const struct bench_group *group,
                       const onefold_method_info *rule, double largest);
void bench_html_times(FILE *to, const struct bench_result *result, const struct bench_group *group,
                      const onefold_method_info *rule);
/* All kernels, some of them to a panel. */
void bench_html_kernels(FILE *to, const struct bench_result *result);

/* Is the job drawn in the panel of this rule? */
bool bench_html_belongs(const struct bench_job *job, const onefold_method_info *rule);

#endif
