# SPDX-License-Identifier: Apache-2.0
# A file system without room for the number of files: exit 4, nothing left behind.
mkdir small
mount -t tmpfs -o size=64m,nr_inodes=5 none small 2>/dev/null || { echo "cannot mount a small file system here"; exit 77; }
trap 'umount small' EXIT
onefold-mksample --size 2MB --quiet s
says 4 space-inodes onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" small/out
test -z "$(ls small)"
