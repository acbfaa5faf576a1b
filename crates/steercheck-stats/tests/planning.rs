//! Power, detectable effects and numbers of items.

use proptest::prelude::*;
use steercheck_stats::{Error, items_needed, mcnemar, mcnemar_power, minimum_detectable_effect, power};

#[test]
fn textbook_factor_of_2_8_standard_errors_comes_out() {
    // 1.95996 + 0.84162 at a level of 5 % and a power of 80 %.
    let effect = minimum_detectable_effect(1.0, 1, 0.05, 0.8).unwrap();
    assert!((effect - 2.801_585).abs() < 1e-6, "{effect}");
    // Ten points of a paired difference with a standard deviation of 0.5.
    assert_eq!(items_needed(0.1, 0.5, 0.05, 0.8), Ok(197));
    assert_eq!(items_needed(-0.1, 0.5, 0.05, 0.8), Ok(197));
}

#[test]
fn ends_of_the_scale_have_answers_or_errors_and_never_nan() {
    assert_eq!(items_needed(0.0, 0.5, 0.05, 0.8), Err(Error::Effect(0.0)));
    assert_eq!(items_needed(0.3, 0.0, 0.05, 0.8), Ok(1));
    assert_eq!(items_needed(1e-300, 1.0, 0.05, 0.8), Ok(usize::MAX));
    assert_eq!(power(0.1, 0.0, 5, 0.05), Ok(1.0));
    assert_eq!(power(0.0, 0.0, 5, 0.05), Ok(0.05));
    assert_eq!(minimum_detectable_effect(0.0, 5, 0.05, 0.8), Ok(0.0));
    assert_eq!(minimum_detectable_effect(1.0, 0, 0.05, 0.8), Err(Error::NoObservations));
    assert_eq!(minimum_detectable_effect(1.0, 9, 0.05, 0.05), Err(Error::Power { power: 0.05, alpha: 0.05 }));
    assert_eq!(mcnemar_power(0.0, 0.0, 50, 0.05), Ok(0.0));
    assert_eq!(mcnemar_power(0.2, 0.1, 50, 0.05), Err(Error::Gain { gain: 0.2, discordant: 0.1 }));
    assert!(matches!(mcnemar_power(0.1, 0.2, 1_000_000, 0.05), Err(Error::TooLarge { .. })));
    for bad in [f64::NAN, f64::INFINITY, -0.1] {
        assert!(matches!(minimum_detectable_effect(bad, 9, 0.05, 0.8), Err(Error::Sd(_))));
        assert!(matches!(power(0.1, 1.0, 9, bad), Err(Error::Alpha(_))));
        assert!(items_needed(0.1, 1.0, 0.05, bad).is_err() && mcnemar_power(0.1, bad, 9, 0.05).is_err());
    }
}

#[test]
fn gain_on_every_item_is_certain_to_show_from_six_items_on() {
    // 2·2⁻⁵ is above 5 %, 2·2⁻⁶ below.
    assert!(mcnemar(5, 0) > 0.05 && mcnemar(6, 0) < 0.05);
    assert_eq!(mcnemar_power(1.0, 1.0, 5, 0.05), Ok(0.0));
    assert!((mcnemar_power(1.0, 1.0, 6, 0.05).unwrap() - 1.0).abs() < 1e-12);
    assert!((mcnemar_power(-1.0, 1.0, 6, 0.05).unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn power_of_the_exact_test_approaches_the_normal_one() {
    // Standard deviation of a difference of −1, 0 or 1: √(discordant − gain²).
    let (gain, discordant) = (0.03, 0.2_f64);
    let exact = mcnemar_power(gain, discordant, 2000, 0.05).unwrap();
    let normal = power(gain, (discordant - gain * gain).sqrt(), 2000, 0.05).unwrap();
    assert!((exact - normal).abs() < 0.02, "{exact} and {normal}");
}

proptest! {
    #[test]
    fn items_needed_show_the_effect_and_one_less_does_not(
        effect in 0.01..1.0, sd in 0.1..1.0, alpha in 0.001..0.2, wanted in 0.3..0.99,
    ) {
        let n = items_needed(effect, sd, alpha, wanted).unwrap();
        prop_assert!(minimum_detectable_effect(sd, n, alpha, wanted).unwrap() <= effect * (1.0 + 1e-9));
        prop_assert!(n == 1 || minimum_detectable_effect(sd, n - 1, alpha, wanted).unwrap() > effect);
        prop_assert!(power(effect, sd, n, alpha).unwrap() >= wanted - 1e-9);
    }

    #[test]
    fn exact_test_never_errs_more_often_than_its_level(discordant in 0.0..=1.0, n in 1_usize..150, alpha in 0.001..0.2) {
        prop_assert!(mcnemar_power(0.0, discordant, n, alpha).unwrap() <= alpha);
    }

    #[test]
    fn power_of_the_exact_test_is_a_probability_and_the_same_in_both_directions(
        discordant in 0.0..=1.0, share in 0.0..=1.0, n in 1_usize..150,
    ) {
        let gain: f64 = discordant * share;
        let [one, other] = [gain, -gain].map(|gain| mcnemar_power(gain, discordant, n, 0.05).unwrap());
        prop_assert!((0.0..=1.0).contains(&one) && (one - other).abs() < 1e-9);
    }
}
