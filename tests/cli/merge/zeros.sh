# SPDX-License-Identifier: Apache-2.0
# One tensor in another type or scaled keeps the sign of its zeros: nothing is summed.
mkst x/model.safetensors w:F32:3:-0.0,0.0,-1
mkst b/model.safetensors w:F32:3:-0.0,0.0,-1 only:F32:3:-0.0,0.0,-1
onefold merge --quiet --method passthrough --dtype bfloat16 x type >/dev/null
onefold merge --quiet --method passthrough --set scale=2 x scaled >/dev/null
onefold merge --quiet --method task_arithmetic --base b --dtype bfloat16 x only >/dev/null
tensors type/model.safetensors scaled/model.safetensors
tensors only/model.safetensors | grep only
