# SPDX-License-Identifier: Apache-2.0
"""The cases of the corpus that are too large to keep: made anew for each run, always the same bytes."""
import os
import struct


def safetensors(header, data=b""):
    """One file: length, header as given, data."""
    return struct.pack("<Q", len(header)) + header + data


def entry(name, begin, end, dtype="U8", shape=None):
    """One member of a header. Without a shape: a vector of bytes."""
    shape = [end - begin] if shape is None else shape
    return b'"%s":{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}' % (
        name.encode(), dtype.encode(), ",".join(map(str, shape)).encode(), begin, end)


def volume_5000_tensors():
    entries = [entry("t%d" % i, i, i + 1) for i in range(5000)]
    return safetensors(b"{" + b",".join(entries) + b"}", bytes(5000))


def depth_100000_in_shape():
    return safetensors(b'{"t":' + b"[" * 100000 + b"]" * 100000 + b"}")


CASES = {
    "safetensors/volume-5000-tensors.safetensors": volume_5000_tensors,
    "safetensors/depth-100000-in-shape.safetensors": depth_100000_in_shape,
}


def write_all(root):
    for name, make in CASES.items():
        with open(os.path.join(root, name), "wb") as file:
            file.write(make())
