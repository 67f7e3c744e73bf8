# SPDX-License-Identifier: Apache-2.0
# Differences in names are said while planning, and what all have is compared.
mkst base/model.safetensors h.0.w:F32:2:0 e:F32:2:0
mkst a/model.safetensors h.0.w:F32:2:3,4 e:F32:2:1
mkst b/model.safetensors h.0.w:BF16:2:6,0
onefold compare --json --base base a b >out.json 2>notices
grep -q 'warning: tensor "e" is not compared: it is missing in b \[plan-left-out\]' notices
test "$(field data.groups.0.tensors <out.json)" = 1
test "$(field data.groups.0.gram <out.json)" = '[[25, 18], [18, 36]]'
