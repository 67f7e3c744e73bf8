# SPDX-License-Identifier: Apache-2.0
# A bound that is exceeded is exit 1, with the numbers; one that holds is exit 0.
mkst base/model.safetensors h.0.w:F32:2:0
mkst a/model.safetensors h.0.w:F32:2:3,4
mkst b/model.safetensors h.0.w:F32:2:6,0
onefold compare --base base --max-norm-ratio 1.2 --max-cosine 0.6 a b >/dev/null
says 1 compare-bound onefold compare --base base --max-norm-ratio 1.1 a b
says 1 compare-bound onefold compare --base base --max-cosine 0.59 a b
# A model that is the base has no length to divide by.
mkst same/model.safetensors h.0.w:F32:2:0
says 1 compare-bound onefold compare --base base --max-norm-ratio 1000 a same
says 2 usage-value onefold compare --base base --max-norm-ratio much a b
code=0
onefold compare --json --quiet --base base --max-cosine 0.59 a b >bad.json 2>/dev/null || code=$?
test $code = 1
test "$(field error_code <bad.json)" = COMPARE_BOUND
test "$(field data.groups.0.name <bad.json)" = model
