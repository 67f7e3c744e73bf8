/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes pages of made-up comparisons for test_html.py. The task vectors are drawn, small ones, and
 * every statistic is computed from them, so that the pages look like real ones.
 *
 * usage: make_page FILE INPUTS LAYERS plain|odd|empty|far
 * odd: hostile names, NaN, infinity, zero norms, several stacks; empty: no groups at all; far:
 * norms a thousandfold apart.
 */
#include "compare_html.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { DIMENSION = 96, KIND_COUNT = 9 };

/* Elements that one drawn element stands for, so that counts are as long as real ones. */
#define EACH UINT64_C(1234567)

static const char *const kinds[KIND_COUNT] = {
    "self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight",
    "self_attn.o_proj.weight", "mlp.gate_proj.weight",    "mlp.up_proj.weight",
    "mlp.down_proj.weight",    "input_layernorm.weight",  "embed_tokens.weight"};

static const char *const plain_names[] = {"math-instruct", "code",           "medical-notes-v2",
                                          "law",           "chat",           "translation-de-en",
                                          "summaries",     "math-instruct-b"};

static const char *const odd_names[] = {"<script>alert(1)</script>",
                                        "a&b \"quoted\" 'single'",
                                        "--><!-- ]]> </title></style>",
                                        "a-very-long-name-that-somebody-gave-to-a-model-because-"
                                        "long-names-say-more-and-cannot-be-broken",
                                        "\xe6\xa8\xa1\xe5\x9e\x8b\xe5\x90\x88\xe5\xb9\xb6\xe5\x90"
                                        "\x8d\xe5\xad\x97\xe5\xbe\x88\xe9\x95\xbf",
                                        "bytes \xff\xfe\xc3 and \x01\x1b controls",
                                        "right \xe2\x80\xae to left",
                                        ""};

static uint64_t state = 88172645463325252u;

/* About normal: a sum of four uniform numbers. */
static double draw(void)
{
    double sum = 0;

    for (int i = 0; i < 4; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        sum += (double)(state >> 11) / 9007199254740992.0 - 0.5;
    }
    return sum * 1.7320508;
}

static void *take(uint64_t count, uint64_t size)
{
    void *memory = calloc(count + 1, size);

    if (memory == NULL) {
        abort();
    }
    return memory;
}

static char *text_of(const char *format, const char *word, uint64_t number)
    __attribute__((format(printf, 1, 0)));

static char *text_of(const char *format, const char *word, uint64_t number)
{
    char *text = take(200, 1);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(text, 200, format, word, number);
#pragma GCC diagnostic pop
    return text;
}

struct made {
    uint32_t inputs;
    bool odd;
    bool far;
    double *gram; /* of the group that is being made */
    double *norms;
    uint64_t *agreement;
    uint64_t *zeros;
    double *null;
    double overlap;
    double tail;
};

/* Chance that the signs of all inputs sum to k in size: a random walk, step by step. */
static double *null_of(uint32_t inputs)
{
    double *shares = take(inputs, sizeof(double));
    double *next = take(inputs, sizeof(double));

    shares[0] = 1;
    for (uint32_t t = 0; t < inputs; t++) {
        memset(next, 0, (inputs + 1) * sizeof(double));
        for (uint32_t k = 0; k <= t; k++) {
            next[k + 1] += shares[k] * (k == 0 ? 1 : 0.5);
            if (k > 0) {
                next[k - 1] += shares[k] * 0.5;
            }
        }
        memcpy(shares, next, (inputs + 1) * sizeof(double));
    }
    free(next);
    return shares;
}

static double scale_of(const struct made *made, uint32_t input)
{
    return made->far ? pow(10, -3.0 * input / made->inputs) : 0.6 + 0.13 * ((input * 5) % 8);
}

/* One element of all inputs: a common part, a part that two neighbours share, and one's own. */
static void add_element(struct made *made, double depth, double *values)
{
    const double common = draw();
    double sum_abs = 0, largest = 0, mean = 0, second = 0, fourth = 0;
    int signs = 0;

    for (uint32_t t = 0; t < made->inputs; t++) {
        const double own = draw();
        const double size = scale_of(made, t) * (0.5 + depth * (1 + t % 3) / 2);

        values[t] = draw() < -0.9 ? 0 : size * (0.35 * common + own * (1 + (draw() > 1.6 ? 2 : 0)));
        if (t % 8 == 7) {
            values[t] = 0.97 * values[t - 7] + 0.05 * own;
        }
        mean += values[t] / made->inputs;
        sum_abs += fabs(values[t]);
        largest = fmax(largest, fabs(values[t]));
        signs += (values[t] > 0) - (values[t] < 0);
        made->zeros[t] += values[t] == 0 ? EACH : 0;
    }
    made->agreement[abs(signs)] += EACH;
    for (uint32_t t = 0; t < made->inputs; t++) {
        const double square = (values[t] - mean) * (values[t] - mean);

        second += square;
        fourth += square * square;
        for (uint32_t s = 0; s < made->inputs; s++) {
            made->gram[t * made->inputs + s] += values[t] * values[s];
        }
    }
    made->overlap += sum_abs > 0 ? largest / sum_abs / DIMENSION : 0;
    made->tail += second > 0 ? made->inputs * fourth / (second * second) / DIMENSION : 0;
}

/* What follows from the inner products. */
static void finish_group(struct made *made, onefold_compare_group *group)
{
    const uint32_t inputs = made->inputs;
    double *cosine = take((uint64_t)inputs * inputs, sizeof(double));
    double *recall = take(inputs, sizeof(double));
    double *interference = take(inputs, sizeof(double));
    double total = 0, energy = 0, pairs = 0, low = (double)INFINITY, high = 0;

    for (uint32_t t = 0; t < inputs; t++) {
        made->norms[t] = sqrt(made->gram[t * inputs + t]);
        low = fmin(low, made->norms[t]);
        high = fmax(high, made->norms[t]);
        energy += made->gram[t * inputs + t];
        for (uint32_t s = 0; s < inputs; s++) {
            total += made->gram[t * inputs + s];
            recall[t] += made->gram[t * inputs + s] / inputs;
        }
    }
    for (uint32_t t = 0; t < inputs; t++) {
        const double square = made->gram[t * inputs + t];

        interference[t] =
            total / inputs / inputs - (square > 0 ? recall[t] * recall[t] / square : 0);
        recall[t] = square > 0 ? recall[t] / square : (double)NAN;
        for (uint32_t s = 0; s < inputs; s++) {
            cosine[t * inputs + s] = made->gram[t * inputs + s] / (made->norms[t] * made->norms[s]);
            pairs += s < t ? cosine[t * inputs + s] : 0;
        }
    }
    group->norms = made->norms;
    group->gram = made->gram;
    group->cosine = cosine;
    group->recall = recall;
    group->interference = interference;
    group->norm_ratio = low > 0 ? high / low : (double)INFINITY;
    group->mean_cosine = inputs > 1 ? pairs * 2 / inputs / (inputs - 1) : (double)NAN;
    group->diversity = energy / total;
    group->drift_variance = energy / inputs - total / inputs / inputs;
}

static void make_group(struct made *made, onefold_compare_group *group, double depth)
{
    const uint32_t inputs = made->inputs;
    double *values = take(inputs, sizeof(double));
    uint64_t *nan_count = take(inputs + 1, sizeof(uint64_t));
    uint64_t *inf_count = take(inputs + 1, sizeof(uint64_t));

    made->gram = take((uint64_t)inputs * inputs, sizeof(double));
    made->norms = take(inputs, sizeof(double));
    made->agreement = take(inputs + 1, sizeof(uint64_t));
    made->zeros = take(inputs, sizeof(uint64_t));
    made->overlap = made->tail = 0;
    for (int i = 0; i < DIMENSION; i++) {
        add_element(made, depth, values);
    }
    free(values);
    if (made->odd && inputs > 2) { /* one input equals the base */
        for (uint32_t t = 0; t < inputs; t++) {
            made->gram[2 * inputs + t] = made->gram[t * inputs + 2] = 0;
        }
        nan_count[0] = 3;
        inf_count[inputs] = 12345;
    }
    finish_group(made, group);
    group->elem_count = DIMENSION * EACH;
    group->agreement = made->agreement;
    group->agreement_null = made->null;
    for (uint32_t k = 0; k <= inputs; k++) {
        group->agreement_mean +=
            (double)(made->agreement[k] * k) / (double)group->elem_count / inputs;
        group->agreement_null_mean += made->null[k] * k / inputs;
    }
    group->zeros = made->zeros;
    group->overlap = made->overlap;
    group->tail = inputs > 1 ? made->tail : (double)NAN;
    group->tail_gaussian = 3.0 * (inputs - 1) / (inputs + 1);
    group->nan_count = nan_count;
    group->inf_count = inf_count;
}

static void make_groups(struct made *made, onefold_compare_result *result, uint64_t layers)
{
    const uint64_t count = 1 + layers + 1 + KIND_COUNT;
    onefold_compare_group *groups = take(count, sizeof(*groups));

    made->null = null_of(made->inputs);
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t layer = i - 1;
        const bool second = made->odd && layer >= layers / 3;

        make_group(made, &groups[i], i > layers ? 0.4 : (double)i / (double)(layers + 1));
        groups[i].kind = i == 0            ? ONEFOLD_GROUP_MODEL
                         : i <= layers + 1 ? ONEFOLD_GROUP_LAYER
                                           : ONEFOLD_GROUP_KIND;
        groups[i].tensor_count = i == 0 ? 9 * layers + 2 : 9;
        groups[i].name = i == 0            ? "model"
                         : i == layers + 1 ? "other tensors"
                         : i > layers + 1
                             ? kinds[i - layers - 2]
                             : text_of("%s.layers.%" PRIu64, second ? "vision" : "model",
                                       second ? layer - layers / 3 : layer);
    }
    if (made->odd) {
        groups[count - 1].name = "<b>kind</b>&amp;";
    }
    result->groups = groups;
    result->group_count = count;
}

static void make_words(const struct made *made, onefold_compare_result *result)
{
    static const onefold_compare_finding findings[] = {
        {ONEFOLD_LEVEL_NOTE, "compare-agreement",
         "Signs agree more often than chance would have it (0.41 against 0.27): masks by sign, as "
         "in FedGMA, have something to go by."},
        {ONEFOLD_LEVEL_WARNING, "compare-duplicate",
         "\"math-instruct\" and \"math-instruct-b\" point the same way (cosine 0.96): one may be a "
         "copy of the other, and would count twice."},
        {ONEFOLD_LEVEL_NOTE, "compare-tails",
         "Tails are heavier than normal values would give: the median is worth a try."},
        {ONEFOLD_LEVEL_ERROR, "compare-value",
         "The base <i>holds</i> values that are not finite & cannot be merged."}};
    const char **names = take(made->inputs, sizeof(char *));
    onefold_compare_step *steps = take(6, sizeof(*steps));
    double *lambdas = take(made->inputs, sizeof(double));

    for (uint32_t t = 0; t < made->inputs; t++) {
        const char *const *from = made->odd ? odd_names : plain_names;

        names[t] = t < 8 ? from[t] : text_of("%s-%" PRIu64, "site", t + 1);
        lambdas[t] = 1.0 / made->inputs;
    }
    result->names = names;
    result->base_name = made->odd ? "<base> & \"co\"" : "open-8b-base";
    result->lambda = 1.0 / made->inputs;
    result->beta = 1;
    steps[0] = (onefold_compare_step){"average", 1.0 / made->inputs, 1, NULL};
    steps[1] = (onefold_compare_step){"feddyn", 2.0 / made->inputs, 2, NULL};
    steps[2] = (onefold_compare_step){"fedexp", 1.4 / made->inputs, 1.4, NULL};
    steps[3] = (onefold_compare_step){"metagpt", (double)NAN, 1, lambdas};
    steps[4] = (onefold_compare_step){"model_stock", made->odd ? -0.02 : 0.3 / made->inputs,
                                      made->odd ? -0.16 : 0.3, NULL};
    steps[5] = (onefold_compare_step){"inverse_norm", (double)NAN, (double)NAN, lambdas};
    result->steps = steps;
    result->step_count = 6;
    result->findings = findings;
    result->finding_count = made->odd ? 4 : made->inputs > 1 ? 3 : 0;
    result->read_bytes = 144560000000;
    result->seconds = made->odd ? (double)INFINITY : 61.34;
    result->peak_memory_bytes = 1060000000;
}

int main(int argc, char **argv)
{
    /* Static: what they hold lives as long as the program. */
    static onefold_compare_result result;
    static struct made made;
    int code;

    if (argc != 5) {
        (void)fputs("usage: make_page FILE INPUTS LAYERS plain|odd|empty|far\n", stderr);
        return 2;
    }
    made.inputs = (uint32_t)strtoul(argv[2], NULL, 10);
    made.odd = strcmp(argv[4], "odd") == 0;
    made.far = strcmp(argv[4], "far") == 0;
    result.input_count = made.inputs;
    if (strcmp(argv[4], "empty") != 0) {
        make_groups(&made, &result, strtoul(argv[3], NULL, 10));
    }
    make_words(&made, &result);
    code = compare_html_write(argv[1], &result);
    if (code != 0) {
        (void)fprintf(stderr, "%s: %s\n", argv[1], strerror(code));
    }
    return code == 0 ? 0 : 1;
}
