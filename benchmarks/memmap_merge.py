#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What somebody would write without onefold: task arithmetic over memory-mapped files, with numpy.

usage: memmap_merge.py BASE MODEL... OUT      safetensors files of one layout: BF16, F16 or F32

OUT = base + 0.4 * sum(model - base), computed in float32 tensor by tensor and rounded once. It checks
nothing and writes no checksums. `onefold bench` runs it beside its merges.
"""
import json
import sys

import numpy

LAMBDA = numpy.float32(0.4)
STORED = {"BF16": numpy.uint16, "F16": numpy.float16, "F32": numpy.float32}


def open_model(path):
    """The header as bytes, its entries, and all data behind it as mapped bytes."""
    with open(path, "rb") as file:
        head = file.read(8)
        text = file.read(int.from_bytes(head, "little"))
    entries = {k: v for k, v in json.loads(text).items() if k != "__metadata__"}
    return head + text, entries, numpy.memmap(path, mode="r", offset=8 + len(text))


def load(data, entry):
    begin, end = entry["data_offsets"]
    stored = data[begin:end].view(STORED[entry["dtype"]])
    if entry["dtype"] == "BF16":
        return (stored.astype(numpy.uint32) << 16).view(numpy.float32)
    return stored.astype(numpy.float32)


def encode(values, dtype):
    if dtype != "BF16":
        return values.astype(STORED[dtype])
    bits = values.view(numpy.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)


def main():
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    header, entries, base = open_model(sys.argv[1])
    models = [open_model(path)[1:] for path in sys.argv[2:-1]]
    with open(sys.argv[-1], "wb") as out:
        out.write(header)
        for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"]):
            start = load(base, entry)
            total = numpy.zeros_like(start)
            for others, data in models:
                total += load(data, others[name]) - start
            out.write(encode(start + LAMBDA * total, entry["dtype"]).data)


main()
