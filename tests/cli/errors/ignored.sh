# SPDX-License-Identifier: Apache-2.0
# Flags that mergekit knows and that mean nothing here are named and change nothing.
mkst x/model.safetensors w:F32:8:1,2,3
mkst y/model.safetensors w:F32:8:4
onefold merge --quiet --method linear x y plain >/dev/null
for flags in --cuda "--device cuda:0" --low-cpu-memory --lazy-unpickle --trust-remote-code --allow-crimes \
    "--lora-merge-cache /nonexistent" "--random-seed 7" --safe-serialization; do
    # shellcheck disable=SC2086
    says 0 option-ignored onefold merge --no-progress $flags --method linear x y out
    test "$(digest out)" = "$(digest plain)"
    rm -r out
done
