# SPDX-License-Identifier: Apache-2.0
# A weight may also come through --set; the standard one then stays away.
mkst x/model.safetensors w:F32:2:1
mkst y/model.safetensors w:F32:2:5
onefold merge --quiet --method linear --set weight=2 --set normalize=false x y out >/dev/null
tensors out/model.safetensors
