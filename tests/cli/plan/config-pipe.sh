# SPDX-License-Identifier: Apache-2.0
# What would end the merge ends the plan: a config.json of the donor that is no file.
mkst x/model.safetensors w:F32:8:1
mkfifo x/config.json
onefold plan --method passthrough x out
