# SPDX-License-Identifier: Apache-2.0
# --out-shard-size cuts into shards with an index; data starts aligned; the digest does not change.
onefold-mksample --size 8MB --quiet s
onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" one >/dev/null
onefold merge --quiet --out-shard-size 500KB "$ROOT/tests/cli/merge/sample.yml" two >/dev/null
test -f two/model.safetensors.index.json
test ! -e two/model.safetensors
test "$(ls two | grep -c '^model-.*-of-.*\.safetensors$')" -gt 2
onefold verify --quiet two
test "$(field checkpoint <one/onefold.json 2>/dev/null || field digest <one/onefold.json)" = "$(field checkpoint <two/onefold.json 2>/dev/null || field digest <two/onefold.json)"
python3 - <<'PYTHON'
import json, os, struct
index = json.load(open("two/model.safetensors.index.json"))
total = 0
for name in sorted(set(index["weight_map"].values())):
    with open("two/" + name, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
    assert header["__metadata__"]["format"] == "pt"
    assert (8 + length) % 4096 == 0
    for tensor, entry in header.items():
        if tensor != "__metadata__":
            assert index["weight_map"].pop(tensor) == name
            total += entry["data_offsets"][1] - entry["data_offsets"][0]
assert not index["weight_map"]
assert total == index["metadata"]["total_size"]
PYTHON
