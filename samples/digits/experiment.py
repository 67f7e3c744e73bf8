# SPDX-License-Identifier: Apache-2.0
"""Trains, merges, chooses and tests. Called by `run`, which see.

usage: experiment.py [--quick] [--seeds N] [--jobs N] [--reference] OUT
"""
import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
from sklearn.datasets import load_digits

import checkpoint
import network
import plot
import reference
import report
import rules
import sites

ULPS_MAX = 8  # rules whose coefficients pass through f32 may differ in the last places


def load():
    digits = load_digits()
    return (digits.data / 16).astype(np.float32), digits.target


def train_all(world, scenario, seed, share_of_steps):
    """The base, the sites' models and, to compare with, one trained on the data of all sites together (with
    true labels, for 7 times 300 steps in every scenario)."""
    def count(steps):
        return max(1, round(steps * share_of_steps))

    base = network.train(network.create(np.random.default_rng([seed, 3])), *world.public, sites.BASE_STEPS,
                         np.random.default_rng([seed, 4]))
    trained = []
    for place, site in enumerate(world.sites):
        own = network.train(base, site.images, site.labels, count(site.steps), np.random.default_rng([seed, 5, place]),
                            scenario.rate)
        if site.is_bad and scenario.poison == "scaled":
            own = {name: base[name] + sites.POISON_FACTOR * (own[name] - base[name]) for name in own}
        trained.append(own)
    together = network.train(base, np.concatenate([site.images for site in world.sites]),
                             np.concatenate([site.truth for site in world.sites]),
                             count(sum(sites.EQUAL_STEPS)), np.random.default_rng([seed, 6]))
    return base, trained, together, [count(site.steps) for site in world.sites]


def merge_with_onefold(text, folder):
    """Runs `onefold merge` and returns the result, flat."""
    recipe, out = os.path.join(folder, "recipe.yml"), os.path.join(folder, "out")
    with open(recipe, "w", encoding="utf-8") as file:
        file.write(text)
    done = subprocess.run(["onefold", "merge", "--quiet", "--force", "--sums", "none", "--no-write-model-card",
                           "--num-threads", "1", recipe, out], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"onefold merge failed:\n{done.stderr}\n{text}")
    return checkpoint.flatten(checkpoint.read(out))


def unflatten(flat, like):
    tensors, place = {}, 0
    for name in sorted(like):
        size = like[name].size
        tensors[name] = flat[place:place + size].reshape(like[name].shape)
        place += size
    return tensors


def try_rule(rule, world, models, facts, folder, options):
    """One row: every setting is merged and looked at on the validation data; the first best, and the plain one, go to
    the test."""
    base, inputs, like = models
    best, plain, worst = (-1.0, None, None, None), None, 0.0
    for parameters, beta in rules.settings(rule, rules.QUICK_BETAS if options.quick else rules.BETAS):
        own = rules.resolve(parameters, rules.norms(base, inputs))
        expected = reference.merge(rule.method, base, inputs, *facts, own, beta)
        if options.reference:
            merged = expected
        else:
            merged = merge_with_onefold(rules.recipe(rule, own, beta, folder, *facts), folder)
            worst = max(worst, reference.difference(merged, expected, base, inputs, beta))
        tensors = unflatten(merged, like)
        right = network.accuracy(tensors, *world.validation)
        if right > best[0]:
            best = (right, tensors, parameters, beta)
        if rules.is_plain(rule, parameters, beta):
            plain = network.accuracy(tensors, *world.test)
    validation, tensors, parameters, beta = best
    return report.Row(rule.name, network.accuracy(tensors, *world.test), plain, validation, parameters, beta, worst)


def run_one(scenario, seed, options):
    """All rows of one seed of one scenario."""
    world = sites.build(scenario, load(), seed)
    base, trained, together, steps = train_all(world, scenario, seed, 0.2 if options.quick else 1.0)
    facts = ([len(site.labels) for site in world.sites], steps)
    right = [network.accuracy(own, *world.test) for own in trained]
    chosen = int(np.argmax([network.accuracy(own, *world.validation) for own in trained]))
    rows = [report.Row("base", network.accuracy(base, *world.test)),
            report.Row("experts, mean", float(np.mean(right))),
            report.Row("best expert", right[chosen]),
            report.Row("all data together", network.accuracy(together, *world.test))]
    folder = tempfile.mkdtemp(prefix="digits-")
    try:
        checkpoint.write(os.path.join(folder, "base"), base)
        for place, own in enumerate(trained):
            checkpoint.write(os.path.join(folder, f"site-{place}"), own)
        models = (checkpoint.flatten(base), np.stack([checkpoint.flatten(own) for own in trained]), base)
        rows += [try_rule(rule, world, models, facts, folder, options) for rule in rules.RULES]
        if options.keep:
            shutil.copytree(folder, os.path.join(options.keep, f"{scenario.name}-{seed}"), dirs_exist_ok=True)
    finally:
        shutil.rmtree(folder)
    return [(scenario.name, seed, row) for row in rows]


def parse(arguments):
    parser = argparse.ArgumentParser(prog="run", description="Federated rules on handwritten digits.")
    parser.add_argument("--quick", action="store_true",
                        help="one seed, few scenarios, steps and settings: does it work at all?")
    parser.add_argument("--seeds", type=int, default=10, help="seeds 1 to N (default 10)")
    # One more than there are CPUs: a merge of small files waits more than it computes.
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)) + 1,
                        help="processes (default: one more than CPUs)")
    parser.add_argument("--reference", action="store_true", help="merge with reference.py, without onefold")
    parser.add_argument("--keep", metavar="FOLDER", help="keep the trained checkpoints there")
    parser.add_argument("out", nargs="?", default="digits-results", help="folder of results (default digits-results)")
    return parser.parse_args(arguments)


def main():
    options = parse(sys.argv[1:])
    started = time.monotonic()
    seeds = range(1, 2 if options.quick else options.seeds + 1)
    scenarios = [scenario for scenario in sites.SCENARIOS if not options.quick or scenario.name in sites.QUICK]
    tasks = [(scenario, seed) for seed in seeds for scenario in scenarios]
    records = []
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        futures = [pool.submit(run_one, scenario, seed, options) for scenario, seed in tasks]
        for done, future in enumerate(futures):
            records += future.result()
            if sys.stderr.isatty():
                print(f"\r{done + 1} of {len(tasks)}", end="", file=sys.stderr, flush=True)
    print(f"\r{len(tasks)} scenarios and seeds in {time.monotonic() - started:.0f} s", file=sys.stderr)
    os.makedirs(options.out, exist_ok=True)
    report.write(options.out, records, scenarios)
    plot.write(os.path.join(options.out, "accuracy.svg"), records, scenarios)
    print(options.out)
    wrong = {row.name: row.ulps for _, _, row in records if row.ulps is not None and not row.ulps <= ULPS_MAX}
    if wrong:
        raise RuntimeError(f"further from reference.py than {ULPS_MAX} units of the last place: {wrong}")


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as problem:
        sys.exit(f"samples/digits: {problem}")
