"""Golden numbers for tests/golden/main.rs, from independent implementations.

Made with Python 3.11.7, numpy 2.4.6, scipy 1.17.1, statsmodels 0.15.0:

    pip install numpy==2.4.6 scipy==1.17.1 statsmodels==0.15.0
    python make_golden.py > golden.json

Random inputs are rounded to few digits, so that JSON carries them exactly, ties included.
"""

import json
import sys

import numpy as np
from scipy import optimize, stats
from statsmodels.stats import multitest
from statsmodels.stats import power as power_of
from statsmodels.stats.contingency_tables import mcnemar

rng = np.random.default_rng(20240717)


def floats(values):
    return [float(v) for v in values]


def adjusted_p_values():
    cases = [[0.01, 0.04, 0.03, 0.005], [0.5], [0.02, 0.02, 0.02], [0.0, 1.0, 0.5, 0.0], [0.9, 0.8, 0.95, 1.0]]
    cases += [floats(np.round(rng.beta(0.5, 2, size), 3)) for size in (2, 5, 9, 30, 100)]
    for p in cases:
        holm, bh = (floats(multitest.multipletests(p, method=m)[1]) for m in ("holm", "fdr_bh"))
        yield {"p": p, "holm": holm, "benjamini_hochberg": bh}


def concentrations():
    cases = [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0], [1.0, 2.0, 3.0, 4.0, 10.0], [3.0]]
    cases += [floats(np.round(rng.exponential(2, size), 2)) for size in (7, 50)]
    for values in cases:
        x = np.array(values)
        pairs = np.abs(x[:, None] - x[None, :]).mean()
        yield {"values": values, "gini": float(pairs / (2 * x.mean()))}


def correlations():
    for size, rounding in ((5, 3), (8, 1), (20, 1), (20, 0), (100, 2)):
        x = np.round(rng.normal(size=size), rounding)
        y = np.round(0.6 * x + rng.normal(size=size), rounding)
        rho, tau = stats.spearmanr(x, y).statistic, stats.kendalltau(x, y, variant="b").statistic
        z = stats.norm.ppf(0.975)
        limits = lambda r, se: floats(np.tanh(np.arctanh(r) + np.array([-1, 1]) * z * se))
        yield {
            "x": floats(x),
            "y": floats(y),
            "spearman": float(rho),
            "spearman_limits": limits(rho, np.sqrt((1 + rho**2 / 2) / (size - 3))),
            "kendall": float(tau),
            "kendall_limits": limits(tau, np.sqrt(0.437 / (size - 4))),
        }


def isotonic_fits():
    cases = [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [1.0, 3.0, 2.0, 2.0, 5.0, 4.0], [0.5]]
    cases += [floats(np.round(np.linspace(0, 1, size) + rng.normal(size=size), 2)) for size in (10, 40)]
    for values in cases:
        yield {"values": values, "fit": floats(optimize.isotonic_regression(values).x)}


def slopes():
    for size in (2, 5, 9):
        doses = np.round(np.sort(rng.normal(size=size)), 2)
        values = np.round(rng.normal(size=size), 2)
        yield {"doses": floats(doses), "values": floats(values), "slope": float(np.polyfit(doses, values, 1)[0])}


def powers():
    for effect, sd, n, alpha in ((0.1, 0.5, 48, 0.05), (0.2, 0.6, 100, 0.05), (0.05, 0.3, 817, 0.01), (0.0, 1.0, 10, 0.05)):
        power = power_of.normal_power(effect / sd, n, alpha, alternative="two-sided")
        yield {"effect": effect, "sd": sd, "n": n, "alpha": alpha, "power": float(power)}


def sample_sizes():
    for effect, sd, alpha, power in ((0.1, 0.5, 0.05, 0.8), (0.2, 0.6, 0.05, 0.9), (0.03, 0.4, 0.01, 0.8)):
        n = power_of.normal_sample_size_one_tail(effect, power, alpha / 2, std_null=sd)
        yield {"effect": effect, "sd": sd, "alpha": alpha, "power": power, "n": float(n)}


def mcnemar_tests():
    for only_a, only_b in ((0, 0), (1, 0), (5, 0), (6, 16), (1, 7), (150, 86), (40, 40), (700, 650), (1500, 1000)):
        table = [[3, only_a], [only_b, 2]]
        yield {"only_a": only_a, "only_b": only_b, "p": float(mcnemar(table, exact=True).pvalue)}


def mcnemar_powers():
    for gain, discordant, n, alpha in ((0.2, 0.4, 25, 0.05), (-0.1, 0.3, 30, 0.05), (0.0, 0.25, 40, 0.05), (0.5, 0.5, 12, 0.01), (0.2, 1.0, 30, 0.05)):
        a, b = (discordant + gain) / 2, (discordant - gain) / 2
        power = 0.0
        for x in range(n + 1):
            for y in range(n + 1 - x):
                if x + y and stats.binomtest(x, x + y).pvalue <= alpha:
                    power += stats.multinomial.pmf([x, y, n - x - y], n, [a, b, 1 - a - b])
        yield {"gain": gain, "discordant": discordant, "n": n, "alpha": alpha, "power": float(power)}


def sign_flips():
    cases = [[1, 1, 1, -1, 1], [3, -2, 1, 0, 2, 2], [5, 0], [0, 0, 7, -7], [3, 3, 3, 3, 3, 3, 3, -1]]
    cases += [[int(d) for d in rng.integers(-3, 5, size)] for size in (9, 12, 14)]
    for differences in cases:
        # Every assignment of signs is counted (n_resamples above 2ⁿ).
        test = stats.permutation_test((differences,), np.sum, permutation_type="samples", n_resamples=np.inf)
        yield {"differences": differences, "p": float(test.pvalue)}


def score_limit(differences, sign):
    """Upper (sign 1) or lower (−1) limit of the score interval of a mean difference in [−1, 1].

    The most likely distribution under the constraint is found by a general optimiser over the observed values and both
    bounds, without the closed form of the weights.
    """
    x = np.array(differences)
    m, d, z = len(x), x.mean(), stats.norm.ppf(0.975)
    support, counts = np.unique(np.concatenate([x, [-1.0, 1.0]]), return_counts=True)
    counts = counts - np.isin(support, [-1.0, 1.0])

    def excess(delta):
        seen = counts > 0
        negative = lambda w: -np.sum(counts[seen] * np.log(np.maximum(w[seen], 1e-300)))
        slope = lambda w: np.where(seen, -counts / np.maximum(w, 1e-300), 0.0)
        bounds = [(1e-12 if s else 0.0, 1.0) for s in seen]
        constraints = [
            {"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones_like(w)},
            {"type": "eq", "fun": lambda w: w @ (support - delta), "jac": lambda w: support - delta},
        ]
        start = np.maximum(counts, 0.5) / np.maximum(counts, 0.5).sum()
        options = {"maxiter": 2000, "ftol": 1e-15}
        fit = optimize.minimize(negative, start, jac=slope, bounds=bounds, constraints=constraints, method="SLSQP", options=options)
        return m * (d - delta) ** 2 - z**2 * (fit.x @ (support - delta) ** 2)

    outer = np.nextafter(float(sign), 0.0) * 0.999999
    return float(optimize.brentq(excess, d + sign * 1e-6, outer, xtol=1e-12))


def score_intervals():
    thirds = np.array([-1, -2 / 3, -1 / 3, 0, 1 / 3, 2 / 3, 1])
    for n, law in (
        (20, [0.0, 0.05, 0.1, 0.5, 0.2, 0.1, 0.05]),
        (48, [0.02, 0.03, 0.05, 0.6, 0.1, 0.1, 0.1]),
        (100, [0.0, 0.0, 0.02, 0.9, 0.05, 0.03, 0.0]),
        (30, [0.0, 0.0, 0.0, 0.2, 0.2, 0.3, 0.3]),
    ):
        steps = [int(s) for s in np.repeat(np.arange(-3, 4), rng.multinomial(n, law))]
        x = thirds[np.array(steps) + 3]
        yield {"thirds": steps, "low": score_limit(x, -1), "high": score_limit(x, 1)}


def bootstraps():
    """scipy's BCa. For the variance at level 0.9: at 0.95 its upper end lies among the last thousandth of the resamples."""
    ways = {
        "mean": lambda x, axis: np.mean(x, axis=axis),
        "variance": lambda x, axis: np.var(x, axis=axis),
        "lower_quartile": lambda x, axis: np.quantile(x, 0.25, axis=axis),
        "ratio": lambda x, y, axis: np.mean(x, axis=axis) / np.mean(y, axis=axis),
    }
    skewed = floats(np.round(rng.exponential(1, 40), 2))
    binary = floats(rng.integers(0, 2, 60) * rng.integers(0, 2, 60))
    first = np.round(rng.exponential(1, 50), 2)
    second = np.round(0.5 * first + rng.exponential(1, 50), 2)
    for name, columns in (
        ("mean", [skewed]),
        ("mean", [binary]),
        ("variance", [skewed]),
        ("lower_quartile", [floats(np.round(rng.normal(size=80), 3))]),
        ("ratio", [floats(first), floats(second)]),
    ):
        level = 0.9 if name == "variance" else 0.95
        settings = dict(vectorized=True, method="BCa", confidence_level=level, n_resamples=1_000_000, batch=10_000, rng=1)
        result = stats.bootstrap(columns, ways[name], paired=len(columns) > 1, **settings).confidence_interval
        yield {"statistic": name, "level": level, "columns": columns, "low": float(result.low), "high": float(result.high)}


def quantiles():
    for size in (1, 2, 7, 20):
        values = np.sort(np.round(rng.normal(size=size), 3))
        p = [0.0, 0.1, 0.25, 0.5, 0.9, 1.0]
        yield {"sorted": floats(values), "p": p, "quantiles": floats(np.quantile(values, p))}


golden = {
    make.__name__: list(make())
    for make in (
        adjusted_p_values,
        concentrations,
        correlations,
        isotonic_fits,
        slopes,
        powers,
        sample_sizes,
        mcnemar_tests,
        mcnemar_powers,
        sign_flips,
        score_intervals,
        bootstraps,
        quantiles,
    )
}
# One case a line, so that a change shows what it changes.
groups = (f' "{name}": [\n  ' + ",\n  ".join(map(json.dumps, cases)) + "\n ]" for name, cases in golden.items())
sys.stdout.write("{\n" + ",\n".join(groups) + "\n}\n")
