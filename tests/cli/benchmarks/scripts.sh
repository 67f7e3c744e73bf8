# SPDX-License-Identifier: Apache-2.0
# The scripts are well-formed, say what they are for, and name what is missing.
for script in with-hyperfine peak-memory; do
    sh -n "$ROOT/benchmarks/$script"
    code=0
    "$ROOT/benchmarks/$script" --nonsense >said || code=$?
    test $code = 2
    grep -q "usage: benchmarks/$script" said
done
for script in against-fio every-rule full-run; do
    "$ROOT/benchmarks/$script" --help | grep -q "usage: benchmarks/$script"
done
for script in with-hyperfine peak-memory against-fio every-rule full-run; do
    code=0
    ONEFOLD=/nonexistent/onefold "$ROOT/benchmarks/$script" 2>err >/dev/null || code=$?
    test $code = 77
    grep -q "^$script: .*\(is needed\|is not there\)" err
done
# Every row of the table is there.
sed -n 's/^| `\([a-z_.-]*\)` .*/\1/p' "$ROOT/benchmarks/README.md" | while read -r script; do
    test -x "$ROOT/benchmarks/$script"
done
