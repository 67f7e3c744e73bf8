# SPDX-License-Identifier: Apache-2.0
# 64 inputs and all their inner products under the smallest bound (tests/bound looks at the memory).
onefold-mksample --size 2MB --quiet s
models=
for i in $(seq 1 64); do
    cp -r s/tuned-$((i % 3 + 1)) m$i
    models="$models m$i"
done
onefold compare --json --quiet --memory 64MiB --base s/base $models >out.json
test "$(field data.groups.0.gram.63.0 <out.json)" = "$(field data.groups.0.gram.0.63 <out.json)"
field data.findings <out.json | grep -q 'and .* more: the same weights'
onefold compare --quiet --memory 64MiB --base s/base $models >text
grep -q '^  largest' text
