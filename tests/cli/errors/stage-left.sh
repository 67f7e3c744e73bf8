# SPDX-License-Identifier: Apache-2.0
# --force replaces an output that cannot be removed afterwards: the new one is complete, the old one is named.
mkst x/model.safetensors w:F32:8:1
mkdir out
(cd out && for i in $(seq 80); do mkdir deep && cd deep; done)
says 0 stage-left onefold merge --no-progress --force --method linear x out
test ! -e out/deep
test -d out.onefold-partial/deep
rm -r out.onefold-partial
onefold verify --quiet out
