# SPDX-License-Identifier: Apache-2.0
# An input in the page cache that shrinks while workers copy from it is a message and no output.
onefold-mksample --size 2GB --sparse --quiet s
cat s/*/*.safetensors >/dev/null
onefold merge --quiet -j 1 --memory 64MiB "$ROOT/tests/cli/merge/sample.yml" out &
pid=$!
while [ ! -d out.onefold-partial ]; do sleep 0.01; kill -0 $pid; done
for file in s/tuned-3/*.safetensors; do truncate -s 100000 "$file"; done
code=0
wait $pid || code=$?
ls
exit $code
