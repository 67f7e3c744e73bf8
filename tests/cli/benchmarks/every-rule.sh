# SPDX-License-Identifier: Apache-2.0
# A tiny run: a row for each rule, and nothing left behind.
ONEFOLD=$(command -v onefold) "$ROOT/benchmarks/every-rule" --size 9MB --runs 1 sample >said 2>/dev/null
test "$(grep -c '^| [a-z_]* | [0-9.]* | [0-9.]* |' said)" = 16
grep -q '^| linear | [0-9.]* | 1.00 | [0-9.]* | 1.00 |' said
test "$(ls)" = said
