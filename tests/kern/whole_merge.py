#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole merges give the same digests under every instruction set and on every architecture: the
expected ones are written down here. Programs for another machine run under meson's wrapper.

usage: whole_merge.py MKSAMPLE ONEFOLD ONEFOLD_HASH
"""
import os
import struct
import subprocess
import sys
import tempfile

MKSAMPLE, ONEFOLD, ONEFOLD_HASH = (os.path.abspath(path) for path in sys.argv[1:4])
WRAPPER = os.environ.get("MESON_EXE_WRAPPER", "").split()
# e_machine of the program's ELF header: instruction sets it may have besides the plain one.
MORE_ISAS = {62: ["avx2", "avx512"], 183: ["neon"]}
# Sample, flags of the merge, digest of the result. They change only with the sample's numbers. Samples in
# other types than the first one's are made of it.
CASES = [
    ("s", "--method task_arithmetic --lambda 0.4", "780d3d320ae60ed941e68c60e1224bbb"),
    ("s", "--method fedavg --beta 0.7 --out-dtype float32", "9ef317e103156c894e488ca9db314831"),
    ("s", "--method linear --out-dtype float16", "4b494d82d3f595096fdcc7c710fab18e"),
    ("float16", "--method task_arithmetic --lambda 0.4", "b41894b92392825559fc4efcfefb571c"),
    ("float16", "--method linear", "3db127d7ba1f2bc793d9989bd84e70fe"),
    ("float32", "--method task_arithmetic --lambda 0.4", "9e3d0855b63f24ca81ecc2d160bb87c5"),
    ("float32", "--method fedavg --beta 0.7", "9ef317e103156c894e488ca9db314831"),
]
MODELS = ["base", "tuned-1", "tuned-2", "tuned-3"]


def run(folder, isa, *command):
    environment = dict(os.environ)
    environment.pop("ONEFOLD_CPU", None)
    if isa:
        environment["ONEFOLD_CPU"] = isa
    done = subprocess.run([*WRAPPER, *command], cwd=folder, env=environment, capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise SystemExit("Bail out! %s: exit %d: %s" % (" ".join(command), done.returncode,
                                                       done.stderr.strip().replace("\n", "; ")))
    return done.stdout


def convert(folder, sample):
    """Makes the models of a sample of s, which is of bf16."""
    os.mkdir(os.path.join(folder, sample))
    for model in MODELS:
        run(folder, "scalar", ONEFOLD, "merge", "--quiet", "--method", "linear", "--out-dtype", sample,
            "s/" + model, sample + "/" + model)


def merge(folder, isa, sample, flags, name):
    """Merges, checks what was written, and returns the digest of the whole."""
    models = [sample + "/" + model for model in MODELS]
    base = [] if "linear" in flags else ["--base", models[0]]
    out_dtype = [] if sample == "s" else ["--out-dtype", sample]
    run(folder, isa, ONEFOLD, "merge", "--quiet", *flags.split(), *out_dtype, *base, *models[1:], name)
    run(folder, isa, ONEFOLD, "verify", "--quiet", name)
    return run(folder, isa, ONEFOLD_HASH, "--tensors", name).splitlines()[-1].split()[0]


def main():
    with open(ONEFOLD, "rb") as file:
        machine = struct.unpack("<H", file.read(20)[18:20])[0]
    isas = ["scalar", *MORE_ISAS.get(machine, []), None]
    print("1..%d" % (len(CASES) * len(isas)))
    number = 0
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        run(folder, None, MKSAMPLE, "--size", "8MB", "--quiet", "s")
        convert(folder, "float16")
        convert(folder, "float32")
        for sample, flags, expected in CASES:
            for isa in isas:
                number += 1
                found = merge(folder, isa, sample, flags, "out-%d" % number)
                good = found == expected
                failed = failed or not good
                print("%s %d - %s %s %s" % ("ok" if good else "not ok", number, isa or "strongest",
                                            sample, flags))
                if not good:
                    print("# %s instead of %s" % (found, expected))
    sys.exit(1 if failed else 0)


main()
