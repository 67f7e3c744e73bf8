# SPDX-License-Identifier: Apache-2.0
# Files beside the weights that are not taken along are named; the rest is.
mkst x/model.safetensors w:F32:8:1
echo '{}' >x/generation_config.json
echo notes >x/notes.txt
truncate -s $((256 * 1024 * 1024 + 1)) x/tokenizer.json
mkfifo x/merges.txt
echo '["' >x/config.json
for id in side-not-copied side-size side-skipped config-invalid; do
    says 0 $id onefold merge --no-progress --method linear x out
    test -f out/generation_config.json
    test "$(cat out/config.json)" = '["'
    test ! -e out/notes.txt && test ! -e out/tokenizer.json && test ! -e out/merges.txt
    rm -r out
done
