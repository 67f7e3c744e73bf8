# SPDX-License-Identifier: Apache-2.0
# An invariant that breaks ends the run at once: exit 6, no output; the same command again succeeds.
onefold-mksample --size 800MB --sparse --quiet s
# It may come while a thread is being started or waited for, which a checker of threads calls a leak.
TSAN_OPTIONS="${TSAN_OPTIONS:-}:report_thread_leaks=0" \
    onefold merge --quiet -j 1 --memory 64MiB "$ROOT/tests/cli/merge/sample.yml" out 2>err &
pid=$!
while [ ! -d out.onefold-partial ]; do sleep 0.01; kill -0 $pid; done
kill -ABRT $pid
code=0
wait $pid || code=$?
test $code = 6
grep -q '\[internal\]$' err || { cat err; exit 1; }
test ! -e out
says 0 stage-stale onefold merge --no-progress "$ROOT/tests/cli/merge/sample.yml" out
onefold verify --quiet --structure out
test ! -e out.onefold-partial
