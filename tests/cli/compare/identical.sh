# SPDX-License-Identifier: Apache-2.0
# Two copies of one model, and a model that is the base.
mkst base/model.safetensors h.0.w:F32:4:0
mkst a/model.safetensors h.0.w:F32:4:1,2,-1,3
mkst b/model.safetensors h.0.w:F32:4:1,2,-1,3
mkst c/model.safetensors h.0.w:F32:4:0
onefold compare --json --quiet --base base a b c >out.json
field data.findings <out.json >found
grep -q compare-duplicate found
grep -q 'a and b: the same weights' found
grep -q compare-equal-base found
test "$(field data.groups.0.cosine.0.1 <out.json)" = 1
test "$(field data.groups.0.cosine.2.2 <out.json)" = None
test "$(field data.groups.0.cosine.0.2 <out.json)" = None
test "$(field data.groups.0.norm_ratio <out.json)" = None
