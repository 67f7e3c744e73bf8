# SPDX-License-Identifier: Apache-2.0
# An output inside an input is refused.
onefold-mksample --size 2MB --quiet s
before=$(digest s/base)
code=0
onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" s/base/out || code=$?
test "$(digest s/base)" = "$before"
exit $code
