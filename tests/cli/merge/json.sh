# SPDX-License-Identifier: Apache-2.0
# One JSON object on standard output, for success and for failure.
onefold-mksample --size 2MB --quiet s
onefold merge --json --quiet "$ROOT/tests/cli/merge/sample.yml" out >ok.json
test "$(field status <ok.json)" = ok
test "$(field data.output <ok.json)" = out
test "$(field data.bytes_written <ok.json)" -gt 400000
test "$(field data.plan_hash <ok.json)" = "$(onefold plan --json "$ROOT/tests/cli/merge/sample.yml" | field data.plan_hash)"
code=0
onefold merge --json --quiet "$ROOT/tests/cli/merge/sample.yml" out >bad.json || code=$?
test $code = 2
test "$(field status <bad.json)" = error
test "$(field error_code <bad.json)" = TARGET_EXISTS
test "$(field exit_code <bad.json)" = 2
test "$(field state <bad.json)" = same
