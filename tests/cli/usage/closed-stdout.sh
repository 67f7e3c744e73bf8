# SPDX-License-Identifier: Apache-2.0
# A closed or full standard output never changes the merge.
onefold-mksample --size 2MB --quiet s
onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" out >&-
onefold verify --quiet out
onefold merge "$ROOT/tests/cli/merge/sample.yml" two >/dev/full 2>/dev/full
onefold verify --quiet two
