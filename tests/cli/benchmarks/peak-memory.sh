# SPDX-License-Identifier: Apache-2.0
# A tiny run under GNU time: a row for each bound and rule. What a sanitizer takes would count, too, so
# tests/bound compares with the bound.
/usr/bin/time --version 2>&1 | grep -q GNU || { echo "GNU time is missing (Debian package time)"; exit 77; }
ONEFOLD=$(command -v onefold) "$ROOT/benchmarks/peak-memory" --size 8MB . >said
test "$(grep -c '^8MB' said)" = 8
awk '/^8MB/ && $4 <= 1 { exit 1 }' said
rm said
test -z "$(ls)"
