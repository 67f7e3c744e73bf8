#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The bound given by --memory is hard: peak resident memory of whole runs, as the kernel counted it.

usage: run.py BUILD_TOOLS_FOLDER

Inputs are sparse, so that models many times larger than the bound take no space to speak of. Needs a
few hundred MB of disk for the outputs. Prints TAP.
"""
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile

MIB = 1024 * 1024
TOOLS = os.path.abspath(sys.argv[1])


def run(scratch, *command):
    """(exit code, peak resident bytes, standard error)"""
    with open(os.path.join(scratch, "err"), "w+", encoding="utf-8") as err:
        child = subprocess.Popen(
            [os.path.join(TOOLS, command[0]), *command[1:]],
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        err.seek(0)
        return child.returncode, usage.ru_maxrss * 1024, err.read()


def write_many(path, count, name_bytes, elems=16, seed=None):
    """One shard of `count` small bf16 tensors of zeros, in a sparse file; with a seed in an order of its own.
    Returns the header's bytes.

    Made in a process of its own: what this one has ever used counts as used by the programs it starts.
    """
    os.makedirs(os.path.dirname(path))
    child = os.fork()
    if child == 0:
        write_many_here(path, count, name_bytes, elems, seed)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        raise SystemExit("cannot write " + path)
    with open(path, "rb") as file:
        return struct.unpack("<Q", file.read(8))[0]


def write_many_here(path, count, name_bytes, elems, seed):
    size = 2 * elems
    parts = []
    numbers = list(range(count))
    if seed is not None:
        random.Random(seed).shuffle(numbers)
    for place, i in enumerate(numbers):
        name = ("model.layers.%d.block.%d." % (i // 100, i % 100)).ljust(name_bytes, "w")
        parts.append(
            '"%s":{"dtype":"BF16","shape":[%d],"data_offsets":[%d,%d]}'
            % (name, elems, place * size, place * size + size)
        )
    text = ("{" + ",".join(parts) + "}").encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + count * size)


def write_one_big(path, elems):
    os.makedirs(os.path.dirname(path))
    header = {"w": {"dtype": "BF16", "shape": [elems], "data_offsets": [0, 2 * elems]}}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + 2 * elems)


class Suite:
    def __init__(self, scratch):
        self.scratch = scratch
        self.count = 0
        self.failed = False

    def say(self, passed, name, *notes):
        self.count += 1
        self.failed |= not passed
        print("%s %d - %s" % ("ok" if passed else "not ok", self.count, name))
        for note in notes:
            print("# " + str(note).replace("\n", "\n# "))
        sys.stdout.flush()

    def skip(self, name, why):
        self.count += 1
        print("ok %d - %s # SKIP %s" % (self.count, name, why))

    def merge(self, name, bound_mib, *arguments, may_lack_backend=False):
        code, peak, err = run(
            self.scratch, "onefold", "merge", "--quiet", "--memory", "%dMiB" % bound_mib, *arguments, "out"
        )
        shutil.rmtree(os.path.join(self.scratch, "out"), ignore_errors=True)
        if code != 0 and may_lack_backend and "[io-backend]" in err:
            self.skip(name, "no such backend here")
            return
        passed = code == 0 and peak <= bound_mib * MIB
        self.say(passed, name, "exit %d, peak %.1f MiB of %d" % (code, peak / MIB, bound_mib), err)


def models(scratch, count):
    return ["--base", "s/base"] + ["s/tuned-%d" % (i + 1) for i in range(count)]


def check_backends(suite):
    run(suite.scratch, "onefold-mksample", "--quiet", "--sparse", "--size", "2GB", "s")
    for backend in ("uring", "threads", "mmap"):
        for direct in ("on", "off"):
            for bound in (64, 256):
                suite.merge(
                    "base + 3, 2 GB, %s, direct %s, %d MiB" % (backend, direct, bound), bound,
                    "--method", "task_arithmetic", "--lambda", "0.4", "--io", backend, "--direct", direct,
                    *models(suite.scratch, 3), may_lack_backend=True,
                )
    shutil.rmtree(os.path.join(suite.scratch, "s"))


# Peak memory may differ by as much between a model and one ten times as large: page tables, and how many
# files have pages mapped when the peak is read.
EQUAL_SHARE = 0.02
EQUAL_SLACK = MIB // 2


def check_size_does_not_matter(suite):
    """The same inputs in 0.2 and in 2 GB a model: peaks are under the bound, and the same."""
    for options in ([], ["--io", "threads"], ["--io", "mmap"]):
        peaks = []
        for size in ("800MB", "8GB"):
            run(suite.scratch, "onefold-mksample", "--quiet", "--sparse", "--shard-size", "1TB", "--size", size,
                "--force", "s")
            code, peak, err = run(suite.scratch, "onefold", "merge", "--quiet", "--memory", "64MiB", "--sums",
                                  "xxh128", "--method", "task_arithmetic", "--lambda", "0.4", *options,
                                  *models(suite.scratch, 3), "out")
            shutil.rmtree(os.path.join(suite.scratch, "out"), ignore_errors=True)
            peaks.append(peak if code == 0 else 0)
            if code != 0:
                break
        difference = max(peaks) - min(peaks)
        suite.say(0 < min(peaks) and max(peaks) <= 64 * MIB and
                  difference <= EQUAL_SHARE * min(peaks) + EQUAL_SLACK,
                  "0.2 and 2 GB a model take the same memory, %s" % (" ".join(options) or "default"),
                  "peaks %s MiB" % ", ".join("%.2f" % (peak / MIB) for peak in peaks), err)
    shutil.rmtree(os.path.join(suite.scratch, "s"))


# Rules that are one weighted sum.
LINEAR_RULES = ("linear", "task_arithmetic", "fedavg", "fednova")


def write_recipe(scratch, rule, count):
    """As a recipe, because what each site trained is told on its entry only."""
    lines = ["merge_method: " + rule] + (["base_model: s/base"] if rule != "linear" else []) + ["models:"]
    for i in range(count):
        fact = {"fednova": "steps: %d" % (100 + i), "fedavg": "samples: %d" % (1 + i)}.get(rule)
        weight = "parameters: {weight: %g}" % (0.5 + i % 3)
        lines.append("  - {model: s/tuned-%d, %s}" % (i + 1, fact or weight))
    with open(os.path.join(scratch, "recipe.yml"), "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


def check_many_inputs(suite):
    for count in (2, 16, 64, 199, 1000):
        # Many small models have as many descriptors, areas and rounds as many large ones.
        megabytes = 20 if count < 199 else 4
        run(suite.scratch, "onefold-mksample", "--quiet", "--sparse", "--tunes", str(count), "--size",
            "%dMB" % (megabytes * (count + 1)), "--force", "s")
        for backend in ("threads", "mmap"):
            suite.merge("base + %d inputs, %s, 64 MiB" % (count, backend), 64, "--method",
                        "task_arithmetic", "--lambda", "0.1", "--io", backend, *models(suite.scratch, count))
    for rule in LINEAR_RULES:
        write_recipe(suite.scratch, rule, 1000)
        suite.merge("%s of 1,000 inputs from a recipe, 64 MiB" % rule, 64, "recipe.yml")
    shutil.rmtree(os.path.join(suite.scratch, "s"))


# Rules that fold one input after the other, so that 200 inputs fit, and rules that need all inputs of a
# tile together: the whole Gram matrix, or the values of one element.
NORM_RULES = {"cclip": ["--set", "radius=1"], "fedavg": [], "metagpt": []}
GATHER_RULES = {"geometric_median": [], "median": [], "trimmed_mean": ["--set", "trim=3"],
                "fedgma": ["--set", "rho=0.5"], "krum": ["--set", "f=2"], "bulyan": ["--set", "f=2"]}


def check_federated(suite):
    for count, rules in ((199, NORM_RULES), (64, GATHER_RULES)):
        run(suite.scratch, "onefold-mksample", "--quiet", "--tunes", str(count), "--size",
            "%dMB" % (2 * (count + 1)), "--force", "s")
        for rule, settings in rules.items():
            suite.merge("%s, base + %d inputs, 64 MiB" % (rule, count), 64, "--method", rule, *settings,
                        *models(suite.scratch, count))
    code, peak, err = run(suite.scratch, "onefold", "compare", "--quiet", "--memory", "64MiB",
                          *models(suite.scratch, 64))
    suite.say(code == 0 and peak <= 64 * MIB, "compare, base + 64 inputs, 64 MiB",
              "exit %d, peak %.1f MiB" % (code, peak / MIB), err)
    shutil.rmtree(os.path.join(suite.scratch, "s"))


def check_big_tensor(suite):
    for name in ("x", "y"):
        write_one_big(os.path.join(suite.scratch, name, "model.safetensors"), 256 * MIB)
    for backend in ("threads", "mmap"):
        suite.merge("tensors of 512 MiB each, %s, 64 MiB" % backend, 64, "--method", "linear", "--io",
                    backend, "x", "y")


def check_many_tensors(suite):
    names = ("many-a", "many-b", "many-c", "many-d")
    for name in names:
        write_many(os.path.join(suite.scratch, name, "model.safetensors"), 100000, 40)
    suite.merge("100,000 tensors in each of four inputs, 64 MiB", 64, "--method", "linear", *names)
    names = ("shuffled-a", "shuffled-b", "shuffled-c", "shuffled-d")
    for seed, name in enumerate(names):
        write_many(os.path.join(suite.scratch, name, "model.safetensors"), 100000, 40, elems=2048, seed=seed)
    suite.merge("the same in another order in each, 64 MiB", 64, "--method", "linear", *names)
    # Counts for every tensor besides.
    suite.merge("the same, NaN kept and counted, 64 MiB", 64, "--method", "linear", "--nonfinite", "keep", *names)
    length = write_many(os.path.join(suite.scratch, "wide", "model.safetensors"), 100000, 900)
    code, peak, err = run(suite.scratch, "onefold", "inspect", "--quiet", "wide")
    suite.say(code == 0 and peak <= 144 * MIB, "header of %d MB" % (length // 1000000),
              "exit %d, peak %.1f MiB" % (code, peak / MIB), err)


# A group whose memory, page cache included, is limited; the two generations of control groups.
GROUPS = (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max"))


def make_group(limit_bytes):
    """Path of a new group, or None where none can be had."""
    for root, limit in GROUPS:
        path = os.path.join(root, "onefold-bound-%d" % os.getpid())
        try:
            os.mkdir(path)
        except OSError:
            continue
        try:
            with open(os.path.join(path, limit), "w", encoding="ascii") as file:
                file.write(str(limit_bytes))
            return path
        except OSError:
            os.rmdir(path)
    return None


def check_group(suite):
    name = "--memory 64MiB in a control group of 96 MiB, 800 MB of inputs"
    group = make_group(96 * MIB)
    if group is None:
        suite.skip(name, "no control group with a memory limit can be made here")
        return

    def join():
        with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write(str(os.getpid()))

    try:
        run(suite.scratch, "onefold-mksample", "--quiet", "--size", "800MB", "s")
        command = [os.path.join(TOOLS, "onefold"), "merge", "--quiet", "--memory", "64MiB", "--method",
                   "task_arithmetic", "--lambda", "0.4", *models(suite.scratch, 3), "out"]
        done = subprocess.run(command, cwd=suite.scratch, preexec_fn=join, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, check=False)
        suite.say(done.returncode == 0, name, "exit %d" % done.returncode, done.stderr)
        shutil.rmtree(os.path.join(suite.scratch, "s"))
        shutil.rmtree(os.path.join(suite.scratch, "out"), ignore_errors=True)
    finally:
        os.rmdir(group)


def main():
    with tempfile.TemporaryDirectory() as scratch:
        suite = Suite(scratch)
        check_backends(suite)
        check_size_does_not_matter(suite)
        check_many_inputs(suite)
        check_federated(suite)
        check_big_tensor(suite)
        check_many_tensors(suite)
        check_group(suite)
        print("1..%d" % suite.count)


main()
