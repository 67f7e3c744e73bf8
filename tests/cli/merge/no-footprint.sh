# SPDX-License-Identifier: Apache-2.0
# What was not in the page cache before a merge is not there after it, be it data, headers, an index, a tokenizer, or
# what was written; what was there stays. Nor does a look before it or a check after it leave anything.
onefold-mksample --size 60MB --shard-size 4MB --quiet s
# A megabyte of header in one model, and of side files to copy.
# shellcheck disable=SC2046
mkst a.safetensors $(seq -f "a.tensor.of.some.few.elements.%g:BF16:4:1,2" 15000)
cp a.safetensors b.safetensors
head -c 5000000 /dev/zero | tr '\0' ' ' >s/base/tokenizer.json
echo '{}' >>s/base/tokenizer.json

chill() {
    find "$@" -type f -exec sh -c 'for file; do dd if="$file" iflag=nocache count=0 status=none; done' sh {} +
}
leaves_nothing() {
    left=$(resident "$@")
    test "$left" = 0 || { echo "$left bytes of $* stay in the page cache"; exit 1; }
}
sync -f .
chill s ./*.safetensors
test "$(resident s ./*.safetensors)" = 0 || { echo "pages of this file system do not leave the page cache"; exit 77; }

merge="onefold merge --quiet --force --method task_arithmetic --base s/base s/tuned-1 s/tuned-2 s/tuned-3"
for options in "--io auto" "--io threads"; do
    # shellcheck disable=SC2086
    $merge $options --out-shard-size 4MB out
    leaves_nothing s out
done
onefold merge --quiet --method linear a.safetensors b.safetensors ab
leaves_nothing a.safetensors b.safetensors ab
onefold plan --quiet --method linear a.safetensors b.safetensors other >/dev/null
onefold inspect --quiet a.safetensors s/base >/dev/null
onefold compare --quiet --base s/base s/tuned-1 s/tuned-2 >/dev/null
leaves_nothing s ./*.safetensors
onefold verify --quiet out
onefold verify --quiet ab
leaves_nothing out ab

# A refused merge, and one whose other inputs were looked at ahead.
! onefold merge --quiet --method linear a.safetensors s/none b.safetensors none 2>/dev/null
leaves_nothing ./*.safetensors

# Somebody else's pages stay, up to those that go by themselves when somebody needs memory.
cat s/base/* a.safetensors >/dev/null
for file in s/base/tokenizer.json a.safetensors; do
    before=$(resident $file)
    $merge out
    onefold merge --quiet --force --method linear a.safetensors b.safetensors ab
    after=$(resident $file)
    test "$after" -ge $((before / 2)) || { echo "$after of $before bytes of $file are left"; exit 1; }
    leaves_nothing s/tuned-1 b.safetensors out ab
done
