# SPDX-License-Identifier: Apache-2.0
# Where statistics may not go, and when there are none.
mkst base/model.safetensors h.0.w:F32:2:0
mkst a/model.safetensors h.0.w:F32:2:3,4
mkst n/model.safetensors h.0.w:F32:2:nan,1
says 2 target-is-input onefold compare --base base a --save a/model.safetensors
says 2 target-kind onefold compare --base base a --save a
says 2 target-path onefold compare --base base a --save no/stats.json
says 3 stats-value onefold compare --base base a n --save stats.json
test ! -e stats.json
test ! -e stats.json.onefold-partial
onefold compare --json --quiet --base base a n | field data.findings | grep -q compare-nonfinite
onefold compare --quiet --base base a --save stats.json >/dev/null
onefold compare --quiet --base base a --save stats.json >/dev/null
test -s stats.json
