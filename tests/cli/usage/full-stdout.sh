# SPDX-License-Identifier: Apache-2.0
# Where standard output is the result, its loss is an I/O error; a reader that went away is not.
test -e /dev/full || { echo "no /dev/full here"; exit 77; }
onefold-mksample --size 2MB --quiet s
for words in "plan $ROOT/tests/cli/merge/sample.yml" "inspect -v s/base" "methods" "verify s/base" "--help" "methods --json"; do
    code=0
    onefold $words >/dev/full 2>err || code=$?
    echo "$code $(grep -c 'output-io' err)"
done
onefold plan "$ROOT/tests/cli/merge/sample.yml" | true
