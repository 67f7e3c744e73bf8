/* SPDX-License-Identifier: Apache-2.0 */
/* The naive federated rules. The shortest way to say it, never the fast one. */
#include "support/oracle_rules.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what)
{
    printf("Bail out! oracle: %s\n", what);
    fflush(stdout);
    exit(99);
}

/* ---- Whole models ---- */

/* The same tensor everywhere. */
struct family {
    const struct oracle_tensor *base;
    const struct oracle_tensor *inputs[ORACLE_INPUTS_MAX];
};

static struct family family_of(const struct oracle_federation *federation, const char *name)
{
    struct family family = {.base = oracle_find(federation->base, name)};

    if (family.base == NULL) {
        die("a tensor is missing in the base");
    }
    for (size_t t = 0; t < federation->input_count; t++) {
        family.inputs[t] = oracle_find(federation->inputs[t], name);
        if (family.inputs[t] == NULL) {
            die("a tensor is missing in an input");
        }
    }
    return family;
}

static double delta(const struct family *family, size_t t, uint64_t i)
{
    return oracle_get(family->inputs[t], i) - oracle_get(family->base, i);
}

static int descending(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;

    return (left < right) - (left > right);
}

static int ascending(const void *a, const void *b)
{
    return descending(b, a);
}

static double middle_of(const double *d, size_t count, enum oracle_middle middle)
{
    double sorted[ORACLE_INPUTS_MAX];
    double low;
    double high;

    memcpy(sorted, d, count * sizeof(d[0]));
    qsort(sorted, count, sizeof(sorted[0]), ascending);
    low = sorted[(count - 1) / 2];
    high = sorted[count / 2];
    return middle == ORACLE_LOWER ? low : middle == ORACLE_UPPER ? high : 0.5 * (low + high);
}

static void make_gram(const struct oracle_federation *federation, struct oracle_facts *facts)
{
    memset(facts->gram, 0, sizeof(facts->gram));
    for (size_t k = 0; k < federation->base->tensor_count; k++) {
        const struct oracle_tensor *tensor = &federation->base->tensors[k];
        struct family family;

        if (!oracle_dtype_is_numeric(tensor->dtype)) {
            continue;
        }
        family = family_of(federation, tensor->name);
        for (uint64_t i = 0; i < tensor->elem_count; i++) {
            double d[ORACLE_INPUTS_MAX + 1];

            for (size_t t = 0; t < federation->input_count; t++) {
                d[t] = delta(&family, t, i);
            }
            d[federation->input_count] = middle_of(d, federation->input_count, ORACLE_MID);
            for (size_t t = 0; t <= federation->input_count; t++) {
                for (size_t s = 0; s <= t; s++) {
                    facts->gram[s][t] += d[s] * d[t];
                }
            }
        }
    }
    for (size_t s = 0; s <= federation->input_count; s++) {
        for (size_t t = 0; t < s; t++) {
            facts->gram[s][t] = facts->gram[t][s];
        }
    }
}

static double share(const struct oracle_federation *federation, size_t t)
{
    double sum = 0.0;

    if (federation->shares == NULL) {
        return 1.0 / (double)federation->input_count;
    }
    for (size_t s = 0; s < federation->input_count; s++) {
        sum += federation->shares[s];
    }
    return federation->shares[t] / sum;
}

/* ---- Rules that weigh ---- */

/* Sum of the accumulation weights of SGD with momentum, step by step. */
static double normaliser(double steps, double momentum)
{
    double c = 0.0;
    double sum = 0.0;

    if (momentum == 0.0) {
        return steps;
    }
    for (double k = 0.0; k < steps; k += 1.0) {
        c = momentum * c + 1.0;
        sum += c;
    }
    return sum;
}

static void fednova(const struct oracle_federation *federation, struct oracle_facts *facts)
{
    double effective = 0.0;

    for (size_t t = 0; t < federation->input_count; t++) {
        const double a = normaliser(federation->steps[t], federation->momentum);

        effective += share(federation, t) * a;
        facts->weights[t] = share(federation, t) / a;
    }
    for (size_t t = 0; t < federation->input_count; t++) {
        facts->weights[t] *= effective;
    }
}

/* Squared distance of task vector t from sum a_s tau_s; a has a place for the median, too. */
static double distance2(const struct oracle_federation *federation,
                        const struct oracle_facts *facts, const double *a, size_t t)
{
    double square = facts->gram[t][t];

    for (size_t s = 0; s <= federation->input_count; s++) {
        square -= 2.0 * a[s] * facts->gram[s][t];
        for (size_t u = 0; u <= federation->input_count; u++) {
            square += a[s] * a[u] * facts->gram[s][u];
        }
    }
    return fmax(square, 0.0);
}

/* v <- v + (1/T) sum (tau - v) min(1, r / |tau - v|) */
static void cclip(const struct oracle_federation *federation, struct oracle_facts *facts)
{
    const double count = (double)federation->input_count;
    double *a = facts->weights;

    for (size_t t = 0; t < federation->input_count; t++) {
        a[t] = federation->from_mean ? 1.0 / count : 0.0;
    }
    a[federation->input_count] = federation->from_median ? 1.0 : 0.0;
    for (size_t round = 0; round < federation->iterations; round++) {
        double next[ORACLE_INPUTS_MAX + 1];

        memcpy(next, a, sizeof(next));
        for (size_t t = 0; t < federation->input_count; t++) {
            const double distance = sqrt(distance2(federation, facts, a, t));
            const double c = distance > facts->radius ? facts->radius / distance : 1.0;

            next[t] += c / count;
            for (size_t s = 0; s <= federation->input_count; s++) {
                next[s] -= a[s] * c / count;
            }
        }
        memcpy(a, next, sizeof(next));
    }
}

static void arc(const struct oracle_federation *federation, struct oracle_facts *facts)
{
    struct oracle_federation clip = *federation;
    const double count = (double)federation->input_count;
    const double f = (double)federation->f;
    double norms[ORACLE_INPUTS_MAX];

    for (size_t t = 0; t < federation->input_count; t++) {
        norms[t] = sqrt(facts->gram[t][t]);
    }
    qsort(norms, federation->input_count, sizeof(norms[0]), descending);
    facts->radius = norms[(size_t)floor(2.0 * (f / count) * (count - f) + 1e-9)];
    clip.iterations = 1;
    clip.from_mean = false;
    clip.from_median = false;
    cclip(&clip, facts);
}

/* An input is the minimiser iff the unit vectors to the others, weighted, add up to no more than
 * its own share. */
static void take_vertex(const struct oracle_federation *federation, struct oracle_facts *facts)
{
    const size_t count = federation->input_count;

    for (size_t k = 0; k < count; k++) {
        double x[ORACLE_INPUTS_MAX] = {0};
        double square = 0.0;

        for (size_t t = 0; t < count; t++) {
            const double distance =
                sqrt(fmax(facts->gram[k][k] + facts->gram[t][t] - 2.0 * facts->gram[k][t], 0.0));

            if (t != k && distance > 0.0) {
                x[k] += share(federation, t) / distance;
                x[t] -= share(federation, t) / distance;
            }
        }
        for (size_t s = 0; s < count; s++) {
            for (size_t t = 0; t < count; t++) {
                square += x[s] * x[t] * facts->gram[s][t];
            }
        }
        if (sqrt(fmax(square, 0.0)) <= share(federation, k)) {
            memset(facts->weights, 0, sizeof(facts->weights));
            facts->weights[k] = 1.0;
            return;
        }
    }
}

static void weiszfeld(const struct oracle_federation *federation, struct oracle_facts *facts)
{
    double *a = facts->weights;
    double before = 0.0;

    for (size_t t = 0; t < federation->input_count; t++) {
        a[t] = share(federation, t);
    }
    for (size_t round = 0; round <= federation->iterations; round++) {
        double w[ORACLE_INPUTS_MAX];
        double objective = 0.0;
        double sum = 0.0;

        for (size_t t = 0; t < federation->input_count; t++) {
            const double distance = sqrt(distance2(federation, facts, a, t));

            objective += share(federation, t) * distance;
            w[t] = share(federation, t) / fmax(federation->eps, distance);
            sum += w[t];
        }
        if (round > 0 && fabs(before - objective) <= 1e-6 * before) {
            take_vertex(federation, facts);
            return;
        }
        if (round == federation->iterations) {
            return;
        }
        before = objective;
        for (size_t t = 0; t < federation->input_count; t++) {
            a[t] = w[t] / sum;
        }
    }
}

/* Sum of squared distances to the `neighbours` nearest of the others that are left. */
static double krum_score(const struct oracle_federation *federation,
                         const struct oracle_facts *facts, const bool *left, size_t s,
                         size_t neighbours)
{
    double distances[ORACLE_INPUTS_MAX];
    size_t count = 0;
    double sum = 0.0;

    for (size_t t = 0; t < federation->input_count; t++) {
        if (left[t] && t != s) {
            distances[count++] =
                fmax(facts->gram[s][s] + facts->gram[t][t] - 2.0 * facts->gram[s][t], 0.0);
        }
    }
    qsort(distances, count, sizeof(distances[0]), descending);
    for (size_t i = 0; i < neighbours; i++) {
        sum += distances[count - 1 - i];
    }
    return sum;
}

static size_t krum_best(const struct oracle_federation *federation,
                        const struct oracle_facts *facts, const bool *left, const bool *taken,
                        size_t neighbours)
{
    double best_score = (double)INFINITY;
    size_t best = 0;

    for (size_t t = 0; t < federation->input_count; t++) {
        if (left[t] && !taken[t]) {
            const double score = krum_score(federation, facts, left, t, neighbours);

            if (score < best_score) {
                best_score = score;
                best = t;
            }
        }
    }
    return best;
}

static void krum(const struct oracle_federation *federation, struct oracle_facts *facts, size_t m)
{
    bool left[ORACLE_INPUTS_MAX];
    bool taken[ORACLE_INPUTS_MAX] = {false};

    memset(left, 1, sizeof(left));
    for (size_t i = 0; i < m; i++) {
        const size_t best =
            krum_best(federation, facts, left, taken, federation->input_count - federation->f - 2);

        taken[best] = true;
        facts->weights[best] = 1.0 / (double)m;
    }
}

static void bulyan(const struct oracle_federation *federation, struct oracle_facts *facts)
{
    const bool none[ORACLE_INPUTS_MAX] = {false};
    bool left[ORACLE_INPUTS_MAX];

    memset(left, 1, sizeof(left));
    for (size_t rest = federation->input_count; rest > 2 * federation->f; rest--) {
        const size_t neighbours = rest > federation->f + 2 ? rest - federation->f - 2 : 0;
        const size_t best = krum_best(federation, facts, left, none, neighbours);

        left[best] = false;
        facts->chosen[best] = true;
    }
}

static void norms_decide(const struct oracle_federation *federation, struct oracle_facts *facts,
                         double power)
{
    double sum = 0.0;

    for (size_t t = 0; t < federation->input_count; t++) {
        facts->weights[t] = pow(facts->gram[t][t], power);
        sum += facts->weights[t];
    }
    for (size_t t = 0; t < federation->input_count; t++) {
        facts->weights[t] /= sum;
    }
}

/* beta = max(1, 0.5 * mean of squared norms / squared norm of the mean) */
static double fedexp_beta(const struct oracle_federation *federation,
                          const struct oracle_facts *facts)
{
    const double count = (double)federation->input_count;
    double norms = 0.0;
    double mean = 0.0;

    for (size_t s = 0; s < federation->input_count; s++) {
        norms += facts->gram[s][s] / count;
        for (size_t t = 0; t < federation->input_count; t++) {
            mean += facts->gram[s][t] / (count * count);
        }
    }
    return mean > 0.0 ? fmax(1.0, 0.5 * norms / mean) : 1.0;
}

void oracle_federate(const struct oracle_federation *federation, struct oracle_facts *facts)
{
    memset(facts, 0, sizeof(*facts));
    facts->beta = federation->beta;
    facts->radius = federation->radius;
    make_gram(federation, facts);
    switch (federation->rule) {
    case ORACLE_FEDNOVA:
        fednova(federation, facts);
        break;
    case ORACLE_CCLIP:
        cclip(federation, facts);
        break;
    case ORACLE_ARC:
        arc(federation, facts);
        break;
    case ORACLE_GEOMETRIC_MEDIAN:
        weiszfeld(federation, facts);
        break;
    case ORACLE_KRUM:
        krum(federation, facts, 1);
        break;
    case ORACLE_MULTI_KRUM:
        krum(federation, facts, federation->m);
        break;
    case ORACLE_BULYAN:
        bulyan(federation, facts);
        break;
    case ORACLE_FEDEXP:
    case ORACLE_FEDDYN:
        facts->beta = federation->rule == ORACLE_FEDDYN ? 2.0 : fedexp_beta(federation, facts);
        norms_decide(federation, facts, 0.0);
        break;
    case ORACLE_METAGPT:
        norms_decide(federation, facts, 1.0);
        break;
    case ORACLE_INVERSE_NORM:
        norms_decide(federation, facts, -0.5);
        break;
    case ORACLE_FEDGMA:
    case ORACLE_MEDIAN:
    case ORACLE_TRIMMED_MEAN:
        break;
    }
}

/* ---- Element by element ---- */

static double trimmed_mean(const double *d, size_t count, size_t trim)
{
    double sorted[ORACLE_INPUTS_MAX];
    double sum = 0.0;

    memcpy(sorted, d, count * sizeof(d[0]));
    qsort(sorted, count, sizeof(sorted[0]), ascending);
    for (size_t t = trim; t < count - trim; t++) {
        sum += sorted[t];
    }
    return sum / (double)(count - 2 * trim);
}

/* The mean of sum p tau, times 1 or the agreement |sum p sgn(tau)|. */
static double fedgma(const struct oracle_federation *federation, const double *d)
{
    double sum = 0.0;
    double vote = 0.0;
    double voters = 0.0;
    double agreement;

    for (size_t t = 0; t < federation->input_count; t++) {
        const double p = share(federation, t);

        sum += p * d[t];
        vote += p * ((d[t] > 0.0) - (d[t] < 0.0));
        voters += !federation->nonzero || d[t] != 0.0 ? p : 0.0;
    }
    agreement = voters > 0.0 ? fabs(vote) / voters : 0.0;
    return agreement >= federation->rho - 1e-6 ? sum : agreement * sum;
}

/* The mean of the values nearest to the median of the chosen; equally near: the lower number. */
static double bulyan_element(const struct oracle_federation *federation,
                             const struct oracle_facts *facts, const double *d)
{
    double values[ORACLE_INPUTS_MAX];
    bool used[ORACLE_INPUTS_MAX] = {false};
    size_t count = 0;
    double sum = 0.0;
    float median;

    for (size_t t = 0; t < federation->input_count; t++) {
        if (facts->chosen[t]) {
            values[count++] = (double)(float)d[t];
        }
    }
    median = (float)middle_of(values, count, ORACLE_MID);
    for (size_t k = 0; k < count - 2 * federation->f; k++) {
        size_t best = count;

        for (size_t t = 0; t < count; t++) {
            if (!used[t] && (best == count || fabsf((float)values[t] - median) <
                                                  fabsf((float)values[best] - median))) {
                best = t;
            }
        }
        used[best] = true;
        sum += values[best];
    }
    return sum / (double)(count - 2 * federation->f);
}

static double mean_form(const struct oracle_federation *federation,
                        const struct oracle_facts *facts, const double *d)
{
    double sum = 0.0;

    switch (federation->rule) {
    case ORACLE_MEDIAN:
        return middle_of(d, federation->input_count, federation->middle);
    case ORACLE_TRIMMED_MEAN:
        return trimmed_mean(d, federation->input_count, federation->trim);
    case ORACLE_FEDGMA:
        return fedgma(federation, d);
    case ORACLE_BULYAN:
        return bulyan_element(federation, facts, d);
    case ORACLE_FEDNOVA:
    case ORACLE_CCLIP:
    case ORACLE_GEOMETRIC_MEDIAN:
    case ORACLE_KRUM:
    case ORACLE_MULTI_KRUM:
    case ORACLE_ARC:
    case ORACLE_FEDEXP:
    case ORACLE_FEDDYN:
    case ORACLE_METAGPT:
    case ORACLE_INVERSE_NORM:
        break;
    }
    for (size_t t = 0; t < federation->input_count; t++) {
        sum += facts->weights[t] * d[t];
    }
    if (federation->from_median) {
        sum += facts->weights[federation->input_count] *
               middle_of(d, federation->input_count, ORACLE_MID);
    }
    return sum;
}

static bool element_agrees(const struct oracle_federation *federation,
                           const struct oracle_facts *facts, const struct family *family,
                           const struct oracle_tensor *output, uint64_t i, char *message,
                           size_t message_size)
{
    /* Each f32 step errs by half a spacing of its result, as in oracle_agrees. */
    const double step_error = (4.0 * (double)federation->input_count + 8.0) * 0x1p-24;
    const double base = oracle_get(family->base, i);
    const double got = oracle_get(output, i);
    double magnitudes = fabs(base);
    double d[ORACLE_INPUTS_MAX];
    double exact;
    double tolerance;
    double limit;

    for (size_t t = 0; t < federation->input_count; t++) {
        d[t] = delta(family, t, i);
        magnitudes += fabs(facts->beta) * (fabs(d[t]) + fabs(base));
    }
    exact = base + facts->beta * mean_form(federation, facts, d);
    tolerance = step_error * magnitudes + 0x1p-149;
    limit = 0.5 * oracle_spacing(output->dtype, fabs(exact) + tolerance) + tolerance;
    if (fabs(got - exact) <= limit) {
        return true;
    }
    snprintf(message, message_size, "%s[%" PRIu64 "]: got %.17g, exact %.17g, tolerance %.3g",
             output->name, i, got, exact, limit);
    return false;
}

bool oracle_federation_agrees(const struct oracle_federation *federation,
                              const struct oracle_facts *facts, const struct oracle_model *output,
                              char *message, size_t message_size)
{
    if (output->tensor_count != federation->base->tensor_count) {
        snprintf(message, message_size, "%zu tensors, expected %zu", output->tensor_count,
                 federation->base->tensor_count);
        return false;
    }
    for (size_t k = 0; k < output->tensor_count; k++) {
        const struct oracle_tensor *tensor = &output->tensors[k];
        const struct family family = family_of(federation, tensor->name);

        if (!oracle_dtype_is_numeric(tensor->dtype)) {
            if (tensor->byte_count != family.base->byte_count ||
                memcmp(tensor->data, family.base->data, tensor->byte_count) != 0) {
                snprintf(message, message_size, "%s: not a copy", tensor->name);
                return false;
            }
            continue;
        }
        for (uint64_t i = 0; i < tensor->elem_count; i++) {
            if (!element_agrees(federation, facts, &family, tensor, i, message, message_size)) {
                return false;
            }
        }
    }
    return true;
}
