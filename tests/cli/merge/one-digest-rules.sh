# SPDX-License-Identifier: Apache-2.0
# Rules that look first, or that see all values of an element: one digest over threads, memory, backends
# and instruction sets, and with saved statistics.
onefold-mksample --size 30MB --tunes 7 --quiet s
models="--base s/base s/tuned-1 s/tuned-2 s/tuned-3 s/tuned-4 s/tuned-5 s/tuned-6 s/tuned-7"
# shellcheck disable=SC2086
onefold compare --quiet --save stats.json $models >/dev/null
merge() {
    rule=$1
    shift
    # shellcheck disable=SC2086
    onefold merge --quiet --force --method "$rule" $settings "$@" $models out >/dev/null
    have=$(digest out)
    test "${want:=$have}" = "$have" || { echo "$rule: other bytes with: $*"; exit 1; }
}
for row in "cclip --set=radius=1" "cclip --set=radius=1 --set=start=median" "geometric_median" "bulyan --set=f=1" "median" "fedgma --set=rho=0.5" \
    "trimmed_mean --set=trim=2" "multi_krum --set=f=1 --set=m=3" "fedexp"; do
    want=
    settings=${row#"${row%% *}"}
    rule=${row%% *}
    merge "$rule" -j 1 --io threads --memory 64MiB --direct off
    merge "$rule" -j 3 --io mmap --memory 256MiB
    merge "$rule" -j 2 --memory 100MiB
    ONEFOLD_CPU=scalar merge "$rule" -j 2 --io threads
    case $row in
    median* | fedgma* | trimmed_mean* | *start=median*) ;;
    *) merge "$rule" --stats stats.json ;;
    esac
done
