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
    assert record["format"] == "steercheck-record" and record["version"] == 2 and path.stem == record["key"], path.name
    records[record["plan"]["method"]["name"], record["about"]["task"]["name"]] = record
methods, tasks = ["function-vector", "task-vector"], ["country-capital", "present-past"]
assert sorted(records) == [(method, task) for method in methods for task in tasks], sorted(records)
PLACEBOS = {
    "task-vector": ["random-direction", "shuffled-labels", "wrong-task"],
    "function-vector": ["random-direction", "random-heads", "shuffled-labels", "wrong-task"],
}
FURTHER = {"task-vector": [], "function-vector": ["shuffled-prompt", "shuffled-prompt-steered"]}
for (method, name), record in records.items():
    plan, results = record["plan"], record["results"]
    arms = {arm["name"]: arm for arm in results["arms"]}
    wanted = ["zero-shot", "few-shot", "steered", "zero", *PLACEBOS[method], *FURTHER[method]]
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
    best = max(results["grid"], key=lambda point: point["dev"])
    assert results["chosen"] == {"setting": best["setting"], "dev_hits": best["dev"]}, results["chosen"]
    if method == "function-vector":
        heads = results["heads"]
        assert len(heads["mean"]) == 30 and all(len(row) == 9 for row in heads["mean"]), "a head is missing"
        assert heads["prompts"] == 25 and len(results["read_out"]) == 10
    print(method, name, {arm: f"{a['hits']}/48" for arm, a in arms.items()}, results["chosen"]["setting"])
for method in methods:
    past = {arm["name"]: arm["hits"] for arm in records[method, "present-past"]["results"]["arms"]}
    assert past["few-shot"] >= 34 and past["zero-shot"] <= 10, past
    assert past["steered"] > past["zero-shot"] + 5 and past["random-direction"] <= 5, past
# Of this model and task it is known that a function vector carries the task and a task vector's placebo does as well.
assert past["shuffled-labels"] >= 15, past
past = {arm["name"]: arm["hits"] for arm in records["function-vector", "present-past"]["results"]["arms"]}
assert all(past[placebo] <= 5 for placebo in PLACEBOS["function-vector"]), past
print("records are as they should be")
