# SPDX-License-Identifier: Apache-2.0
# Digests of tensors do not depend on the shards they lie in.
onefold-mksample --size 4MB --quiet s
onefold-hash --tensors s/base >sharded
onefold merge --quiet --method passthrough s/base whole >/dev/null
onefold-hash --tensors whole >single
sort sharded >a
sort single >b
cut -d' ' -f1 a >a2; cut -d' ' -f1 b >b2
diff a2 b2
test "$(wc -l <sharded)" -gt 5
