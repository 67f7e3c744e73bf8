# SPDX-License-Identifier: Apache-2.0
# A user who may start few threads gets fewer workers, and the same bytes.
test "$(id -u)" = 0 || { echo "the limit of threads is set for another user, which takes root"; exit 77; }
command -v setpriv >/dev/null && command -v prlimit >/dev/null || { echo "setpriv or prlimit is missing"; exit 77; }
onefold-mksample --size 24MB --quiet s
onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" full >/dev/null
chmod 777 .
run="onefold merge --no-progress --io threads -j 12 $ROOT/tests/cli/merge/sample.yml out"
few="setpriv --reuid 54321 --clear-groups prlimit --nproc"
# shellcheck disable=SC2086
$few=1 onefold --version >/dev/null 2>&1 || { echo "another user may not run the tools here"; exit 77; }
# shellcheck disable=SC2086
says 0 threads-fewer $few=26 $run
test "$(digest out)" = "$(digest full)"
rm -r out
# shellcheck disable=SC2086
says 4 thread $few=1 $run
test ! -e out
test ! -e out.onefold-partial
