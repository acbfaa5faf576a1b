//! Wilson's interval against published values and its own properties.

use steercheck_stats::{Error, Estimate, Method, wilson};

/// Newcombe (1998), table I, method 3: successes, trials, lower and upper 95 % limits to four decimals.
const NEWCOMBE: [(usize, usize, f64, f64); 4] =
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)];

#[test]
fn wilson_gives_newcombes_published_limits() {
    for (successes, n, low, high) in NEWCOMBE {
        let estimate = wilson(successes, n, 0.95).unwrap();
        assert!((estimate.low - low).abs() <= 5e-5, "{successes}/{n}: expected {low}, got {}", estimate.low);
        assert!((estimate.high - high).abs() <= 5e-5, "{successes}/{n}: expected {high}, got {}", estimate.high);
        assert_eq!((estimate.n, estimate.method), (n, Method::Wilson));
    }
}

#[test]
fn limits_solve_the_score_equation() {
    let z = 1.959_963_984_540_054_f64; // 0.975 quantile of the standard normal distribution
    for (successes, n) in [(1, 29), (15, 148), (81, 263), (5000, 10_000)] {
        let Estimate { point, low, high, .. } = wilson(successes, n, 0.95).unwrap();
        for limit in [low, high] {
            let score = (point - limit).abs() / (limit * (1.0 - limit) / n as f64).sqrt();
            assert!((score - z).abs() < 1e-9, "{successes}/{n}: score {score} at {limit}, expected {z}");
        }
    }
}

#[test]
fn interval_is_inside_zero_and_one_contains_the_point_and_mirrors() {
    for n in [1, 2, 3, 7, 100, 1_000_003] {
        for successes in [0, 1, n / 2, n - 1, n] {
            for level in [0.5, 0.95, 1.0 - 1e-12] {
                let one = wilson(successes, n, level).unwrap();
                assert!(0.0 <= one.low && one.low <= one.point && one.point <= one.high && one.high <= 1.0, "{one:?}");
                let mirrored = wilson(n - successes, n, level).unwrap();
                assert!((one.low - (1.0 - mirrored.high)).abs() < 1e-12, "{one:?} and {mirrored:?}");
            }
        }
    }
}

#[test]
fn ends_are_exact_without_successes_or_failures() {
    assert_eq!(wilson(0, 20, 0.95).unwrap().low.to_bits(), 0.0_f64.to_bits());
    assert_eq!(wilson(20, 20, 0.95).unwrap().high.to_bits(), 1.0_f64.to_bits());
}

#[test]
fn questions_without_an_answer_are_errors_and_never_nan() {
    assert_eq!(wilson(0, 0, 0.95), Err(Error::NoObservations));
    assert_eq!(wilson(3, 2, 0.95), Err(Error::TooManySuccesses { successes: 3, n: 2 }));
    for level in [0.0, 1.0, -0.5, 95.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(wilson(1, 2, level), Err(Error::Level(_))), "level {level}");
    }
}

#[test]
fn estimate_is_printed_with_its_interval() {
    let estimate = wilson(81, 100, 0.95).unwrap();
    assert_eq!(estimate.to_string(), "0.81 [0.72, 0.87]");
    assert_eq!(format!("{estimate:.4}"), "0.8100 [0.7222, 0.8749]");
}

#[test]
fn estimate_survives_json() {
    let estimate = wilson(15, 148, 0.95).unwrap();
    let json = serde_json::to_string(&estimate).unwrap();
    assert!(json.contains(r#""method":"wilson""#), "{json}");
    assert_eq!(serde_json::from_str::<Estimate>(&json).unwrap(), estimate);
}
