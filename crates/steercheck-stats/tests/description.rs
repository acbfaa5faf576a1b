//! Doses, rankings, concentration and spread.

use proptest::prelude::*;
use steercheck_stats::{Bootstrap, Error, Method, gini, isotonic, kendall, slope, spearman, spread, steerability};

const DOSES: [f64; 5] = [-2.0, -1.0, 0.0, 1.0, 2.0];

#[test]
fn steerability_tells_slopes_their_mean_and_the_share_that_goes_the_other_way() {
    let items: Vec<Vec<f64>> = (0..20).map(|i| DOSES.map(|d| 0.5 + d * (f64::from(i) - 4.0) / 10.0).to_vec()).collect();
    let got = steerability(&DOSES, &items, &Bootstrap::default()).unwrap();
    assert_eq!(got.slopes.len(), 20);
    assert!((got.slopes[0] + 0.4).abs() < 1e-12 && (got.mean.point - 0.55).abs() < 1e-12);
    // Slopes of −0.4 to −0.1 are below 0, the flat one is not.
    assert!((got.anti_steerable.point - 0.2).abs() < 1e-12);
    assert_eq!((got.mean.method, got.anti_steerable.method), (Method::Bca, Method::Wilson));
    let json = serde_json::to_string(&got).unwrap();
    assert_eq!(serde_json::from_str::<steercheck_stats::Steerability>(&json).unwrap().slopes.len(), 20);
}

#[test]
fn flat_response_has_no_sign_whatever_its_height_or_the_doses() {
    for height in [0.1, 0.3, 1.0 / 3.0, 1e9] {
        for doses in [&DOSES[..], &[0.1, 0.2, 0.4, 0.7], &[0.0, 0.3, 0.9]] {
            assert_eq!(slope(doses, &vec![height; doses.len()]).map(f64::to_bits), Ok(0.0_f64.to_bits()));
        }
    }
    // Up and down by the same amount: 0 but for rounding, and therefore 0.
    assert_eq!(slope(&DOSES, &[0.3, 0.1, 0.7, 0.1, 0.3]).map(f64::to_bits), Ok(0.0_f64.to_bits()));
}

#[test]
fn worked_example_of_pooled_neighbours_comes_out() {
    assert_eq!(isotonic(&[1.0, 3.0, 2.0, 4.0, 3.5, 3.0]), [1.0, 2.5, 2.5, 3.5, 3.5, 3.5]);
    assert_eq!(isotonic(&[]), Vec::<f64>::new());
}

#[test]
fn perfect_agreement_of_few_items_leaves_room_below_one() {
    let x = [1.0, 2.0, 3.0, 4.0, 5.0];
    for got in [spearman(&x, &x, 0.95).unwrap(), kendall(&x, &x, 0.95).unwrap()] {
        assert!(got.point > 1.0 - 1e-15 && got.high > 1.0 - 1e-15 && got.low < 0.9, "{got}");
    }
    let opposite = spearman(&x, &[5.0, 4.0, 3.0, 2.0, 1.0], 0.95).unwrap();
    assert!(opposite.point < -1.0 + 1e-15 && opposite.high > -0.9, "{opposite}");
}

#[test]
fn spread_of_seeds_is_range_and_standard_deviation() {
    let got = spread(&[0.4, 0.5, 0.6]).unwrap();
    assert!((got.sd - 0.1).abs() < 1e-12 && got.n == 3, "{got:?}");
    assert_eq!((got.least.to_bits(), got.most.to_bits()), (0.4_f64.to_bits(), 0.6_f64.to_bits()));
    assert_eq!(spread(&[0.1; 3]).unwrap().sd.to_bits(), 0.0_f64.to_bits());
    assert_eq!(spread(&[0.7]).unwrap().sd.to_bits(), 0.0_f64.to_bits());
    let json = r#"{"least":0.0,"most":1.0,"sd":0.5,"n":2,"mean":0.5}"#;
    assert!(serde_json::from_str::<steercheck_stats::Spread>(json).is_err(), "unknown fields are refused");
}

#[test]
fn concentration_runs_from_equal_shares_to_one_head() {
    assert!(gini(&[0.2; 7]).unwrap().abs() < 1e-15);
    assert!((gini(&[0.0, 0.0, 0.0, 5.0]).unwrap() - 0.75).abs() < 1e-15);
    assert!(gini(&[f64::MAX, f64::MAX]).unwrap().abs() < 1e-15);
    assert_eq!(gini(&[0.0, 0.0]), Err(Error::ZeroTotal));
    assert!(matches!(gini(&[1.0, -1e-9]), Err(Error::OutOfRange { index: 1, .. })));
}

proptest! {
    #[test]
    fn isotonic_fit_rises_keeps_the_mean_and_is_its_own_fit(values in proptest::collection::vec(-9.0_f64..9.0, 1..60)) {
        let fit = isotonic(&values);
        prop_assert!(fit.windows(2).all(|w| w[0] <= w[1]));
        prop_assert!((fit.iter().sum::<f64>() - values.iter().sum::<f64>()).abs() < 1e-9);
        prop_assert_eq!(isotonic(&fit), fit);
    }

    #[test]
    fn rank_correlations_see_only_ranks_and_contain_their_point(
        pairs in proptest::collection::vec((-20_i32..20, -20_i32..20), 5..60),
        level in 0.5..0.999,
    ) {
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().map(|(x, y)| (f64::from(*x), f64::from(*y))).unzip();
        let stretched: Vec<f64> = x.iter().map(|x| (x / 5.0).exp()).collect();
        for correlation in [spearman, kendall] {
            let [plain, other, swapped] = [(&x, &y), (&stretched, &y), (&y, &x)].map(|(x, y)| correlation(x, y, level));
            prop_assert_eq!(plain, other);
            if let (Ok(plain), Ok(swapped)) = (plain, swapped) {
                prop_assert!((plain.point - swapped.point).abs() < 1e-12);
                prop_assert!(-1.0 <= plain.low && plain.low <= plain.point && plain.point <= plain.high && plain.high <= 1.0);
                prop_assert!(plain.high > plain.low);
            }
        }
    }

    #[test]
    fn concentration_ignores_order_and_scale(values in proptest::collection::vec(0.0_f64..9.0, 1..40), scale in 0.1..50.0) {
        let changed: Vec<f64> = values.iter().rev().map(|v| v * scale).collect();
        if let (Ok(one), Ok(other)) = (gini(&values), gini(&changed)) {
            prop_assert!((one - other).abs() < 1e-9 && (0.0..1.0).contains(&one));
        }
    }
}
