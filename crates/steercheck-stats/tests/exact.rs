//! Exact tests and adjusted p-values: published examples, and what must hold for all outcomes.

use proptest::prelude::*;
use steercheck_stats::{Error, benjamini_hochberg, holm, mcnemar, sign_flip, sign_test};

#[test]
fn published_mcnemar_tests_come_out() {
    // Fagerland, Lydersen and Laake (2014): complete response 6 against 16, airway reactivity 1 against 7.
    assert!((mcnemar(6, 16) - 0.052_479).abs() < 5e-7);
    assert!((mcnemar(1, 7) - 0.0703).abs() < 5e-5);
    // A. Agresti, Categorical Data Analysis, approval ratings: 150 against 86, z² = 17.36, P below 0.0001.
    assert!((1e-5..1e-4).contains(&mcnemar(150, 86)));
}

#[test]
fn tests_without_evidence_have_a_p_value_of_one() {
    assert!((mcnemar(0, 0) - 1.0).abs() < 1e-15 && (mcnemar(12, 12) - 1.0).abs() < 1e-15);
    assert!((mcnemar(12, 11) - 1.0).abs() < 1e-12);
    for differences in [&[0, 0][..], &[3, -3], &[1, 2, -3]] {
        assert!((sign_flip(differences).unwrap() - 1.0).abs() < 1e-15, "{differences:?}");
    }
}

#[test]
fn p_values_of_many_items_are_small_but_never_zero() {
    for p in [mcnemar(4000, 0), sign_flip(&vec![1; 4000]).unwrap(), mcnemar(usize::MAX, 0), sign_test(0, 1_000_000_000)]
    {
        assert!(p > 0.0 && p < 1e-300, "{p}");
    }
    // 2·2⁻³⁰ to the last bits.
    assert!((mcnemar(30, 0) / 2.0_f64.powi(-29) - 1.0).abs() < 1e-12);
}

#[test]
fn distribution_that_would_take_too_long_is_refused_and_a_common_unit_divided_out() {
    let large: Vec<i64> = (1..=2000).map(|i| 10_000 * i + 1).collect();
    assert!(matches!(sign_flip(&large), Err(Error::TooLarge { .. })));
    let unit: Vec<i64> = (1..=20).map(|i| 1_000_000_000_000 * i).collect();
    let small: Vec<i64> = (1..=20).collect();
    assert_eq!(sign_flip(&unit), sign_flip(&small));
    assert!(sign_flip(&[i64::MIN, i64::MIN]).is_ok() && sign_flip(&[i64::MAX, i64::MIN]).is_err());
    assert_eq!(sign_flip(&[]), Err(Error::NoObservations));
}

proptest! {
    #[test]
    fn sign_flip_of_single_outcomes_is_mcnemar(plus in 0_usize..200, minus in 0_usize..200, ties in 1_usize..50) {
        let differences = [vec![1; plus], vec![-1; minus], vec![0; ties]].concat();
        let (flipped, exact) = (sign_flip(&differences).unwrap(), mcnemar(plus, minus));
        prop_assert!((flipped / exact - 1.0).abs() < 1e-10, "{flipped} and {exact}");
    }

    #[test]
    fn sign_flip_counts_the_assignments_of_signs(differences in proptest::collection::vec(-4_i64..=4, 1..12)) {
        let observed = differences.iter().sum::<i64>().abs();
        let signed = |signs: u32, i: usize| if signs >> i & 1 == 1 { -differences[i] } else { differences[i] };
        let sum = |signs: u32| (0..differences.len()).map(|i| signed(signs, i)).sum::<i64>();
        let assignments = 1_u32 << differences.len();
        let extreme = (0..assignments).filter(|signs| sum(*signs).abs() >= observed).count();
        let expected = extreme as f64 / f64::from(assignments);
        prop_assert!((sign_flip(&differences).unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn neither_order_nor_direction_nor_unit_matters(
        differences in proptest::collection::vec(-9_i64..=9, 1..60), unit in 1_i64..50,
    ) {
        let changed: Vec<i64> = differences.iter().rev().map(|d| -d * unit).collect();
        prop_assert_eq!(sign_flip(&differences), sign_flip(&changed));
        prop_assert!(sign_flip(&differences).is_ok_and(|p| p > 0.0 && p <= 1.0));
    }

    #[test]
    fn further_from_equal_is_less_likely(pairs in 1_usize..300, fewer in 0_usize..150) {
        prop_assume!(2 * fewer + 2 <= pairs);
        let (one, next) = (mcnemar(fewer, pairs - fewer), mcnemar(fewer + 1, pairs - fewer - 1));
        prop_assert!(one <= next && one > 0.0 && next <= 1.0, "{one} {next}");
        prop_assert_eq!(one.to_bits(), mcnemar(pairs - fewer, fewer).to_bits());
    }

    #[test]
    fn holm_is_above_benjamini_hochberg_is_above_p_in_the_order_of_p(p in proptest::collection::vec(0.0_f64..=1.0, 1..40)) {
        let (strict, lenient) = (holm(&p).unwrap(), benjamini_hochberg(&p).unwrap());
        for i in 0..p.len() {
            prop_assert!(1.0 >= strict[i] && strict[i] >= lenient[i] - 1e-15 && lenient[i] >= p[i]);
            for j in 0..p.len() {
                prop_assert!(p[i] > p[j] || (strict[i] <= strict[j] && lenient[i] <= lenient[j]));
            }
        }
        // The smallest one is multiplied by the size of the family.
        let least = p.iter().copied().fold(1.0, f64::min);
        let adjusted = strict.iter().copied().fold(1.0, f64::min);
        prop_assert!((adjusted - (p.len() as f64 * least).min(1.0)).abs() < 1e-12);
    }

    #[test]
    fn order_of_a_family_does_not_matter(p in proptest::collection::vec(0.0_f64..=1.0, 1..40)) {
        let turned: Vec<f64> = p.iter().rev().copied().collect();
        for adjust in [holm, benjamini_hochberg] {
            let mut other = adjust(&turned).unwrap();
            other.reverse();
            prop_assert_eq!(adjust(&p).unwrap(), other);
        }
    }
}
