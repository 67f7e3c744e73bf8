# SPDX-License-Identifier: Apache-2.0
mkst x/model.safetensors w:F32:2:1
mkst y/model.safetensors w:F32:2:1
printf 'merge_method: ties\nbase_model: x\nmodels:\n  - model: y\n    parameters: {weight: 1, density: 0.5}\n' >r.yml
onefold merge --quiet r.yml out
