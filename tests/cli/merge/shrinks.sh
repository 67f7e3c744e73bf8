# SPDX-License-Identifier: Apache-2.0
# A mapped input that shrinks under the reader ends the run with a message, not with SIGBUS.
onefold-mksample --size 4GB --sparse --quiet s
onefold merge --quiet -j 1 --io mmap --memory 64MiB "$ROOT/tests/cli/merge/sample.yml" out &
pid=$!
while [ ! -d out.onefold-partial ]; do sleep 0.01; kill -0 $pid; done
for file in s/tuned-3/*.safetensors; do truncate -s 100000 "$file"; done
code=0
wait $pid || code=$?
ls
exit $code
