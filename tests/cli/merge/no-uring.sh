# SPDX-License-Identifier: Apache-2.0
# Where io_uring is refused the thread backend takes over with one notice; asked for by name it is an error.
command -v without >/dev/null || { echo "the seccomp helper is not built here"; exit 77; }
onefold-mksample --size 2MB --quiet s
without uring onefold merge --no-progress "$ROOT/tests/cli/merge/sample.yml" out 2>err >/dev/null
test "$(grep -c 'io_uring.*\[io-fallback\]' err)" = 1 || { cat err; exit 1; }
onefold verify --quiet out
code=0
without uring onefold merge --quiet --io uring "$ROOT/tests/cli/merge/sample.yml" two 2>err || code=$?
grep -q 'io-backend' err || { cat err; exit 1; }
test ! -e two
test ! -e two.onefold-partial
exit $code
