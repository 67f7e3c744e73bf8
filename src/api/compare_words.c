/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the numbers of a comparison say in words. Weights alone prove little: a text names what is
 * seen, what may be behind it, and what could be tried, and never which rule wins. The thresholds
 * are those of docs/methods/compare.md.
 */
#include "api/compare_parts.h"

#include <math.h>
#include <string.h>

enum { FINDINGS_MAX = 16, NAMED_MAX = 3 };

/* Above this two task vectors are one, or share something that neither learned. */
#define COSINE_ALIKE      0.95
/* Relative squared distance below which two inputs are the same up to the rounding of the sums. */
#define DISTANCE_SAME     1e-12
#define NORM_RATIO_LARGE  3.0
/* Against the median: no usual training makes such a difference. */
#define NORM_RATIO_HUGE   10.0
/* Below this, task vectors are called nearly orthogonal. */
#define COSINE_ORTHOGONAL 0.1
#define DIVERSITY_LARGE   1.05
#define AGREEMENT_ABOVE   1.05
#define AGREEMENT_NEAR    0.03
#define TAIL_ABOVE        1.1
#define ZEROS_LARGE       0.25
#define ZEROS_SMALL       0.05
#define STEPS_RATIO_EQUAL 1.05
/* Fewer elements say nothing about shares. */
enum { ELEMS_MIN = 1000 };

struct words {
    onefold_compare_result *result;
    const onefold_compare_group *model;
    uint32_t count; /* T */
    struct of_arena *arena;
    onefold_compare_finding *findings;
    bool failed;
};

static void say(struct words *words, int level, const char *id, struct of_text *text)
{
    onefold_compare_finding *finding = &words->findings[words->result->finding_count];

    of_assert(words->result->finding_count < FINDINGS_MAX);
    if (!text->failed && text->data != NULL) {
        finding->text = of_arena_copy(words->arena, text->data, text->length);
    }
    words->failed = words->failed || finding->text == NULL;
    finding->level = level;
    finding->id = id;
    words->result->finding_count += finding->text != NULL ? 1 : 0;
    of_text_finish(text);
}

/* "a, b, c and 4 more"; the caller counts what it names. */
static void name(const struct words *words, struct of_text *text, uint32_t index, uint64_t seen)
{
    if (seen < NAMED_MAX) {
        of_text_print(text, "%s%s", seen > 0 ? ", " : "", words->result->names[index]);
    }
}

static void name_more(struct of_text *text, uint64_t seen)
{
    if (seen > NAMED_MAX) {
        of_text_print(text, " and %llu more", (unsigned long long)(seen - NAMED_MAX));
    }
}

/* ---- Values that are not finite ---- */

static void look_for_nonfinite(struct words *words)
{
    struct of_text text = {0};
    uint64_t seen = 0;

    for (uint32_t i = 0; i <= words->count; i++) {
        const uint64_t nan = words->model->nan_count[i];
        const uint64_t inf = words->model->inf_count[i];

        if (nan + inf > 0 && seen++ < NAMED_MAX) {
            of_text_print(&text, "%s%s (%llu NaN, %llu infinite)", seen > 1 ? ", " : "",
                          i < words->count ? words->result->names[i] : words->result->base_name,
                          (unsigned long long)nan, (unsigned long long)inf);
        }
    }
    name_more(&text, seen);
    if (seen > 0) {
        of_text_print(&text, ": values that are not finite; a merge refuses them, and the numbers "
                             "here leave such elements out");
        say(words, ONEFOLD_LEVEL_WARNING, "compare-nonfinite", &text);
    }
}

/* ---- Copies, bases ---- */

static void look_for_base(struct words *words)
{
    struct of_text text = {0};
    uint64_t seen = 0;

    for (uint32_t t = 0; t < words->count; t++) {
        if (words->model->norms[t] <= 0.0) {
            name(words, &text, t, seen++);
        }
    }
    name_more(&text, seen);
    if (seen > 0) {
        of_text_print(&text, ": equal to the base in every value; it adds nothing and still counts "
                             "in T");
        say(words, ONEFOLD_LEVEL_WARNING, "compare-equal-base", &text);
    }
}

static bool is_same(const struct words *words, uint32_t s, uint32_t t)
{
    const double *gram = words->model->gram;
    const double one = gram[(uint64_t)s * words->count + s];
    const double two = gram[(uint64_t)t * words->count + t];

    return one > 0.0 && two > 0.0 &&
           one + two - 2.0 * gram[(uint64_t)s * words->count + t] <= DISTANCE_SAME * (one + two);
}

static void name_pair(const struct words *words, struct of_text *text, uint32_t s, uint32_t t,
                      uint64_t seen, bool with_cosine)
{
    if (seen >= NAMED_MAX) {
        return;
    }
    of_text_print(text, "%s%s and %s", seen > 0 ? ", " : "", words->result->names[s],
                  words->result->names[t]);
    if (with_cosine) {
        of_text_print(text, " (cosine %.3f)", words->model->cosine[(uint64_t)s * words->count + t]);
    }
}

/* Three or more inputs that all point one way have more than a task in common. */
static bool all_alike(const struct words *words)
{
    uint64_t different = 0;

    for (uint32_t s = 0; s < words->count; s++) {
        for (uint32_t t = s + 1; t < words->count; t++) {
            if (!(words->model->cosine[(uint64_t)s * words->count + t] > COSINE_ALIKE)) {
                return false;
            }
            different += is_same(words, s, t) ? 0 : 1;
        }
    }
    return words->count > 2 && different > 0;
}

static void look_for_copies(struct words *words)
{
    const bool wrong_base = all_alike(words);
    struct of_text same = {0};
    struct of_text alike = {0};
    uint64_t same_count = 0;
    uint64_t alike_count = 0;

    for (uint32_t s = 0; s < words->count; s++) {
        for (uint32_t t = s + 1; t < words->count; t++) {
            if (is_same(words, s, t)) {
                name_pair(words, &same, s, t, same_count++, false);
            } else if (words->model->cosine[(uint64_t)s * words->count + t] > COSINE_ALIKE) {
                name_pair(words, &alike, s, t, alike_count++, true);
            }
        }
    }
    name_more(&same, same_count);
    name_more(&alike, alike_count);
    if (same_count > 0) {
        of_text_print(&same, ": the same weights; together they count more than once");
        say(words, ONEFOLD_LEVEL_WARNING, "compare-duplicate", &same);
    }
    if (wrong_base) {
        of_text_print(&alike, ": all task vectors point the same way; either the stated base is "
                              "not the one they were trained from, or they are copies of one "
                              "another");
        say(words, ONEFOLD_LEVEL_WARNING, "compare-base", &alike);
    } else if (alike_count > 0) {
        of_text_print(&alike, ": nearly the same direction; one may be a copy of the other, or "
                              "both share a displacement from a base that is not theirs");
        say(words, ONEFOLD_LEVEL_WARNING, "compare-alike", &alike);
    }
    of_text_finish(&same);
    of_text_finish(&alike);
}

/* ---- Lengths ---- */

/* Lower median; counting is enough for the few inputs there are. */
static double median_norm(const struct words *words)
{
    const double *norms = words->model->norms;
    const uint32_t rank = (words->count - 1) / 2;

    for (uint32_t t = 0; t < words->count; t++) {
        uint32_t below = 0;
        uint32_t equal = 0;

        for (uint32_t s = 0; s < words->count; s++) {
            below += norms[s] < norms[t] ? 1 : 0;
            equal += norms[s] == norms[t] ? 1 : 0;
        }
        if (below <= rank && rank < below + equal) {
            return norms[t];
        }
    }
    return (double)NAN;
}

static void look_for_outliers(struct words *words)
{
    const double median = median_norm(words);
    struct of_text text = {0};
    uint64_t seen = 0;

    for (uint32_t t = 0; t < words->count && words->count > 2 && median > 0.0; t++) {
        const double ratio = words->model->norms[t] / median;

        if (ratio > NORM_RATIO_HUGE && seen++ < NAMED_MAX) {
            of_text_print(&text, "%s%s (%.3g times the median)", seen > 1 ? ", " : "",
                          words->result->names[t], ratio);
        }
    }
    name_more(&text, seen);
    if (seen > 0) {
        of_text_print(&text, ": a task vector of unusual length; another base, permuted neurons or "
                             "a run that went wrong look like this");
        say(words, ONEFOLD_LEVEL_WARNING, "compare-norm-outlier", &text);
    }
}

static void look_at_norms(struct words *words)
{
    const double *norms = words->model->norms;
    struct of_text text = {0};
    uint32_t shortest = OF_COMPARE_NO_GROUP;
    uint32_t longest = 0;

    for (uint32_t t = 0; t < words->count; t++) {
        if (norms[t] > 0.0 && (shortest == OF_COMPARE_NO_GROUP || norms[t] < norms[shortest])) {
            shortest = t;
        }
        longest = norms[t] > norms[longest] ? t : longest;
    }
    if (shortest == OF_COMPARE_NO_GROUP || !(norms[longest] / norms[shortest] > NORM_RATIO_LARGE)) {
        return;
    }
    of_text_print(&text,
                  "the task vector of %s is %.3g times as long as that of %s and leads every plain "
                  "sum; unequal training (rate, steps) is one reason, other data another: with "
                  "known steps fednova divides them out, cclip, arc, inverse_norm or weights bound "
                  "the lead",
                  words->result->names[longest], norms[longest] / norms[shortest],
                  words->result->names[shortest]);
    say(words, ONEFOLD_LEVEL_WARNING, "compare-norm-ratio", &text);
}

/* chi2(p, w) of equal shares p against the shares w that unequal steps give them. */
static void look_at_steps(struct words *words, const double *steps)
{
    struct of_text text = {0};
    double sum = 0.0;
    double least = (double)INFINITY;
    double most = 0.0;
    double chi2 = 0.0;

    for (uint32_t t = 0; steps != NULL && t < words->count; t++) {
        sum += steps[t];
        least = steps[t] < least ? steps[t] : least;
        most = steps[t] > most ? steps[t] : most;
    }
    if (steps == NULL || !(least > 0.0) || !(most / least > STEPS_RATIO_EQUAL)) {
        return;
    }
    for (uint32_t t = 0; t < words->count; t++) {
        const double share = steps[t] / sum;
        const double off = 1.0 / words->count - share;

        chi2 += off * off / share;
    }
    of_text_print(&text,
                  "the recipe's local steps differ %.3g-fold (chi2 %.3g): an average follows those "
                  "who trained longest; fednova divides the steps out, which is right for short "
                  "training and arbitrary for models that have converged",
                  most / least, chi2);
    say(words, ONEFOLD_LEVEL_NOTE, "compare-steps", &text);
}

/* ---- Directions ---- */

static void look_at_directions(struct words *words)
{
    const double *cosine = words->model->cosine;
    struct of_text text = {0};
    double largest = 0.0;

    if (words->model->diversity > DIVERSITY_LARGE && words->count > 1) {
        of_text_print(&text,
                      "the sum of the task vectors is shorter than unrelated ones would make it "
                      "(diversity %.3g): the models pull against each other, and a merge may well "
                      "gain nothing over the best of them",
                      words->model->diversity);
        say(words, ONEFOLD_LEVEL_WARNING, "compare-unlike", &text);
        return;
    }
    for (uint32_t s = 0; s < words->count; s++) {
        for (uint32_t t = s + 1; t < words->count; t++) {
            const double value = fabs(cosine[(uint64_t)s * words->count + t]);

            if (!(value < COSINE_ORTHOGONAL)) {
                return;
            }
            largest = value > largest ? value : largest;
        }
    }
    if (words->count > 2) {
        of_text_print(
            &text,
            "task vectors are close to orthogonal (no cosine is further than %.2g from 0): "
            "rules against outliers assume a common mean that is not there; krum takes the "
            "shortest, geometric_median "
            "leans towards short ones, multi_krum and bulyan leave whole models out",
            largest);
        say(words, ONEFOLD_LEVEL_NOTE, "compare-orthogonal", &text);
    }
}

/* ---- Elements ---- */

static double largest_zero_share(const struct words *words, uint32_t *ret_index)
{
    double largest = 0.0;

    *ret_index = 0;
    for (uint32_t t = 0; t < words->count && words->model->elem_count > 0; t++) {
        const double share = (double)words->model->zeros[t] / (double)words->model->elem_count;

        if (share > largest) {
            largest = share;
            *ret_index = t;
        }
    }
    return largest;
}

static void look_at_signs(struct words *words)
{
    const onefold_compare_group *model = words->model;
    const double ratio = model->agreement_mean / model->agreement_null_mean;
    struct of_text text = {0};
    uint32_t index;
    const double zeros = largest_zero_share(words, &index);

    if (words->count < 2 || model->elem_count < ELEMS_MIN) {
        return;
    }
    if (ratio > AGREEMENT_ABOVE) {
        of_text_print(&text,
                      "signs agree more often than by chance (mean %.3g, by chance %.3g): fedgma "
                      "has something to go by%s",
                      model->agreement_mean, model->agreement_null_mean,
                      words->count == 2 ? "; with two inputs its rho has no influence" : "");
        say(words, ONEFOLD_LEVEL_NOTE, "compare-agreement", &text);
    } else if (fabs(ratio - 1.0) < AGREEMENT_NEAR && zeros < ZEROS_SMALL) {
        of_text_print(&text,
                      "signs agree as often as by chance (mean %.3g, by chance %.3g): a mask by "
                      "sign, as fedgma has it, shrinks values at random",
                      model->agreement_mean, model->agreement_null_mean);
        say(words, ONEFOLD_LEVEL_NOTE, "compare-chance", &text);
    }
}

static void look_at_tails(struct words *words)
{
    const onefold_compare_group *model = words->model;
    struct of_text text = {0};

    /* With fewer than four inputs the statistic can take almost no value but one. */
    if (words->count < 4 || model->elem_count < ELEMS_MIN ||
        !(model->tail > TAIL_ABOVE * model->tail_gaussian)) {
        return;
    }
    of_text_print(&text,
                  "values spread with heavier tails than normal ones would (%.3g, normal %.3g): "
                  "median or trimmed_mean may do better than an average; a single model with long "
                  "task vectors looks the same",
                  model->tail, model->tail_gaussian);
    say(words, ONEFOLD_LEVEL_NOTE, "compare-tails", &text);
}

static void look_at_zeros(struct words *words)
{
    struct of_text text = {0};
    uint32_t index;
    const double share = largest_zero_share(words, &index);

    /* What equals the base altogether was said already. */
    if (share > ZEROS_LARGE && share < 1.0) {
        of_text_print(
            &text,
            "%.0f %% of the values of %s are exactly the base's; frozen tensors and rounding "
            "to 16 bits look like this: zeros vote for no sign and pull the median to 0",
            100.0 * share, words->result->names[index]);
        say(words, ONEFOLD_LEVEL_NOTE, "compare-zeros", &text);
    }
}

static void say_coarse(struct words *words)
{
    struct of_text text = {0};

    of_text_print(&text, "layers and kinds of tensors are left out: their inner products do not "
                         "fit; give more memory");
    say(words, ONEFOLD_LEVEL_NOTE, "compare-coarse", &text);
}

bool of_compare_words(const double *steps, bool is_coarse, struct of_arena *arena,
                      onefold_compare_result *result)
{
    struct words words = {.result = result,
                          .model = &result->groups[0],
                          .count = result->input_count,
                          .arena = arena,
                          .findings = OF_ARENA_NEW(arena, onefold_compare_finding, FINDINGS_MAX)};

    if (words.findings == NULL) {
        return false;
    }
    result->findings = words.findings;
    result->finding_count = 0;
    look_for_nonfinite(&words);
    look_for_base(&words);
    look_for_copies(&words);
    look_for_outliers(&words);
    look_at_norms(&words);
    look_at_steps(&words, steps);
    look_at_directions(&words);
    look_at_signs(&words);
    look_at_tails(&words);
    look_at_zeros(&words);
    if (is_coarse) {
        say_coarse(&words);
    }
    return !words.failed;
}
