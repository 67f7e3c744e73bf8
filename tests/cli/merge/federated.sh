# SPDX-License-Identifier: Apache-2.0
# Every federated rule through the whole program: the golden values, the simpler rule at the ends of a
# parameter, what is refused, and what is pointed out.
mkst base/model.safetensors w:F32:6:0,0,0,0,0,0
mkst t1/model.safetensors w:F32:6:1,-2,0.5,0,3,-0.25
mkst t2/model.safetensors w:F32:6:2,1,0.5,0,-1,-0.5
mkst t3/model.safetensors w:F32:6:-1,-3,0,0.25,2,-1
mkst t4/model.safetensors w:F32:6:4,-1,-0.5,-0.25,5,0.75

# recipe METHOD PARAMETERS [FACT VALUE VALUE VALUE VALUE]
recipe() {
    printf 'merge_method: %s\nbase_model: base\nparameters: {%s}\nmodels:\n' "$1" "$2"
    for i in 1 2 3 4; do
        eval "value=\${$((i + 3)):-}"
        printf '  - {model: t%s%s}\n' "$i" "${value:+, $3: $value}"
    done
}
merge() {
    recipe "$@" >r.yml
    onefold merge --quiet --force r.yml out >/dev/null
}
# gives VALUES METHOD PARAMETERS ... : near enough, since the golden values have nine digits.
gives() {
    want=$1
    shift
    merge "$@"
    tensors out/model.safetensors | awk -v want="$want" '
        { n = split($4, have, ","); split(want, w, ",")
          for (i = 1; i <= n; i++) { d = have[i] - w[i]; if (d > 2e-6 || d < -2e-6) bad = 1 } }
        END { if (bad || n != 6) { print "want " want; print; exit 1 } }' || { cat r.yml; exit 1; }
}

mean='1.5,-1.25,0.125,0,2.25,-0.25'
gives 2.875,-1.625,0.125,-0.09375,4,0 fednova 'beta: 1' steps 100 200 400 100
gives 2.875,-1.625,0.125,-0.09375,4,0 fednova 'mode: lr_sum' lr_sum 0.1 0.2 0.4 0.1
gives $mean fednova 'lambda: 1' steps 7 7 7 7
gives 1.5,-1.25,0.03125,0,2.25,-0.25 fedgma 'rho: 0.5'
gives 3,-2.5,0.125,0,4.5,-0.5 fedgma 'rho: 0.6, lambda: 4'
gives $mean fedgma 'rho: 0'
gives 1,-2,0,0,2,-0.5 median 'mode: lower'
gives 1.5,-1.5,0.25,0,2.5,-0.375 median ''
gives 2,-1,0.5,0,3,-0.25 median 'mode: upper'
gives 1.5,-1.5,0.25,0,2.5,-0.375 trimmed_mean 'trim: 1'
gives $mean trimmed_mean 'trim: 0'
gives 3.5744437,-2.70791404,0.642271224,0.0668876256,4.28235774,-1.03336758 cclip 'radius: 2.54950976, beta: 4'
gives $mean cclip 'radius: 7'
gives $mean cclip 'radius: 20, start: mean, iterations: 3'
gives $mean cclip 'radius: 20, start: median'
gives 1.3486501,-1.51797772,0.202236754,0.0083965021,2.46624976,-0.313807883 cclip 'radius: 2, start: median'
gives 1.22948601,-1.55162738,0.182108631,0.0172819759,2.42975635,-0.30251726 \
    cclip 'radius: 2, start: median, iterations: 3'
gives $mean arc 'f: 0'
gives 1,-2,0.5,0,3,-0.25 geometric_median 'iterations: 1000'
gives $mean bulyan 'f: 0'
gives 3,-2.5,0.25,0,4.5,-0.5 feddyn ''
gives 2.33333333,-1.39920635,-0.140079365,-0.0882936508,3.56746032,0.130357143 metagpt ''
gives 1.64921466,-1.37434555,0.137434555,0,2.47382199,-0.27486911 fedexp ''
gives 1,-2,0.5,0,3,-0.25 krum 'f: 0'

# The key scale: the sum form is as many times the mean form as there are inputs.
recipe fedgma 'rho: 0.5, lambda: 1' >r.yml
echo 'scale: sum' >>r.yml
onefold merge --quiet --force r.yml out >/dev/null
test "$(tensors out/model.safetensors)" = "w F32 6 6,-5,0.125,0,9,-1"

# refused CODE ID METHOD PARAMETERS ...
refused() {
    code=$1 id=$2
    shift 2
    recipe "$@" >r.yml
    says "$code" "$id" onefold merge --force r.yml refused
    test ! -e refused
}
refused 2 recipe-fact fednova ''
refused 2 recipe-fact fednova '' lr_sum 1 2 3 4
refused 2 recipe-value fednova 'momentum: 0.9' steps 1 2 3 4.5
refused 2 recipe-value fednova 'momentum: 0.9, proximal: 0.1' steps 1 2 3 4
refused 2 recipe-param fedgma ''
refused 2 recipe-range fedgma 'rho: -0.1'
refused 2 recipe-value median 'mode: middle'
refused 2 recipe-range trimmed_mean 'trim: 2'
refused 2 recipe-range cclip 'radius: 0'
refused 2 recipe-value cclip 'radius: [1, 2]'
refused 2 recipe-count krum 'f: 1'
refused 2 recipe-range multi_krum 'f: 0, m: 3'
refused 2 recipe-count bulyan 'f: 1'
refused 2 recipe-range arc 'f: 4'
refused 2 recipe-param feddyn 'beta: 1'
refused 2 recipe-param fedexp 'lambda: 1'
refused 2 recipe-param median 'weight: 1'

# pointed ID COMMAND METHOD PARAMETERS ...
pointed() {
    id=$1 verb=$2
    shift 2
    recipe "$@" >r.yml
    test "$verb" = plan && says 0 "$id" onefold plan r.yml || says 0 "$id" onefold merge --force r.yml out
}
pointed method-inconsistency plan fednova '' steps 100 200 400 100
pointed method-inert plan fednova '' steps 100 101 102 103
pointed method-bias plan median 'mode: lower'
pointed method-majority plan arc 'f: 2'
pointed method-inert merge cclip 'radius: 7'
pointed method-vertex merge geometric_median 'iterations: 1000'
pointed method-step merge fedexp ''
cp t1/model.safetensors t4/model.safetensors
pointed method-alike merge krum 'f: 0'
cp base/model.safetensors t4/model.safetensors
pointed method-zero merge metagpt ''
mkst t4/model.safetensors w:F32:6:100,0,0,0,0,0
pointed method-dominant merge metagpt ''
mkst t1/model.safetensors w:F32:6:1,0,0,0,0,0
mkst t2/model.safetensors w:F32:6:-1,0,0,0,0,0
mkst t3/model.safetensors w:F32:6:0,1,0,0,0,0
mkst t4/model.safetensors w:F32:6:0,-1,0,0,0,0
pointed method-cancelled merge fedexp ''
mkst t2/model.safetensors w:F32:6:0,0,1,0,0,0
mkst t4/model.safetensors w:F32:6:0,0,0,1,0,0
pointed method-orthogonal merge krum 'f: 0'
