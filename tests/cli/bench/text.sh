# SPDX-License-Identifier: Apache-2.0
# For people: one table, one line for each case, and where a file goes that cannot be written.
mkdir d
onefold bench --quiet --repeat 1 --runs 1 --size 1MB --rules median --io threads --cache warm --against raw d >said
grep -q '^BF16, base and 3 models of ' said
test "$(grep -c '^raw limit' said)" = 1
test "$(grep -c '^median  *threads  *warm ' said)" = 1
! grep -q "^cat\|^numpy" said
onefold bench --quiet --repeat 1 --runs 1 --size 1MB --rules median --io threads --cache cold --against look d >said
test "$(grep -c '^raw limit, 1 read ' said)" = 1
test "$(grep -c '^raw limit, looked at, 1 read ' said)" = 1
onefold bench --quiet --repeat 1 --runs 1 --size 1MB --rules median --io threads --cache cold --against short d >said
test "$(grep -c '^raw limit, 512 KiB, 1 read ' said)" = 1
test "$(grep -c '^raw limit' said)" = 2
says 5 output-io onefold bench --quiet --repeat 1 --html nowhere/page.html
test -z "$(ls -A d)"
