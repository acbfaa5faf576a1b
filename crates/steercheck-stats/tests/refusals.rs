//! Whatever is asked, the answer is finite or an error that says what to do.

use steercheck_stats::{
    Bootstrap, Error, Estimate, bca, bca_of_means, benjamini_hochberg, gini, holm, isotonic, kendall, mean,
    newcombe_paired, paired_difference, paired_score, quantile, share, slope, spearman, spread, steerability,
    worst_decile,
};

const QUICK: Bootstrap = Bootstrap { resamples: 200, seed: 0, level: 0.95 };

/// Every function of lists, each list replaced by `values`.
fn answers(values: &[f64]) -> Vec<Option<Error>> {
    let rows: Vec<[f64; 2]> = values.iter().map(|v| [1.0, *v]).collect();
    vec![
        mean(values, None, &QUICK).err(),
        bca(values, |v| v[0], &QUICK).err(),
        bca_of_means(&rows, None, |m| m[1], &QUICK).err(),
        paired_difference(values, values, None, &QUICK).err(),
        paired_score(values, values, None, 0.95).err(),
        share(values, None, 0.95).err(),
        gini(values).err(),
        spearman(values, values, 0.95).err(),
        kendall(values, values, 0.95).err(),
        slope(values, values).err(),
        spread(values).err(),
        steerability(values, &[values.to_vec()], &QUICK).err(),
    ]
}

#[test]
fn nothing_observed_is_refused_by_every_function() {
    assert!(answers(&[]).iter().all(|answer| *answer == Some(Error::NoObservations)), "{:?}", answers(&[]));
    assert_eq!(steerability(&[0.0, 1.0], &[], &QUICK), Err(Error::NoObservations));
    assert_eq!(newcombe_paired(0, 0, 0, 0, 0.95), Err(Error::NoObservations));
    assert_eq!((holm(&[]), benjamini_hochberg(&[])), (Err(Error::NoObservations), Err(Error::NoObservations)));
}

#[test]
fn what_is_not_a_finite_number_is_refused_with_its_place() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let values = [0.2, 0.4, bad, 0.1, 0.3, 0.9];
        assert!(answers(&values).iter().all(|answer| *answer == Some(Error::NotFinite { index: 2 })), "{bad}");
    }
}

#[test]
fn values_outside_of_the_bounds_are_refused_where_bounds_are_needed() {
    let (within, outside) = ([0.0, 1.0, 0.5], [0.0, 1.0, 1.5]);
    let expected = Err(Error::OutOfRange { index: 2, value: 1.5, least: 0.0, most: 1.0 });
    assert_eq!(paired_difference(&within, &outside, None, &QUICK), expected);
    assert_eq!(paired_score(&outside, &within, None, 0.95), expected);
    assert_eq!(share(&outside, None, 0.95), expected);
}

#[test]
fn lists_of_different_lengths_are_refused() {
    let expected = Err(Error::Lengths { expected: 2, given: 1 });
    assert_eq!(paired_difference(&[0.0, 1.0], &[0.0], None, &QUICK), expected);
    assert_eq!(paired_score(&[0.0, 1.0], &[0.0], None, 0.95), expected);
    assert_eq!(mean(&[0.0, 1.0], Some(&[1]), &QUICK), expected);
    assert_eq!(spearman(&[0.0, 1.0], &[0.0], 0.95), expected);
    assert_eq!(slope(&[0.0, 1.0], &[0.0]), Err(Error::Lengths { expected: 2, given: 1 }));
}

#[test]
fn settings_without_a_meaning_are_refused_before_anything_is_drawn() {
    for level in [0.0, 1.0, 95.0, -1.0, f64::NAN] {
        assert!(matches!(mean(&[1.0, 2.0], None, &Bootstrap { level, ..QUICK }), Err(Error::Level(_))), "{level}");
        assert!(matches!(paired_score(&[1.0], &[0.0], None, level), Err(Error::Level(_))), "{level}");
        assert!(matches!(newcombe_paired(1, 2, 3, 4, level), Err(Error::Level(_))), "{level}");
    }
    for resamples in [0, 199, usize::MAX] {
        let got = mean(&[1.0, 2.0], None, &Bootstrap { resamples, ..QUICK });
        assert_eq!(got, Err(Error::Resamples { given: resamples, least: 200, most: 10_000_000 }));
    }
}

#[test]
fn correlations_need_enough_items_and_differences_between_them() {
    assert_eq!(spearman(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0], 0.95), Err(Error::TooFew { needed: 4, given: 3 }));
    assert_eq!(kendall(&[1.0; 4], &[1.0; 4], 0.95), Err(Error::TooFew { needed: 5, given: 4 }));
    assert_eq!(spearman(&[1.0; 5], &[1.0, 2.0, 3.0, 4.0, 5.0], 0.95), Err(Error::Constant));
    assert_eq!(kendall(&[1.0, 2.0, 3.0, 4.0, 5.0], &[1.0; 5], 0.95), Err(Error::Constant));
    assert_eq!(slope(&[1.0, 1.0], &[0.0, 1.0]), Err(Error::Constant));
}

#[test]
fn adjusted_p_values_are_only_for_probabilities() {
    for bad in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(holm(&[0.5, bad]), Err(Error::Probability(_))));
        assert!(matches!(benjamini_hochberg(&[bad]), Err(Error::Probability(_))));
    }
}

#[test]
fn statistics_for_the_bootstrap_answer_with_nan_which_it_refuses() {
    assert!(quantile(&[], 0.5).is_nan() && quantile(&[1.0], 1.5).is_nan() && quantile(&[1.0], f64::NAN).is_nan());
    assert!(worst_decile(&[]).is_nan());
    assert_eq!(bca(&[1.0, 2.0], |v| quantile(v, 2.0), &QUICK), Err(Error::Undefined));
    assert!(isotonic(&[1.0, f64::NAN, 0.5])[1].is_nan());
}

#[test]
fn huge_counts_and_values_do_not_overflow() {
    let most = usize::MAX;
    assert!(newcombe_paired(most, most, 1, most, 0.95).is_ok_and(|e| e.low.is_finite() && e.high.is_finite()));
    for values in [[f64::MAX, f64::MAX, -f64::MAX], [f64::MIN_POSITIVE, 0.0, 5e-324]] {
        let got: [Result<Estimate, Error>; 2] = [mean(&values, None, &QUICK), bca(&values, |v| v[0], &QUICK)];
        assert!(got.iter().flatten().all(|e| e.low.is_finite() && e.high.is_finite()), "{got:?}");
        assert!(spread(&values).is_ok_and(|s| s.sd.is_finite()) || spread(&values) == Err(Error::Undefined));
        assert!(slope(&[0.0, 1.0, 2.0], &values).map_or_else(|e| e == Error::Undefined, f64::is_finite));
    }
}

#[test]
fn recorded_estimates_with_unknown_fields_are_refused() {
    let json = r#"{"point":0.5,"low":0.4,"high":0.6,"level":0.95,"n":10,"method":"no_spread"}"#;
    assert!(serde_json::from_str::<Estimate>(json).is_ok());
    assert!(serde_json::from_str::<Estimate>(&json.replace("\"n\"", "\"p\":1,\"n\"")).is_err());
}
