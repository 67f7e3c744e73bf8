# SPDX-License-Identifier: Apache-2.0
# An input in the page cache that shrinks while workers copy from it, or have it mapped, is a message and no output.
onefold-mksample --size 2GB --sparse --quiet s
recipe=$ROOT/tests/cli/merge/sample.yml
windows() { onefold plan "$@" "$recipe" out | grep -c '^  windows ' || true; }
for options in "-j 5 --memory 64MiB" "-j 1 --memory 256MiB"; do
    # shellcheck disable=SC2086
    test "$(windows $options)" = "$(case $options in *64MiB) echo 0 ;; *) echo 1 ;; esac)"
    cp --sparse=always -r s work
    cat work/*/*.safetensors >/dev/null
    sed 's/s\//work\//' "$recipe" >work.yml
    # shellcheck disable=SC2086
    onefold merge --quiet $options work.yml out 2>err &
    pid=$!
    while [ ! -d out.onefold-partial ]; do sleep 0.01; kill -0 $pid; done
    for file in work/tuned-3/*.safetensors; do truncate -s 100000 "$file"; done
    code=0
    wait $pid || code=$?
    grep -q 'tuned-3.*\[input-changed\]$' err || { cat err; exit 1; }
    test $code = 3 && test ! -e out && test ! -e out.onefold-partial
    rm -r work
done
