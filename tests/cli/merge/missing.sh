# SPDX-License-Identifier: Apache-2.0
# Everything that does not fit is named at once, and nothing is written.
mkst b/model.safetensors a:F32:2:1 b:F32:2x2:1 c:F32:2:1
mkst x/model.safetensors a:F32:2:1 b:F32:4:1
mkst y/model.safetensors a:F32:3:1 b:F32:2x2:1 c:I32:2:1
code=0
onefold merge --quiet --method task_arithmetic --base b x y out || code=$?
test ! -e out
test ! -e out.onefold-partial
exit $code
