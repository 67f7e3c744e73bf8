# SPDX-License-Identifier: Apache-2.0
onefold-mksample --size 2MB --quiet s
onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" out >/dev/null
rm out/tokenizer.json
code=0
onefold verify out >text 2>&1 || code=$?
grep -q tokenizer.json text
exit $code
