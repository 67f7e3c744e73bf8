# SPDX-License-Identifier: Apache-2.0
# The same files whatever the number of rings and parts of the buffers, on a file system in memory and on
# that of the test; the same errors; nothing left behind when stopped.
test -d /dev/shm && test -w /dev/shm || { echo "no file system in memory at /dev/shm"; exit 77; }
test "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -gt 400000 || { echo "less than 400 MB free in /dev/shm"; exit 77; }
here=$PWD
work=$(mktemp -d /dev/shm/onefold-cli-XXXXXX)
trap 'rm -rf "$work"' EXIT
recipe=$ROOT/tests/cli/merge/sample.yml
for folder in "$work" "$here"; do
    cd "$folder"
    onefold-mksample --size 96MB --quiet s
    onefold merge --quiet --pools 1 --rings 1 --out-shard-size 3MB "$recipe" want
    for options in "--rings 2" "--rings 3" "--pools 2 -j 2" "--pools 2 --rings 1 -j 4" \
        "--pools 3 --rings 6 -j 4 --direct off" "--pools 4 --rings 99 -j 4 --hash-threads 4 --memory 1GiB" \
        "--pools 2 --rings 2 --memory 64MiB -j 2" "--pools 2 --rings 4 --io threads" "--pools 2 --io mmap" \
        "--pools 0 --rings 0"; do
        # shellcheck disable=SC2086
        onefold merge --quiet --out-shard-size 3MB $options "$recipe" out
        diff -r want out || { echo "other bytes with: $options"; exit 1; }
        rm -r out
    done
done

# The plan's hash does not depend on them; a part is for a worker at least, and rings are the same for all parts.
plan() { onefold plan --json "$@" "$recipe" out; }
tiles() { python3 -c 'import json, sys; t = json.load(sys.stdin)["data"]["tiles"]; print(t["pools"], t["rings"])'; }
hash_of() { python3 -c 'import json, sys; print(json.load(sys.stdin)["data"]["plan_hash"])'; }
test "$(plan --pools 2 --rings 5 -j 2 | tiles)" = "2 4"
test "$(plan --pools 9 --rings 1 -j 3 | tiles)" = "3 1"
test "$(plan --pools 1 -j 17 | tiles)" = "1 3"
onefold plan --pools 1 --rings 2 -j 2 "$recipe" out | grep -q '1 part of the buffers, 2 rings'
! onefold plan --pools 1 --rings 1 "$recipe" out | grep -q 'part of the buffers'
test "$(plan --pools 2 --rings 4 | hash_of)" = "$(plan --pools 1 --rings 1 | hash_of)"

# Comparisons take them, too, and find the same.
onefold compare --json --pools 1 --rings 1 "$recipe" >one.json
onefold compare --json --pools 2 --rings 4 -j 2 "$recipe" >four.json
python3 - <<'EOF'
import json
one, four = (json.load(open(name)) for name in ("one.json", "four.json"))
assert one["data"]["groups"] == four["data"]["groups"], "another comparison with several rings"
EOF

# An input that fails: the same message, nothing left.
cd "$work"
cp -r s bad
python3 - <<'EOF'
import glob
name = sorted(glob.glob("bad/tuned-2/*.safetensors"))[-1]
with open(name, "r+b") as file:
    file.seek(-2, 2)
    file.write(b"\xc0\x7f")
EOF
fail() { onefold merge --quiet "$@" --method linear --weight 1 bad/tuned-1 bad/tuned-2 out; }
code=0; fail --pools 1 --rings 1 2>want.err || code=$?
test $code -ne 0
for options in "--pools 2 --rings 4 -j 4" "--rings 2"; do
    again=0
    # shellcheck disable=SC2086
    fail $options 2>err || again=$?
    test $again -eq $code
    diff want.err err
    test ! -e out && test ! -e out.onefold-partial
done

# Stopped in the middle.
onefold merge --quiet --pools 2 --rings 4 -j 2 --memory 64MiB --out-shard-size 20MB "$recipe" out 2>err &
pid=$!
sleep 0.05
kill -INT $pid 2>/dev/null || true
code=0; wait $pid || code=$?
test $code -eq 0 || test $code -eq 130
test ! -e out.onefold-partial
