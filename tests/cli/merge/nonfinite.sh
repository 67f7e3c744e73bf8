# SPDX-License-Identifier: Apache-2.0
# The first NaN stops the merge and is named; --nonfinite keep counts it.
mkst x/model.safetensors w:F32:8:1
mkst y/model.safetensors w:F32:8:1,2,3,nan,5,6,7,8
code=0
onefold merge --quiet --method linear x y out || code=$?
test ! -e out
test ! -e out.onefold-partial
onefold merge --quiet --nonfinite keep --method linear x y kept >/dev/null
grep -q nan kept/onefold.json
exit $code
