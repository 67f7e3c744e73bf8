# SPDX-License-Identifier: Apache-2.0
# Cached inputs that few workers map and that many copy give the bytes of a merge past the page cache: with elements of
# different widths, whose windows run out at different places, tensors that begin anywhere, and small ones that are
# merged together.
numbers() { seq -s, "$1" 0.37 $(($1 + 35)); }
model() { # FOLDER TYPE FIRST
    mkst "$1/model.safetensors" "b:U8:3:1" "a:$2:911x1003:$(numbers "$3")" "c:$2:7:$(numbers "$3")" "d:$2:99999:$(numbers "$3")" \
        "e:$2:300x301:$(numbers "$3")" "f:$2:1:3" "g:$2:123457:$(numbers "$3")"
}
model base F32 1
model one BF16 2
model two F16 3
model three F64 4
sync -f .
merge() { # OUT OPTION...
    local out=$1
    shift
    cat ./*/model.safetensors >/dev/null
    # shellcheck disable=SC2086
    onefold merge --quiet --json --dtype bfloat16 $rule "$@" --base base one two three one two "$out" >"$out.json"
}
for rule in "--method task_arithmetic" "--method median" "--method cclip --set radius=1"; do
    merge want --direct on
    test "$(field data.bytes_cached <want.json)" -eq 0
    for options in "-j 2" "-j 4" "-j 5" "-j 1 --memory 64MiB" "-j 2 --memory 64MiB" "-j 4 --memory 72MiB" "-j 2 --memory 80MiB" \
        "-j 3 --memory 96MiB" "-j 3 --out-shard-size 1MB"; do
        # shellcheck disable=SC2086
        merge have $options
        test "$(field data.bytes_cached <have.json)" -gt 0 || { echo "the page cache does not hold what was read"; exit 77; }
        case $options in
        *shard*) onefold verify --quiet have ;; # other files
        *) cmp want/model.safetensors have/model.safetensors || { echo "other bytes with: $rule $options"; exit 1; } ;;
        esac
        rm -r have
    done
    rm -r want
done

# Who may map, and how much, is in the plan.
windows() { onefold plan --method linear "$@" base one two three out | awk '$1 == "windows" { print $2 }'; }
test "$(windows -j 2)" -gt 0
test "$(windows -j 4)" -eq $((2 * $(windows -j 2)))
test -z "$(windows -j 5)"
test -z "$(windows -j 2 --direct on)"
test -z "$(windows -j 2 --io uring)"
