# SPDX-License-Identifier: Apache-2.0
# An id of the Hub is looked up in the local cache: snapshots are links into blobs.
export HF_HOME=$PWD/hf
onefold-mksample --size 2MB --quiet s
for model in base tuned-1; do
    repo=hf/hub/models--me--$model
    mkdir -p $repo/blobs $repo/refs $repo/snapshots/abc123
    printf abc123 >$repo/refs/main
    for file in s/$model/*; do
        sum=$(sha256sum "$file" | cut -d' ' -f1)
        cp "$file" $repo/blobs/$sum
        ln -s ../../blobs/$sum $repo/snapshots/abc123/$(basename "$file")
    done
done
onefold merge --quiet --method task_arithmetic --base me/base --lambda 0.5 me/tuned-1 out >/dev/null
onefold merge --quiet --method task_arithmetic --base s/base --lambda 0.5 s/tuned-1 plain >/dev/null
cmp out/model.safetensors plain/model.safetensors
code=0
onefold merge --quiet --no-symlinks --method task_arithmetic --base me/base --lambda 0.5 me/tuned-1 other || code=$?
test ! -e other
exit $code
