# SPDX-License-Identifier: Apache-2.0
# A tiny run under hyperfine, warm and cold.
command -v hyperfine >/dev/null || { echo "hyperfine is missing (Debian package hyperfine)"; exit 77; }
for state in "" --cold; do
    ONEFOLD=$(command -v onefold) "$ROOT/benchmarks/with-hyperfine" $state --runs 2 --size 8MB . >said 2>err
    grep -q 'onefold merge --sums xxh128' said
    rm said err
    test -z "$(ls)"
done
