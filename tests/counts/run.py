#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions that kernels and small merges execute, against expected.tsv. Unlike seconds they are the same
on a busy machine, so a slower inner loop shows here and nothing else does.

usage: run.py BUILD_TOOLS_FOLDER KERN_PROGRAM [--update]

The record is of one compiler and one way of building, which KERN_PROGRAM knows about itself; others are
skipped (exit 77). More than the record fails, and so does much less: --update makes it true again.
"""
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
EXPECTED = os.path.join(HERE, "expected.tsv")
TOLERANCE = 0.03
SKIP = 77
ISAS = ("scalar", "avx2")
# Of each merge the work of its worker counts, never the whole run, whose threads wait. The first takes the
# fused kernel, the second the passes one by one, the third orders values.
TASK_ARITHMETIC = "--method task_arithmetic --lambda 0.4 --base s/base"
MERGES = {
    "merge_task_arithmetic": TASK_ARITHMETIC,
    "merge_linear_f16": "--method linear --nonfinite keep --out-dtype float16",
    "merge_median": "--method median --base s/base",
}
HOW = "--num-threads 1 --io threads --direct off --memory 64MiB".split()
INPUTS = ["s/tuned-1", "s/tuned-2", "s/tuned-3"]

# Of the C library's copies: "rep movsb" counts once per byte, and whether it is used depends on the CPU.
NO_REP = "glibc.cpu.x86_rep_movsb_threshold=1073741824:glibc.cpu.x86_rep_stosb_threshold=1073741824"


def skip(reason):
    print("# SKIP " + reason)
    sys.exit(SKIP)


def run(scratch, *command):
    environment = {**os.environ, "ONEFOLD_CPU": "avx2", "GLIBC_TUNABLES": NO_REP}
    done = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == SKIP:
        skip(done.stdout.strip().split("\n")[-1])
    if done.returncode != 0:
        raise SystemExit("%s: exit %d\n%s" % (" ".join(command), done.returncode, done.stderr))
    return done.stdout


def callgrind(scratch, out, options, *command):
    return run(scratch, "valgrind", "--tool=callgrind", "--callgrind-out-file=" + out, *options, *command)


def total_of(path):
    with open(path, encoding="utf-8") as file:
        return int(re.search(r"^(?:totals|summary): (\d+)", file.read(), flags=re.M).group(1))


def count_kernels(scratch, program):
    """One record per call; they are numbered, and the program prints names in the same order."""
    names = callgrind(scratch, "kern", ["--toggle-collect=count_here", "--dump-after=count_here"],
                      program, *ISAS).split()
    return {name: total_of(os.path.join(scratch, "kern.%d" % (i + 1))) for i, name in enumerate(names)}


def count_merge(scratch, tools, name, flags):
    callgrind(scratch, name, ["--toggle-collect=of_job_work"], os.path.join(tools, "onefold"), "merge", "--quiet",
              *HOW, *flags.split(), *INPUTS, "out-" + name)
    return total_of(os.path.join(scratch, name))


def count_plan(scratch, tools):
    """Only the program's own functions: libcrypto sets itself up while planning, which is no work of ours and
    differs from run to run. Our hash maps, whose seeds are random, differ by less than a percent."""
    program = os.path.join(tools, "onefold")
    callgrind(scratch, "plan", ["--toggle-collect=of_plan_build"], program, "plan", *HOW,
              *TASK_ARITHMETIC.split(), *INPUTS, "out")
    table = run(scratch, "callgrind_annotate", "--threshold=100", "--auto=no", "plan")
    rows = re.findall(r"^ *([\d,]+) .*\[%s\]$" % re.escape(os.path.realpath(program)), table, flags=re.M)
    return sum(int(count.replace(",", "")) for count in rows)


def count_all(tools, program):
    with tempfile.TemporaryDirectory() as scratch:
        found = count_kernels(scratch, program)
        run(scratch, os.path.join(tools, "onefold-mksample"), "--size", "8MB", "--seed", "1", "--quiet", "s")
        found["plan"] = count_plan(scratch, tools)
        for name, flags in MERGES.items():
            found[name] = count_merge(scratch, tools, name, flags)
    if 0 in found.values():
        raise SystemExit("nothing was counted in " + ", ".join(name for name in found if found[name] == 0))
    return found


def read_record():
    """The build it is of, and {case: count}."""
    with open(EXPECTED, encoding="utf-8") as file:
        lines = file.read().splitlines()
    rows = (line.split("\t") for line in lines[1:])
    return lines[0].split("\t")[1], {name: int(count) for name, count in rows}


def write_record(build, found):
    with open(EXPECTED, "w", encoding="utf-8") as file:
        file.write("build\t%s\n" % build)
        file.writelines("%s\t%d\n" % row for row in found.items())


def judge(name, expected, found):
    """What is wrong with a case, or None."""
    if expected is None or found is None:
        return "stands only in the %s; --update" % ("record" if found is None else "program")
    change = found / expected - 1
    if abs(change) <= TOLERANCE:
        return None
    verdict = "slower, or --update with the reason" if change > 0 else "faster: --update"
    return "%d instructions, %d in the record, %+.1f %%: %s" % (found, expected, 100 * change, verdict)


def compare(expected, found):
    failed = False
    for name in [*expected, *(name for name in found if name not in expected)]:
        problem = judge(name, expected.get(name), found.get(name))
        print("%s - %s" % ("not ok" if problem else "ok", name) + (": " + problem if problem else ""))
        failed |= problem is not None
    return failed


def main():
    tools, program = (os.path.abspath(path) for path in sys.argv[1:3])
    update = sys.argv[3:] == ["--update"]
    build = run(None, program, "--build").strip()
    if platform.machine() != "x86_64":
        skip("counts are of x86-64 machines")
    if shutil.which("valgrind") is None:
        skip("no valgrind")
    if not update and build != read_record()[0]:
        skip("the record is of %s; this is %s" % (read_record()[0], build))
    found = count_all(tools, program)
    if update:
        write_record(build, found)
        return
    sys.exit(1 if compare(read_record()[1], found) else 0)


main()
