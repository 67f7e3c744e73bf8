# SPDX-License-Identifier: Apache-2.0
# One model leads by its length alone.
mkst base/model.safetensors h.0.w:BF16:4:0
mkst a/model.safetensors h.0.w:BF16:4:1,1,-1,1
mkst b/model.safetensors h.0.w:BF16:4:4,-4,4,4
onefold compare --base base a b >text
grep -q 'largest / smallest 4$' text
grep -q 'warning: the task vector of b is 4 times as long as that of a' text
grep -q 'Weights alone do not say which rule wins' text
# A file gets no colours and no blocks, and no line depends on a terminal.
! LC_ALL=C grep -q '[^ -~]' text
