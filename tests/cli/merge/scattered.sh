# SPDX-License-Identifier: Apache-2.0
# Small tensors in another order in each file travel in bundles all the same, and give the same bytes as in one order.
python3 - <<'EOF'
import json, os, random, struct

sizes = [random.Random(i).choice((0, 1, 17, 512, 4096, 5000)) for i in range(900)]


def write(folder, seed, order):
    os.mkdir(folder)
    parts, header, at = [], {}, 0
    for i in order:
        values = random.Random(seed * 1000 + i)
        data = struct.pack("<%de" % sizes[i], *(values.uniform(-1, 1) for _ in range(sizes[i])))
        header["model.layers.%d.t%d.weight" % (i // 100, i)] = {
            "dtype": "F16", "shape": [sizes[i]], "data_offsets": [at, at + len(data)]}
        at += len(data)
        parts.append(data)
    text = json.dumps(header).encode()
    with open(folder + "/model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


straight = list(range(len(sizes)))
write("base", 0, straight)
for seed in range(1, 5):
    shuffled = straight[:]
    random.Random(seed).shuffle(shuffled)
    write("a%d" % seed, seed, straight)
    write("b%d" % seed, seed, shuffled)
EOF
visits=$(onefold plan --json --quiet --method linear b1 b2 b3 b4 out | sed 's/.*"visits":\([0-9]*\).*/\1/')
test "$visits" -lt 40 || { echo "$visits visits"; exit 1; }
merge() { onefold merge --quiet --base base "$@" out >/dev/null && sha256sum out/model.safetensors && rm -r out; }
for rule in "task_arithmetic --lambda 0.5" median "krum --set f=0" "cclip --set radius=2"; do
    # shellcheck disable=SC2086
    want=$(merge --method $rule a1 a2 a3 a4)
    for options in "" "--io threads --direct on" "--io uring --direct on -j 1" "--io mmap" "--direct off" "--memory 64MiB"; do
        # shellcheck disable=SC2086
        have=$(merge --method $rule $options b1 b2 b3 b4 2>err) || { grep -q io-backend err && continue; cat err; exit 1; }
        test "$want" = "$have" || { echo "other bytes: $rule $options"; exit 1; }
    done
done
