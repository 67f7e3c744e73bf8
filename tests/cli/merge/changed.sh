# SPDX-License-Identifier: Apache-2.0
# An input that changes during the run ends it: exit 3, no output.
onefold-mksample --size 4GB --sparse --quiet s
onefold merge --quiet -j 1 --memory 64MiB "$ROOT/tests/cli/merge/sample.yml" out &
pid=$!
while [ ! -d out.onefold-partial ]; do sleep 0.01; kill -0 $pid; done
for file in s/tuned-3/*.safetensors; do touch "$file"; done
code=0
wait $pid || code=$?
ls
exit $code
