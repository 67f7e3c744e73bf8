#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One job of CI; a person can run any of them. Each builds in build/ci-JOB.
#
# usage: tests/ci.sh style|gcc|clang|asan|tsan|scalar|aarch64|nouring|install
set -eu -o pipefail
cd "$(dirname "$0")/.."
job=${1:?job}
build=build/ci-$job
counts=${COUNTS:-/dev/null}
mkdir -p build

# setup BUILD OPTIONS...: configures unless it is there already.
setup() {
    local folder=$1
    shift
    [ -f "$folder/build.ninja" ] || meson setup "$folder" --werror "$@" >"$folder.log" 2>&1 || {
        cat "$folder.log"
        return 1
    }
    ninja -C "$folder" >"$folder.log" 2>&1 || {
        grep -v '^\[' "$folder.log" | head -n 200
        return 1
    }
}

# run_tests BUILD MESON-TEST-OPTIONS...: runs and adds to the counts. Skips are named with their reason.
run_tests() {
    local folder=$1 status=0
    shift
    meson test -C "$folder" --no-rebuild --print-errorlogs --num-processes 2 "$@" >"$folder.log" 2>&1 ||
        status=$?
    grep -vE '^ *[0-9]+/[0-9]+ .* OK ' "$folder.log" | grep -v '^$' || true
    # Meson prints which tests failed, but of a test that speaks TAP not why.
    [ $status = 0 ] || awk '/^(ok|not ok|=)/ { show = /^not/ } show && ++lines <= 200' \
        "$folder/meson-logs/testlog.txt"
    grep -hoE '# SKIP.*' "$folder/meson-logs/testlog.txt" | sort | uniq -c || true
    python3 - "$folder/meson-logs/testlog.json" "$job" >>"$counts" <<'PYTHON'
import json
import sys

total = {"OK": 0, "FAIL": 0, "SKIP": 0}
with open(sys.argv[1], encoding="utf-8") as file:
    for line in file:
        result = json.loads(line)["result"]
        key = "OK" if result in ("OK", "EXPECTEDFAIL") else "SKIP" if result == "SKIP" else "FAIL"
        total[key] += 1
print("tests", sys.argv[2], total["OK"], total["FAIL"], total["SKIP"])
PYTHON
    return $status
}

# Names of C files that stand in the tree.
sources() {
    git ls-files "$@" 2>/dev/null || find src include tools tests samples -name '*.[ch]'
}

job_style() {
    sources '*.c' '*.h' | xargs clang-format --dry-run --Werror
    echo "clang-format: in order"
    CC=clang setup "$build" -Dsimd=avx2,avx512
    # NEON kernels need another target; the cross build compiles them with every warning.
    sources 'src/*.c' 'tools/*.c' | grep -v neon |
        xargs -P 2 -n 1 clang-tidy -p "$build" --quiet 2>"$build-tidy.log" || {
        grep -v 'warnings generated' "$build-tidy.log" || true
        return 1
    }
    echo "clang-tidy: in order"
    echo "checks style 2 0 0" >>"$counts"
}

job_gcc() {
    setup "$build"
    run_tests "$build"
}

job_clang() {
    CC=clang setup "$build" -Dfuzz=true
    run_tests "$build" --suite unit --suite kern --suite fuzz --suite golden
    fuzz_smoke
}

# Every libFuzzer target for a while, from its seeds.
fuzz_smoke() {
    local target name work
    for target in "$build"/tests/fuzz/libfuzzer_*; do
        [ -x "$target" ] && [ -f "$target" ] || continue
        name=$(basename "$target" | sed 's/^libfuzzer_//')
        work=$(mktemp -d)
        if ! "$target" -max_total_time="${FUZZ_SECONDS:-10}" -rss_limit_mb=2048 -print_final_stats=0 \
            -artifact_prefix="$build/" "$work" "tests/fuzz/corpus/$name" >"$work.log" 2>&1; then
            tail -n 40 "$work.log"
            rm -rf "$work" "$work.log"
            return 1
        fi
        echo "libFuzzer $name: $(grep -oE '#[0-9]+' "$work.log" | tail -n 1 | tr -d '#') runs"
        echo "fuzz $name 1 0 0" >>"$counts"
        rm -rf "$work" "$work.log"
    done
}

# All tests of the suites, but for those that only repeat others at length: a second seed of the kernels, and
# bench with its scripts, which start merges that cli_merge has made already. For slow builds.
short_list() {
    local arguments=()
    for suite in "$@"; do
        arguments+=(--suite "$suite")
    done
    meson test -C "$build" --list --no-rebuild "${arguments[@]}" | sed -n 's/.* \/ //p' |
        grep -vE '^(check_kern_seed|cli_bench|cli_benchmarks)$'
}

job_asan() {
    setup "$build" -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1
    local tests
    mapfile -t tests < <(short_list unit kern inputs golden cli sim fuzz)
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 ASAN_OPTIONS=detect_leaks=1 \
        run_tests "$build" --timeout-multiplier 5 "${tests[@]}"
}

job_tsan() {
    setup "$build" -Db_sanitize=thread -Db_lundef=false -Doptimization=1
    local tests
    mapfile -t tests < <(short_list unit sim golden cli)
    TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 \
        run_tests "$build" --timeout-multiplier 10 "${tests[@]}"
}

# The law alone, on this CPU and on an old one that would trip over a stray instruction.
job_scalar() {
    setup build/ci-gcc
    build=build/ci-gcc
    ONEFOLD_CPU=scalar run_tests "$build" --suite golden --suite cli
    if command -v qemu-x86_64 >/dev/null; then
        tests/golden/run.py tests/support/nehalem ta-3-f16 linear-grad-bf16 ta-3-f32
        echo "checks nehalem 3 0 0" >>"$counts"
    else
        echo "SKIP: no qemu-x86_64"
    fi
}

job_aarch64() {
    if [ "$(uname -m)" != x86_64 ]; then
        echo "SKIP: the cross build is for x86-64 machines"
        echo "checks aarch64 0 0 1" >>"$counts"
        return 0
    fi
    setup "$build" --cross-file tests/aarch64.ini
    # Emulated system calls differ from the kernel's where tests/unit/sys looks closely, and the emulator
    # has a line of its own about an abort.
    local tests
    mapfile -t tests < <(meson test -C "$build" --list --no-rebuild --suite kern --suite golden --suite unit |
        sed -n 's/.* \/ //p' | grep -vE '^(test_sys_|test_base_check$|check_kern_seed$)')
    run_tests "$build" --timeout-multiplier 10 "${tests[@]}"
}

job_nouring() {
    setup "$build" -During=disabled
    run_tests "$build" --suite unit --suite sim --suite cli
}

# Installed into an empty prefix, the library serves a program that knows only pkg-config.
job_install() {
    local prefix=$PWD/build/ci-install-prefix
    rm -rf "$prefix"
    setup "$build" -Dtests=false --prefix "$prefix" --libdir lib
    meson install -C "$build" --no-rebuild >/dev/null
    tests/install.sh "$prefix"
    echo "checks install 1 0 0" >>"$counts"
}

"job_$job"
