# SPDX-License-Identifier: Apache-2.0
# What is read from a disk is read in parts of tiles for a while, to find out whether that is faster; what is cached is
# not, after the first tiles. The bytes are the same.
onefold-mksample --size 600MB --tunes 3 --shard-size 1TB --quiet s
merge() {
    onefold merge --quiet --force --json --method task_arithmetic --lambda 0.5 --base s/base s/tuned-1 s/tuned-2 s/tuned-3 "$1" >"$1.json"
}
sync -f .
for file in s/*/*.safetensors; do
    dd if="$file" of=/dev/null bs=4M iflag=nocache status=none
done
merge cold
cat s/*/*.safetensors >/dev/null
merge warm
test "$(field data.tiles <cold.json)" = "$(field data.tiles <warm.json)"
cmp cold/model.safetensors warm/model.safetensors
onefold verify --quiet cold
if [ "$(field data.bytes_cached <warm.json)" = "$(field data.bytes_read <warm.json)" ]; then
    test "$(field data.split_tiles <warm.json)" -lt 50
fi
test "$(field data.bytes_cached <cold.json)" = 0 || { echo "the page cache holds what was read" && exit 77; }
test "$(field data.split_tiles <cold.json)" -gt 50
test "$(field data.split_tiles <cold.json)" -lt "$(field data.tiles <cold.json)"
