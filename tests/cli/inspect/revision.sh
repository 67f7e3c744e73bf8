# SPDX-License-Identifier: Apache-2.0
# A name in the cache may have a revision, as in a recipe; on disk an @ is a letter like others.
mkst hub/models--org--m/blobs/one w:F32:8:1
mkdir -p hub/models--org--m/snapshots/c0ffee hub/models--org--m/refs
ln -s ../../blobs/one hub/models--org--m/snapshots/c0ffee/model.safetensors
printf c0ffee >hub/models--org--m/refs/v1
onefold inspect --transformers-cache hub org/m@v1 | grep -q "tensors   1"
onefold inspect --transformers-cache hub org/m@c0ffee | grep -q "tensors   1"
mkst x@v1/model.safetensors w:F32:8:1
onefold inspect x@v1 | head -n 1
code=0
onefold inspect --transformers-cache hub org/m@v2 2>err || code=$?
grep -o "org/m --revision v2" err
exit $code
