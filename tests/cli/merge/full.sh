# SPDX-License-Identifier: Apache-2.0
# Too little space: exit 4 before the first byte, nothing left behind.
mkdir small
mount -t tmpfs -o size=1m none small 2>/dev/null || { echo "cannot mount a small file system here"; exit 77; }
trap 'umount small' EXIT
onefold-mksample --size 8MB --quiet s
code=0
onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" small/out || code=$?
test -z "$(ls small)"
exit $code
