/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of merge rules, and the names of those that come later. A rule is a file with one
 * descriptor and one line here; recipe checks, help and the pages under docs/methods follow from
 * the descriptor.
 */
#include "method/method.h"
#include "method/rows.h"

#include <string.h>

static const struct of_method *const methods[] = {
    &of_method_linear,       &of_method_task_arithmetic,
    &of_method_fedavg,       &of_method_passthrough,
    &of_method_fednova,      &of_method_fedgma,
    &of_method_median,       &of_method_cclip,
    &of_method_trimmed_mean, &of_method_geometric_median,
    &of_method_krum,         &of_method_multi_krum,
    &of_method_bulyan,       &of_method_arc,
    &of_method_fedexp,       &of_method_feddyn,
    &of_method_metagpt,      &of_method_inverse_norm,
};

/* Names that recipes already use. Refusing them by name tells a user that the recipe is right and
 * the version too old, where "unknown method" would send him looking for a typing error. */
static const char *const later[] = {
    /* the dialect */
    "slerp", "nuslerp", "multislerp", "karcher", "nearswap", "model_stock", "arcee_fusion", "ties",
    "dare_linear", "dare_ties", "breadcrumbs", "breadcrumbs_ties", "della", "della_linear", "sce",
    "ram", "ramplus_tl",
    /* further rules of the literature */
    "lines", "magmax", "emr", "tall", "consensus", "fisher", "ties_global", "localize_stitch",
    "pcb", "breadcrumbs_rows", "iso_c", "iso_cts", "tsv_m", "wudi", "svc", "regmean"};

uint64_t of_method_count(void)
{
    return OF_LENGTH(methods);
}

const struct of_method *of_method_at(uint64_t index)
{
    return index < OF_LENGTH(methods) ? methods[index] : NULL;
}

const struct of_method *of_method_find(const char *name)
{
    for (size_t i = 0; i < OF_LENGTH(methods); i++) {
        if (strcmp(methods[i]->name, name) == 0) {
            return methods[i];
        }
    }
    return NULL;
}

const char *of_method_later_at(uint64_t index)
{
    return index < OF_LENGTH(later) ? later[index] : NULL;
}
