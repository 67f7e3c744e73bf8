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
# Flags of the merge, digest of the result. They change only with the sample's numbers.
CASES = [
    ("--method task_arithmetic --lambda 0.4", "780d3d320ae60ed941e68c60e1224bbb"),
    ("--method fedavg --beta 0.7 --out-dtype float32", "9ef317e103156c894e488ca9db314831"),
    ("--method linear --out-dtype float16", "4b494d82d3f595096fdcc7c710fab18e"),
]


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


def merge(folder, isa, flags, name):
    """Merges, checks what was written, and returns the digest of the whole."""
    base = [] if "linear" in flags else ["--base", "s/base"]
    inputs = ["s/tuned-1", "s/tuned-2", "s/tuned-3"]
    run(folder, isa, ONEFOLD, "merge", "--quiet", *flags.split(), *base, *inputs, name)
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
        for flags, expected in CASES:
            for isa in isas:
                number += 1
                found = merge(folder, isa, flags, "out-%d" % number)
                good = found == expected
                failed = failed or not good
                print("%s %d - %s %s" % ("ok" if good else "not ok", number, isa or "strongest",
                                         flags))
                if not good:
                    print("# %s instead of %s" % (found, expected))
    sys.exit(1 if failed else 0)


main()
