# SPDX-License-Identifier: Apache-2.0
# SIGINT in the middle of a round: exit 130, and the folder is as it was.
mkdir d
onefold bench --quiet --repeat 1 --runs 1000 --size 16MB --rules linear --io threads --against raw d >said 2>err &
pid=$!
while [ ! -e d/onefold-bench.*/out.onefold-partial ]; do sleep 0.01; kill -0 $pid; done
kill -INT $pid
code=0
wait $pid || code=$?
test $code = 130
grep -q '\[cancelled\]$' err || { cat err; exit 1; }
test -z "$(ls -A d)"
