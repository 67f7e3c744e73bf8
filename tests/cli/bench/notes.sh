# SPDX-License-Identifier: Apache-2.0
# A file system that refuses direct I/O, a backend that is not there and pages that will not go are said.
mkdir d
if command -v without >/dev/null; then
    without direct onefold bench --repeat 1 --runs 1 --size 1MB --rules linear --io threads --against raw d 2>err >said
    grep -q '\[bench-direct\]$' err || { cat err; exit 1; }
    without uring onefold bench --repeat 1 --runs 1 --size 1MB --rules linear --io uring --against raw d 2>err >said
    grep -q 'linear: .*\[bench-skipped\]$' err || { cat err; exit 1; }
    grep -q '^linear  *uring  *cold  *skipped: ' said
fi
onefold bench --repeat 1 --runs 1 --size 1MB --rules linear --io threads --script none.py d 2>err >said
grep -q 'numpy: none.py is not here.*\[bench-skipped\]$' err || { cat err; exit 1; }
test "$(grep -c bench-skipped err)" = 1
# Pages of a file system in memory cannot be dropped.
if [ -w /dev/shm ] && [ "$(stat -f -c %T /dev/shm)" = tmpfs ]; then
    shm=$(mktemp -d /dev/shm/onefold-cli.XXXXXX)
    onefold bench --repeat 1 --runs 1 --size 1MB --rules linear --io threads --against raw "$shm" 2>err >said || :
    left=$(ls -A "$shm")
    rm -rf "$shm"
    test -z "$left"
    grep -q 'cold runs were not quite cold \[bench-cache\]$' err || { cat err; exit 1; }
fi
