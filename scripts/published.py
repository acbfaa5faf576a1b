#!/usr/bin/env python3
"""Makes the compact data files of `steercheck published` from the published figures: published.py FOLDER OUT.

FOLDER holds the figures recomputed from what the authors of "Steering off Course" (Da Silva et al., ACL 2025, arXiv 2504.04635) released.
Accuracies of function vectors become hits, layers become residuals (the study counts blocks from 0; residual b is the stream after block b, counted from 1).
"""

import csv
import sys
from pathlib import Path

source, out = Path(sys.argv[1]), Path(sys.argv[2])


def rows(name):
    with open(source / name, newline="") as file:
        return list(csv.DictReader(file))


def write(name, head, lines):
    with open(out / name, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(lines)


def hits(share, n):
    exact = float(share) * n
    assert abs(exact - round(exact)) < 0.03, (share, n)
    return round(exact)


def number(text):
    value = float(text)
    return int(value) if value == int(value) else value


def function_vectors():
    for row in rows("function_vectors.csv"):
        n = int(row["n_test"])
        of = lambda key: hits(row[key], n)
        yield [
            row["model"], row["tokenizer_adds_bos"], row["task"], n, of("zero_shot"), of("five_shot"),
            of("default_peak"), row["default_n_heads"], int(row["default_layer"]) + 1,
            of("search_peak"), row["search_n_heads"], number(row["search_lambda"]), int(row["search_layer"]) + 1,
        ]


def share(text):
    return f"{float(text):.4g}" if text else ""


def task_vectors():
    for row in rows("task_vectors.csv"):
        curve = " ".join(share(x) for x in row["dev_acc_by_layer"].split())
        residual = int(row["dev_best_layer"]) + 1 if row["dev_best_layer"] else ""
        yield [row["model"], row["task"], share(row["baseline_acc"]), share(row["icl5_acc"]), share(row["tv_test_acc"]), residual, curve]


def bucket(text):
    """[0,0.5] becomes 0-0.5; what stands behind it stays."""
    return text.replace("[", "").replace("]", "").replace(",", "-")


def truthfulqa():
    for row in rows("dola_truthfulqa.csv"):
        keys = ("model", "variant", "method", "alpha", "bucket", "n", "MC1", "MC2", "MC3", "MC2_logspace", "search")
        # Where the published files do not say it, α is what no masked score can come from.
        tidy = {"bucket": bucket, "alpha": lambda text: text.split(" ")[0]}
        yield [tidy.get(k, str)(row[k]) for k in keys]


def factor():
    for row in rows("dola_factor.csv"):
        keys = ("model", "method", "alpha", "bucket", "mature_layer_ok", "n", "acc_ties_correct", "acc_strict", "search")
        yield [row[k] if k != "bucket" else bucket(row[k]) for k in keys]


def lens():
    for row in rows("logit_lens_truthfulqa.csv"):
        value = lambda key: f"{abs(float(row[key])):g}"
        yield [row["model"], row["layer"], value("top_prob"), value("correct_prob"), value("max_incorrect_prob")]


write("function_vectors.csv",
      ["model", "adds_bos", "task", "n", "zero_shot", "five_shot", "default", "default_heads", "default_residual", "search",
       "search_heads", "search_strength", "search_residual"], function_vectors())
write("task_vectors.csv", ["model", "task", "zero_shot", "five_shot", "test", "dev_residual", "dev_by_residual"], task_vectors())
write("truthfulqa.csv", ["model", "variant", "method", "alpha", "bucket", "n", "mc1", "mc2", "mc3", "mc2_log", "search"], truthfulqa())
write("factor.csv", ["model", "method", "alpha", "bucket", "mature_layer_ok", "n", "with_ties", "strict", "search"], factor())
write("logit_lens.csv", ["model", "residual", "top", "right", "wrong"], lens())
