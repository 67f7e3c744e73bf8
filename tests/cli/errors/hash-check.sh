# SPDX-License-Identifier: Apache-2.0
# Lists that do not hold: a changed file, a damaged line, no line at all.
printf 'one\n' >a
printf 'two\n' >b
onefold-hash a b >list
says 0 hash-line onefold-hash -c --warn "$(cat list >odd && echo junk >>odd && echo odd)"
says 1 hash-line onefold-hash -c --strict odd
echo junk >empty
says 1 hash-list onefold-hash -c empty
says 1 hash-list onefold-hash -c --ignore-missing "$(sed 's/ [ab]$/ gone/' list >gone.list && echo gone.list)"
printf 'three\n' >b
says 1 hash-mismatch onefold-hash -c list
code=0
onefold-hash --json -c list >said 2>/dev/null || code=$?
test $code = 1
test "$(field error_code <said)" = HASH_MISMATCH
test "$(field data.files.0.result <said)" = ok
test "$(field data.files.1.result <said)" = failed
