# SPDX-License-Identifier: Apache-2.0
# However few files may be open, the run works or says that they are too few, and nobody is blamed.
mkst b/model.safetensors w:F32:8:1
mkst x/model.safetensors w:F32:8:2
mkst y/model.safetensors w:F32:8:3
for limit in 5 6 7 8 9 10 11 12 13 14 16 20; do
    code=0
    (
        ulimit -n $limit
        exec onefold merge --quiet --io threads --method task_arithmetic --base b --lambda 1 x y out
    ) >/dev/null 2>err || code=$?
    if [ $code != 0 ]; then
        test $code = 5 && grep -q "Too many open files" err || {
            echo "limit $limit, exit $code"
            cat err
        }
    fi
    rm -rf out out.onefold-partial
done
