# SPDX-License-Identifier: Apache-2.0
# A rule that needs no base merges it as one more model, but one that takes a single model is measured with that, beside
# a raw limit of the same bytes.
mkdir d
onefold bench --quiet --json --size 8MB --models 1 --rules passthrough,linear,fedavg --io threads --cache cold \
    --against raw --runs 1 --repeat 1 d >out.json
python3 - out.json <<'E2'
import json, sys
group = json.load(open(sys.argv[1]))["data"]["groups"][0]
for job in (j for j in group["jobs"] if j["kind"] == "merge"):
    assert job["skipped"] is None, job
    base, models = {"passthrough": (False, 1), "linear": (True, 2), "fedavg": (True, 1)}[job["rule"]]
    raw = group["jobs"][job["raw"]]
    assert (job["with_base"], job["models"], raw["with_base"]) == (base, models, base), job
    files = 2 if base else 1
    assert abs(job["runs"][0]["bytes_read"] - files * group["model_bytes"]) < 65536, job
E2
