# SPDX-License-Identifier: Apache-2.0
# Models that share a displacement were not trained from the stated base.
mkst base/model.safetensors h.0.w:F32:4:0
mkst a/model.safetensors h.0.w:F32:4:9,9,9,10
mkst b/model.safetensors h.0.w:F32:4:9,10,9,9
mkst c/model.safetensors h.0.w:F32:4:10,9,9,9
onefold compare --json --quiet --base base a b c | field data.findings >found
grep -q compare-base found
grep -q 'not the one they were trained from' found
mkst true/model.safetensors h.0.w:F32:4:9
onefold compare --json --quiet --base true a b c | field data.findings >found
! grep -q compare-base found
