#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Symbols of the archives: internal ones start with of_, public ones with onefold_.

usage: names.py STATIC_ARCHIVE SHARED_LIBRARY
"""
import re
import subprocess
import sys


def symbols(arguments):
    text = subprocess.run(["nm", *arguments], capture_output=True, text=True, check=True).stdout
    for line in text.split("\n"):
        row = re.match(r"[0-9a-f]+ ([A-Za-z]) (\S+)$", line)
        if row:
            yield row.group(2).split("@")[0]


def main():
    archive, shared = sys.argv[1:3]
    problems = []
    for name in symbols(["--defined-only", "--extern-only", archive]):
        if not re.match(r"(of_|onefold_|__|_?(asan|tsan|ubsan|odr))", name):
            problems.append("%s: symbol %s has no prefix" % (archive, name))
    exported = list(symbols(["--defined-only", "--dynamic", shared]))
    for name in exported:
        if not re.match(r"(onefold_|ONEFOLD_|__|_init$|_fini$|_?(asan|tsan|ubsan|odr))", name):
            problems.append("%s: exports %s" % (shared, name))
    if not any(name.startswith("onefold_") for name in exported):
        problems.append("%s: exports nothing" % shared)
    print("\n".join(problems) or "names: all symbols have their prefix")
    sys.exit(1 if problems else 0)


main()
