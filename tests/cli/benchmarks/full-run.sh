# SPDX-License-Identifier: Apache-2.0
# Every section makes its tables or says why it cannot; the last one has a row for each target, with
# figures. Nothing is left in the folder.
mkdir d
ONEFOLD=$(command -v onefold) "$ROOT/benchmarks/full-run" --part 0.002 --runs 1 d >said 2>err
"$ROOT/benchmarks/full-run" --list | while read -r section _; do
    grep -q "^full-run: $section\$" err
    sed -n "/^## $section:/,/^## /p" said | grep -q '^\(| --- |\|SKIP: \)'
done
sed -n '/^## targets/,$p' said >targets
test "$(grep -c '^| .* | \(≤\|≥\) [0-9.]* | [0-9., ]* | \(met\|[0-9]* of [0-9]*\) |$' targets)" -ge 11
test -z "$(ls d)"
# One section alone.
ONEFOLD=$(command -v onefold) "$ROOT/benchmarks/full-run" --part 0.002 --runs 1 --only plans d >said 2>/dev/null
test "$(grep -c '^## ' said)" = 2
grep -q '^| `plan` of 100,000 tensors x 4 inputs, s | ≤ 1 | [0-9.]* | \(met\|0 of 1\) |$' said
code=0
"$ROOT/benchmarks/full-run" --only nonsense d >said || code=$?
test $code = 2
grep -q 'usage: benchmarks/full-run' said
