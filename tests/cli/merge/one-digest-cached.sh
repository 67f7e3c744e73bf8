# SPDX-License-Identifier: Apache-2.0
# What a worker takes from the page cache comes in parts, the smaller the more inputs there are: the same
# bytes as past the page cache, for few inputs and for many, in one round and in more.
onefold-mksample --size 3MB --shard-size 100MB --quiet s
cat s/*/*.safetensors >/dev/null
models="s/tuned-1 s/tuned-2 s/tuned-3"
seven="$models $models s/tuned-1"
forty="$seven $seven $seven $seven $seven $models $models"
many="$forty $forty $forty $forty $forty $forty"
merge() {
    rule=$1
    shift
    # shellcheck disable=SC2086
    onefold merge --quiet --force --json --method $rule --base s/base "$@" $inputs out >out.json
    have=$(digest out)
    test "${want:=$have}" = "$have" || { echo "$rule: other bytes with: $*"; exit 1; }
}
for rule in task_arithmetic median "cclip --set=radius=1" geometric_median; do
    for inputs in "$models" "$seven" "$forty" "$many"; do
        test "$rule$inputs" != "geometric_median$many" || continue
        want=
        merge "$rule" --io threads
        merge "$rule"
        test "$(field data.bytes_cached <out.json)" -gt 0 || { echo "the page cache does not hold what was read" && exit 77; }
        merge "$rule" --memory 64MiB -j 1
    done
done
