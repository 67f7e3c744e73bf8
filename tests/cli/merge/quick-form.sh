# SPDX-License-Identifier: Apache-2.0
# The form without a file gives the bytes that the recipe gives.
onefold-mksample --size 2MB --quiet s
onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" one >/dev/null
onefold merge --quiet --method task_arithmetic --base s/base --lambda 0.4 --dtype bfloat16 s/tuned-1 s/tuned-2 s/tuned-3 two >/dev/null
cmp one/model.safetensors two/model.safetensors
cmp one/onefold.leaves two/onefold.leaves
