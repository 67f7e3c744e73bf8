# SPDX-License-Identifier: Apache-2.0
# With a recipe and without one the numbers are the same; options that do not belong are refused.
mkst base/model.safetensors h.0.w:F32:2:0
mkst a/model.safetensors h.0.w:F32:2:3,4
mkst b/model.safetensors h.0.w:F32:2:6,0
printf 'merge_method: fednova\nbase_model: base\nmodels:\n  - {model: a, steps: 100}\n  - {model: b, steps: 2000}\n' >r.yml
onefold compare --json --quiet r.yml >one.json
onefold compare --json --quiet --base base a b >two.json
test "$(field data.groups <one.json)" = "$(field data.groups <two.json)"
field data.findings <one.json | grep -q 'local steps differ 20-fold'
! field data.findings <two.json | grep -q compare-steps
says 2 usage-arguments onefold compare
says 2 usage-arguments onefold compare a b
says 2 usage-arguments onefold compare --base base
says 2 usage-option onefold compare --lambda 1 r.yml
says 2 usage-option onefold compare --force r.yml
says 2 usage-option onefold merge --save x r.yml out
says 2 usage-option onefold merge --steps 1,2 r.yml out
onefold merge --quiet --method fednova --steps 100,2000 --base base a b quick >/dev/null
onefold merge --quiet r.yml file >/dev/null
cmp quick/model.safetensors file/model.safetensors
