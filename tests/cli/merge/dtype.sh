# SPDX-License-Identifier: Apache-2.0
# Another output type is written into config.json; the rest of it keeps its bytes.
onefold-mksample --size 2MB --quiet s
onefold merge --quiet --out-dtype float32 "$ROOT/tests/cli/merge/sample.yml" out >/dev/null
diff s/base/config.json out/config.json || true
onefold inspect out | grep -c F32 >/dev/null
