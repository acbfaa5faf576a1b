#!/usr/bin/env python3
"""Checks the records of a small check: shape, counts and the figures that the default model is known for."""
import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
records = {}
for path in sorted((folder / "records").glob("*.json")):
    text = path.read_text()
    assert str(folder) not in text and "/home/" not in text and "/root/" not in text, f"{path.name} holds a path"
    record = json.loads(text)
    assert record["format"] == "steercheck-record" and record["version"] == 1 and path.stem == record["key"], path.name
    records[record["about"]["task"]["name"]] = record
assert set(records) == {"present-past", "country-capital"}, sorted(records)
for name, record in records.items():
    plan, results = record["plan"], record["results"]
    arms = {arm["name"]: arm for arm in results["arms"]}
    wanted = ["zero-shot", "few-shot", "steered", "zero", "random-direction", "shuffled-labels", "wrong-task"]
    assert list(arms) == plan["arms"] == wanted, list(arms)
    for arm in arms.values():
        assert len(arm["outcomes"]) == plan["counts"]["test"] == 48, (name, arm["name"])
        assert arm["hits"] == sum(o["hit"] for o in arm["outcomes"]), (name, arm["name"])
        for outcome in arm["outcomes"]:
            assert all(r["fired"] == r["planned"] == 1 for r in outcome.get("receipts", [])), (name, arm["name"])
    strip = lambda o: {k: v for k, v in o.items() if k != "receipts"}
    assert [strip(o) for o in arms["zero"]["outcomes"]] == [strip(o) for o in arms["zero-shot"]["outcomes"]]
    assert results["conformance"]["checks"] == 7 and results["conformance"]["failed"] == [], name
    assert len(results["side_effects"]["kl"]) == len(results["side_effects"]["nll_steered"]) > 20, name
    assert all((folder / "artefacts" / f"{key}.safetensors").exists() for key in results["artefacts"].values()), name
    curve = [point["dev"] for point in results["grid"]]
    assert results["chosen"]["setting"]["residual"] == 1 + curve.index(max(curve))
    print(name, {arm: f"{a['hits']}/48" for arm, a in arms.items()}, results["chosen"]["setting"])
past = {arm["name"]: arm["hits"] for arm in records["present-past"]["results"]["arms"]}
assert past["few-shot"] >= 34 and past["zero-shot"] <= 10, past
assert past["steered"] > past["zero-shot"] + 5 and past["random-direction"] <= 5, past
print("records are as they should be")
