# SPDX-License-Identifier: Apache-2.0
# A user who may start few threads: verify goes on with those it gets, without the thread that would
# compute SHA-256 beside the reading too, and has the same verdict.
test "$(id -u)" = 0 || { echo "the limit of threads is set for another user, which takes root"; exit 77; }
command -v setpriv >/dev/null && command -v prlimit >/dev/null || { echo "setpriv or prlimit is missing"; exit 77; }
onefold-mksample --size 24MB --quiet s
onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" out >/dev/null
chmod -R a+rX .
few="setpriv --reuid 54321 --clear-groups prlimit --nproc"
# shellcheck disable=SC2086
$few=1 onefold --version >/dev/null 2>&1 || { echo "another user may not run the tools here"; exit 77; }
# Two readers have two I/O threads each; then there is room for no worker, one, two, and a partner.
good=0
for count in 5 6 7 8 9; do
    code=0
    # shellcheck disable=SC2086
    $few=$count onefold verify --quiet --io threads -j 2 out >text 2>&1 || code=$?
    case $code in
    0) good=$((good + 1)) ;;
    4) grep -q '\[thread\]$' text || { cat text; exit 1; } ;;
    *) cat text; exit 1 ;;
    esac
done
test "$good" -ge 2
