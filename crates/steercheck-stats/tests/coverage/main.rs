//! The intervals of a paired difference hold the truth as often as they say, and the paired tests err no more often
//! than they say. `examples/coverage.rs` prints the same for more methods and sizes.

mod outcomes;

use outcomes::{EXTREME, REALISTIC, arms, draw, holds, limits_of_all};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use steercheck_stats::{Bootstrap, holm, mcnemar_power, paired_difference, paired_score, sign_flip};

/// Where less than this many pairs are expected to differ, the outcomes are so few that every interval which never
/// falls short holds the truth more often than it says.
const ENOUGH_DIFFER: f64 = 4.0;

#[test]
fn score_intervals_of_one_seed_hold_the_truth_in_93_to_97_percent_where_enough_pairs_differ_and_never_fall_short() {
    for n in [48, 50, 100] {
        let limits = limits_of_all(n, |a, b| paired_score(a, b, None, 0.95).unwrap());
        for scenario in REALISTIC.iter().chain(&EXTREME) {
            let covered = scenario.covered(n, &limits);
            assert!(covered >= 0.93, "{} with n = {n}: {covered:.4}", scenario.name);
            if n as f64 * scenario.discordant() >= ENOUGH_DIFFER {
                assert!(covered <= 0.97, "{} with n = {n}: {covered:.4}", scenario.name);
            }
        }
    }
}

#[test]
fn score_intervals_of_three_seeds_hold_the_truth_in_93_to_97_percent_and_more_only_where_few_items_differ() {
    // Twice as many in the example; the simulation's standard error is half a point here.
    const REPLICATES: usize = 2000;
    for scenario in REALISTIC {
        let law = scenario.over_three_seeds(0.6);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let covered = (0..REPLICATES)
            .filter(|_| {
                let (a, b) = arms(&draw(&mut rng, &law, 100));
                holds(&paired_score(&a, &b, None, 0.95).unwrap(), scenario.gain())
            })
            .count() as f64
            / REPLICATES as f64;
        assert!(covered >= 0.93, "{}: {covered:.4}", scenario.name);
        if 100.0 * scenario.discordant() >= 2.0 * ENOUGH_DIFFER {
            assert!(covered <= 0.97, "{}: {covered:.4}", scenario.name);
        }
    }
}

#[test]
fn newcombes_intervals_never_fall_short_and_hold_the_truth_too_often_where_few_pairs_differ() {
    for scenario in REALISTIC.iter().chain(&EXTREME) {
        let covered = scenario.covered_by_newcombe(50);
        assert!(covered >= 0.94, "{}: {covered:.4}", scenario.name);
        if 50.0 * scenario.discordant() >= 10.0 {
            assert!(covered <= 0.97, "{}: {covered:.4}", scenario.name);
        }
    }
}

#[test]
fn bootstrap_intervals_hold_the_truth_in_93_to_97_percent_where_many_pairs_differ_and_fall_short_elsewhere() {
    let limits = limits_of_all(100, |a, b| paired_difference(a, b, None, &Bootstrap::default()).unwrap());
    for scenario in REALISTIC {
        let covered = scenario.covered(100, &limits);
        if 100.0 * scenario.discordant() >= 10.0 {
            assert!((0.93..=0.97).contains(&covered), "{}: {covered:.4}", scenario.name);
        } else {
            // What is known of the method, and why the score interval is recommended: should this fail, the advice
            // changes.
            assert!((0.89..0.93).contains(&covered), "{}: {covered:.4}", scenario.name);
        }
    }
}

#[test]
fn tests_of_arms_without_a_difference_reject_no_more_often_than_they_say_alone_and_after_holm() {
    const FAMILIES: usize = 4000;
    // Three standard errors of a share of 5 % in this many families.
    let most = 0.05 + 3.0 * (0.05 * 0.95 / FAMILIES as f64).sqrt();
    for scenario in REALISTIC.iter().chain(&EXTREME).filter(|s| s.gain() == 0.0) {
        let law = scenario.over_three_seeds(0.6);
        for n in [48, 100] {
            let exact = mcnemar_power(0.0, scenario.discordant(), n, 0.05).unwrap();
            assert!(exact <= 0.05, "{} with n = {n}: McNemar {exact}", scenario.name);
            let mut rng = ChaCha8Rng::seed_from_u64(2);
            let (mut alone, mut family) = (0, 0);
            for _ in 0..FAMILIES {
                let p: Vec<f64> = (0..4).map(|_| sign_flip(&draw(&mut rng, &law, n)).unwrap()).collect();
                alone += usize::from(p[0] <= 0.05);
                family += usize::from(holm(&p).unwrap().iter().any(|p| *p <= 0.05));
            }
            let (alone, family) = (alone as f64 / FAMILIES as f64, family as f64 / FAMILIES as f64);
            assert!(alone <= most && family <= most, "{} with n = {n}: {alone}, {family}", scenario.name);
        }
    }
}
