# SPDX-License-Identifier: Apache-2.0
# Direct I/O that was asked for and is not to be had: exit 2, nothing left behind. By default it is not missed.
command -v without >/dev/null || { echo "the seccomp helper is not built here"; exit 77; }
onefold-mksample --size 2MB --quiet s
says 2 io-direct without direct onefold merge --quiet --io threads --direct on "$ROOT/tests/cli/merge/sample.yml" out
test ! -e out
test ! -e out.onefold-partial
without direct onefold merge --quiet --io threads "$ROOT/tests/cli/merge/sample.yml" out
onefold verify --quiet out
says 2 io-direct without direct onefold verify --io threads --direct on out
