//! Intervals of paired differences against published examples, and where there is little or nothing to tell arms apart.

use proptest::prelude::*;
use steercheck_stats::{Bootstrap, Estimate, Method, newcombe_paired, paired_difference, paired_score, share, wilson};

/// Newcombe (1998, 17:2635), table III, method 10: both, only a, only b, neither, lower and upper 95 % limits.
const NEWCOMBE: [([usize; 4], f64, f64); 13] = [
    ([36, 12, 2, 0], 0.0569, 0.3404),
    ([20, 12, 2, 16], 0.0562, 0.3292),
    ([18, 12, 2, 18], 0.0562, 0.3290),
    ([36, 14, 0, 0], 0.1528, 0.4167),
    ([35, 14, 0, 1], 0.1461, 0.4175),
    ([18, 14, 0, 18], 0.1441, 0.3963),
    ([2, 97, 1, 0], 0.8721, 0.9854),
    ([0, 29, 1, 0], 0.6666, 0.9882),
    ([1, 98, 0, 1], 0.9171, 0.9916),
    ([0, 30, 0, 0], 0.8395, 1.0),
    ([54, 0, 0, 0], -0.0664, 0.0664),
    ([53, 0, 0, 1], -0.0729, 0.0729),
    ([27, 0, 0, 27], -0.0351, 0.0351),
];

/// Outcomes of two arms with so many items that both, only a, only b, and neither get right.
fn outcomes([both, only_a, only_b, neither]: [usize; 4]) -> (Vec<f64>, Vec<f64>) {
    let kinds = [(both, (1.0, 1.0)), (only_a, (1.0, 0.0)), (only_b, (0.0, 1.0)), (neither, (0.0, 0.0))];
    kinds.iter().flat_map(|&(count, pair)| std::iter::repeat_n(pair, count)).unzip()
}

fn score(counts: [usize; 4]) -> Estimate {
    let (a, b) = outcomes(counts);
    paired_score(&a, &b, None, 0.95).unwrap()
}

fn assert_limits(got: &Estimate, low: f64, high: f64, precision: f64) {
    assert!(
        (got.low - low).abs() <= precision && (got.high - high).abs() <= precision,
        "{low} to {high}: got {got:.6}"
    );
}

#[test]
fn newcombes_published_table_comes_out() {
    for (counts, low, high) in NEWCOMBE {
        let [both, only_a, only_b, neither] = counts;
        let got = newcombe_paired(both, only_a, only_b, neither, 0.95).unwrap();
        assert_limits(&got, low, high, 5.1e-5);
        assert_eq!((got.n, got.method), (counts.iter().sum(), Method::NewcombePaired));
    }
}

#[test]
fn worked_examples_of_fagerland_and_others_come_out() {
    // M. W. Fagerland, S. Lydersen and P. Laake, "Recommended tests and confidence intervals for paired binomial
    // proportions", Statistics in Medicine 33 (2014), 2850–2875: airway reactivity, complete response.
    assert_limits(&newcombe_paired(1, 1, 7, 12, 0.95).unwrap(), -0.507, -0.026, 5.1e-4);
    assert_limits(&score([1, 1, 7, 12]), -0.517, -0.026, 5.1e-4);
    assert_limits(&newcombe_paired(59, 6, 16, 80, 0.95).unwrap(), -0.1186, -0.0046, 5.1e-5);
    assert_limits(&score([59, 6, 16, 80]), -0.1240, -0.0054, 5.1e-5);
}

#[test]
fn score_limits_of_outcomes_of_0_or_1_solve_tangos_equation() {
    let z = 1.959_963_984_540_054_f64; // 0.975 quantile of the standard normal distribution
    for counts in [[59, 6, 16, 80], [1, 1, 7, 12], [30, 9, 1, 8], [90, 0, 4, 6], [0, 20, 14, 0]] {
        let [n, b, c] = [counts.iter().sum(), counts[1], counts[2]].map(|count: usize| count as f64);
        let got = score(counts);
        for limit in [got.low, got.high] {
            // Tango (1998): the most likely P(only b) where the difference is the limit, and the statistic there.
            let linear = -b - c + (2.0 * n - b + c) * limit;
            let only_b = ((linear * linear + 8.0 * n * c * limit * (1.0 - limit)).sqrt() - linear) / (4.0 * n);
            let statistic = (b - c - n * limit) / (n * (2.0 * only_b + limit * (1.0 - limit))).sqrt();
            assert!((statistic.abs() - z).abs() < 1e-9, "{counts:?}: {statistic} at {limit}");
        }
    }
}

#[test]
fn without_differences_between_items_the_interval_is_what_as_many_equal_items_leave_open() {
    let open = wilson(0, 48, 0.95).unwrap().high;
    for (a, b, low, high) in
        [(1.0, 1.0, -open, open), (1.0, 0.0, 1.0 - 2.0 * open, 1.0), (0.0, 1.0, -1.0, 2.0 * open - 1.0)]
    {
        let (a, b) = (vec![a; 48], vec![b; 48]);
        let resampled = paired_difference(&a, &b, None, &Bootstrap::default()).unwrap();
        assert_eq!((resampled.method, resampled.n), (Method::NoSpread, 48));
        assert_limits(&resampled, low, high, 1e-12);
        assert_limits(&paired_score(&a, &b, None, 0.95).unwrap(), low, high, 1e-12);
    }
}

#[test]
fn equal_shares_that_were_rounded_differently_are_no_difference() {
    let (a, b) = (vec![0.1 + 0.2, 0.3, 0.5], vec![0.3, 0.3, 0.5]);
    assert_eq!(paired_difference(&a, &b, None, &Bootstrap::default()).unwrap().method, Method::NoSpread);
}

#[test]
fn equal_items_in_few_clusters_leave_more_open() {
    let (a, b) = (vec![0.3; 48], vec![0.1; 48]);
    let clusters: Vec<usize> = (0..48).map(|i| i / 6).collect();
    let open = wilson(0, 8, 0.95).unwrap().high;
    let got = paired_difference(&a, &b, Some(&clusters), &Bootstrap::default()).unwrap();
    assert_eq!((got.method, got.n), (Method::NoSpread, 48));
    assert_limits(&got, 0.2 - 1.2 * open, 0.2 + 0.8 * open, 1e-12);
    assert_limits(&paired_score(&a, &b, Some(&clusters), 0.95).unwrap(), 0.2 - 1.2 * open, 0.2 + 0.8 * open, 1e-9);
}

#[test]
fn clusters_of_equal_size_are_their_means_as_items() {
    let a: Vec<f64> = (0..60).map(|i| f64::from(i * i % 5) / 4.0).collect();
    let b: Vec<f64> = (0..60).map(|i| f64::from(i % 3) / 2.0).collect();
    let clusters: Vec<usize> = (0..60).map(|i| 99 - i / 4).collect();
    let means = |values: &[f64]| values.chunks(4).map(|c| c.iter().sum::<f64>() / 4.0).collect::<Vec<f64>>();
    let clustered = paired_score(&a, &b, Some(&clusters), 0.95).unwrap();
    let plain = paired_score(&means(&a), &means(&b), None, 0.95).unwrap();
    assert_limits(&clustered, plain.low, plain.high, 1e-9);
    assert_eq!((clustered.n, plain.n), (60, 15));
}

#[test]
fn one_differing_item_leaves_the_bootstrap_narrow_and_the_score_interval_not() {
    let (a, b) = outcomes([40, 1, 0, 7]);
    let resampled = paired_difference(&a, &b, None, &Bootstrap::default()).unwrap();
    let scored = paired_score(&a, &b, None, 0.95).unwrap();
    // Not a single loss among the items: the bootstrap never sees one.
    assert!(resampled.low >= 0.0 && scored.low < -0.04, "{resampled} and {scored}");
    assert!(scored.high > 0.1, "{scored}");
}

proptest! {
    #[test]
    fn shares_of_outcomes_of_0_or_1_have_wilsons_interval(
        successes in 0_usize..60, failures in 0_usize..60, level in 0.5..0.999,
    ) {
        prop_assume!(successes + failures > 0);
        let values: Vec<f64> = [vec![1.0; successes], vec![0.0; failures]].concat();
        let scored = share(&values, None, level).unwrap();
        let expected = wilson(successes, successes + failures, level).unwrap();
        prop_assert!((scored.low - expected.low).abs() < 1e-9, "{scored:.12} and {expected:.12}");
        prop_assert!((scored.high - expected.high).abs() < 1e-9, "{scored:.12} and {expected:.12}");
    }

    #[test]
    fn swapping_the_arms_mirrors_the_score_interval_to_the_last_bit(
        pairs in proptest::collection::vec((0_u8..=3, 0_u8..=3, 0_usize..9), 1..60),
        level in 0.5..0.999,
    ) {
        let [a, b] = [|p: &(u8, u8, usize)| p.0, |p: &(u8, u8, usize)| p.1]
            .map(|arm| pairs.iter().map(|p| f64::from(arm(p)) / 3.0).collect::<Vec<f64>>());
        let ids: Vec<usize> = pairs.iter().map(|p| p.2).collect();
        for clusters in [None, Some(ids.as_slice())] {
            let (one, other) = (paired_score(&a, &b, clusters, level).unwrap(), paired_score(&b, &a, clusters, level).unwrap());
            prop_assert_eq!(one.low.to_bits(), (-other.high).to_bits());
            prop_assert!(-1.0 <= one.low && one.low <= one.point && one.point <= one.high && one.high <= 1.0, "{:?}", one);
            prop_assert!(one.high - one.low > 0.0);
        }
    }

    #[test]
    fn swapping_the_arms_mirrors_newcombes_interval(
        both in 0_usize..40, only_a in 0_usize..40, only_b in 0_usize..40, neither in 0_usize..40,
    ) {
        prop_assume!(both + only_a + only_b + neither > 0);
        let one = newcombe_paired(both, only_a, only_b, neither, 0.95).unwrap();
        let other = newcombe_paired(both, only_b, only_a, neither, 0.95).unwrap();
        prop_assert!((one.low + other.high).abs() < 1e-12 && (one.high + other.low).abs() < 1e-12);
        prop_assert!(-1.0 <= one.low && one.low <= one.point && one.point <= one.high && one.high <= 1.0, "{one:?}");
    }
}
