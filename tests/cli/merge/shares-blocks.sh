# SPDX-License-Identifier: Apache-2.0
# What is only copied is not written where the file system shares blocks between files: here one of its own, for
# which root and a loop device are needed. The bytes are those of every other file system.
PATH=$PATH:/usr/sbin:/sbin
command -v mkfs.xfs >/dev/null || { echo "no mkfs.xfs"; exit 77; }
truncate -s 400M image
mkfs.xfs -q image || { echo "no XFS can be made"; exit 77; }
mkdir shared plain
mount -o loop image shared 2>/dev/null || { echo "no loop device can be mounted"; exit 77; }
here=$PWD
trap 'cd / && umount "$here/shared"' EXIT
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)["data"][sys.argv[1]])' "$1"; }
copy() { onefold merge --json --force --method passthrough "$@" >"$here/r.json"; }

cd shared
onefold-mksample --size 64MB --tunes 1 --quiet made
# Data starts on a block in files of ours, so files made of them can share; others seldom do.
mkdir s
for model in base tuned-1; do
    copy made/$model s/$model
done
cp -r s ../plain
copy s/base out
written=$(field bytes_written <../r.json)
shared=$(field bytes_shared <../r.json)
test "$shared" -gt $((written * 9 / 10)) || { echo "$shared of $written bytes are shared"; exit 1; }

# In shards, whose small tensors move what follows off its place in a block; the other way of reading; and through
# the page cache, where nothing is shared.
for options in "" "--io threads" "--direct off"; do
    # shellcheck disable=SC2086
    copy --out-shard-size 5MB $options s/base parts
    case $options in
    *off) test "$(field bytes_shared <../r.json)" = 0 ;;
    *) test "$(field bytes_shared <../r.json)" -gt 1000000 ;;
    esac
    test -e ../parts || cp -r parts ..
    diff -r ../parts parts
done

# Elsewhere the same bytes.
(cd ../plain && copy s/base out)
diff -r ../plain/out out
# From here to there nothing can be shared; a merge has nothing to share.
copy s/base ../across
test "$(field bytes_shared <../r.json)" = 0
diff -r ../across out
onefold merge --json --method task_arithmetic --base s/base s/tuned-1 blend >../r.json
test "$(field bytes_shared <../r.json)" = 0
onefold verify --quiet blend

# The output stands by itself.
onefold verify --quiet out
rm -r s made
sync -f .
(cd out && sha256sum --strict --quiet -c SHA256SUMS)
(cd parts && sha256sum --strict --quiet -c SHA256SUMS)
