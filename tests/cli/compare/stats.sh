# SPDX-License-Identifier: Apache-2.0
# Kept inner products make a merge one pass with the same bytes; those of other inputs are refused.
onefold-mksample --size 8MB --quiet s
inputs='--base s/base s/tuned-1 s/tuned-2 s/tuned-3'
onefold compare --quiet $inputs --save stats.json --json >look.json
survey=$(field data.bytes_read <look.json)

# A direct read takes all of the blocks that it touches, one from the page cache only what is asked
# for; so two runs that read the same may differ by some blocks, never by a hundredth of it.
alike() {
    test $((100 * ($1 - $2))) -lt "$1"
    test $((100 * ($2 - $1))) -lt "$1"
}

for rule in fedexp metagpt 'krum --set f=0' 'cclip --set radius=0.5'; do
    rm -rf one two
    onefold merge --json --quiet --method $rule $inputs one >one.json
    onefold merge --json --quiet --method $rule --stats stats.json $inputs two >two.json
    cmp one/model.safetensors two/model.safetensors
    cmp one/onefold.leaves two/onefold.leaves
    alike $((survey + $(field data.bytes_read <two.json))) "$(field data.bytes_read <one.json)"
done
same='onefold merge --quiet --method fedexp --stats stats.json --base s/base'
says 3 stats-mismatch $same s/tuned-2 s/tuned-1 s/tuned-3 out
says 3 stats-mismatch $same s/tuned-1 s/tuned-2 out
says 3 input-missing onefold merge --quiet --method fedexp --stats no.json --base s/base s/tuned-1 s/tuned-2 s/tuned-3 out
# The same bytes written again are another state of the file.
touch -d '2001-01-01' s/tuned-3/*.safetensors
says 3 stats-mismatch $same s/tuned-1 s/tuned-2 s/tuned-3 out
says 3 stats-extra onefold merge --quiet --method cclip --set radius=1 --set start=median --stats stats.json \
    --base s/base s/tuned-1 s/tuned-2 s/tuned-3 out
test ! -e out
