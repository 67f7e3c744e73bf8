#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the recipes of cases.json with onefold and compares with what mergekit made of them.

usage: run.py ONEFOLD [CASE...]

What mergekit crops with a warning (other vocabulary sizes) has to be refused, by the id in "refused".
float32 outputs have to be equal to the last bit. 16-bit outputs have to be at least as near to the
exact value as mergekit's, element by element; the exact value is computed here, in doubles, by a few
lines that share nothing with the program. Prints TAP.
"""
import array
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def read_tensors(path):
    """name -> (dtype, shape, bytes) of all shards of a folder, or of one file."""
    files = [path]
    if os.path.isdir(path):
        files = [os.path.join(path, n) for n in sorted(os.listdir(path)) if n.endswith(".safetensors")]
    found = {}
    for file_path in files:
        with open(file_path, "rb") as file:
            data = file.read()
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + length])
        header.pop("__metadata__", None)
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            raw = data[8 + length + begin : 8 + length + end]
            found[name] = (entry["dtype"], tuple(entry["shape"]), raw)
    return found


def values(dtype, raw):
    """Elements as doubles, exactly."""
    if dtype == "F32":
        return list(array.array("f", raw))
    if dtype == "BF16":
        wide = bytearray(2 * len(raw))
        wide[2::4] = raw[0::2]
        wide[3::4] = raw[1::2]
        return list(array.array("f", bytes(wide)))
    if dtype == "F16":
        return list(struct.unpack("<%de" % (len(raw) // 2), raw))
    raise ValueError(dtype)


def layer_of(name):
    parts = name.split(".")
    for place in range(1, len(parts) - 1):
        if parts[place].isdigit():
            return int(parts[place])
    return None


def setting(levels, key, name, t, default):
    for level in levels:
        value = (level or {}).get(key)
        if value is None:
            continue
        cases = value if isinstance(value, list) and isinstance(value[0], dict) else [{"value": value}]
        for case in cases:
            if case.get("filter") in (None, "*") or case["filter"] in name:
                return gradient(case["value"], t)
    return default


def gradient(value, t):
    if not isinstance(value, list):
        return value
    place = t * (len(value) - 1)
    low = int(place)
    high = min(len(value) - 1, low + 1)
    return (1 - (place - low)) * value[low] + (place - low) * value[high]


def exact(case, name, models, base, layer_count):
    """(exact values, bound of float32 rounding) of one output tensor."""
    recipe = case["recipe"]
    layer = layer_of(name)
    t = 0.0 if layer is None else (1.0 if layer_count == 1 else layer / (layer_count - 1))
    top = recipe.get("parameters")
    coefs = [setting([e.get("parameters"), top], "weight", name, t, None) for e, _ in models]
    is_linear = recipe["merge_method"] == "linear"
    if setting([top], "normalize", name, t, is_linear):
        total = sum(coefs)
        coefs = [c / (total if total != 0 else 1.0) for c in coefs]
    factor = 1.0 if is_linear else setting([top], "lambda", name, t, 1.0)
    inputs = [values(*tensors[name][::2]) for _, tensors in models]
    origin = None if is_linear else values(*base[name][::2])
    result, bound = [], []
    for i in range(len(inputs[0])):
        zero = 0.0 if origin is None else origin[i]
        terms = [factor * c * (x[i] - zero) for c, x in zip(coefs, inputs)]
        result.append(zero + sum(terms))
        bound.append((len(terms) + 4) * 2.0**-23 * (abs(zero) + sum(map(abs, terms))))
    return result, bound


def compare_16_bit(case, ours, theirs):
    """Problems of one case whose output has 16-bit elements."""
    recipe = case["recipe"]
    base = None
    if recipe.get("base_model"):
        base = read_tensors(os.path.join(HERE, recipe["base_model"]))
    models = []
    for entry in recipe["models"]:
        if recipe["merge_method"] == "linear" or entry["model"] != recipe.get("base_model"):
            models.append((entry, read_tensors(os.path.join(HERE, entry["model"]))))
    layers = [layer_of(name) for name in ours]
    layer_count = 1 + max(layer for layer in layers if layer is not None)
    problems = []
    for name, (dtype, _, raw) in ours.items():
        mine, other = values(dtype, raw), values(theirs[name][0], theirs[name][2])
        want, bound = exact(case, name, models, base, layer_count)
        for i, value in enumerate(want):
            if not abs(mine[i] - value) <= abs(other[i] - value) + bound[i]:
                problems.append(
                    "%s[%d]: %r, mergekit has %r, exact is %r" % (name, i, mine[i], other[i], value)
                )
        error_ours = sum(abs(a - b) for a, b in zip(mine, want))
        error_theirs = sum(abs(a - b) for a, b in zip(other, want))
        if not error_ours <= error_theirs:
            problems.append("%s: sum of errors %g, mergekit's %g" % (name, error_ours, error_theirs))
    return problems


def check(case, onefold, scratch):
    out = os.path.join(scratch, case["name"])
    # Set by meson in a cross build: the emulator.
    wrapper = os.environ.get("MESON_EXE_WRAPPER", "").split()
    command = wrapper + [onefold, "merge", case["config"], out, "--quiet"] + case["args"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    if "refused" in case:
        refusal = (done.returncode, "[%s]" % case["refused"] in done.stderr, os.path.exists(out))
        return [] if refusal == (3, True, False) else ["not refused: %r\n%s" % (refusal, done.stderr)]
    if done.returncode != 0:
        return ["exit %d: %s" % (done.returncode, done.stderr.strip())]
    ours = read_tensors(out)
    shutil.rmtree(out)
    if "sha256" in case:
        digests = {name: hashlib.sha256(entry[2]).hexdigest() for name, entry in ours.items()}
        names = sorted(set(digests) | set(case["sha256"]))
        return ["%s differs" % n for n in names if digests.get(n) != case["sha256"].get(n)]
    theirs = read_tensors(os.path.join(HERE, case["output"]))
    outline = {name: entry[:2] for name, entry in ours.items()}
    if outline != {name: entry[:2] for name, entry in theirs.items()}:
        return ["names, types or shapes differ"]
    return compare_16_bit(case, ours, theirs)


def main():
    onefold = os.path.abspath(sys.argv[1])
    with open(os.path.join(HERE, "cases.json")) as file:
        cases = [c for c in json.load(file) if not sys.argv[2:] or c["name"] in sys.argv[2:]]
    print("1..%d" % len(cases))
    with tempfile.TemporaryDirectory() as scratch:
        for number, case in enumerate(cases, 1):
            problems = check(case, onefold, scratch)
            print("%s %d - %s" % ("not ok" if problems else "ok", number, case["name"]))
            for problem in problems[:10]:
                print("# " + problem)


main()
