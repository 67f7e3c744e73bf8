# SPDX-License-Identifier: Apache-2.0
# A tiny run beside fio.
command -v fio >/dev/null || { echo "fio is missing (Debian package fio)"; exit 77; }
ONEFOLD=$(command -v onefold) "$ROOT/benchmarks/against-fio" --size 16MB --runs 1 --json sample >said 2>err
test "$(field runs <said)" = 1
for what in 'cold raw (fio' 'cold merge' 'warm cat' 'warm merge'; do
    grep -q "\"what\": \"$what" said
done
ONEFOLD=$(command -v onefold) "$ROOT/benchmarks/against-fio" --size 16MB --runs 1 --raw-limit sample >said 2>err
grep -q '^| cold raw limit of onefold bench | ' said
rm said err
test -z "$(ls)"
