# SPDX-License-Identifier: Apache-2.0
"""Every case of corpus/cases.tsv gets its verdict. Usage: corpus.py ONEFOLD [--sanitized]"""
import csv
import os
import re
import shutil
import sys
import tempfile

import generate
import program

HERE = os.path.dirname(os.path.abspath(__file__))


def read_table(name, columns):
    with open(os.path.join(HERE, name), encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
                if row and not row[0].startswith("#")]
    for row in rows:
        if len(row) != columns:
            sys.exit("%s: %d columns expected: %s" % (name, columns, row))
    return rows


def check_accepted(result, case):
    """Number and types of tensors, and a warning exactly where one is due."""
    problems = []
    checkpoint = result.checkpoint()
    if case["tensors"] != "-" and checkpoint["tensor_count"] != int(case["tensors"]):
        problems.append("%d tensors, expected %s" % (checkpoint["tensor_count"], case["tensors"]))
    types = set(case["dtypes"].split(",")) - {"-"}
    if set(checkpoint["dtypes"]) != types:
        problems.append("types %s, expected %s" % (sorted(checkpoint["dtypes"]), case["dtypes"]))
    if len(checkpoint["tensors"]) != checkpoint["tensor_count"]:
        problems.append("%d tensors listed" % len(checkpoint["tensors"]))
    if "(warn)" in case["reason"] and "warning" not in result.text:
        problems.append("accepted without the warning")
    return problems


def run_checkpoint(tool, root, case, ids):
    arguments = ["inspect", "--memory", program.MEMORY]
    if case["expected"] == "accept":
        arguments.append("--json")
    result = tool.run(arguments + [case["file"]], root, program.environment(root + "/none"))
    problems = tool.problems(result, [int(case["exit"])])
    if problems:
        return result, problems
    if case["expected"] == "accept":
        return result, check_accepted(result, case)
    if os.path.basename(case["file"]) not in result.text:
        problems.append("the message does not name the file")
    if case["file"] not in ids:
        problems.append("ids.tsv has no id for this case")
    elif ids[case["file"]] not in result.ids:
        problems.append("the message is not about %s" % ids[case["file"]])
    return result, problems


def run_recipe(tool, root, case, later):
    """A recipe whose form or rule this version does not have has to be refused as such; as soon as it
    is not, its line in later.tsv has to go."""
    folder, name = os.path.split(case["file"])
    result = tool.run(["plan", "--memory", program.MEMORY, name], os.path.join(root, folder),
                      program.environment(root + "/none"))
    if case["file"] in later:
        code, error_id = later[case["file"]][:2]
        problems = tool.problems(result, [int(code)])
        if error_id not in result.ids:
            problems.append("listed in later.tsv, but not refused with [%s]" % error_id)
        return result, problems
    problems = tool.problems(result, [int(case["exit"])])
    if case["expected"] == "accept" and not problems and not result.out:
        problems.append("no plan was printed")
    if case["exit"] == "2" and not re.search(re.escape(name) + r":\d+:\d+: ", result.text) and \
            "recipe-empty" not in result.ids:
        problems.append("the message has no line and column")
    if any(row[1] in result.ids for row in later.values()):
        problems.append("refused because it comes later: add it to later.tsv")
    return result, problems


def main():
    tool = program.Tool(sys.argv[1], "--sanitized" in sys.argv[2:])
    tap = program.Tap()
    header, *rows = read_table("corpus/cases.tsv", 6)
    cases = [dict(zip(header, row)) for row in rows]
    ids = {row[0]: row[1] for row in read_table("ids.tsv", 2)}
    later = {row[0]: row[1:] for row in read_table("later.tsv", 4)}

    with tempfile.TemporaryDirectory(prefix="onefold-inputs-") as scratch:
        root = os.path.join(scratch, "corpus")
        shutil.copytree(os.path.join(HERE, "corpus"), root)
        os.mkdir(os.path.join(root, "none"))
        generate.write_all(root)
        before = program.everything(scratch)
        for case in cases:
            if case["file"].startswith("recipes/"):
                result, problems = run_recipe(tool, root, case, later)
                remark = later.get(case["file"], ["", "", ""])[2]
                tap.report(case["file"], problems, result, "later: " + remark if remark else "")
            else:
                result, problems = run_checkpoint(tool, root, case, ids)
                tap.report(case["file"], problems, result)
        after = program.everything(scratch)
        tap.report("nothing was written", [] if before == after else ["the folder changed"])

    names = {case["file"] for case in cases}
    stray = sorted((set(ids) | set(later)) - names)
    tap.report("every listed case exists", ["no such case: " + name for name in stray])
    return tap.end()


sys.exit(main())
