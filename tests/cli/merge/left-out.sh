# SPDX-License-Identifier: Apache-2.0
# What a rule leaves out is not read a second time, with saved statistics not at all, and the bytes
# stay those of the picks. A tensor that is copied is compared in all inputs still.
onefold-mksample --size 9MB --tunes 8 --quiet s
tunes=$(for i in 1 2 3 4 5 6 7 8; do echo "s/tuned-$i"; done)

# read_by OUT METHOD OPTIONS... : bytes of inputs that the merge read. Direct reads are widened to
# whole blocks, which would count what the page cache has lost of the inputs meanwhile.
read_by() {
    out=$1
    shift
    onefold merge --json --quiet --direct off --base s/base --method "$@" "$out" | field data.bytes_read
}
expect() { test "$1" = "$2" || { echo "$3: read $1 bytes, not $2"; exit 1; }; }

once=$(read_by mean task_arithmetic $tunes)
each=$((once / 9))
expect $((each * 9)) "$once" mean
expect "$(read_by one krum --set f=2 $tunes)" $((once + 2 * each)) krum
expect "$(read_by three multi_krum --set f=2 --set m=3 $tunes)" $((once + 4 * each)) multi_krum
expect "$(read_by six bulyan --set f=1 $tunes)" $((once + 7 * each)) bulyan
onefold compare --quiet --base s/base $tunes --save stats.json >/dev/null
expect "$(read_by saved krum --set f=2 --stats stats.json $tunes)" $((2 * each)) 'krum, saved'
cmp one/model.safetensors saved/model.safetensors

# What it picked, merged alone.
pick=$(field parameters.solution.selected.0 <one/onefold.json)
read_by alone task_arithmetic --lambda 1 "s/$pick" >/dev/null
cmp one/model.safetensors alone/model.safetensors

# Whole numbers are copied, and compared with those of all inputs, also of what was left out.
for i in 0 1 2 3 4; do mkst c$i/model.safetensors w:F32:2:$i,0 ids:I64:2:3,4; done
mkst c5/model.safetensors w:F32:2:5,0 ids:I64:2:3,5
says 0 mismatch-copy onefold merge --base c0 --method krum --set f=1 c1 c2 c3 c4 c5 copied
test "$(tensors copied/model.safetensors | grep '^w')" = 'w F32 2 2,0'
