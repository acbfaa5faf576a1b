"""The numbers of the cards again, from the items: `steercheck store export STORE --out TABLES`, then this with TABLES."""
import sys
import pandas as pd

items, cards = (pd.read_parquet(f"{sys.argv[1]}/{name}.parquet") for name in ("items", "cards"))
by = ["model", "method", "task", "profile"]
items["arm"] = items["arm"].replace({"baseline": "zero_shot", "zero-shot": "zero_shot", "few-shot": "few_shot"})
again = items.pivot_table(index=by, columns="arm", values="hit", aggfunc="mean")
again["effect"] = again["steered"] - again["zero_shot"]
columns = ["zero_shot", "steered", "effect"]
print(pd.concat({"items": again[columns], "card": cards.set_index(by)[columns]}, axis=1).round(3).to_string())
