# SPDX-License-Identifier: Apache-2.0
# SIGINT in the middle: exit 130, no output, nothing left behind.
onefold-mksample --size 4GB --sparse --quiet s
onefold merge --quiet -j 1 --memory 64MiB "$ROOT/tests/cli/merge/sample.yml" out 2>err &
pid=$!
while [ ! -d out.onefold-partial ]; do sleep 0.01; kill -0 $pid; done
kill -INT $pid
code=0
wait $pid || code=$?
grep -q '\[cancelled\]$' err || { cat err; exit 1; }
rm err
ls
exit $code
