# SPDX-License-Identifier: Apache-2.0
"""The rules once more, in numpy and without regard to memory: what onefold writes is compared with it.

`d` is an f32 array [inputs, elements] of task vectors (input minus base). Elements are computed in f32,
one operation at a time, sums over inputs in their order; norms, inner products and coefficients in f64.
A rule returns (v, beta of v): the merged model is base + beta * v, and v = tau if all inputs are tau,
for sums v is T times that.
"""
import math

import numpy as np

F32 = np.float32


class Task:
    """What a rule may look at."""

    def __init__(self, d, samples, steps):
        self.d = d
        self.count = len(d)
        self.samples = samples
        self.steps = steps
        wide = d.astype(np.float64)
        self.gram = wide @ wide.T
        self.norms = np.sqrt(np.diag(self.gram))

    def shares(self, weigh):
        if not weigh:
            return np.full(self.count, 1 / self.count)
        return np.asarray(self.samples, float) / sum(self.samples)


def blend(d, coefs):
    """SUM of coefficient times vector, in order, one f32 operation at a time."""
    total = np.zeros(d.shape[1], F32)
    for row, coef in zip(d, np.asarray(coefs, np.float64)):
        total = total + F32(coef) * row
    return total


def mean_form(task, coefs):
    return blend(task.d, coefs), "mean"


def sum_form(task, coefs):
    return blend(task.d, coefs), "sum"


def task_arithmetic(task):
    return sum_form(task, np.ones(task.count))


def fedavg(task):
    return mean_form(task, task.shares(True))


def fednova(task, weigh=False):
    shares, steps = task.shares(weigh), np.asarray(task.steps, float)
    return mean_form(task, (shares * steps).sum() * shares / steps)


def fedgma(task, rho):
    votes = np.abs(np.sign(task.d).sum(axis=0)).astype(int)
    enough = math.ceil(rho * task.count - 1e-9)
    mask = np.where(votes >= enough, F32(1), votes.astype(F32) / F32(task.count))
    return mask * blend(task.d, np.ones(task.count)), "sum"


def middle(d):
    """Median per element, the mean of both middle values for an even count."""
    ordered, count = np.sort(d, axis=0), len(d)
    if count % 2 == 1:
        return ordered[count // 2]
    return F32(0.5) * (ordered[count // 2 - 1] + ordered[count // 2])


def median(task):
    return middle(task.d), "mean"


def trimmed_mean(task, trim):
    kept = np.sort(task.d, axis=0)[trim:task.count - trim]
    return blend(kept, np.ones(len(kept))) / F32(len(kept)), "mean"


def distances(gram, coefs):
    """From sum coefs * row to every row of what the Gram matrix describes."""
    return np.sqrt(np.maximum(np.diag(gram) - 2 * gram @ coefs + coefs @ gram @ coefs, 0))


def clip(lengths, radius):
    return np.minimum(1, radius / np.maximum(lengths, np.finfo(float).tiny))


def cclip(task, radius, start="base", iterations=1):
    """Coefficients of the sum: T times those of the mean form, in which the rule is published."""
    if start == "base" and iterations == 1:
        return sum_form(task, clip(task.norms, radius))
    a = np.full(task.count, 1.0 if start == "mean" else 0.0)
    for _ in range(iterations):
        c = clip(distances(task.gram, a / task.count), radius)
        a = a * (1 - c.sum() / task.count) + c
    return sum_form(task, a)


def arc(task, f):
    clipped = math.floor(2 * (f / task.count) * (task.count - f))
    return cclip(task, np.sort(task.norms)[::-1][clipped]) if clipped else sum_form(task, np.ones(task.count))


def is_minimiser(task, alpha, own):
    """Whether no point has a smaller sum of distances than this input."""
    unit = np.zeros(task.count)
    unit[own] = 1
    lengths = distances(task.gram, unit)
    pull = np.array([-share / length if length > 0 else 0 for share, length in zip(alpha, lengths)])
    pull[own] = -pull.sum()
    return math.sqrt(max(pull @ task.gram @ pull, 0)) <= alpha[lengths == 0].sum()


def geometric_median(task, iterations=4, eps=1e-5):
    alpha = task.shares(False)
    a = alpha.copy()
    lengths = distances(task.gram, a)
    for _ in range(iterations):
        before = (alpha * lengths).sum()
        weights = alpha / np.maximum(eps, lengths)
        a = weights / weights.sum()
        lengths = distances(task.gram, a)
        if abs(before - (alpha * lengths).sum()) <= 1e-6 * before:
            # Steps towards an input that is itself the minimiser never arrive.
            for own in range(task.count):
                if is_minimiser(task, alpha, own):
                    return of_inputs(task, [own])
            break
    return mean_form(task, a)


def krum_scores(task, among, neighbours):
    """Sum of squared distances to the nearest others, for each of `among`."""
    g = task.gram
    scores = []
    for own in among:
        apart = sorted(max(g[own, own] + g[other, other] - 2 * g[own, other], 0) for other in among if other != own)
        scores.append(sum(apart[:neighbours]))
    return scores


def of_inputs(task, chosen):
    coefs = np.zeros(task.count)
    coefs[chosen] = 1 / len(chosen)
    return mean_form(task, coefs)


def multi_krum(task, f, m):
    scores = krum_scores(task, range(task.count), task.count - f - 2)
    return of_inputs(task, sorted(range(task.count), key=lambda own: (scores[own], own))[:m])


def krum(task, f):
    return multi_krum(task, f, 1)


def bulyan(task, f):
    remaining, chosen = list(range(task.count)), []
    while len(chosen) < task.count - 2 * f:
        scores = krum_scores(task, remaining, max(0, len(remaining) - f - 2))
        chosen.append(remaining.pop(scores.index(min(scores))))
    d = task.d[sorted(chosen)]
    kept = len(chosen) - 2 * f
    apart = np.abs(d - middle(d))
    nearest = np.sort(np.argsort(apart, axis=0, kind="stable")[:kept], axis=0)
    return blend(np.take_along_axis(d, nearest, axis=0), np.ones(kept)) / F32(kept), "mean"


def fedexp(task):
    length = task.gram.sum()
    beta = max(1, 0.5 * task.count * np.diag(task.gram).sum() / length) if length > 0 else 1
    return blend(task.d, np.ones(task.count)), ("sum", beta)


def feddyn(task):
    return blend(task.d, np.full(task.count, 1 / task.count)), ("mean", 2)


def metagpt(task):
    squares = np.diag(task.gram)
    return mean_form(task, squares / squares.sum())


def inverse_norm(task):
    weights = 1 / task.norms
    return mean_form(task, weights / weights.sum())


RULES = {rule.__name__: rule for rule in (
    task_arithmetic, fedavg, fednova, fedgma, median, trimmed_mean, cclip, arc, geometric_median, krum, multi_krum,
    bulyan, fedexp, feddyn, metagpt, inverse_norm)}


def merge(method, base, inputs, samples, steps, parameters, beta):
    """The merged vector (f32) of flat models."""
    if method == "linear":
        return blend(inputs, np.ones(len(inputs))) / F32(len(inputs))
    with np.errstate(all="ignore"):
        task = Task(inputs - base, samples, steps)
        v, form = RULES[method](task, **parameters)
        if isinstance(form, tuple):
            form, beta = form
        factor = beta / task.count if form == "sum" else beta
        return base + F32(factor) * v


def difference(out, expected, base, inputs, beta):
    """Largest difference in units of the last place (f32) of the largest number that an element is made of: base,
    result, or an input's part of the mean."""
    with np.errstate(all="ignore"):
        part = np.abs(inputs - base).max(axis=0) * F32((beta or 1) / len(inputs))
        size = np.maximum(np.maximum(np.abs(base), np.abs(expected)), np.maximum(np.abs(expected - base), part))
        apart = np.abs(out.astype(np.float64) - expected) / np.spacing(np.maximum(size, F32(1e-30)))
    return float(np.max(np.where(np.isnan(apart), np.inf, apart)))
