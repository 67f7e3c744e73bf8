# SPDX-License-Identifier: Apache-2.0
# Digests and lists agree with the tools everybody has.
head -c 3000000 /dev/urandom >a
printf 'hello' >b
: >empty
onefold-hash --help >/dev/null
onefold-hash -a sha256 a b empty >ours 2>/dev/null || onefold-hash -H256 a b empty >ours
sha256sum a b empty | diff - ours
if command -v xxh128sum >/dev/null; then
    xxh128sum a b empty >theirs 2>/dev/null
    onefold-hash a b empty | diff theirs -
fi
onefold-hash a b empty >list
onefold-hash -c list
echo x >>a
code=0
onefold-hash --quiet -c list 2>/dev/null || code=$?
onefold-hash --status -c list && exit 9
exit $code
