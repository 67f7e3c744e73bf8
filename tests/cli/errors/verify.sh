# SPDX-License-Identifier: Apache-2.0
# Each kind of thing verify says about a folder that is not as it was written, or says nothing about.
mkst x/model.safetensors w:F32:8:1 v:F32:2:3
onefold merge --quiet --method linear x out >/dev/null
again() { rm -rf bad && cp -r out bad; }
# edit EXPRESSION: changes the manifest m, and takes the lists away that would know.
edit() {
    again
    rm bad/SHA256SUMS bad/XXH128SUMS
    python3 -c "import json; m = json.load(open('bad/onefold.json')); t = m['tensors']; $1; json.dump(m, open('bad/onefold.json', 'w'))"
}
says 0 verify-skipped onefold verify --structure out
says 0 verify-skipped onefold verify out/model.safetensors
says 0 verify-skipped onefold verify x
says 0 manifest-missing onefold verify x
says 0 list-missing onefold verify x
again && rm bad/onefold.leaves
says 1 leaves-missing onefold verify bad
says 1 verify-findings onefold verify bad
edit "t.pop()"
says 1 manifest-extra onefold verify bad
edit "t[0]['nan_out'] = 3"
says 1 verify-finite onefold verify bad
edit "t[0]['shape'] = [2, 4]"
says 1 verify-tensor onefold verify bad
edit "t[0]['offset'] += 4"
says 1 verify-tensor onefold verify bad
edit "t[0]['name'] = 'u'"
says 1 verify-tensor onefold verify bad
edit "m['more'] = 0"
sed -i "s/\"more\": 0/\"more\": $(printf '%03000d' 0 | tr 0 '[')$(printf '%03000d' 0 | tr 0 ']')/" bad/onefold.json
says 1 manifest-depth onefold verify bad
again && for i in $(seq 25); do echo >"bad/more$i"; done
says 1 verify-count onefold verify bad
test "$(onefold verify bad 2>/dev/null | grep -c 'more.*\[verify-extra\]$')" = 20
onefold verify --quiet out
