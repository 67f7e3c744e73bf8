# SPDX-License-Identifier: Apache-2.0
# base + lambda * sum(model - base), by hand.
mkst b/model.safetensors w:F32:4:1,2,3,4 n:I64:2:7,8
mkst x/model.safetensors w:F32:4:2,2,3,4 n:I64:2:7,8
mkst y/model.safetensors w:F32:4:1,4,3,0 n:I64:2:7,8
onefold merge --quiet --method task_arithmetic --base b --lambda 0.5 x y out
tensors out/model.safetensors
