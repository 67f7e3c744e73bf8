# SPDX-License-Identifier: Apache-2.0
# One object, whose members are those of the schema and whose numbers are the golden ones.
mkst base/model.safetensors h.0.w:F32:6:0
mkst a/model.safetensors h.0.w:F32:6:1,-2,.5,0,3,-.25
mkst b/model.safetensors h.0.w:F32:6:2,1,.5,0,-1,-.5
mkst c/model.safetensors h.0.w:F32:6:-1,-3,0,.25,2,-1
mkst d/model.safetensors h.0.w:F32:6:4,-1,-.5,-.25,5,.75
onefold compare --json --quiet --base base --lambda 0.3 a b c d >out.json
onefold compare --schema >schema.json
python3 - <<'PYTHON'
import json

answer, schema = json.load(open("out.json")), json.load(open("schema.json"))
data = answer["data"]
assert answer["status"] == "ok" and answer["verb"] == "compare"


def check(value, rule, where):
    kinds = rule.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    names = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "null": type(None)}
    assert not kinds or any(isinstance(value, names[kind]) for kind in kinds), where
    assert "enum" not in rule or value in rule["enum"], where
    for name in rule.get("required", []):
        assert name in value, (where, name)
    if isinstance(value, dict):
        assert set(value) == set(rule["properties"]), (where, set(value) ^ set(rule["properties"]))
        for name, own in value.items():
            check(own, rule["properties"][name], where + "." + name)
    if isinstance(value, list) and "items" in rule:
        for own in value:
            check(own, rule["items"], where + "[]")


check(data, schema, "data")
model = data["groups"][0]
assert model["gram"] == [[14.3125, -2.625, 11.25, 20.5625], [-2.625, 6.5, -6.5, 1.375],
                         [11.25, -6.5, 15.0625, 8.1875], [20.5625, 1.375, 8.1875, 42.875]]
assert model["agreement"] == [1, 1, 4, 0, 0] and model["zeros"] == [1, 1, 1, 0]
assert data["lambda"] == 0.3 and data["beta"] == 1.2
steps = {step["source"]: step for step in data["steps"]}
assert abs(steps["fedexp"]["beta"] - 1.09947643979058) < 1e-12
assert abs(steps["model_stock"]["beta"] - 0.465209715) < 1e-8
assert abs(steps["metagpt"]["lambdas"][3] - 0.544444444) < 1e-8
PYTHON
