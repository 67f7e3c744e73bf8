# SPDX-License-Identifier: Apache-2.0
# SIGKILL in the middle: no folder of that name; the same command again ends as if nothing had been.
onefold-mksample --size 800MB --sparse --quiet s
onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" want >/dev/null
onefold merge --quiet -j 1 --memory 64MiB "$ROOT/tests/cli/merge/sample.yml" out &
pid=$!
while [ ! -d out.onefold-partial ]; do sleep 0.01; kill -0 $pid; done
kill -KILL $pid
wait $pid || true
test ! -e out
onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" out >/dev/null
test "$(digest out)" = "$(digest want)"
ls
