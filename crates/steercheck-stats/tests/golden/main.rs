//! Every function with an independent implementation elsewhere agrees with it. `make_golden.py` made the numbers.

use serde_json::Value;
use steercheck_stats::{
    Bootstrap, bca, bca_of_means, benjamini_hochberg, gini, holm, isotonic, items_needed, kendall, mcnemar,
    mcnemar_power, minimum_detectable_effect, paired_score, power, quantile, sign_flip, sign_test, slope, spearman,
};

fn cases(name: &str) -> Vec<Value> {
    let golden: Value = serde_json::from_str(include_str!("golden.json")).unwrap();
    let cases = golden[name].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn number(case: &Value, key: &str) -> f64 {
    case[key].as_f64().unwrap_or_else(|| panic!("no number {key} in {case}"))
}

fn count(case: &Value, key: &str) -> usize {
    number(case, key) as usize
}

fn list(case: &Value) -> Vec<f64> {
    case.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn integers(case: &Value) -> Vec<i64> {
    case.as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect()
}

#[track_caller]
fn agree(got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance * expected.abs().max(1.0), "expected {expected}, got {got}");
}

#[track_caller]
fn all_agree(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        agree(*got, *expected, 1e-12);
    }
}

#[test]
fn adjusted_p_values_are_those_of_statsmodels() {
    for case in cases("adjusted_p_values") {
        let p = list(&case["p"]);
        all_agree(&holm(&p).unwrap(), &list(&case["holm"]));
        all_agree(&benjamini_hochberg(&p).unwrap(), &list(&case["benjamini_hochberg"]));
    }
}

#[test]
fn gini_is_half_the_relative_mean_difference_over_all_pairs() {
    for case in cases("concentrations") {
        agree(gini(&list(&case["values"])).unwrap(), number(&case, "gini"), 1e-12);
    }
}

#[test]
fn rank_correlations_are_those_of_scipy() {
    for case in cases("correlations") {
        let (x, y) = (list(&case["x"]), list(&case["y"]));
        for (name, got) in [("spearman", spearman(&x, &y, 0.95)), ("kendall", kendall(&x, &y, 0.95))] {
            let got = got.unwrap();
            agree(got.point, number(&case, name), 1e-12);
            all_agree(&[got.low, got.high], &list(&case[format!("{name}_limits")]));
        }
    }
}

#[test]
fn isotonic_fits_are_those_of_scipy() {
    for case in cases("isotonic_fits") {
        all_agree(&isotonic(&list(&case["values"])), &list(&case["fit"]));
    }
}

#[test]
fn slopes_are_those_of_numpy() {
    for case in cases("slopes") {
        agree(slope(&list(&case["doses"]), &list(&case["values"])).unwrap(), number(&case, "slope"), 1e-11);
    }
}

#[test]
fn powers_and_sample_sizes_are_those_of_statsmodels() {
    for case in cases("powers") {
        let [effect, sd, alpha] = ["effect", "sd", "alpha"].map(|key| number(&case, key));
        agree(power(effect, sd, count(&case, "n"), alpha).unwrap(), number(&case, "power"), 1e-10);
    }
    for case in cases("sample_sizes") {
        let [effect, sd, alpha, power, n] = ["effect", "sd", "alpha", "power", "n"].map(|key| number(&case, key));
        assert_eq!(items_needed(effect, sd, alpha, power).unwrap(), n.ceil() as usize);
        let shown = minimum_detectable_effect(sd, n.ceil() as usize, alpha, power).unwrap();
        agree(shown, effect * (n / n.ceil()).sqrt(), 1e-9);
    }
}

#[test]
fn exact_mcnemar_tests_are_those_of_statsmodels() {
    for case in cases("mcnemar_tests") {
        let (only_a, only_b, p) = (count(&case, "only_a"), count(&case, "only_b"), number(&case, "p"));
        for got in [mcnemar(only_a, only_b), mcnemar(only_b, only_a), sign_test(only_a, only_b)] {
            assert!((got / p - 1.0).abs() < 1e-10, "{only_a} and {only_b}: expected {p}, got {got}");
        }
    }
}

#[test]
fn power_of_the_exact_mcnemar_test_is_its_sum_over_all_tables() {
    for case in cases("mcnemar_powers") {
        let [gain, discordant, alpha] = ["gain", "discordant", "alpha"].map(|key| number(&case, key));
        let got = mcnemar_power(gain, discordant, count(&case, "n"), alpha).unwrap();
        agree(got, number(&case, "power"), 1e-10);
    }
}

#[test]
fn sign_flip_tests_are_scipys_count_of_all_assignments_of_signs() {
    for case in cases("sign_flips") {
        agree(sign_flip(&integers(&case["differences"])).unwrap(), number(&case, "p"), 1e-12);
    }
}

#[test]
fn score_intervals_are_those_of_a_general_optimiser() {
    for case in cases("score_intervals") {
        // Intervals depend on the differences alone.
        let thirds = |sign: i64| integers(&case["thirds"]).iter().map(|d| (sign * d).max(0) as f64 / 3.0).collect();
        let (a, b): (Vec<f64>, Vec<f64>) = (thirds(1), thirds(-1));
        let got = paired_score(&a, &b, None, 0.95).unwrap();
        agree(got.low, number(&case, "low"), 1e-6);
        agree(got.high, number(&case, "high"), 1e-6);
    }
}

#[test]
fn bootstrap_intervals_are_those_of_scipy_up_to_their_monte_carlo_error() {
    for case in cases("bootstraps") {
        let bootstrap = Bootstrap { resamples: 100_000, seed: 0, level: number(&case, "level") };
        let columns: Vec<Vec<f64>> = case["columns"].as_array().unwrap().iter().map(list).collect();
        let first = &columns[0];
        let average = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let variance = |values: &mut [f64]| {
            let mean = average(values);
            values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64
        };
        let lower_quartile = |values: &mut [f64]| {
            values.sort_unstable_by(f64::total_cmp);
            quantile(values, 0.25)
        };
        let got = match case["statistic"].as_str().unwrap() {
            "mean" => steercheck_stats::mean(first, None, &bootstrap),
            "variance" => bca(first, variance, &bootstrap),
            "lower_quartile" => bca(first, lower_quartile, &bootstrap),
            "ratio" => {
                let rows: Vec<[f64; 2]> = first.iter().zip(&columns[1]).map(|(x, y)| [*x, *y]).collect();
                bca_of_means(&rows, None, |[x, y]| x / y, &bootstrap)
            }
            other => panic!("unknown statistic {other}"),
        }
        .unwrap();
        let (low, high) = (number(&case, "low"), number(&case, "high"));
        let allowed = 0.015 * (high - low);
        assert!(
            (got.low - low).abs() <= allowed && (got.high - high).abs() <= allowed,
            "{}: expected {low} to {high}, got {got:.4}",
            case["statistic"]
        );
    }
}

#[test]
fn quantiles_are_those_of_numpy() {
    for case in cases("quantiles") {
        let sorted = list(&case["sorted"]);
        let got: Vec<f64> = list(&case["p"]).iter().map(|p| quantile(&sorted, *p)).collect();
        all_agree(&got, &list(&case["quantiles"]));
    }
}
