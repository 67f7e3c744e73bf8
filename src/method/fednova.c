/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fednova: base + beta * tau_eff * SUM(p_t tau_t / a_t), a_t = how much local training stands
 * behind input t. An input that trained twenty times as long does not count twenty times. a_t comes
 * from facts of the recipe and is never assumed: equal a_t would be plain averaging under another
 * name.
 */
#include "method/method.h"
#include "method/rows.h"
#include "method/shares.h"

#include <math.h>

enum {
    PARAM_SAMPLES,
    PARAM_STEPS,
    PARAM_LR_SUM,
    PARAM_WEIGHT,
    PARAM_MODE,
    PARAM_MOMENTUM,
    PARAM_PROXIMAL
};
enum { MODE_STEPS, MODE_LR_SUM };

/* The recursions below count steps one by one in effect; past this a double skips numbers. */
#define STEPS_MAX 0x1p53
/* Training that differs by less than this is the same training. */
#define ALIKE     0.05

static const char *const modes[] = {[MODE_STEPS] = "steps", [MODE_LR_SUM] = "lr_sum", NULL};

static const struct of_param params[] = {
    [PARAM_SAMPLES] = OF_SHARES_SAMPLES,
    [PARAM_STEPS] = {.name = "steps",
                     .kind = OF_PARAM_REAL,
                     .per_input = true,
                     .is_fact = true,
                     .standard = OF_PARAM_NOT_GIVEN,
                     .min = 0.0,
                     .max = OF_PARAM_UNBOUNDED,
                     .help = "local optimiser steps, with mode steps; only the ratios matter, so "
                             "epochs times batches or tokens serve as well"},
    [PARAM_LR_SUM] = {.name = "lr_sum",
                      .kind = OF_PARAM_REAL,
                      .per_input = true,
                      .is_fact = true,
                      .standard = OF_PARAM_NOT_GIVEN,
                      .min = 0.0,
                      .max = OF_PARAM_UNBOUNDED,
                      .help = "sum of the learning rates over the local steps, with mode lr_sum; "
                              "only the ratios matter"},
    [PARAM_WEIGHT] = OF_SHARES_WEIGHT,
    [PARAM_MODE] = {.name = "mode",
                    .kind = OF_PARAM_WORD,
                    .is_whole = true,
                    .standard = MODE_STEPS,
                    .min = MODE_STEPS,
                    .max = MODE_LR_SUM,
                    .words = modes,
                    .help = "which fact divides: steps or lr_sum"},
    [PARAM_MOMENTUM] = {.name = "momentum",
                        .kind = OF_PARAM_REAL,
                        .per_input = true,
                        .standard = OF_PARAM_NOT_GIVEN,
                        .min = 0.0,
                        .max = 1.0,
                        .help =
                            "momentum of the local SGD (buffer = momentum * buffer + gradient); "
                            "needs whole steps"},
    [PARAM_PROXIMAL] = {.name = "proximal",
                        .kind = OF_PARAM_REAL,
                        .per_input = true,
                        .standard = OF_PARAM_NOT_GIVEN,
                        .min = 0.0,
                        .max = 1.0,
                        .help = "learning rate times weight of the proximal term of the local "
                                "solver; needs whole steps"},
};

/* c_n = q c_(n-1) + 1 from c_0 = 0, and the sum of c_1 .. c_n. With q = momentum the sum is the
 * normaliser of SGD with momentum, with q = 1 - proximal c_n is that of the proximal solver. The
 * closed forms cancel for q near 1; doubling needs no more than 53 rounds, adds only what is
 * positive, and uses no function whose last bit is the C library's to choose. */
struct series {
    double count;
    double power; /* q^count */
    double last;  /* c_count */
    double sum;
};

static struct series run_series(double q, double steps)
{
    struct series at = {.power = 1.0};

    for (int i = 53; i >= 0; i--) {
        const double bit = ldexp(1.0, i); /* exact */
        const double rest = steps - 2.0 * at.count * bit;

        /* c_(n+k) = c_n + q^n c_k, here with k = n. */
        at.sum = at.sum + at.count * at.last + at.power * at.sum;
        at.last = at.last + at.power * at.last;
        at.power = at.power * at.power;
        at.count = 2.0 * at.count;
        if (rest >= bit) {
            at.last = q * at.last + 1.0;
            at.sum = at.sum + at.last;
            at.power = at.power * q;
            at.count = at.count + 1.0;
        }
    }
    return at;
}

/* What one input brings: its amount of training as it counts, and as the steps say. */
struct training {
    double normaliser; /* a_t */
    double steps;      /* K_t */
    bool is_proximal;
};

static onefold_status find_training(const struct of_params *given, uint32_t i,
                                    struct training *ret_training, onefold_error *err)
{
    const bool by_steps = given->global[PARAM_MODE] == MODE_STEPS;
    const double momentum = given->per_input[PARAM_MOMENTUM][i];
    const double proximal = given->per_input[PARAM_PROXIMAL][i];
    const bool has_momentum = momentum > 0.0; /* false where none is given */
    const bool has_proximal = proximal > 0.0;
    const double amount = given->per_input[by_steps ? PARAM_STEPS : PARAM_LR_SUM][i];

    if (!(amount > 0.0) || !isfinite(amount)) {
        return of_err_set(err, "recipe-fact",
                          "\"%s\" of input %u is not known, and is never assumed%s",
                          by_steps ? "steps" : "lr_sum", i + 1,
                          by_steps && !isnan(given->per_input[PARAM_LR_SUM][i])
                              ? "; to divide by \"lr_sum\" write mode: lr_sum"
                              : "");
    }
    *ret_training = (struct training){.normaliser = amount, .steps = amount};
    if (!has_momentum && !has_proximal) {
        return ONEFOLD_OK;
    }
    if (has_momentum && has_proximal) {
        return of_err_set(err, "recipe-value",
                          "input %u has \"momentum\" and \"proximal\"; no normaliser is known for "
                          "both together",
                          i + 1);
    }
    if (!by_steps || amount != trunc(amount) || amount > STEPS_MAX) {
        return of_err_set(err, "recipe-value",
                          "\"%s\" needs whole numbers of steps, and mode: steps",
                          has_momentum ? "momentum" : "proximal");
    }
    ret_training->is_proximal = has_proximal;
    ret_training->normaliser =
        has_momentum ? run_series(momentum, amount).sum : run_series(1.0 - proximal, amount).last;
    return ONEFOLD_OK;
}

static onefold_status prepare(const struct of_params *given, struct of_linear *ret_linear,
                              onefold_error *err)
{
    double effective = 0.0;
    double by_steps = 0.0;
    bool has_proximal = false;

    OF_TRY(of_shares_find(given, given->per_input[PARAM_SAMPLES], given->per_input[PARAM_WEIGHT],
                          1.0, ret_linear->coefs, err));
    for (uint32_t i = 0; i < given->input_count; i++) {
        struct training training;

        if (!given->present[i]) {
            continue;
        }
        OF_TRY(find_training(given, i, &training, err));
        effective += ret_linear->coefs[i] * training.normaliser;
        by_steps += ret_linear->coefs[i] * training.steps;
        has_proximal = has_proximal || training.is_proximal;
        ret_linear->coefs[i] /= training.normaliser;
    }
    /* With a proximal term the effective number of steps is that of the steps done. */
    for (uint32_t i = 0; i < given->input_count; i++) {
        ret_linear->coefs[i] *= has_proximal ? by_steps : effective;
    }
    return ONEFOLD_OK;
}

/* What plain averaging gets wrong when inputs train unequally: with w_t = p_t a_t / SUM(p_s a_s) it
 * is chi2(p, w) = SUM((p_t - w_t)^2 / w_t) = SUM(p_t a_t) SUM(p_t / a_t) - 1. The last form divides
 * by no share, which may be 0. */
static void caution(const struct of_params *given, struct of_report *report)
{
    double weighted = 0.0;
    double inverse = 0.0;
    double total = 0.0;
    double plain = 0.0;
    double low = (double)INFINITY;
    double high = 0.0;
    onefold_error ignored;

    for (uint32_t i = 0; i < given->input_count; i++) {
        const double *shares =
            given->per_input[!isnan(given->per_input[PARAM_WEIGHT][i]) ? PARAM_WEIGHT
                                                                       : PARAM_SAMPLES];
        const double share = isnan(shares[i]) ? 1.0 : shares[i];
        struct training training;

        of_err_clear(&ignored);
        if (find_training(given, i, &training, &ignored) != ONEFOLD_OK) {
            return; /* prepare refuses it */
        }
        total += share;
        weighted += share * training.normaliser;
        inverse += share / training.normaliser;
        plain += training.normaliser / given->input_count;
        low = fmin(low, training.normaliser);
        high = fmax(high, training.normaliser);
    }
    of_report_note(report, "method-inconsistency", NULL,
                   "fednova: training differs by a factor of up to %.4g; chi2 of the shares that "
                   "plain averaging would give is %.4g",
                   high / low, fmax(0.0, weighted / total * (inverse / total) - 1.0));
    if (given->input_count > 1 && high <= (1.0 + ALIKE) * plain && low >= (1.0 - ALIKE) * plain) {
        of_report_warning(report, "method-inert", NULL,
                          "fednova: all inputs trained the same amount within %g %%; the result is "
                          "that of fedavg",
                          100.0 * ALIKE);
    }
}

const struct of_method of_method_fednova = {
    .name = "fednova",
    .summary = "base plus the mean of the task vectors, each divided by its amount of training",
    .reference = "arXiv:2007.07481",
    .class = OF_CLASS_LINEAR,
    .frame = OF_FRAME_DELTA,
    .scale = OF_SCALE_OF_MEAN,
    .base = OF_BASE_REQUIRED,
    .is_federated = true,
    .takes_lambda = true,
    .beta_standard = 1.0,
    .input_count_min = 1,
    .input_count_max = OF_INPUTS_MAX,
    .params = params,
    .param_count = OF_LENGTH(params),
    .prepare = prepare,
    .caution = caution,
};
