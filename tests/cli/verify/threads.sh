# SPDX-License-Identifier: Apache-2.0
# The same verdict, findings and JSON for any number of threads, of a good output and of a damaged
# one, in one file (threads are to spare) and in several.
onefold-mksample --size 48MB --quiet s
merge() { onefold merge --quiet "$@" "$ROOT/tests/cli/merge/sample.yml" good >/dev/null; }
# verdict THREADS [OPTION...]: exit code and all that is said, but for the seconds.
verdict() {
    threads=$1
    shift
    code=0
    onefold verify --no-progress --json --num-threads "$threads" "$@" out >json 2>err || code=$?
    echo "exit $code"
    sed 's/"seconds":[ 0-9.]*//g' json
    cat err
}
same() {
    for options in "" "--fast" "--io threads --direct off" "--io mmap --memory 64MiB"; do
        # shellcheck disable=SC2086
        verdict 1 $options >first
        grep -q "^exit $1\$" first
        for threads in 2 4 9; do
            # shellcheck disable=SC2086
            verdict "$threads" $options >other
            diff first other
        done
    done
}
for size in 0 5MB; do
    merge --out-shard-size "$size"
    mv good out
    same 0
    shard=$(ls out/model*.safetensors | head -n 1)
    # Past the second chunk, where a partner has the bytes too.
    python3 - "$shard" <<'END'
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(3000001)
    byte = file.read(1)[0]
    file.seek(3000001)
    file.write(bytes([byte ^ 4]))
END
    same 1
    grep -q "does not match SHA256SUMS" other
    grep -q "verify-content.*elements .* are damaged" other
    rm -r out
done
