#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tools as a user would, and looks at what they say and leave behind.

usage: run.py BUILD_TOOLS_FOLDER SUPPORT_FOLDER GROUP[/NAME]...

A case is GROUP/NAME.sh, run by `sh -eu` in an empty folder with the tools, bin/ and the programs of
SUPPORT_FOLDER in PATH and $ROOT naming the source tree. Beside it may stand NAME.exit (exit code,
default 0) and NAME.stdout or NAME.stderr with .exact (the text) or .glob (lines with * and ?; a line
of three dots stands for any number of lines). Exit 77 skips; the last line of standard output says
why. Prints TAP.
"""
import fnmatch
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SKIP = 77
TIMEOUT_S = 900


def read(path, default=None):
    if not os.path.exists(path):
        return default
    with open(path, encoding="utf-8") as file:
        return file.read()


def glob_matches(pattern, text):
    """Line by line, as in a small regular expression: '...' is any run of lines."""
    want, have = pattern.split("\n"), text.split("\n")
    places = {0}
    for line in want:
        following = set()
        for place in places:
            if line == "...":
                following |= set(range(place, len(have) + 1))
            elif place < len(have) and fnmatch.fnmatchcase(have[place], line.replace("[", "[[]")):
                following.add(place + 1)
        places = following
    return len(have) in places


def check_stream(base, name, text, problems):
    exact = read("%s.%s.exact" % (base, name))
    pattern = read("%s.%s.glob" % (base, name))
    if exact is not None and exact != text:
        problems.append("%s is not as expected:\n%s" % (name, text))
    if pattern is not None and not glob_matches(pattern, text):
        problems.append("%s does not match %s.%s.glob:\n%s" % (name, base, name, text))


def run_case(script, environment):
    base = script[: -len(".sh")]
    scratch = tempfile.mkdtemp(prefix="onefold-cli-")
    try:
        done = subprocess.run(
            ["sh", "-eu", script],
            cwd=scratch,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ["still running after %d s" % TIMEOUT_S], None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    out = done.stdout.decode("utf-8", "replace")
    err = done.stderr.decode("utf-8", "replace")
    if done.returncode == SKIP:
        return [], (out.strip().split("\n") or [""])[-1]
    problems = []
    want = int(read(base + ".exit", "0"))
    if done.returncode != want:
        problems.append("exit %d, not %d\n%s\n%s" % (done.returncode, want, out, err))
    check_stream(base, "stdout", out, problems)
    check_stream(base, "stderr", err, problems)
    return problems, None


def main():
    tools, support = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    scripts = []
    for wish in sys.argv[3:]:
        if "/" in wish:
            scripts.append(os.path.join(HERE, wish + ".sh"))
        else:
            folder = os.path.join(HERE, wish)
            scripts += [os.path.join(folder, n) for n in sorted(os.listdir(folder)) if n.endswith(".sh")]
    environment = dict(os.environ)
    environment["PATH"] = os.pathsep.join([tools, os.path.join(HERE, "bin"), support, os.environ["PATH"]])
    environment["ROOT"] = os.path.dirname(os.path.dirname(HERE))
    environment["LC_ALL"] = "C.UTF-8"
    environment["HF_HOME"] = "/nonexistent"
    for name in ("HF_HUB_CACHE", "OMP_NUM_THREADS", "NO_COLOR"):
        environment.pop(name, None)
    print("1..%d" % len(scripts))
    for number, script in enumerate(scripts, 1):
        name = os.path.relpath(script, HERE)[: -len(".sh")]
        problems, skip = run_case(script, environment)
        if skip is not None:
            print("ok %d - %s # SKIP %s" % (number, name, skip))
            continue
        print("%s %d - %s" % ("not ok" if problems else "ok", number, name))
        for problem in problems:
            print("\n".join("# " + line for line in problem.split("\n")))


main()
