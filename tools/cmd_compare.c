/* SPDX-License-Identifier: Apache-2.0 */
/* onefold compare: one pass over the models before anything is merged, and what it shows. */
#include "compare_html.h"
#include "exit.h"
#include "verbs.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Bounds ---- */

static onefold_status parse_bound(const char *name, const char *text, double *ret_bound,
                                  onefold_error *err)
{
    if (text != NULL && !opt_is_number(text)) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL,
                        "--%s: \"%s\" is not a number", name,
                        onefold_text_show(text, strlen(text)).text);
    }
    *ret_bound = text != NULL ? strtod(text, NULL) : (double)INFINITY;
    return ONEFOLD_OK;
}

/* Without a number there is no proof that the bound holds: all norms 0. */
static onefold_status check_ratio(const onefold_compare_group *model, double bound,
                                  onefold_error *err)
{
    if (model->norm_ratio <= bound) {
        return ONEFOLD_OK;
    }
    return exit_set(err, ONEFOLD_E_DIFFERS, "compare-bound",
                    "look at these models before they are merged, or give another bound",
                    "the norms of the task vectors differ %.6g-fold; the bound is %.6g",
                    model->norm_ratio, bound);
}

/* A model that equals the base has no direction, and that is said elsewhere. */
static onefold_status check_cosine(const onefold_compare_result *result, double bound,
                                   onefold_error *err)
{
    const uint32_t count = result->input_count;

    for (uint32_t s = 0; s < count; s++) {
        for (uint32_t t = s + 1; t < count; t++) {
            const double cosine = result->groups[0].cosine[(uint64_t)s * count + t];

            if (cosine > bound) {
                return exit_set(
                    err, ONEFOLD_E_DIFFERS, "compare-bound",
                    "look at these models before they are merged, or give another bound",
                    "%.150s and %.150s have the cosine %.6g; the bound is %.6g", result->names[s],
                    result->names[t], cosine, bound);
            }
        }
    }
    return ONEFOLD_OK;
}

/* ---- The verb ---- */

static onefold_status write_html(const char *path, const onefold_compare_result *result,
                                 onefold_error *err)
{
    const int problem = compare_html_write(path, result);

    if (problem == 0) {
        return ONEFOLD_OK;
    }
    return exit_set(err, problem == ENOMEM ? ONEFOLD_E_MEMORY : ONEFOLD_E_IO,
                    problem == ENOMEM ? "memory" : "output-io", "choose another place with --html",
                    "%s: the page cannot be written: %s",
                    onefold_text_show(path, strlen(path)).text, strerror(problem));
}

static onefold_status show(const struct opts *opts, struct out *out,
                           const onefold_compare_result *result, double ratio_max,
                           double cosine_max, onefold_error *err)
{
    onefold_status status = ONEFOLD_OK;

    if (opts->html != NULL) {
        status = write_html(opts->html, result, err);
    }
    if (status != ONEFOLD_OK) {
        return status;
    }
    if (out->json) {
        compare_json(out_data(out), result, opts);
    } else {
        compare_print(stdout, result, out->verbose);
    }
    if (opts->max_norm_ratio != NULL) {
        status = check_ratio(&result->groups[0], ratio_max, err);
    }
    if (status == ONEFOLD_OK && opts->max_cosine != NULL) {
        status = check_cosine(result, cosine_max, err);
    }
    return status;
}

onefold_status cmd_compare(const struct opts *opts, struct out *out, onefold_error *err)
{
    struct planning planning = {0};
    onefold_run_options options;
    onefold_comparison *comparison = NULL;
    double ratio_max = 0.0;
    double cosine_max = 0.0;
    onefold_status status = parse_bound("max-norm-ratio", opts->max_norm_ratio, &ratio_max, err);

    if (status == ONEFOLD_OK) {
        status = parse_bound("max-cosine", opts->max_cosine, &cosine_max, err);
    }
    if (status == ONEFOLD_OK) {
        status = planning_make_comparison(opts, out, &planning, err);
    }
    if (status == ONEFOLD_OK) {
        planning_run_options(opts, out, &options);
        options.cancel = exit_listen();
        status = onefold_compare(planning.plan, &options, opts->save, &comparison, err);
        if (status == ONEFOLD_E_ARGUMENT && options.cpu != NULL) {
            status = exit_prefix(err, "ONEFOLD_CPU");
        }
        exit_stop_listening();
    }
    if (status == ONEFOLD_OK) {
        status = show(opts, out, onefold_comparison_result(comparison), ratio_max, cosine_max, err);
    }
    onefold_comparison_free(comparison);
    planning_finish(&planning);
    return status;
}
