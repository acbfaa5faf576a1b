#!/usr/bin/env python3
"""Checks the records of a small check: shape, counts and the figures that the default model is known for."""
import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
records = {}
for path in sorted(folder.glob("*.json")):
    text = path.read_text()
    assert str(folder) not in text and "/home/" not in text and "/root/" not in text, f"{path.name} holds a path"
    record = json.loads(text)
    records[record["task"]["name"]] = record
assert set(records) == {"present-past", "country-capital"}, sorted(records)
for name, record in records.items():
    arms = {arm["name"]: arm for arm in record["arms"]}
    wanted = {"zero-shot", "few-shot", "steered", "zero", "random-direction", "shuffled-labels", "wrong-task"}
    assert set(arms) == wanted, sorted(arms)
    for arm in arms.values():
        assert len(arm["outcomes"]) == record["profile"]["test"] == 48, (name, arm["name"])
        assert arm["hits"] == sum(o["hit"] for o in arm["outcomes"]), (name, arm["name"])
        for outcome in arm["outcomes"]:
            assert all(r["fired"] == r["planned"] == 1 for r in outcome.get("receipts", [])), (name, arm["name"])
    strip = lambda o: {k: v for k, v in o.items() if k != "receipts"}
    assert [strip(o) for o in arms["zero"]["outcomes"]] == [strip(o) for o in arms["zero-shot"]["outcomes"]]
    assert record["conformance"]["checks"] == 7 and record["conformance"]["failed"] == [], name
    curve = record["dev_curve"]
    assert record["chosen"]["residual"] == 1 + curve.index(max(curve))
    print(name, {arm: f"{a['hits']}/48" for arm, a in arms.items()}, "residual", record["chosen"]["residual"])
past = {arm["name"]: arm["hits"] for arm in records["present-past"]["arms"]}
assert past["few-shot"] >= 34 and past["zero-shot"] <= 10, past
assert past["steered"] > past["zero-shot"] + 5 and past["random-direction"] <= 5, past
print("records are as they should be")
