#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Error ids: the table of src/base/err.c against the program, the tests and the documents.

usage: ids.py ROOT
"""
import os
import re
import sys

ROOT = sys.argv[1]
TABLE = "src/base/err.c"
WORD = r"[a-z0-9]+(?:-[a-z0-9]+)*"

# No test provokes these. Each needs its reason.
UNTESTED = {
    "checkpoint-changed": "a name that appears between two looks: a race that no test can win surely",
    "target-network": "only a network file system provokes it, and a test cannot mount one",
}

# What takes an id among its arguments, or gives one a name.
CALLS = re.compile(
    r"\b(?:of_err_set|of_err_set_sys|of_report_\w+|of_build_(?:error|warning|notice|tally)\w*"
    r"|of_parser_(?:error|warning)|of_verify_finding|of_json_(?:check|parse|decode_\w+)|of_key_set_add|exit_set|refuse"
    r"|hash_say_\w+|say_count)\)?\("
)
NAMED = re.compile(r"(?:\.|->)id\w*(?:\.text)?(?:\)| ==| !=| =|,)[^;\"]{0,60}\"(" + WORD + r")\"")


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def walk(folder, *endings):
    for where, names, leaves in os.walk(os.path.join(ROOT, folder)):
        names[:] = sorted(n for n in names if not n.startswith((".", "__")))
        for leaf in sorted(leaves):
            if leaf.endswith(endings):
                yield os.path.relpath(os.path.join(where, leaf), ROOT)


def literals_of_calls(text):
    """The string literals of each call in CALLS, in order."""
    for call in CALLS.finditer(text):
        depth, found = 1, []
        for piece in re.finditer(r'"((?:[^"\\]|\\.)*)"|[()]', text[call.end() :]):
            if piece.group(0) == "(":
                depth += 1
            elif piece.group(0) == ")":
                depth -= 1
                if depth == 0:
                    break
            else:
                found.append(piece.group(1))
        yield found


def ids_given(text):
    """What the code uses as an id, whether the table has it or not."""
    for found in literals_of_calls(text):
        for place, literal in enumerate(found):
            # A single word further back is a word of the message.
            if re.fullmatch(WORD, literal) and ("-" in literal or place == 0):
                yield literal
    yield from NAMED.findall(text)


def check_code(table, problems):
    literals = set()
    for name in [*walk("src", ".c", ".h"), *walk("tools", ".c", ".h")]:
        if name == TABLE:
            continue
        text = read(name)
        literals.update(re.findall('"([a-z0-9]+(?:-[a-z0-9]+)+)"', text))
        literals.update(ids_given(text))
        for given in sorted(set(ids_given(text)) - table):
            problems.append("%s: id %s is not in the table" % (name, given))
    for unused in sorted(table - literals):
        problems.append("%s: nothing sets %s" % (TABLE, unused))


def without_comments(name, text):
    if name.endswith((".c", ".h")):
        return re.sub(r"(?s)/\*.*?\*/", "", text)
    return re.sub(r"(?m)^\s*#.*$", "", text)


def ids_in_test(name, text):
    """Which ids a test names. A word without '-' has to stand where an id stands: as a literal, as
    [id] at the end of a message, behind a level, or as what `says` expects."""
    if name.endswith(".tsv"):
        yield from re.findall(r"(?m)(?<=\t)(" + WORD + r")(?=\t|$)", text)
        return
    yield from re.findall(r"(?<![\w-])[a-z0-9]+(?:-[a-z0-9]+)+(?![\w-])", text)
    yield from re.findall(r'"([a-z]+)"', text)
    yield from re.findall(r"\[([a-z]+)\\?\]", text)
    yield from re.findall(r"\b(?:error|warning|note|says \d+) ([a-z]+)\b", text)


def check_tests(table, problems):
    tested = set()
    for name in walk("tests", ".c", ".h", ".py", ".sh", ".tsv", ".glob", ".exact"):
        if os.path.basename(name) != os.path.basename(__file__):
            tested.update(ids_in_test(name, without_comments(name, read(name))))
    for missing in sorted(table - tested - set(UNTESTED)):
        problems.append("tests: no test names %s" % missing)
    for name in sorted(UNTESTED):
        if name not in table:
            problems.append("tests/tidy/ids.py: %s is no id" % name)
        elif name in tested:
            problems.append("tests/tidy/ids.py: %s has a test by now" % name)


def check_documents(table, problems):
    """The page of a format names ids that exist: `st-hole`, or `kind-*` for all of a kind."""
    for name in walk("docs/formats", ".md"):
        kinds = {row.split("-")[0] for row in table if "-" in row}
        for given in re.findall(r"`([a-z0-9]+-[a-z0-9*-]+)`", read(name)):
            known = any(row.startswith(given[:-1]) for row in table) if given[-1] == "*" else given in table
            if given.split("-")[0] in kinds and not known:
                problems.append("%s: id %s is not in the table" % (name, given))


def check_page(name, prefix, table, problems):
    """The page has every id that begins with the prefix, by name."""
    text = read(name)
    for row in sorted(table):
        if row.startswith(prefix) and "`%s`" % row not in text:
            problems.append("%s: id %s is missing" % (name, row))


def main():
    rows = re.findall(r'(?m)^    \{"([^"]+)", ONEFOLD_', read(TABLE))
    table = set(rows)
    problems = []
    if len(rows) < 100:
        problems.append("%s: the table was not found" % TABLE)
    for before, row in zip(rows, rows[1:]):
        if before >= row:
            problems.append("%s: %s stands behind %s" % (TABLE, row, before))
    check_code(table, problems)
    check_tests(table, problems)
    check_documents(table, problems)
    check_page("docs/formats/safetensors.md", "st-", table, problems)
    print("\n".join(problems) or "ids: %d, all used, all tested" % len(rows))
    sys.exit(1 if problems else 0)


main()
