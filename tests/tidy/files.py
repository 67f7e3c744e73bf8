#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rules about files as such: licence line, length, encoding, guards, marks of unfinished work.

usage: files.py ROOT
"""
import os
import re
import subprocess
import sys

ROOT = sys.argv[1]
LINES_MAX = 1000
BYTES_MAX = 1000000
SPDX = "SPDX-License-Identifier: Apache-2.0"
# Formats that have no comments, test data whose bytes are the point, and the licence itself.
NO_SPDX = re.compile(
    r"(^LICENSE$|\.(json|md|safetensors|tsv|txt|glob|exact|exit|bin|leaves)$|/corpus/|/sums/)"
)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!H|_)")


def files():
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, check=False
    ).stdout.decode()
    if listed:
        return [name for name in listed.split("\0") if name]
    found = []
    for folder, names, leaves in os.walk(ROOT):
        names[:] = [n for n in names if n != ".git" and not n.startswith("build")]
        found += [os.path.relpath(os.path.join(folder, leaf), ROOT) for leaf in leaves]
    return found


def check(name, problems):
    path = os.path.join(ROOT, name)
    if not os.path.isfile(path) or os.path.islink(path):
        return
    if os.path.getsize(path) > BYTES_MAX:
        problems.append("%s: larger than %d bytes" % (name, BYTES_MAX))
    if NO_SPDX.search(name):
        return
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if SPDX not in "\n".join(text.split("\n")[:2]):
        problems.append("%s: no SPDX line at the top" % name)
    if not name.endswith((".c", ".h")):
        return
    if text.count("\n") > LINES_MAX:
        problems.append("%s: more than %d lines" % (name, LINES_MAX))
    if UNFINISHED.search(text):
        problems.append("%s: %s" % (name, UNFINISHED.search(text).group(0)))
    if "#if 0" in text:
        problems.append("%s: #if 0" % name)
    if name.startswith("src/") and name.endswith(".h"):
        guard = "OF_" + re.sub(r"[/.]", "_", name[4:]).upper()
        if "#ifndef %s\n#define %s\n" % (guard, guard) not in text:
            problems.append("%s: guard is not %s" % (name, guard))


def main():
    problems = []
    for name in files():
        check(name, problems)
    print("\n".join(problems) or "files: all in order")
    sys.exit(1 if problems else 0)


main()
