# SPDX-License-Identifier: Apache-2.0
"""Runs samples/digits/run --quick with the tool under test and looks at what it wrote; prints TAP.

usage: run.py BUILD_TOOLS_FOLDER
"""
import csv
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLE = os.path.join(HERE, "..", "..", "samples", "digits")
PYTHON = os.environ.get("PYTHON", "/usr/bin/python3")
MISSING = 77
RULES = """linear task_arithmetic fedavg fednova fedgma median trimmed_mean cclip arc geometric_median krum
multi_krum bulyan fedexp feddyn metagpt inverse_norm""".split()
SCENARIOS = "labels all scaled".split()
ULPS_MAX = 8


def call(command, **others):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", check=False, **others)


def golden():
    done = call([PYTHON, os.path.join(HERE, "golden.py"), SAMPLE])
    assert done.returncode == 0, done.stdout


def rows(folder):
    with open(os.path.join(folder, "runs.tsv"), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def every_rule(folder):
    for scenario in SCENARIOS:
        for rule in RULES:
            own = [row for row in rows(folder) if row["scenario"] == scenario and row["rule"] == rule]
            assert len(own) == 1, f"{rule} in {scenario}: {len(own)} rows"
            assert 0 <= float(own[0]["ulps"]) <= ULPS_MAX, f"{rule} in {scenario}: {own[0]['ulps']} units from numpy"


def sensible(folder):
    right = {(row["scenario"], row["rule"]): row for row in rows(folder)}

    def test(scenario, rule, field="test"):
        return float(right[scenario, rule][field])

    assert test("labels", "base") > 0.5, "the base learned nothing"
    assert test("all", "all data together") > test("all", "base"), "training on all data did not help"
    # One site sends -8 times its update: the mean suffers, and what looks at the order of values does not.
    assert test("scaled", "median", "plain") > test("scaled", "task_arithmetic", "plain") + 0.05
    # These are the same merge.
    assert test("labels", "linear") == test("labels", "task_arithmetic", "plain")


def well_formed(folder):
    tree = xml.etree.ElementTree.parse(os.path.join(folder, "accuracy.svg"))
    words = {element.text for element in tree.iter("{http://www.w3.org/2000/svg}text")}
    missing = [name for name in RULES + SCENARIOS if name not in words]
    assert not missing, f"not in the picture: {missing}"
    with open(os.path.join(folder, "table.md"), encoding="utf-8") as file:
        text = file.read()
    assert all(text.count(f"| {rule} |") >= 3 for rule in RULES), text


def report(number, name, check, *arguments):
    try:
        check(*arguments)
    except AssertionError as problem:
        print(f"not ok {number} - {name}")
        print("\n".join("# " + line for line in str(problem).splitlines()))
        return 1
    print(f"ok {number} - {name}")
    return 0


def main():
    environment = {**os.environ, "PATH": os.path.abspath(sys.argv[1]) + ":" + os.environ["PATH"]}
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "results")
        done = call([os.path.join(SAMPLE, "run"), "--quick", out], env={**environment, "TMPDIR": folder})
        if done.returncode == MISSING:
            print("1..0 # SKIP numpy or scikit-learn is missing (tools/install-packages digits)")
            return 0
        print("1..5")
        if done.returncode != 0:
            print("Bail out! samples/digits/run failed")
            print("\n".join("# " + line for line in done.stdout.splitlines()))
            return 1
        failed = report(1, "the rules in numpy give the published numbers", golden)
        failed += report(2, "every rule, each close to numpy", every_rule, out)
        failed += report(3, "accuracies are sensible", sensible, out)
        failed += report(4, "picture and table are whole", well_formed, out)
        left = [name for name in os.listdir(folder) if name != "results"]
        failed += report(5, "nothing is left behind", lambda: nothing(left))
    return 1 if failed else 0


def nothing(left):
    assert not left, f"left behind: {left}"


if __name__ == "__main__":
    sys.exit(main())
