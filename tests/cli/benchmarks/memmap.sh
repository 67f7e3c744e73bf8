# SPDX-License-Identifier: Apache-2.0
# The numpy script gives the very bits of task_arithmetic, in every type.
python=
for one in python3 /usr/bin/python3; do
    ! "$one" -c 'import numpy' 2>/dev/null || python=$one
done
[ -n "$python" ] || { echo "numpy is missing (Debian package python3-numpy)"; exit 77; }
for dtype in BF16 F16 F32; do
    mkst $dtype/base.safetensors a:$dtype:40x3:0.02,-0.5,1.25,0.003,7 b:$dtype:7:-0.0625,0.3
    mkst $dtype/one.safetensors a:$dtype:40x3:0.021,-0.53,1.25,0.0031 b:$dtype:7:-0.07,0.31
    mkst $dtype/two.safetensors a:$dtype:40x3:0.018,-0.49,1.75 b:$dtype:7:-0.01,0.29,0.1
    "$python" "$ROOT/benchmarks/memmap_merge.py" $dtype/base.safetensors $dtype/one.safetensors $dtype/two.safetensors \
        $dtype/numpy.safetensors
    onefold merge --quiet --method task_arithmetic --lambda 0.4 --base $dtype/base.safetensors \
        $dtype/one.safetensors $dtype/two.safetensors $dtype/out
    tensors $dtype/numpy.safetensors | sort >numpy.txt
    tensors $dtype/out/*.safetensors | sort >out.txt
    cmp numpy.txt out.txt
done
