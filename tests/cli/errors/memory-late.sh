# SPDX-License-Identifier: Apache-2.0
# Memory of tiles that cannot be had when it is used first, with the merge underway: exit 4, nothing left behind, and an
# output that was there before is as it was.
command -v without >/dev/null || { echo "the seccomp helper is not built here"; exit 77; }
onefold-mksample --size 2MB --quiet s
says 4 memory without memory onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" out
test ! -e out
test ! -e out.onefold-partial
onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" out
says 4 memory without memory onefold merge --quiet --force "$ROOT/tests/cli/merge/sample.yml" out
test ! -e out.onefold-partial
onefold verify --quiet out
