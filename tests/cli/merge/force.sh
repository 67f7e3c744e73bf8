# SPDX-License-Identifier: Apache-2.0
# --force exchanges the folders in one step; files of the old one are gone.
onefold-mksample --size 2MB --quiet s
mkdir out && echo mine >out/file
onefold merge --quiet --force "$ROOT/tests/cli/merge/sample.yml" out
test ! -e out/file
onefold verify --quiet out
test "$(ls)" = "out
s"
