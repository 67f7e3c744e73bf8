# SPDX-License-Identifier: Apache-2.0
# A command line that is wrong: exit 2, one message with its id, nothing written.
mkst x/model.safetensors w:F32:2:1
before=$(digest .)
says 2 usage-verb onefold
says 2 usage-verb onefold megre x
says 2 usage-option onefold merge --mehod linear x out
says 2 usage-option onefold merge -q
says 2 usage-option onefold merge --lambda 0.5 r.yml out
says 2 usage-option onefold verify --force x
says 2 usage-option onefold merge --tensor-union --tensor-intersection --method linear x out
says 2 usage-value onefold merge --memory lots --method linear x out
says 2 usage-value onefold merge --memory 0 --method linear x out
says 2 usage-value onefold merge --sums md5 --method linear x out
says 2 usage-value onefold merge --nonfinite maybe --method linear x out
says 2 usage-value onefold merge --force=yes --method linear x out
says 2 usage-value onefold merge --method
says 2 usage-arguments onefold merge r.yml
says 2 usage-arguments onefold merge --method linear out
says 2 usage-arguments onefold verify
says 2 usage-arguments onefold inspect
says 2 usage-arguments onefold methods linear fedavg
says 2 usage-refused onefold merge --verify-inputs --method linear x out
says 2 usage-refused onefold merge --no-safe-serialization --method linear x out
says 2 usage-refused onefold-hash -b x/model.safetensors
says 2 usage-refused onefold-hash -H3 x/model.safetensors
says 2 usage-option onefold-hash --nope
says 2 usage-option onefold-hash -y
says 2 usage-option onefold-hash --strict x/model.safetensors
says 2 usage-value onefold-hash -j none x/model.safetensors
says 2 usage-value onefold-hash -j
says 2 usage-value onefold-hash -H7 x/model.safetensors
says 2 usage-arguments onefold-hash --tensors
test "$(digest .)" = "$before"
code=0
onefold merge --json --mehod linear x out >said 2>/dev/null || code=$?
test $code = 2
test "$(field error_code <said)" = USAGE_OPTION
