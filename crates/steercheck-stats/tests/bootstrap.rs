//! The `BCa` interval against a published example, and its own properties.

use proptest::prelude::*;
use steercheck_stats::{Bootstrap, Error, Method, bca, bca_of_means, mean, paired_difference, quantile, worst_decile};

const QUICK: Bootstrap = Bootstrap { resamples: 1000, seed: 7, level: 0.95 };

#[test]
fn spatial_test_variance_has_the_published_interval() {
    // Efron and Tibshirani (1993), table 14.1 (measurement A of 26 children) and table 14.2: the variance is 171.5, and
    // its BCa interval at level 0.9 from 2000 resamples 115.8 to 259.6.
    let a = [
        48.0, 36.0, 20.0, 29.0, 42.0, 42.0, 20.0, 42.0, 22.0, 41.0, 45.0, 14.0, 6.0, 0.0, 33.0, 28.0, 34.0, 4.0, 32.0,
        24.0, 47.0, 41.0, 24.0, 26.0, 30.0, 41.0,
    ];
    let variance = |values: &mut [f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64
    };
    let got = bca(&a, variance, &Bootstrap { resamples: 100_000, seed: 0, level: 0.9 }).unwrap();
    assert!((got.point - 171.5).abs() < 0.05, "{got}");
    // Two standard errors of ends read from 2000 resamples (1.6 and 3).
    assert!((got.low - 115.8).abs() < 3.0 && (got.high - 259.6).abs() < 6.0, "{got}");
    assert_eq!((got.n, got.method), (26, Method::Bca));
}

#[test]
fn same_seed_gives_the_same_bits_and_another_seed_others() {
    let values: Vec<f64> = (0..40).map(|i| f64::from(i).sin()).collect();
    let [first, again, other] = [0, 0, 1].map(|seed| mean(&values, None, &Bootstrap { seed, ..QUICK }).unwrap());
    assert_eq!((first.low.to_bits(), first.high.to_bits()), (again.low.to_bits(), again.high.to_bits()));
    assert_ne!(first.low.to_bits(), other.low.to_bits());
}

#[test]
fn draws_are_held_so_that_no_dependency_changes_a_figure_unseen() {
    let values: Vec<f64> = (0..40).map(|i| f64::from(i).sqrt()).collect();
    let got = mean(&values, None, &Bootstrap::default()).unwrap();
    assert_eq!(format!("{got:.6}"), "4.132281 [3.594255, 4.578938]");
}

#[test]
fn clusters_of_equal_size_are_their_means_as_rows() {
    // Halves and quarters, so that sums are exact in any order.
    let rows: Vec<f64> = (0..60).map(|i| f64::from(i * i % 7) / 4.0).collect();
    let clusters: Vec<usize> = (0..60).map(|i| i / 4).collect();
    let means: Vec<f64> = rows.chunks(4).map(|c| c.iter().sum::<f64>() / 4.0).collect();
    let (clustered, plain) = (mean(&rows, Some(&clusters), &QUICK).unwrap(), mean(&means, None, &QUICK).unwrap());
    assert!((clustered.low - plain.low).abs() < 1e-12 && (clustered.high - plain.high).abs() < 1e-12);
    assert_eq!((clustered.n, plain.n), (60, 15));
}

#[test]
fn rows_that_repeat_their_cluster_do_not_narrow_the_interval() {
    let once: Vec<f64> = (0..30).map(|i| f64::from(i % 5)).collect();
    let thrice: Vec<f64> = once.iter().flat_map(|v| [*v; 3]).collect();
    let clusters: Vec<usize> = (0..90).map(|i| i / 3).collect();
    let width = |values: &[f64], clusters| {
        let got = mean(values, clusters, &QUICK).unwrap();
        got.high - got.low
    };
    assert!((width(&thrice, Some(&clusters)) - width(&once, None)).abs() < 1e-9);
    assert!(width(&thrice, None) < 0.7 * width(&once, None), "taken as independent they would");
}

#[test]
fn sums_of_thirds_are_counted_as_ties_with_the_point() {
    // The same outcomes in thirds and in whole numbers: ties that only rounding breaks must not move the interval.
    let whole: Vec<f64> = (0..50).map(|i| f64::from(i * 7 % 4)).collect();
    let thirds: Vec<f64> = whole.iter().map(|v| v / 3.0).collect();
    let (one, other) = (mean(&whole, None, &QUICK).unwrap(), mean(&thirds, None, &QUICK).unwrap());
    assert!((one.low / 3.0 - other.low).abs() < 1e-12 && (one.high / 3.0 - other.high).abs() < 1e-12);
}

#[test]
fn ratio_whose_denominator_is_often_0_is_refused_and_a_rare_one_left_out() {
    let ratio = |[gain, reference]: &[f64; 2]| gain / reference;
    // One row in n has a denominator: absent from a resample with probability 1/e.
    let mut rows = vec![[1.0, 0.0]; 20];
    assert_eq!(bca_of_means(&rows, None, ratio, &QUICK), Err(Error::Undefined));
    rows[0][1] = 1.0;
    assert!(matches!(bca_of_means(&rows, None, ratio, &QUICK), Err(Error::Unstable { .. })));
    // Six in n: absent with probability 0.3 %.
    rows.iter_mut().take(6).for_each(|row| row[1] = 1.0);
    rows[10][0] = 0.0;
    let got = bca_of_means(&rows, None, ratio, &QUICK).unwrap();
    assert!(got.low.is_finite() && got.high.is_finite(), "{got}");
}

#[test]
fn without_spread_the_interval_is_the_point_and_says_so() {
    let tenths = vec![0.1; 30];
    let clusters: Vec<usize> = (0..30).map(|i| i * i / 40).collect();
    for clusters in [None, Some(clusters.as_slice())] {
        let got = mean(&tenths, clusters, &QUICK).unwrap();
        assert_eq!(
            (got.method, got.low.to_bits(), got.high.to_bits()),
            (Method::NoSpread, got.point.to_bits(), got.point.to_bits())
        );
    }
    // One cluster, whatever is in it.
    assert_eq!(mean(&[0.0, 1.0, 5.0], Some(&[3, 3, 3]), &QUICK).unwrap().method, Method::NoSpread);
    // A statistic that ignores what varies.
    let rows: Vec<[f64; 2]> = (0..30).map(|i| [f64::from(i), 0.3]).collect();
    assert_eq!(bca_of_means(&rows, None, |[_, second]| *second, &QUICK).unwrap().method, Method::NoSpread);
    assert_eq!(bca(&tenths, |v| v[0], &QUICK).unwrap().method, Method::NoSpread);
}

#[test]
fn worst_decile_is_the_mean_of_the_smallest_tenth_rounded_up() {
    let values: Vec<f64> = (0..25).rev().map(f64::from).collect();
    assert!((worst_decile(&values) - 1.0).abs() < 1e-12);
    assert!((worst_decile(&[4.0]) - 4.0).abs() < 1e-12);
    let got = bca(&values, |v| worst_decile(v), &QUICK).unwrap();
    assert!(got.low <= 1.0 && got.high > 1.0, "{got}");
}

#[test]
fn median_of_a_sample_is_bracketed_by_its_interval() {
    let values: Vec<f64> = (0..101).map(f64::from).collect();
    let median = |v: &mut [f64]| {
        v.sort_unstable_by(f64::total_cmp);
        quantile(v, 0.5)
    };
    let got = bca(&values, median, &QUICK).unwrap();
    // The order statistics 40 and 60 have a binomial coverage of 94 %.
    assert!((got.low - 40.0).abs() <= 3.0 && (got.high - 60.0).abs() <= 3.0, "{got}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn neither_order_nor_names_of_clusters_matter(
        rows in proptest::collection::vec((-3.0_f64..3.0, -3.0_f64..3.0, 0_usize..8), 2..40).prop_shuffle(),
        rotate in 0_usize..40,
    ) {
        let statistic = |[x, y]: &[f64; 2]| x * y + x;
        let estimate = |rows: &[(f64, f64, usize)], name: &dyn Fn(usize) -> usize| {
            let values: Vec<[f64; 2]> = rows.iter().map(|r| [r.0, r.1]).collect();
            let ids: Vec<usize> = rows.iter().map(|r| name(r.2)).collect();
            [None, Some(ids.as_slice())].map(|clusters| bca_of_means(&values, clusters, statistic, &QUICK))
        };
        let mut turned = rows.clone();
        turned.rotate_left(rotate % rows.len());
        turned.reverse();
        prop_assert_eq!(estimate(&rows, &|id| id), estimate(&turned, &|id| 1000 - 7 * id));
    }

    #[test]
    fn interval_contains_the_point_and_moves_and_scales_with_the_values(
        values in proptest::collection::vec(-5_i32..5, 2..40), shift in -100_i32..100,
    ) {
        let estimate = |scale: i32, shift: i32| {
            let values: Vec<f64> = values.iter().map(|v| f64::from(scale * v + shift)).collect();
            mean(&values, None, &QUICK).unwrap()
        };
        let (plain, moved) = (estimate(1, 0), estimate(4, shift));
        prop_assert!(plain.low <= plain.point && plain.point <= plain.high);
        for (one, other) in [(plain.low, moved.low), (plain.point, moved.point), (plain.high, moved.high)] {
            prop_assert!((4.0 * one + f64::from(shift) - other).abs() < 1e-9, "{plain:?} {moved:?}");
        }
    }

    #[test]
    fn paired_difference_stays_within_its_bounds(pairs in proptest::collection::vec((0_u8..=3, 0_u8..=3), 1..50)) {
        let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().map(|(a, b)| (f64::from(*a) / 3.0, f64::from(*b) / 3.0)).unzip();
        let got = paired_difference(&a, &b, None, &QUICK).unwrap();
        prop_assert!(-1.0 <= got.low && got.low <= got.point && got.point <= got.high && got.high <= 1.0, "{got:?}");
    }
}
