# SPDX-License-Identifier: Apache-2.0
# Kept inner products make a merge one pass with the same bytes; those of other inputs are refused.
onefold-mksample --size 8MB --quiet s
onefold compare --quiet --base s/base s/tuned-1 s/tuned-2 s/tuned-3 --save stats.json --json >look.json
survey=$(field data.bytes_read <look.json)
for rule in fedexp metagpt 'krum --set f=0' 'cclip --set radius=0.5'; do
    rm -rf one two
    onefold merge --json --quiet --method $rule --base s/base s/tuned-1 s/tuned-2 s/tuned-3 one >one.json
    onefold merge --json --quiet --method $rule --stats stats.json --base s/base s/tuned-1 s/tuned-2 s/tuned-3 two >two.json
    cmp one/model.safetensors two/model.safetensors
    cmp one/onefold.leaves two/onefold.leaves
    test "$(field data.bytes_read <one.json)" = $((survey + $(field data.bytes_read <two.json)))
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
