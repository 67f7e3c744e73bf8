# SPDX-License-Identifier: Apache-2.0
# lambda and beta stand side by side; the hash does not depend on memory, threads or paths.
onefold-mksample --size 2MB --quiet s
cp "$ROOT/tests/cli/merge/sample.yml" r.yml
onefold plan r.yml >text
grep -q '0\.4' text && grep -q '1\.2' text || { cat text; exit 1; }
test ! -e out
one=$(onefold plan --json r.yml | field data.plan_hash)
test "$one" = "$(onefold plan --json --memory 1GiB -j 7 --io threads r.yml | field data.plan_hash)"
mkdir other && mv s other && cd other
test "$one" = "$(onefold plan --json ../r.yml | field data.plan_hash)"
sed 's/0\.4/0.5/' ../r.yml >changed.yml
test "$one" != "$(onefold plan --json changed.yml | field data.plan_hash)"
