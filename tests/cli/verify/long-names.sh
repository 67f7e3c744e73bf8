# SPDX-License-Identifier: Apache-2.0
# An output whose index is large can be read back: one header of 71 MB becomes three, and an index.
python3 - <<'END'
import os, struct
count = 66000
entry = '"%d.' + "x" * 1010 + '":{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]}'
text = ("{" + ",".join(entry % (i, i, i + 1) for i in range(count)) + "}").encode()
os.mkdir("x")
with open("x/model.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + bytes(count))
END
onefold merge --quiet --sums none --method passthrough x out >/dev/null
test "$(stat -c %s out/model.safetensors.index.json)" -gt 67108864
onefold verify --structure --quiet out
# What does not fit is refused, not mapped all the same.
code=0
onefold verify --structure --quiet --memory 64MiB out 2>err || code=$?
test $code = 4
grep -q "the index of .* does not fit the memory bound" err
