# SPDX-License-Identifier: Apache-2.0
# One flipped bit: exit 1, with file, tensor and range of elements.
onefold-mksample --size 48MB --quiet s
onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" out >/dev/null
python3 - <<'PYTHON'
import json, struct
with open("out/model.safetensors", "r+b") as file:
    length = struct.unpack("<Q", file.read(8))[0]
    header = json.loads(file.read(length))
    entry = header["model.embed_tokens.weight"]
    file.seek(8 + length + entry["data_offsets"][0] + 2 * 70000)
    byte = file.read(1)[0]
    file.seek(-1, 1)
    file.write(bytes([byte ^ 1]))
PYTHON
code=0
onefold verify out >text 2>&1 || code=$?
grep 'model.safetensors' text | grep 'model.embed_tokens.weight' | grep -q '65536' || { cat text; exit 9; }
(cd out && sha256sum --status -c SHA256SUMS && exit 9) || true
(cd out && onefold-hash --status -c XXH128SUMS && exit 9) || true
exit $code
