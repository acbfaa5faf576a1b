#!/usr/bin/env python3
"""Whether the Rust comparison and `oracle.py compare` say the same about randomly damaged golden files.

    python -m venv VENV && VENV/bin/pip install torch==2.13.0 safetensors==0.8.0 numpy==2.4.6
    VENV/bin/python crates/steercheck-oracle/tests/agree_with_python.py [--cases 40] [--seed 1]

Every case takes one golden file, damages up to three tensors of a copy (and, to make ties, sometimes moves the golden's own
margins, divergences or rank intervals to their limits), and compares the two files with both programs. They must agree on
the verdict, on the names of the tensors that fail, on the number of values compared, on the ties of top1 accepted and on the
largest difference of every quantity. A second part shows the cases in which the Rust comparison is stricter on purpose; they
are listed at the head of src/compare.rs. README.md has the outcome of the last run. Exit status 1 if anything is not as expected.

oracle.py is found below $STEERCHECK_SHARED or in the folder `shared` beside this repository.
"""
import argparse, contextlib, importlib.util, io, json, math, os, pathlib, re, subprocess, sys, tempfile

import numpy as np
from safetensors.numpy import load_file, save_file

CRATE = pathlib.Path(__file__).resolve().parents[1]
WORKSPACE = CRATE.parents[1]
SHARED = pathlib.Path(os.environ.get("STEERCHECK_SHARED") or WORKSPACE.parent / "shared")
GOLDEN = ["gemma2", "gpt_neox_parallel", "llama_llama3rope", "smollm2"]
NOT_COMPARED = ("seconds", "rank_lo", "rank_hi", "margin", "mask_margin")
LIMITS = [1e-7, 1e-9, 1e-5, 1e-4, 1e-3, 2e-3, 1e-2]


def leaf(name):
    return name.split("/")[-1]


def compared(tensors):
    return [n for n in sorted(tensors) if not leaf(n).endswith(NOT_COMPARED)]


# ---- damage -----------------------------------------------------------------------------------------------------------

def some(rng, array):
    """Flat indices of a few elements, or of all."""
    return np.arange(array.size) if rng.random() < 0.2 else rng.integers(array.size, size=rng.integers(1, 4))


def nudge(rng, array):
    """Floats: noise of a random size, or a step of about a tolerance."""
    flat, at = array.reshape(-1), some(rng, array)
    sign = rng.choice([-1.0, 1.0], size=at.size)
    way = rng.integers(3)
    if way == 0:
        flat[at] *= 1 + sign * 10 ** rng.uniform(-7, 0)
    elif way == 1:
        flat[at] += sign * 10 ** rng.uniform(-9, 0)
    else:
        flat[at] += sign * rng.choice(LIMITS) * rng.choice([0.5, 0.99, 1 - 1e-6, 1.0, 1 + 1e-6, 1.01, 2.0])


def change(rng, array):
    """Integers: one up, one down, or another value of the same tensor."""
    flat, at = array.reshape(-1), some(rng, array)
    if array.dtype == np.uint8:
        flat[at] ^= 1
    elif rng.random() < 0.5:
        flat[at] += rng.choice([-1, 1], size=at.size)
    else:
        flat[at] = rng.choice(flat, size=at.size)


def damage(rng, tensors, name):
    array = tensors[name]
    way = rng.random()
    if way < 0.04:
        del tensors[name]
    elif way < 0.08:
        tensors[name] = np.concatenate([array, array[:1]])
    elif array.dtype.kind == "f":
        if way < 0.12:
            array.reshape(-1)[rng.integers(array.size)] = rng.choice([math.nan, math.inf, -math.inf])
        else:
            nudge(rng, array)
    else:
        change(rng, array)


def make_ties(rng, golden, other):
    """Moves what excuses a difference to its limit in the golden file, and takes the excuse in the other."""
    near = rng.choice([0.9, 1 - 1e-6, 1.0, 1 + 1e-6, 1.1])
    kind = rng.choice(["top1", "rank", "layer", "masked"])
    name = rng.choice([n for n in compared(golden) if leaf(n) in (kind, "clean_" + kind)])
    at = rng.integers(golden[name].size)
    if kind == "top1":
        golden[name[:-4] + "margin"].reshape(-1)[at] = np.float32(1e-3 * near)
        other[name].reshape(-1)[at] += 1
    elif kind == "rank":
        golden[name + "_hi"].reshape(-1)[at] += rng.integers(3)
        other[name].reshape(-1)[at] += rng.integers(3)
    elif kind == "masked":
        golden[name[:-6] + "mask_margin"][at] = 2e-3 * near * rng.choice([-1, 1])
        other[name][at] ^= 1
    else:
        div = golden[name[:-5] + "div"]
        if div.shape[1] > 1:
            best, second = np.argsort(-div[at])[:2]
            div[at, second] = div[at, best] * (1 - 1e-3 * near)
            other[name[:-5] + "div"][at] = div[at]
        other[name][at] += 1
        if rng.random() < 0.5:  # the score of the other layer is another one, and must not be held against it
            other[name[:-5] + "score"][at] += 5.0


# ---- both programs ----------------------------------------------------------------------------------------------------

def python_says(oracle, golden, other):
    """What oracle.py compare prints, as (agrees, names that fail, values, ties, largest differences); None: it crashed."""
    out = io.StringIO()
    sys.argv = ["oracle.py", "compare", golden, other]
    try:
        with contextlib.redirect_stdout(out):
            oracle.main()
    except SystemExit as status:
        first, *rest = out.getvalue().splitlines()
        values, ties, worst = re.fullmatch(r"(\d+) values compared, (\d+) argmax ties accepted; largest differences:(.*)", first).groups()
        worst = dict(pair.split() for pair in worst.split(",") if pair.strip())
        return status.code == 0, {line[4:].split(": ")[0] for line in rest}, int(values), int(ties), worst
    except (KeyError, RuntimeError, IndexError) as error:
        return f"{type(error).__name__}: {error}".split("\n")[0]
    raise AssertionError("oracle.py compare did not exit")


def rust_says(program, golden, other):
    run = subprocess.run([program, golden, other, "--json"], capture_output=True, text=True)
    assert run.returncode in (0, 1), run.stderr
    jobs = json.loads(run.stdout)["jobs"]
    lines = [line for job in jobs for line in job["quantities"]]
    worst = {}
    for line in lines:
        if line["largest_difference"] is not None:
            worst[line["quantity"]] = max(worst.get(line["quantity"], 0.0), line["largest_difference"])
    return (run.returncode == 0, {bad["tensor"] for job in jobs for bad in job["failures"]}, sum(l["values"] for l in lines),
            sum(l["ties"] for l in lines if l["quantity"].endswith("top1")), {k: f"{v:.2g}" for k, v in worst.items()})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=40, help="per golden file")
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    subprocess.run(["cargo", "build", "-q", "-p", "steercheck-oracle", "--example", "compare_files"], cwd=WORKSPACE, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or WORKSPACE / "target")
    program = str(target / "debug" / "examples" / "compare_files")
    spec = importlib.util.spec_from_file_location("oracle", SHARED / "oracle" / "oracle.py")
    oracle = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(oracle)
    rng, bad, counts = np.random.default_rng(a.seed), 0, {"agrees": 0, "disagrees": 0, "python crashes": 0}

    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, "golden.safetensors"), os.path.join(folder, "other.safetensors")]

        def both(golden, other):
            save_file(golden, files[0]), save_file(other, files[1])
            return python_says(oracle, *files), rust_says(program, *files)

        for case in range(a.cases * len(GOLDEN)):
            which = GOLDEN[case % len(GOLDEN)]
            golden = load_file(SHARED / "oracle" / "jobs" / f"{which}.golden.safetensors")
            other = {name: array.copy() for name, array in golden.items()}
            done = []
            if rng.random() < 0.4:
                make_ties(rng, golden, other)
                done.append("ties")
            # a quantity first: otherwise nearly all damage would be to the many small tensors of dola
            for _ in range(rng.integers(0 if done else 1, 4)):
                quantity = rng.choice(sorted({leaf(n) for n in compared(golden)}))
                name = rng.choice([n for n in compared(golden) if leaf(n) == quantity])
                if name in other:
                    damage(rng, other, name)
                    done.append(str(name))
            not_finite = any(not np.isfinite(v).all() for n, v in other.items() if leaf(n) != "mask_margin" and v.dtype.kind == "f")
            # torch broadcasts layers or masks of different lengths when it decides which totals to compare
            reshaped = any(leaf(n) in ("layer", "masked") and v.shape != golden[n].shape for n, v in other.items())
            python, rust = both(golden, other)
            if reshaped and not isinstance(python, str):
                python, rust = python[:1] + python[4:], rust[:1] + python[4:]
            if isinstance(python, str):  # a shape it did not expect, or a tensor it needs that is missing
                same, which_count = not rust[0], "python crashes"
            else:
                same = python[:4] == rust[:4] and (not_finite or python[4] == rust[4])
                which_count = "agrees" if python[0] else "disagrees"
            counts[which_count] += 1
            if not same:
                bad += 1
                print(f"NOT THE SAME: case {case}, {which}, {done}\n  python {python}\n  rust   {rust}")
        print(f"{a.cases * len(GOLDEN)} damaged files, seed {a.seed}: {counts}, {bad} not the same")

        def strict(what, edit):
            golden = load_file(SHARED / "oracle" / "jobs" / "gemma2.golden.safetensors")
            other = {name: array.copy() for name, array in golden.items()}
            golden, other = edit(golden, other) or (golden, other)
            python, rust = both(golden, other)
            good = not isinstance(python, str) and python[0] and not rust[0]
            print(f"stricter, {what}: {'as intended' if good else f'UNEXPECTED, python {python}, rust {rust}'}")
            return 0 if good else 1

        def nan_margin(golden, other):
            other["tv/margin"][0, 0] = math.nan

        def nan_mask_margin(golden, other):
            other["dola/1.1/mask_margin"][0] = math.nan

        def wider(golden, other):
            other["cie/delta"] = other["cie/delta"].astype(np.float64)

        def infinite(golden, other):
            golden["dola/0.0/base"][0] = -math.inf

        def unknown(golden, other):
            golden["tv/surprise"] = other["tv/surprise"] = np.zeros(2, np.float32)

        for what, edit in (("NaN in margin", nan_margin), ("NaN in mask_margin", nan_mask_margin), ("other dtype", wider),
                           ("infinite golden", infinite), ("unknown quantity", unknown),
                           ("nothing to compare", lambda golden, other: ({}, other)),
                           ("only timings", lambda golden, other: ({"cie/seconds": golden["cie/seconds"]}, other))):
            bad += strict(what, edit)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
