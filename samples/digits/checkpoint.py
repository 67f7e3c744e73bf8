# SPDX-License-Identifier: Apache-2.0
"""Writes and reads a folder with config.json and one safetensors file of F32 tensors."""
import json
import os
import struct

import numpy as np

FILE = "model.safetensors"


def write(folder, tensors):
    os.makedirs(folder, exist_ok=True)
    entries, place = {}, 0
    for name, values in tensors.items():
        entries[name] = {"dtype": "F32", "shape": list(values.shape),
                         "data_offsets": [place, place + values.nbytes]}
        place += values.nbytes
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    with open(os.path.join(folder, FILE), "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for values in tensors.values():
            file.write(values.astype("<f4").tobytes())
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump({"model_type": "digits", "widths": [64, 64, 32, 10], "torch_dtype": "float32"}, file, indent=2)
        file.write("\n")


def read(folder):
    with open(os.path.join(folder, FILE), "rb") as file:
        data = file.read()
    length = struct.unpack_from("<Q", data)[0]
    entries = json.loads(data[8:8 + length])
    entries.pop("__metadata__", None)
    tensors = {}
    for name, entry in entries.items():
        if entry["dtype"] != "F32":
            raise ValueError(f"{folder}: {name} is {entry['dtype']}, not F32")
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data, "<f4", (end - begin) // 4, 8 + length + begin)
        tensors[name] = values.reshape(entry["shape"]).astype(np.float32)
    return tensors


def flatten(tensors):
    """All elements in one vector, tensors in the order of their names."""
    return np.concatenate([tensors[name].ravel() for name in sorted(tensors)])
