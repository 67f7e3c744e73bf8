# SPDX-License-Identifier: Apache-2.0
# What a plan and a run point out without being an error, and the plan that has nothing to do.
mkst x/model.safetensors w:F32:8:1 n:I64:2:7,8
mkst y/model.safetensors w:F64:8:2 n:I64:2:7,9
mkst z/model.safetensors v:F32:8:1
says 0 dtype-f64 onefold plan --method linear x y out
says 0 plan-extra onefold plan --method linear --tensor-union x z out
says 0 plan-notice onefold plan --method linear --base x y out
says 3 plan-empty onefold merge --method linear --tensor-intersection x z out
test ! -e out
test ! -e out.onefold-partial
# Integers are not merged: the first input's are taken, and that they differ is said.
says 0 mismatch-copy onefold merge --no-progress --method linear x y out
test "$(tensors out/model.safetensors | grep '^n ')" = "n I64 2 7,8"
for i in $(seq 25); do set -- "$@" "n$i:I8:1:$i"; done
mkst many/model.safetensors w:F32:8:1 "$@"
for i in $(seq 25); do set -- "$@" "n$i:I8:1:99" && shift; done
mkst other/model.safetensors w:F32:8:1 "$@"
onefold merge --no-progress --method linear many other more 2>said >/dev/null
test "$(grep -c 'mismatch-copy' said)" = 21 || { cat said; exit 1; }
grep -q '25 copied tensors in all.*\[mismatch-copy\]$' said
