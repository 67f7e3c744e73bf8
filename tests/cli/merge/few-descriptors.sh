# SPDX-License-Identifier: Apache-2.0
# Inputs in the page cache and so few descriptors that not every slot can keep its own open.
onefold-mksample --size 20MB --shard-size 1MB --quiet s
cat s/*/*.safetensors >/dev/null
onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" many
(
    ulimit -n 75
    timeout 120 onefold merge --quiet "$ROOT/tests/cli/merge/sample.yml" few
)
diff -r many few
echo same
