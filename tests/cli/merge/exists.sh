# SPDX-License-Identifier: Apache-2.0
# Nothing is overwritten without --force.
onefold-mksample --size 2MB --quiet s
mkdir out && echo mine >out/file
code=0
onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" out || code=$?
test "$(cat out/file)" = mine
test "$(ls)" = "out
s"
exit $code
