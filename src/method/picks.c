/* SPDX-License-Identifier: Apache-2.0 */
/* Who is nearest to its neighbours. Used by krum, multi_krum and bulyan. */
#include "method/picks.h"

#include "base/sort.h"

onefold_status of_picks_init(struct of_picks *picks, const struct of_solve *solve,
                             onefold_error *err)
{
    const uint32_t count = solve->gram->count;

    *picks = (struct of_picks){.gram = solve->gram,
                               .active = OF_ARENA_NEW(solve->arena, bool, count),
                               .scores = OF_ARENA_NEW(solve->arena, double, count),
                               .distances = OF_ARENA_NEW(solve->arena, double, count),
                               .order = OF_ARENA_NEW(solve->arena, uint32_t, count),
                               .scratch = OF_ARENA_NEW(solve->arena, uint32_t, count),
                               .active_count = count};
    if (picks->active == NULL || picks->scores == NULL || picks->distances == NULL ||
        picks->order == NULL || picks->scratch == NULL) {
        return of_err_set(err, "memory", "no memory for the scores of %u inputs", count);
    }
    for (uint32_t t = 0; t < count; t++) {
        picks->active[t] = true;
    }
    return ONEFOLD_OK;
}

static bool is_nearer(const void *context, uint32_t a, uint32_t b)
{
    const struct of_picks *picks = context;

    return picks->distances[a] < picks->distances[b];
}

void of_picks_score(struct of_picks *picks, uint32_t neighbour_count)
{
    const uint32_t count = picks->gram->count;

    for (uint32_t s = 0; s < count; s++) {
        uint32_t others = 0;

        picks->scores[s] = 0.0;
        for (uint32_t t = 0; picks->active[s] && t < count; t++) {
            if (picks->active[t] && t != s) {
                picks->distances[t] = of_gram_distance2(picks->gram, s, t);
                picks->order[others++] = t;
            }
        }
        of_sort_indices(picks->order, picks->scratch, others, is_nearer, picks);
        for (uint32_t i = 0; i < neighbour_count && i < others; i++) {
            picks->scores[s] += picks->distances[picks->order[i]];
        }
    }
}

uint32_t of_picks_best(const struct of_picks *picks)
{
    uint32_t best = UINT32_MAX;

    for (uint32_t t = 0; t < picks->gram->count; t++) {
        if (picks->active[t] && (best == UINT32_MAX || picks->scores[t] < picks->scores[best])) {
            best = t;
        }
    }
    return best;
}

onefold_status of_picks_check_count(const struct of_params *given, double f, double factor,
                                    onefold_error *err)
{
    const double least = factor * f + 3.0;

    if (given->input_count >= least) {
        return ONEFOLD_OK;
    }
    return of_err_set(err, "recipe-count",
                      "f = %g needs at least %g inputs (%g f + 3); there are %u", f, least, factor,
                      given->input_count);
}
