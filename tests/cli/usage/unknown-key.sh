# SPDX-License-Identifier: Apache-2.0
printf 'merge_method: linear\nmodles:\n  - model: y\n' >r.yml
onefold plan r.yml
