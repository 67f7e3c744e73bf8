# SPDX-License-Identifier: Apache-2.0
# Of inputs cached in stripes some tiles wait for areas to read to and others need none, with all inputs together and
# in rounds: none waits for ever, and the bytes are those of a merge past the page cache.
onefold-mksample --size 100MB --tunes 2 --shard-size 100MB --quiet s
ten="s/tuned-1 s/tuned-1 s/tuned-1 s/tuned-1 s/tuned-1 s/tuned-1 s/tuned-1 s/tuned-1 s/tuned-1 s/tuned-1"
# In rounds the last input comes last and the base first: at the end of a stripe of the one begins one of the other, and
# tiles that need areas at once follow one that will need some later.
stripes() {
    cat s/*/*.safetensors >/dev/null
    for at in 0 2 4 6; do
        dd if=s/tuned-2/model-00001-of-00001.safetensors of=/dev/null bs=4M skip="$at" count=1 iflag=nocache status=none
        dd if=s/base/model-00001-of-00001.safetensors of=/dev/null bs=4M skip=$((at + 1)) count=1 iflag=nocache status=none
    done
}
sync -f .
for inputs in "s/tuned-1 s/tuned-2" "$ten $ten $ten $ten s/tuned-2"; do
    want=
    for options in "--io threads" "" "--memory 64MiB" "--memory 64MiB -j 1" "--memory 1GiB -j 7 --pools 3 --out-shard-size 10MB"; do
        stripes
        # shellcheck disable=SC2086
        onefold merge --quiet --force --json --method task_arithmetic --base s/base $inputs out $options >out.json
        have=$(sha256sum out/model*.safetensors | cut -d' ' -f1 | head -1)
        case $options in
        *out-shard-size*) continue ;; # other files; that it ends is what is tested
        "--io threads") test "$(field data.bytes_cached <out.json)" -eq 0 ;;
        *)
            cached=$(field data.bytes_cached <out.json)
            test "$cached" -gt 0 || { echo "the page cache does not hold what was read" && exit 77; }
            test "$cached" -lt "$(field data.bytes_read <out.json)" || { echo "nothing left the page cache" && exit 77; }
            ;;
        esac
        test "${want:=$have}" = "$have" || { echo "other bytes with: $options"; exit 1; }
    done
done
onefold verify --quiet out
