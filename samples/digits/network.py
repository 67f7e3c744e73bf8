# SPDX-License-Identifier: Apache-2.0
"""A small classifier (64-64-32-10, rectified) with stochastic gradient descent, in numpy, f32."""
import numpy as np

WIDTHS = (64, 64, 32, 10)
BATCH = 16
RATE = 0.1


def weight_name(layer):
    return f"layers.{layer}.weight"


def bias_name(layer):
    return f"layers.{layer}.bias"


def create(rng):
    """Random weights (He), as a dictionary of f32 arrays. A weight is [outputs, inputs]."""
    tensors = {}
    for layer, (inputs, outputs) in enumerate(zip(WIDTHS, WIDTHS[1:])):
        spread = np.sqrt(2.0 / inputs)
        tensors[weight_name(layer)] = (rng.standard_normal((outputs, inputs)) * spread).astype(np.float32)
        tensors[bias_name(layer)] = np.zeros(outputs, np.float32)
    return tensors


def forward(tensors, images):
    """The values of every layer, the images first; the last are logits."""
    values = [images]
    last = len(WIDTHS) - 2
    for layer in range(last + 1):
        sums = values[-1] @ tensors[weight_name(layer)].T + tensors[bias_name(layer)]
        values.append(sums if layer == last else np.maximum(sums, 0))
    return values


def accuracy(tensors, images, labels):
    """Share of the images whose largest logit is the label's. A network that is not finite knows nothing."""
    with np.errstate(all="ignore"):
        logits = forward(tensors, images)[-1]
    if not np.isfinite(logits).all():
        return 0.0
    return float(np.mean(np.argmax(logits, axis=1) == labels))


def step(tensors, images, labels, rate):
    """One step of gradient descent on the mean cross entropy of a batch; changes `tensors`."""
    values = forward(tensors, images)
    logits = values[-1] - values[-1].max(axis=1, keepdims=True)
    slope = np.exp(logits)
    slope /= slope.sum(axis=1, keepdims=True)
    slope[np.arange(len(labels)), labels] -= 1
    slope /= np.float32(len(labels))
    for layer in reversed(range(len(WIDTHS) - 1)):
        weight = tensors[weight_name(layer)]
        below = (slope @ weight) * (values[layer] > 0) if layer > 0 else None
        weight -= rate * (slope.T @ values[layer])
        tensors[bias_name(layer)] -= rate * slope.sum(axis=0)
        slope = below


def train(start, images, labels, steps, rng, rate=RATE):
    """A copy of `start` after so many steps over the data, reshuffled on every pass."""
    tensors, rate = {name: values.copy() for name, values in start.items()}, np.float32(rate)
    order, place = rng.permutation(len(labels)), 0
    for _ in range(steps):
        if place + BATCH > len(order) and place > 0:
            order, place = rng.permutation(len(labels)), 0
        batch = order[place:place + BATCH]
        place += BATCH
        step(tensors, images[batch], labels[batch], rate)
    return tensors
