# SPDX-License-Identifier: Apache-2.0
# Inputs and result of one type take a fused kernel, which may not show in the bytes: one digest over
# instruction sets, and with --nonfinite keep, which takes the single steps.
onefold-mksample --size 24MB --quiet s
for dtype in bfloat16 float16 float32; do
    mkdir $dtype
    for model in base tuned-1 tuned-2 tuned-3; do
        onefold merge --quiet --method linear --out-dtype $dtype s/$model $dtype/$model >/dev/null
    done
    tuned="$dtype/tuned-1 $dtype/tuned-2 $dtype/tuned-3"
    for rule in "--method linear" "--method task_arithmetic --lambda 0.4 --base $dtype/base" \
        "--method fedavg --beta 0.7 --base $dtype/base"; do
        want=
        for cpu in scalar avx2 avx512 neon ""; do
            for nonfinite in fail keep; do
                # shellcheck disable=SC2086
                ONEFOLD_CPU=$cpu onefold merge --quiet $rule --out-dtype $dtype --nonfinite $nonfinite $tuned out \
                    >/dev/null 2>err || { grep -q 'usage-cpu\|ONEFOLD_CPU' err && continue; cat err; exit 1; }
                have=$(onefold-hash --tensors out | tail -n 1)
                test "${want:=$have}" = "$have" || { echo "$dtype $rule: other bytes with: $cpu $nonfinite"; exit 1; }
                rm -r out
            done
        done
    done
done
