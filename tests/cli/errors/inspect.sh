# SPDX-License-Identifier: Apache-2.0
# What inspect says about odd headers and about an index that tells nothing of use.
python3 - <<'PYTHON'
import json, os, struct

def write(path, entry):
    text = ('{"w":' + entry + "}").encode()
    os.makedirs(os.path.dirname(path))
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + bytes(4))

plain = '"dtype":"F32","shape":[1],"data_offsets":[0,4]'
write("long/model.safetensors", "{" + plain + " " * (256 * 1024) + "}")
for name, metadata in (("array", []), ("text", {"total_size": "4"}), ("wrong", {"total_size": 5})):
    write(name + "/model-00001-of-00001.safetensors", "{" + plain + "}")
    with open(name + "/model.safetensors.index.json", "w") as file:
        json.dump({"metadata": metadata, "weight_map": {"w": "model-00001-of-00001.safetensors"}}, file)
PYTHON
before=$(digest .)
says 3 st-entry-size onefold inspect long
says 0 index-metadata onefold inspect array
says 0 index-total onefold inspect text
says 0 index-total onefold inspect wrong
test "$(digest .)" = "$before"
