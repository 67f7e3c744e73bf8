# SPDX-License-Identifier: Apache-2.0
# Every case that was asked for is there, in every round, with ratios above 0; what cannot be done says why;
# the folder is clean afterwards.
mkdir d
onefold bench --json --no-progress --repeat 1 --runs 2 --size 1MB --tensor-size 64KiB --models 2,3 \
    --rules linear,krum,passthrough --dtypes bf16,f32 --io threads,mmap --memory 64MiB --sums xxh128 \
    --script "$ROOT/benchmarks/memmap_merge.py" --html page.html d >said 2>err
test "$(ls)" = "d
err
page.html
said"
test -z "$(ls -A d)"
grep -q 'passthrough: .*\[recipe-count\] \[bench-skipped\]$' err
! grep -q 'http' page.html
python3 - <<'END'
import json

data = json.load(open("said", encoding="utf-8"))["data"]
assert data["bench_version"] == 1 and data["machine"]["cpu"] and data["memory"]["read_one_gb_per_s"] > 0
assert {"scalar"} <= {k["isa"] for k in data["kernels"]} and all(k["gb_per_s"] > 0 for k in data["kernels"])
assert data["settings"]["runs"] == 2 and data["settings"]["sums"] == "xxh128"
assert [(g["dtype"], g["models"]) for g in data["groups"]] == [("BF16", 2), ("BF16", 3), ("F32", 2), ("F32", 3)]
for group in data["groups"]:
    jobs = group["jobs"]
    seen = {(j["kind"], j["rule"], j["io"], j["cache"]) for j in jobs}
    wanted = {("merge", r, i, c) for r in ("linear", "krum", "passthrough") for i in ("threads", "mmap")
              for c in ("cold", "warm")}
    wanted |= {(k, None, None, c) for k in ("cat", "cat_cp", "numpy") for c in ("cold", "warm")}
    assert wanted | {("raw", None, None, "cold")} == seen, seen ^ wanted
    # Each raw limit twice more: looked at, and with short requests.
    def ways(looks, request_bytes):
        return [j for j in jobs if j["kind"] == "raw" and (j["looks"], j["request_bytes"]) == (looks, request_bytes)]
    def bytes_of(some):
        return sorted((j["with_base"], j["passes"]) for j in some)
    plain, looks, short = ways(False, 1 << 20), ways(True, 1 << 20), ways(False, 1 << 19)
    assert len(set(bytes_of(plain))) == len(plain) and bytes_of(plain) == bytes_of(looks) == bytes_of(short)
    assert len(plain + looks + short) == sum(j["kind"] == "raw" for j in jobs)
    for job in looks + short:
        like = jobs[job["raw"]]
        assert like in plain and like["passes"] == job["passes"] and job["ratio"]["min"] > 0, job
        assert all(run["raw_seconds"] > 0 for run in job["runs"]), job
    for job in jobs:
        few = group["models"] == 2 and job["rule"] == "krum"
        if job["rule"] == "passthrough" or few or (job["kind"] == "numpy" and job["skipped"]):
            assert job["skipped"] and job["runs"] == [] and job["ratio"] is None
            continue
        assert job["skipped"] is None and len(job["runs"]) == 2, job
        assert 0 < job["seconds"]["min"] <= job["seconds"]["median"] <= job["seconds"]["max"]
        files = group["models"] + (1 if job["with_base"] else 0)
        assert job["with_base"] and job["models"] == {"krum": files - 1, "linear": files}.get(job["rule"], 0), job
        for run in job["runs"]:
            assert run["seconds"] > 0 and run["cpu_seconds"] >= 0 and run["peak_memory"] > 0
            if job["kind"] in ("raw", "merge"):
                # Headers are read once, and are no part of what is written as data. Of two passes the
                # second reads what krum picked, and the base.
                reads = files + 2 if job["rule"] == "krum" else job["passes"] * files
                assert abs(run["bytes_read"] - reads * group["model_bytes"]) < 65536, job
                assert abs(run["bytes_written"] - group["model_bytes"]) < 65536, job
        if job["kind"] == "merge":
            raw = jobs[job["raw"]]
            assert raw["kind"] == "raw" and raw["passes"] == job["passes"] == (2 if job["rule"] == "krum" else 1)
            assert raw["with_base"] == job["with_base"]
            assert job["ratio"]["min"] > 0 and job["ratio_to_cat"]["min"] > 0
            # From the disk it has a raw limit of its own beside it.
            assert all(("raw_seconds" in run) == (job["cache"] == "cold") for run in job["runs"]), job
            ratios = sorted(a["seconds"] / a.get("raw_seconds", b["seconds"]) for a, b in zip(job["runs"], raw["runs"]))
            assert abs(ratios[0] / job["ratio"]["min"] - 1) < 0.01 and abs(ratios[1] / job["ratio"]["max"] - 1) < 0.01
            assert all(0 <= job[name]["median"] <= 1 for name in
                       ("device_share", "workers_share", "hash_share", "outside_share"))
END
