# SPDX-License-Identifier: Apache-2.0
# A link is no place for an output, and neither link nor what it leads to is touched, with --force or
# without, under the final name or under the staging name.
mkst x/model.safetensors w:F32:8:1
onefold merge --quiet --method passthrough x real >/dev/null
refused() {
    code=0
    onefold merge --quiet --method passthrough "$@" 2>err || code=$?
    test $code = 2
    grep -q "$id" err
}
ln -s real link
ln -s nowhere dangling
ln -s real new.onefold-partial
id=target-kind
refused x link
refused --force x link
refused x dangling
refused --force x dangling
id=stage-foreign
refused x new
test -L link -a -L dangling -a -L new.onefold-partial -a ! -e new
onefold verify --quiet real
ls -A
