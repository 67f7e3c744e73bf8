#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the table of floors in docs/architecture.md (section 4) and checks every include against it.

Also: system and library headers outside their place, allocation outside base/mem.c, output to
standard error in the library, private headers in tools and samples.

usage: floors.py ROOT
"""
import os
import re
import sys

ROOT = sys.argv[1]
# Headers of the C library that neither do I/O nor start threads.
PLAIN_C = set(
    "assert ctype errno float inttypes limits math stdalign stdarg stdbool stddef stdint stdio "
    "stdlib stdatomic locale string signal fenv".split()
)
# stdio.h is allowed for snprintf, stdlib.h for qsort and strtod, signal.h for sig_atomic_t; what
# they could be misused for is searched for below.
LIBRARIES = {
    "liburing.h": {"src/sys/io_uring.c"},
    "jansson.h": {"src/fmt/json.c"},
    "yaml.h": {"src/fmt/yaml.c"},
    "xxhash.h": None,
    "openssl": {"src/base/hash.c"},
    "cmocka.h": set(),
}
# getentropy() for the key of the name hash; write() for the last words before abort(); malloc_trim().
EXCEPTIONS = {("src/base/map.c", "unistd.h"), ("src/base/check.c", "unistd.h"), ("src/base/mem.c", "malloc.h")}
INTRINSICS = {"immintrin.h", "arm_neon.h", "cpuid.h", "sys/auxv.h", "asm/hwcap.h"}
FORBIDDEN = [
    (re.compile(r"\b(malloc|calloc|realloc|free|strdup|asprintf)\s*\("), "allocates", {"src/base/mem.c"}),
    (re.compile(r"\bfprintf\s*\(\s*stderr|\b(printf|puts|perror)\s*\("), "prints", set()),
    (re.compile(r"\bstderr\b"), "prints", {"src/base/check.c"}),
    (re.compile(r"\b(strcpy|strcat|sprintf|gets|alloca|setlocale)\s*\("), "is banned here", set()),
]


def read_floors():
    """folder -> set of folders it may include."""
    floors = {}
    rows = re.compile(r"^\| ([0-9]) \| `(\w+)` \| ([^|]+) \|")
    with open(os.path.join(ROOT, "docs/architecture.md"), encoding="utf-8") as file:
        for line in file:
            row = rows.match(line)
            if row:
                folder = row.group(2)
                allowed = set(re.findall(r"\w+", row.group(3).split("`")[0])) - {"itself"}
                if "all" in allowed:
                    allowed = {"base", "sys", "kern", "fmt", "ckpt", "recipe", "method", "plan", "run"}
                floors[folder] = allowed | {folder, "onefold"}
    return floors


def strip_comments(text):
    keep_lines = lambda match: re.sub(r"[^\n]", " ", match.group(0))
    text = re.sub(r"/\*.*?\*/", keep_lines, text, flags=re.S)
    return re.sub(r'"(\\.|[^"\\\n])*"', lambda m: '"' + " " * (len(m.group(0)) - 2) + '"', text)


def check_source(path, folder, floors, problems):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        text = file.read()
    for number, line in enumerate(text.split("\n"), 1):
        project = re.match(r'#\s*include "([^"]+)"', line)
        system = re.match(r"#\s*include <([^>]+)>", line)
        where = "%s:%d" % (path, number)
        if project:
            target = project.group(1)
            if "/" not in target:
                problems.append("%s: include %s from src/, with its folder" % (where, target))
            elif target.split("/")[0] not in floors[folder]:
                problems.append("%s: %s may not include %s" % (where, folder, target))
        elif system:
            check_system_header(where, path, folder, system.group(1), problems)
    for number, line in enumerate(strip_comments(text).split("\n"), 1):
        for pattern, what, places in FORBIDDEN:
            found = pattern.search(line)
            if found and path not in places:
                problems.append("%s:%d: %s %s" % (path, number, found.group(0).strip(" ("), what))


def check_system_header(where, path, folder, header, problems):
    name = header.split("/")[0] if header.startswith("openssl/") else header
    if name in LIBRARIES:
        places = LIBRARIES[name]
        if places is None:
            if path != "src/base/hash.c" and not re.match(r"src/kern/kern_\w+\.[ch]$", path):
                problems.append("%s: %s belongs to base/hash.c and kern" % (where, header))
        elif path not in places:
            problems.append("%s: %s belongs to %s" % (where, header, ", ".join(places) or "tests"))
    elif header in INTRINSICS:
        if folder not in ("kern", "sys"):
            problems.append("%s: %s belongs to kern" % (where, header))
    elif folder != "sys":
        stem = header[:-2] if header.endswith(".h") else header
        if stem not in PLAIN_C and (path, header) not in EXCEPTIONS:
            problems.append("%s: system header %s outside sys" % (where, header))


def check_outside(path, problems):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            target = re.match(r'#\s*include "([^"]+)"', line)
            if target and re.match(r"(base|sys|kern|fmt|ckpt|recipe|method|plan|run)/", target.group(1)):
                problems.append("%s:%d: only <onefold/...> here" % (path, number))


def main():
    floors = read_floors()
    problems = []
    expected = {"base", "sys", "kern", "fmt", "ckpt", "recipe", "method", "plan", "run", "api"}
    if set(floors) != expected:
        problems.append("docs/architecture.md: table of floors names %s" % sorted(floors))
    names = {}
    for folder in sorted(expected & set(floors)):
        for name in sorted(os.listdir(os.path.join(ROOT, "src", folder))):
            if name.endswith((".c", ".h")):
                check_source("src/%s/%s" % (folder, name), folder, floors, problems)
            if name.endswith(".c"):
                names.setdefault(name, []).append(folder)
    for name, folders in names.items():
        if len(folders) > 1:
            problems.append("%s is a file of %s: names of sources are unique" % (name, folders))
    for top in ("tools", "samples/embed"):
        for name in sorted(os.listdir(os.path.join(ROOT, top))):
            if name.endswith((".c", ".h")):
                check_outside("%s/%s" % (top, name), problems)
    print("\n".join(problems) or "floors: all includes are in their place")
    sys.exit(1 if problems else 0)


main()
