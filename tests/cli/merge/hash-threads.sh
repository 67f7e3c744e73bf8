# SPDX-License-Identifier: Apache-2.0
# The same files whatever the number of hash threads, on a file system in memory, where nothing waits
# for a disk; the same warnings and errors; nothing left behind when stopped.
test -d /dev/shm && test -w /dev/shm || { echo "no file system in memory at /dev/shm"; exit 77; }
test "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -gt 400000 || { echo "less than 400 MB free in /dev/shm"; exit 77; }
here=$PWD
work=$(mktemp -d /dev/shm/onefold-cli-XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$work"
onefold-mksample --size 96MB --quiet s
recipe=$ROOT/tests/cli/merge/sample.yml
onefold merge --quiet --hash-threads 1 --out-shard-size 3MB "$recipe" want
shards=$(ls want | grep -c '^model-.*-of-.*\.safetensors$')
test "$shards" -ge 6 || { echo "only $shards shards"; exit 1; }
(cd want && sha256sum --strict --quiet -c SHA256SUMS)

for options in "--hash-threads 2" "--hash-threads 4" "--hash-threads 16 -j 4" "--hash-threads 4 -j 1 --memory 64MiB" \
    "" "-j 1" "-j 5" "-j 3 --memory 64MiB" "--hash-threads 3 --io threads" "--hash-threads 3 --io mmap --memory 64MiB" "--hash-threads 99" "--hash-threads 0"; do
    # shellcheck disable=SC2086
    onefold merge --quiet --out-shard-size 3MB $options "$recipe" out
    diff -r want out || { echo "other bytes with: $options"; exit 1; }
    rm -r out
done
# Without a word about them workers do it where there are no CPUs left.
onefold plan --memory 64MiB -j "$(nproc)" "$recipe" out | grep -q '1 hashing worker, '
onefold plan --memory 64MiB -j "$(nproc)" --hash-threads 1 "$recipe" out | grep -q '1 hash thread, '
# Lists are made of what they name only.
for sums in xxh128 sha256 none; do
    onefold merge --quiet --out-shard-size 3MB --hash-threads 1 --sums $sums "$recipe" one
    onefold merge --quiet --out-shard-size 3MB --hash-threads 4 --sums $sums "$recipe" four
    diff -r one four
    rm -r one four
done
onefold verify --quiet want

# No more threads than files, or than there is something to do for; the plan's hash does not depend on them.
plan() { onefold plan --json "$@" "$recipe" out; }
threads() { python3 -c 'import json, sys; print(json.load(sys.stdin)["data"]["tiles"]["hash_threads"])'; }
hash_of() { python3 -c 'import json, sys; print(json.load(sys.stdin)["data"]["plan_hash"])'; }
test "$(plan --out-shard-size 3MB --hash-threads 4 | threads)" = 4
test "$(plan --out-shard-size 3MB --hash-threads 4 --sums none | threads)" = 1
test "$(plan --out-shard-size 1GB --hash-threads 4 | threads)" = 1
test "$(plan --out-shard-size 3MB --hash-threads 999 --memory 1GiB | threads)" -le 16
test "$(plan --out-shard-size 3MB --hash-threads 4 | hash_of)" = "$(plan --out-shard-size 3MB --hash-threads 1 | hash_of)"

# Copied tensors that differ, more than are shown, all in shards of their own: told in plan order.
names=$(seq 30)
# shellcheck disable=SC2046
mkst a/model.safetensors $(for i in $names; do echo "t$i:I64:9000:1"; done) w:F32:4:1
# shellcheck disable=SC2046
mkst b/model.safetensors $(for i in $names; do echo "t$i:I64:9000:2"; done) w:F32:4:1
quick() { onefold merge --out-shard-size 75000 --method linear --weight 1 "$@" a b out; }
quick --hash-threads 1 2>want.err >/dev/null
test "$(grep -c mismatch-copy want.err)" = 21
mv out first
for count in 2 5 16; do
    quick --hash-threads $count -j 3 2>err >/dev/null
    grep mismatch-copy err >have
    grep mismatch-copy want.err | diff - have
    diff -r first out
    rm -r out
done

# Two bad values in two shards: the first in the plan is named.
mkst c/model.safetensors p:F32:70000:1 q:F32:70000:1 r:F32:70000:nan s:F32:70000:1 t:F32:70000:nan
for count in 1 2 4; do
    code=0
    onefold merge --quiet --out-shard-size 280000 --hash-threads $count --method linear --weight 1 c out 2>err || code=$?
    grep -q '"r": element 0' err || { cat err; exit 1; }
    test $code != 0 && test ! -e out && test ! -e out.onefold-partial
done

# Stopped in the middle; not in memory, where 1 GB of output would be taken at once.
cd "$here"
onefold-mksample --size 4GB --sparse --quiet big
sed 's/s\//big\//' "$recipe" >big.yml
onefold merge --quiet -j 1 --hash-threads 4 --memory 64MiB --out-shard-size 20MB big.yml out 2>err &
pid=$!
while [ ! -d out.onefold-partial ]; do sleep 0.01; kill -0 $pid; done
kill -INT $pid
code=0
wait $pid || code=$?
grep -q '\[cancelled\]$' err || { cat err; exit 1; }
test $code = 130 && test ! -e out && test ! -e out.onefold-partial
