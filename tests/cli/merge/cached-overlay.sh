# SPDX-License-Identifier: Apache-2.0
# In a container the inputs may lie on overlayfs, whose files have no cached pages of their own: what the page cache
# holds of the files below is found all the same, and left there.
onefold-mksample --size 40MB --tunes 2 --quiet s
mkdir over work onto
mount -t overlay overlay -o "lowerdir=s,upperdir=over,workdir=work" onto 2>/dev/null ||
    { echo "no overlayfs can be mounted"; exit 77; }
here=$PWD
trap 'cd / && umount "$here/onto"' EXIT
cat onto/*/*.safetensors >/dev/null
sync -f .
# Not to the byte: pages may go at any time, when somebody needs memory.
before=$(resident onto)
onefold merge --json --method task_arithmetic --base onto/base onto/tuned-1 onto/tuned-2 out >r.json
test "$(resident onto)" -gt $((before / 2)) || { echo "pages that were there are gone"; exit 1; }
cached=$(field data.bytes_cached <r.json)
test "$cached" -gt $(($(field data.bytes_read <r.json) / 2)) || { echo "$cached bytes were found"; exit 1; }
