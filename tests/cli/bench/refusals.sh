# SPDX-License-Identifier: Apache-2.0
# What is not meant is refused before anything is measured or written.
mkdir d
says 2 usage-arguments onefold bench d d
says 2 usage-option onefold bench --size 1MB
says 2 usage-option onefold bench --rules linear
says 2 usage-option onefold bench --io uring
says 2 usage-value onefold bench --repeat 0
says 2 usage-value onefold bench --runs 0 d
says 2 usage-value onefold bench --runs 100000 d
says 2 usage-value onefold bench --size 1KB d
says 2 usage-value onefold bench --size 9TB d
says 2 usage-value onefold bench --tensor-size 3 d
says 2 usage-value onefold bench --size 1GB --tensor-size 64 d
says 2 usage-value onefold bench --models 0 d
says 2 usage-value onefold bench --models 3,,4 d
says 2 usage-value onefold bench --models 1001 d
says 2 usage-value onefold bench --models three d
says 2 usage-value onefold bench --dtypes bf16,int8 d
says 2 usage-value onefold bench --rules linaer d
says 2 usage-value onefold bench --rules "" d
says 2 usage-value onefold bench --io uring,sync d
says 2 usage-value onefold bench --cache hot d
says 2 usage-value onefold bench --against dd d
says 2 usage-value onefold bench --sums md5 d
says 2 usage-value onefold bench --memory 0 d
says 2 usage-value onefold merge --io uring,threads --method linear x out
says 2 usage-option onefold merge --runs 3 --method linear x out
says 5 output-io onefold bench nowhere
says 4 space-before onefold bench --size 4TiB d
test -z "$(ls -A d)"
onefold bench --rules linaer d 2>err || :
grep -q 'did you mean "linear"' err
