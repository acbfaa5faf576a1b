"""The numbers of the cards again, from the items: `steercheck store export STORE --out TABLES`, then this with TABLES."""
import sys
import pandas as pd

folder = sys.argv[1]
items, cards = pd.read_parquet(f"{folder}/items.parquet"), pd.read_parquet(f"{folder}/cards.parquet")
items["arm"] = items["arm"].replace("baseline", "zero-shot")
by = ["model", "method", "task", "profile"]
arms = items.pivot_table(index=by, columns="arm", values="hit", aggfunc="mean")
arms["effect"] = arms["steered"] - arms["zero-shot"]
print(arms[["zero-shot", "steered", "effect"]].join(cards.set_index(by)[["zero_shot", "steered", "effect", "verdict"]], rsuffix=" (card)").round(3))
