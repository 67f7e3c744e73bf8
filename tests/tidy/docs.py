#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Documents against the program: methods and parameters have pages, options stand in the manual
pages, files and links that documents name exist, error ids are known to the manual.

usage: docs.py ROOT ONEFOLD ONEFOLD_HASH
"""
import json
import os
import re
import subprocess
import sys

ROOT, ONEFOLD, ONEFOLD_HASH = sys.argv[1:4]


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit("%s: exit %d\n%s" % (" ".join(command), done.returncode, done.stderr))
    return done.stdout


def check_methods(problems):
    found = json.loads(run(ONEFOLD, "methods", "--json"))["data"]["methods"]
    for method in found:
        page = "docs/methods/%s.md" % method["name"]
        if not os.path.exists(os.path.join(ROOT, page)):
            problems.append("%s: method without a page" % page)
            continue
        rows = set(re.findall(r"^\| `([a-z_0-9]+)` \|", read(page), flags=re.M))
        for parameter in method["parameters"]:
            if parameter["name"] not in rows:
                problems.append("%s: no row for parameter %s" % (page, parameter["name"]))
        known = {parameter["name"] for parameter in method["parameters"]}
        for name in sorted(rows - known):
            problems.append("%s: parameter %s is not the method's" % (page, name))


def options_of(*command):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", run(*command, "--help")))


def check_options(problems):
    verbs = re.findall(r"^  ([a-z]+) ", run(ONEFOLD, "--help"), flags=re.M)
    if "merge" not in verbs or "verify" not in verbs:
        problems.append("onefold --help lists the verbs %s" % verbs)
    pages = {
        "docs/man/onefold.1": [(ONEFOLD,)] + [(ONEFOLD, verb) for verb in verbs],
        "docs/man/onefold-hash.1": [(ONEFOLD_HASH,)],
    }
    for page, commands in pages.items():
        text = read(page).replace("\\-", "-").replace("Fl Fl ", "Fl -")
        described = set("-" + name for name in re.findall(r"Fl (-[a-z][a-z0-9-]*)", text))
        used = set().union(*(options_of(*command) for command in commands))
        for name in sorted(used - described):
            problems.append("%s: option %s is missing" % (page, name))
        for name in sorted(described - used):
            if name not in ("--help", "--version"):
                problems.append("%s: the program has no option %s" % (page, name))


def check_links(problems):
    documents = ["README.md", "CONTRIBUTING.md", "NEWS.md"]
    for folder, _, names in os.walk(os.path.join(ROOT, "docs")):
        documents += [os.path.relpath(os.path.join(folder, n), ROOT) for n in names if n.endswith(".md")]
    for name in documents:
        text = read(name)
        here = os.path.dirname(os.path.join(ROOT, name))
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            if not os.path.exists(os.path.join(here, target)):
                problems.append("%s: link to %s, which is not there" % (name, target))
        if "docs/hacking" in name or name == "CONTRIBUTING.md":
            for target in re.findall(r"`((?:src|tests|docs|tools|include|samples)/[\w./-]+)`", text):
                placeholder = re.search(r"\b(NAME|ISA|VERB|FOLDER|FILE|GROUP)\b|_(NAME|ISA|VERB)\b", target)
                if not placeholder and not os.path.exists(os.path.join(ROOT, target)):
                    problems.append("%s: names %s, which is not there" % (name, target))


def main():
    problems = []
    check_methods(problems)
    check_options(problems)
    check_links(problems)
    print("\n".join(problems) or "docs: pages, options and links agree with the program")
    sys.exit(1 if problems else 0)


main()
