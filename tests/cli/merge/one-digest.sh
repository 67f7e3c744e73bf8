# SPDX-License-Identifier: Apache-2.0
# One output digest over threads, memory, backends, direct I/O and instruction sets.
onefold-mksample --size 24MB --quiet s
want=
for options in "-j 1 --io threads --memory 64MiB --direct off" "-j 4 --io threads --memory 512MiB --direct on" \
    "-j 2 --io mmap --memory 64MiB" "-j 3 --io mmap --memory 300MiB --direct off" "--io uring -j 2 --memory 100MiB --direct on" \
    "--io uring -j 1 --direct off" "" "cpus=1" "cpu=scalar --io threads" "cpu=avx2" "cpu=avx512" "cpu=neon"; do
    cpu=
    program=onefold
    # With one CPU, one thread makes both sums.
    case $options in cpus=1) program="taskset -c 0 onefold" options= ;; esac
    case $options in cpu=*) cpu=${options#cpu=} cpu=${cpu%% *} options=${options#cpu=$cpu} ;; esac
    code=0
    # shellcheck disable=SC2086
    ONEFOLD_CPU=$cpu $program merge --quiet $options "$ROOT/tests/cli/merge/sample.yml" out >/dev/null 2>err || code=$?
    if [ $code != 0 ]; then
        # Only what this machine does not have may fail.
        grep -q 'io-backend\|usage-cpu\|ONEFOLD_CPU' err || { cat err; exit 1; }
        echo "not on this machine: $options $cpu"
        continue
    fi
    have=$(digest out)
    test "${want:=$have}" = "$have" || { echo "other bytes with: $options $cpu"; exit 1; }
    rm -r out
done
