#!/usr/bin/env python3
"""Opens exported tables in pandas, polars and DuckDB, and computes the cards' accuracies from the items in each.

    check_tables.py FOLDER
"""
import pathlib
import sys

import duckdb
import pandas
import polars

folder = pathlib.Path(sys.argv[1])
for path in sorted(folder.glob("*.parquet")):
    sizes = {len(pandas.read_parquet(path)), polars.read_parquet(path).height, duckdb.sql(f"select count(*) from '{path}'").fetchall()[0][0]}
    assert len(sizes) == 1, f"{path.name}: {sizes} rows"
    print(f"{path.name}: {sizes.pop()} rows in pandas, polars and DuckDB")

BY = ["model", "method", "task", "profile"]
cards = pandas.read_parquet(folder / "cards.parquet").set_index(BY).sort_index()
items = folder / "items.parquet"
unsteered = ["zero-shot", "baseline"]


def same(name, shares, column):
    joined = cards[[column]].join(shares.rename("again"))
    wrong = joined[(joined[column] - joined["again"]).abs() > 1e-12]
    assert joined["again"].notna().all() and wrong.empty, f"{name}, {column}:\n{joined}"


frame = pandas.read_parquet(items)
assert str(frame["hit"].dtype) in ("bool", "boolean"), frame.dtypes
for column, arms in [("steered", ["steered"]), ("zero_shot", unsteered)]:
    same("pandas", frame[frame["arm"].isin(arms)].groupby(BY)["hit"].mean(), column)
    shares = polars.read_parquet(items).filter(polars.col("arm").is_in(arms)).group_by(BY).agg(polars.col("hit").cast(polars.Float64).mean())
    same("polars", pandas.DataFrame(shares.to_dicts()).set_index(BY)["hit"], column)
    where = ", ".join(f"'{arm}'" for arm in arms)
    rows = duckdb.sql(f"select {', '.join(BY)}, avg(hit::int) from '{items}' where arm in ({where}) group by all").fetchall()
    same("DuckDB", pandas.Series({tuple(row[:-1]): row[-1] for row in rows}).rename_axis(BY), column)
print(f"{len(cards)} cards again from {len(frame)} rows of items")
