# SPDX-License-Identifier: Apache-2.0
"""Which rules are tried with which settings, and the recipes that ask onefold for them."""
import dataclasses
import itertools
import os

import numpy as np

BETAS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0)
QUICK_BETAS = (0.5, 1.0, 2.0)
RADII = 5  # points of the published grid of clipping radii


@dataclasses.dataclass(frozen=True)
class Rule:
    """One row of the tables. `grid` gives the values tried of each parameter, `plain` those used
    without a search. Pseudo-parameters: `weigh` writes the sites' samples into the recipe, `place`
    stands for a radius on the grid from the smallest norm of the updates to the largest."""
    name: str
    method: str
    grid: dict = dataclasses.field(default_factory=dict)
    plain: dict = dataclasses.field(default_factory=dict)
    fixed: dict = dataclasses.field(default_factory=dict)
    facts: tuple = ()
    has_beta: bool = True


# rho: with 7 sites agreement takes the values 1/7, 3/7, 5/7, 1, so these are all thresholds there are;
# above 1 no coordinate counts in full.
RULES = (
    Rule("linear", "linear", has_beta=False),
    Rule("task_arithmetic", "task_arithmetic"),
    Rule("fedavg", "fedavg", facts=("samples",)),
    Rule("fednova", "fednova", {"weigh": (False, True)}, {"weigh": False}, facts=("steps",)),
    Rule("fedgma", "fedgma", {"rho": (0.4, 0.7, 1.0, 2.0)}, {"rho": 0.4}),
    Rule("median", "median"),
    Rule("trimmed_mean", "trimmed_mean", {"trim": (1, 2)}, {"trim": 1}),
    Rule("cclip", "cclip", {"place": tuple(range(RADII))}, {"place": 0}),
    Rule("cclip, 5 rounds", "cclip", {"place": (0, 2)}, {"place": 0}, {"iterations": 5}),
    Rule("arc", "arc", {"f": (1, 2)}, {"f": 1}),
    Rule("geometric_median", "geometric_median", {"iterations": (4, 32)}, {"iterations": 4}),
    Rule("krum", "krum", {"f": (1, 2)}, {"f": 1}),
    Rule("multi_krum", "multi_krum", {"m": (2, 3, 4)}, {"m": 4}, {"f": 1}),
    Rule("bulyan", "bulyan", fixed={"f": 1}),
    Rule("fedexp", "fedexp", has_beta=False),
    Rule("feddyn", "feddyn", has_beta=False),
    Rule("metagpt", "metagpt"),
    Rule("inverse_norm", "inverse_norm"),
)


def settings(rule, betas):
    """All (parameters, beta) of a rule in the order in which they are tried; the first of equals wins."""
    names = list(rule.grid)
    for values in itertools.product(*rule.grid.values()):
        for beta in betas if rule.has_beta else (None,):
            yield {**rule.fixed, **dict(zip(names, values))}, beta


def is_plain(rule, parameters, beta):
    return beta in (None, 1.0) and all(parameters[name] == value for name, value in rule.plain.items())


def resolve(parameters, norms):
    """Puts the radius in place of its number on the grid."""
    own = dict(parameters)
    if "place" in own:
        low, high = float(min(norms)), float(max(norms))
        own["radius"] = low + own.pop("place") * (high - low) / RADII
    return own


def recipe(rule, parameters, beta, folder, samples, steps):
    """The recipe as text. Models are FOLDER/base and FOLDER/site-N."""
    lines = [f"merge_method: {rule.method}"]
    if rule.method != "linear":
        lines.append(f"base_model: {os.path.join(folder, 'base')}")
    facts = rule.facts + (("samples",) if parameters.get("weigh") else ())
    lines.append("models:")
    for place, (own_samples, own_steps) in enumerate(zip(samples, steps)):
        lines.append(f"  - model: {os.path.join(folder, f'site-{place}')}")
        lines += [f"    samples: {own_samples}"] if "samples" in facts else []
        lines += [f"    steps: {own_steps}"] if "steps" in facts else []
        lines += ["    parameters: {weight: 1}"] if rule.method in ("linear", "task_arithmetic") else []
    own = {name: value for name, value in parameters.items() if name != "weigh"}
    own |= {} if beta is None else {"beta": beta}
    if own:
        lines.append("parameters:")
        lines += [f"  {name}: {value!r}" if not isinstance(value, str) else f"  {name}: {value}"
                  for name, value in own.items()]
    return "\n".join(lines + ["dtype: float32", ""])


def norms(base, inputs):
    return np.sqrt(((inputs - base).astype(np.float64) ** 2).sum(axis=1))
