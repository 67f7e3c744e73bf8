#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Takes reference merges made by mergekit into this folder.

usage: import.py REFERENCE_FOLDER

REFERENCE_FOLDER holds golden.json (cases), cfg/ (recipes), models/ (inputs) and out/ (what mergekit
wrote). Of float32 outputs, which have to be equal to the last bit, only digests of the tensors are
kept; 16-bit outputs are kept whole, because they are compared by their distance from the exact value.
Needs python3-yaml, which the tests themselves do not.
"""
import hashlib
import json
import os
import shutil
import struct
import sys

import yaml

METHODS = ("linear", "task_arithmetic", "passthrough")
# What mergekit merges with a warning and onefold refuses on purpose, with the error id.
REFUSED = {"vocab-linear-vocab_f32": "mismatch-shape"}
HERE = os.path.dirname(os.path.abspath(__file__))


def tensors_of(path):
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        yield name, entry, data[8 + length + begin : 8 + length + end]


def wanted(case, source):
    if case["method"] not in METHODS or case["error"]:
        return False
    if any("bin" in path for path in case["inputs"]):
        return False
    with open(os.path.join(source, case["config"])) as file:
        return "models" in yaml.safe_load(file)


def copy_file(source, relative):
    target = os.path.join(HERE, relative)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(os.path.join(source, relative), target)


def import_case(case, source):
    with open(os.path.join(source, case["config"])) as file:
        recipe = yaml.safe_load(file)
    copy_file(source, case["config"])
    for path in case["inputs"]:
        folder = path if not path.endswith(".safetensors") else os.path.dirname(path)
        for name in os.listdir(os.path.join(source, folder)):
            copy_file(source, os.path.join(folder, name))
    if case["name"] in REFUSED:
        return {
            "name": case["name"],
            "config": case["config"],
            "args": case["args"],
            "refused": REFUSED[case["name"]],
        }
    output = os.path.join(case["output_stable"], "model.safetensors")
    kept = {
        "name": case["name"],
        "config": case["config"],
        "args": case["args"],
        "inputs": case["inputs"],
        "recipe": recipe,
    }
    types = {entry["dtype"] for _, entry, _ in tensors_of(os.path.join(source, output))}
    if types == {"F32"}:
        kept["sha256"] = {
            name: hashlib.sha256(data).hexdigest()
            for name, _, data in tensors_of(os.path.join(source, output))
        }
    else:
        kept["output"] = output
        copy_file(source, output)
    return kept


def main():
    source = sys.argv[1]
    with open(os.path.join(source, "golden.json")) as file:
        cases = [case for case in json.load(file)["cases"] if wanted(case, source)]
    kept = [import_case(case, source) for case in cases]
    with open(os.path.join(HERE, "cases.json"), "w") as file:
        json.dump(kept, file, indent=1, sort_keys=True)
        file.write("\n")


main()
